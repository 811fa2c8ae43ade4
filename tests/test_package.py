"""The package as a whole: what an import costs, which names are public, what it depends on."""

import ast
import configparser
import importlib
import importlib.metadata
import inspect
import json
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import skrouter

ROOT = Path(__file__).parents[1]

PUBLIC_MODULES = ["skrouter"] + [
    f"skrouter.{module.name}"
    for module in pkgutil.iter_modules(skrouter.__path__)
    if not module.name.startswith("_")
]
INTEGRATIONS = ("dask", "litellm", "mlflow", "parquet")
PUBLIC_MODULES += [f"skrouter.integrations.{name}" for name in INTEGRATIONS]


def run_python(code):
    """Run code in a fresh interpreter and return what it printed, as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def listed_in_api_reference():
    """The full names in the autosummary tables of docs/api/."""
    names, module, in_table = set(), None, False
    pages = sorted((ROOT / "docs" / "api").glob("*.rst"))
    for line in "\n".join(page.read_text(encoding="utf-8") for page in pages).splitlines():
        if match := re.fullmatch(r"\.\. currentmodule:: (\S+)", line):
            module = match[1]
        elif line.startswith(".. autosummary::"):
            in_table = True
        elif line and not line.startswith(" "):
            in_table = False
        elif in_table and (match := re.fullmatch(r"   ([A-Za-z_][\w.]*)", line)):
            names.add(f"{module}.{match[1]}")
    return names


def test_import_leaves_heavy_and_optional_packages_out():
    heavy = [
        "torch",
        "transformers",
        "sentence_transformers",
        "huggingface_hub",
        "pandas",
        "pyarrow",
        "matplotlib",
    ]
    loaded = run_python(
        "import sys, json, skrouter\n"
        f"print(json.dumps([name for name in {heavy!r} if name in sys.modules]))"
    )
    assert loaded == []


def test_dir_lists_public_names_before_they_are_used():
    listed = run_python("import json, skrouter; print(json.dumps(dir(skrouter)))")
    assert set(skrouter.__all__) <= set(listed)


@pytest.mark.parametrize("module_name", PUBLIC_MODULES)
def test_public_names_resolve(module_name):
    module = importlib.import_module(module_name)
    assert module.__all__
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_router"):
        skrouter.no_such_router  # noqa: B018


def test_public_names_are_in_api_reference():
    public = set()
    for module_name in PUBLIC_MODULES:
        module = importlib.import_module(module_name)
        public |= {
            f"{module_name}.{name}"
            for name in module.__all__
            if inspect.isclass(getattr(module, name)) or inspect.isroutine(getattr(module, name))
            # What is public at the top is listed there, not again where it lives.
            if module is skrouter or name not in skrouter.__all__
        }
    listed = listed_in_api_reference()
    assert public - listed == set(), "public, but missing from docs/api/"
    assert listed - public == set(), "in docs/api/, but not public"


def test_version_can_be_read_without_an_import():
    # setup.cfg's "attr:" imports the package in a bare build environment unless it is a literal.
    tree = ast.parse((ROOT / "skrouter" / "__init__.py").read_text(encoding="utf-8"))
    values = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "__version__"
    ]
    assert values == [skrouter.__version__]


def test_version_matches_the_installed_one_and_the_changelog():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## \[(\d[^\]]*)\]", changelog, re.MULTILINE)[1] == skrouter.__version__
    try:
        installed = importlib.metadata.version("skrouter")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("skrouter is imported from its folder, not installed")
    assert installed == skrouter.__version__


def test_the_citation_has_the_version():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (\S+)$", text, re.MULTILINE)[1] == skrouter.__version__


def test_workflows_call_what_can_be_run_here():
    """Each session that a workflow asks nox for is one of noxfile.py; the rest is .ci/run."""
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    asked = {name.partition("-")[0] for name in re.findall(r"\{session: ([\w.-]+)", text)}
    tree = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    sessions = {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.decorator_list
    }
    assert asked and asked <= sessions
    assert "run: bash .ci/run" in text


def test_it_is_found_from_the_folder_above_a_clone(tmp_path):
    """A clone is named "skrouter", as the package in it: Python takes it for a namespace package.

    An editable install that is an import hook is asked later, and not found. A path is found.
    """
    try:
        importlib.metadata.version("skrouter")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("skrouter is imported from its folder, not installed")
    (tmp_path / "skrouter" / "skrouter").mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-c", "import skrouter; print(skrouter.__version__)"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.strip() == skrouter.__version__, done.stderr


def requirements():
    """What setup.cfg asks for: the required dependencies, and those of each extra."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    texts = {"": config["options"]["install_requires"], **config["options.extras_require"]}
    return {
        extra: [
            requirement
            for requirement in map(Requirement, text.strip().splitlines())
            if requirement.name != "skrouter"
        ]
        for extra, text in texts.items()
    }


def pins(name):
    """The one version of each package in a file of constraints."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    pinned = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(package): Version(version) for package, version in pinned}


def test_constraints_are_of_what_is_asked_for():
    for extra, wanted in requirements().items():
        # These ask for older versions of some packages than the others run with.
        apart = extra in ("litellm", "mlflow")
        newest = pins(f"constraints-{extra}.txt" if apart else "constraints.txt")
        for requirement in wanted:
            assert newest[canonicalize_name(requirement.name)] in requirement.specifier


def test_the_extras_are_documented():
    """Each that is for users, in the table of the page that the others refer to."""
    page = (ROOT / "docs" / "getting_started.rst").read_text(encoding="utf-8")
    listed = set(re.findall(r"^``(\w+)`` ", page, re.MULTILINE))
    assert listed == requirements().keys() - {"", "test", "docs", "dev"}


def test_floors_are_the_versions_that_are_tested():
    """Every floor that a user can meet is what constraints-oldest.txt has the suite run with."""
    oldest = pins("constraints-oldest.txt")
    for extra in requirements().keys() - {"docs", "dev", "litellm", "mlflow"}:
        for requirement in requirements()[extra]:
            name = canonicalize_name(requirement.name)
            if name != "torch":  # how its floor was tested is said in that file
                (floor,) = (part for part in requirement.specifier if part.operator in (">=", "=="))
                assert oldest[name] == Version(floor.version), requirement


def test_required_dependencies():
    assert {requirement.name for requirement in requirements()[""]} == {
        "scikit-learn",
        "torch",
        "sentence-transformers",
        "numpy",
        "scipy",
        "joblib",
    }
