"""Types: whatever is public says what it takes and returns, and type checkers see it.

mypy reads this file too ([tool.mypy] in pyproject.toml), as a program of a user.
"""

import ast
import functools
import importlib
import inspect
import pkgutil
from importlib.resources import files
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import skrouter
from skrouter import datasets
from skrouter.baselines import LinearRouter
from skrouter.nn import kl_loss


def public_objects() -> dict[str, Any]:
    """Every public class and function by the first name under which it is public."""
    modules = ["skrouter"] + [
        f"skrouter.{module.name}"
        for module in pkgutil.iter_modules(skrouter.__path__)
        if not module.name.startswith("_")
    ]
    found: dict[int, tuple[str, Any]] = {}
    for module_name in modules:
        module = importlib.import_module(module_name)
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isclass(thing) or inspect.isroutine(thing):
                found.setdefault(id(thing), (f"{module_name}.{name}", thing))
    return dict(found.values())


def function_of(attribute: Any) -> Any:
    """The function in a method, property or other descriptor; None where there is none."""
    if isinstance(attribute, property):
        return attribute.fget
    if isinstance(attribute, functools.cached_property):
        return attribute.func
    if isinstance(attribute, classmethod | staticmethod):
        return attribute.__func__
    # What scikit-learn's available_if makes of a method.
    attribute = getattr(attribute, "fn", attribute)
    return attribute if inspect.isfunction(attribute) else None


def public_functions() -> dict[str, Any]:
    """Every public function, and each method of public classes that skrouter itself defines."""
    functions = {}
    for name, thing in public_objects().items():
        if not inspect.isclass(thing):
            functions[name] = thing
            continue
        for owner in reversed(thing.__mro__):
            if not owner.__module__.startswith("skrouter"):
                continue
            for attribute, value in vars(owner).items():
                function = function_of(value)
                if function is not None and (
                    not attribute.startswith("_") or attribute in ("__init__", "__call__")
                ):
                    functions[f"{name}.{attribute}"] = function
    return functions


FUNCTIONS = public_functions()


def without_annotation(function: Any) -> list[str]:
    """The parameters, and "return", that a function does not annotate."""
    signature = inspect.signature(function)
    missing = [
        name
        for position, (name, parameter) in enumerate(signature.parameters.items())
        if parameter.annotation is parameter.empty
        and not (position == 0 and name in ("self", "cls"))
    ]
    returns = signature.return_annotation is not signature.empty
    return missing + ["return"] * (not returns)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_public_functions_are_annotated(name: str) -> None:
    assert without_annotation(FUNCTIONS[name]) == []


def test_what_lacks_an_annotation_is_seen() -> None:
    def some(a: int, b, *rest, c: int = 0, **more: int):  # type: ignore[no-untyped-def]
        pass

    assert without_annotation(some) == ["b", "rest", "return"]


def test_functions_are_found() -> None:
    assert len(FUNCTIONS) > 150
    for name in (
        "skrouter.RadialRouterClassifier.__init__",
        "skrouter.RadialRouterClassifier.predict",  # inherited
        "skrouter.RadialRouterClassifier.predict_outcomes",  # offered under a condition
        "skrouter.datasets.make_routing_problem",  # decorated
        "skrouter.nn.RadialFormer.forward",
    ):
        assert name in FUNCTIONS


def test_the_package_says_that_it_is_typed() -> None:
    assert files("skrouter").joinpath("py.typed").is_file()


def test_type_checkers_see_every_public_name() -> None:
    """Names that are imported when first used are listed a second time, for type checkers."""
    tree = ast.parse(Path(skrouter.__file__).read_text(encoding="utf-8"))
    (block,) = (
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    seen = {}
    for statement in block.body:
        assert isinstance(statement, ast.ImportFrom)
        for alias in statement.names:
            home = statement.module
            seen[alias.name] = f"skrouter.{alias.name}" if home == "skrouter" else home
    assert seen == skrouter._HOME  # type: ignore[attr-defined, unused-ignore]
    assert set(skrouter.__all__) <= set(seen)


def test_a_program_of_a_user_keeps_its_types() -> None:
    """mypy fails where a type is not what it says; at run time only the values count."""
    queries, target = datasets.make_routing_problem(20, return_X_y=True, random_state=0)
    assert_type(target, NDArray[np.float64])
    assert target.shape == (len(queries), 6, 2)
    router = LinearRouter().fit(np.eye(20), target)
    assert_type(router, LinearRouter)
    assert router.predict(np.eye(20)).shape == (20,)
    losses = kl_loss(torch.zeros(2, 3), torch.zeros(2, 3), 1.0, "forward")
    assert_type(losses, torch.Tensor)
    assert losses.tolist() == [0.0, 0.0]
