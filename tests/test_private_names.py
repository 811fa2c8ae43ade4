"""The private parts of scikit-learn that skrouter uses, each by name.

A release may move them without notice: then these tests say which. That is why setup.cfg keeps
scikit-learn below the first release that nobody has run them with.
"""

import ast
import configparser
import importlib
from pathlib import Path

import pytest
import sklearn
from packaging.requirements import Requirement
from packaging.version import Version
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin

ROOT = Path(__file__).parents[1]

# What is imported: the module, and the names in it.
IMPORTED = {
    # scikit-learn's own checks and messages of parameters, as in each of its estimators
    "sklearn.utils": {"_param_validation", "_safe_indexing"},
    "sklearn.utils._param_validation": {
        "HasMethods",
        "Interval",
        "StrOptions",
        "validate_parameter_constraints",
        "validate_params",
    },
    # NaN, None and pandas' NA in columns of objects, also without pandas
    "sklearn.utils._missing": {"is_pandas_na", "is_scalar_nan"},
    "sklearn.utils.validation": {"_check_sample_weight", "_num_samples"},
    # parameters of named members, and the picture of them, as in scikit-learn's own ensembles
    "sklearn.utils.metaestimators": {"_BaseComposition"},
    "sklearn.utils._repr_html.estimator": {"_VisualBlock"},
}
# What is called on an object: where it comes from.
CALLED = {
    "_validate_params": "sklearn.base.BaseEstimator",
    "_init_callback_context": "sklearn.callback.CallbackSupportMixin",
    "_get_params": "sklearn.utils.metaestimators._BaseComposition",
    "_set_params": "sklearn.utils.metaestimators._BaseComposition",
    "_validate_names": "sklearn.utils.metaestimators._BaseComposition",
}
# What those calls leave on the object.
LEFT = {"_callback_fit_ctx"}
# Documented, in spite of their name; `_meta` is part of the protocol of Dask's collections, and
# `_run_exitfuncs` of atexit, as old as Python 3.0.
NOT_PRIVATE = {"_asdict", "_fields", "_replace", "_SubParsersAction", "_exit", "_meta"}
NOT_PRIVATE |= {"_run_exitfuncs"}


def is_private(name):
    return any(part.startswith("_") and not part.startswith("__") for part in name.split("."))


def trees():
    return [ast.parse(path.read_text("utf-8")) for path in (ROOT / "skrouter").rglob("*.py")]


def imported():
    """Private modules and names of other packages that the package imports."""
    found = {}
    for node in (node for tree in trees() for node in ast.walk(tree)):
        if isinstance(node, ast.Import):
            pairs = [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            pairs = [(node.module, alias.name) for alias in node.names]
        else:
            continue
        for module, name in pairs:
            own = module.split(".")[0] in ("skrouter", "__future__")
            if not own and (is_private(module) or is_private(name or "")):
                found.setdefault(module, set()).add(name)
    return found


def called():
    """Private attributes that nothing in the package defines."""
    defined, used = set(), set()
    for node in (node for tree in trees() for node in ast.walk(tree)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.Name):
            defined.add(node.id)
        elif isinstance(node, ast.Attribute):
            (used if isinstance(node.ctx, ast.Load) else defined).add(node.attr)
    return {name for name in used - defined if is_private(name)}


def test_all_that_is_imported_is_listed():
    found = imported()
    assert found.keys() <= IMPORTED.keys()
    for module, names in found.items():
        assert names <= IMPORTED[module], module


def test_all_that_is_called_is_listed():
    assert called() - NOT_PRIVATE == CALLED.keys() | LEFT


@pytest.mark.parametrize(
    ("module", "name"),
    [(module, name) for module, names in IMPORTED.items() for name in sorted(names)],
)
def test_what_is_imported_is_there(module, name):
    try:
        there = hasattr(importlib.import_module(module), name)
    except ModuleNotFoundError:
        there = False
    assert there, f"scikit-learn {sklearn.__version__} has no {module}.{name}, which skrouter uses"


@pytest.mark.parametrize(("name", "owner"), CALLED.items())
def test_what_is_called_is_there(name, owner):
    module, _, last = owner.rpartition(".")
    there = hasattr(getattr(importlib.import_module(module), last), name)
    assert there, f"scikit-learn {sklearn.__version__} has no {owner}.{name}, which skrouter uses"


def test_what_the_calls_leave_is_there():
    class Some(CallbackSupportMixin, BaseEstimator):
        pass

    some = Some()
    context = some._init_callback_context(max_subtasks=1)
    assert some._callback_fit_ctx is context


def test_a_release_that_was_not_tried_is_not_installed():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    wanted = map(Requirement, config["options"]["install_requires"].split())
    (allowed,) = (part.specifier for part in wanted if part.name == "scikit-learn")
    tried = Version(sklearn.__version__)
    assert tried in allowed
    assert f"{tried.major}.{tried.minor + 1}" not in allowed
