"""The rooms: imports run one way, and everything lives in a room."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "skrouter"
MODULES = sorted(PACKAGE.rglob("*.py"))


def check_contracts(folder):
    """Hold the imports of the package in a folder against the contracts in its pyproject.toml."""
    code = "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports_command"
    return subprocess.run(
        [sys.executable, "-c", f"{code}; lint_imports_command(['--no-cache'])"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_imports_run_one_way():
    done = check_contracts(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("_targets/utility.py", "from skrouter._routers import base", "Each room imports only"),
        ("metrics/_score.py", "import skrouter.report", "Each room imports only"),
        ("nn/losses.py", "import numpy", "The networks know torch alone"),
        ("datasets/_vocabulary.py", "import skrouter._targets", "Each room imports only"),
        ("new_room/__init__.py", "", "Each room imports only"),  # not in the contract
    ],
)
def test_a_contract_that_is_broken_is_seen(module, line, contract, tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "skrouter", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    path = tmp_path / "skrouter" / module
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{path.read_text() if path.exists() else ''}\n{line}\n", encoding="utf-8")
    done = check_contracts(tmp_path)
    assert done.returncode != 0
    assert contract in done.stdout + done.stderr


def test_the_package_itself_holds_rooms_alone():
    assert [path.name for path in PACKAGE.glob("*.py")] == ["__init__.py"]


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if path.name == "__init__.py"],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_every_folder_says_what_lives_there(path):
    """In the first paragraph; in the next one, what may be imported."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    what, *rest = docstring.split("\n\n")
    assert len(what) > 20
    if path.parent != PACKAGE:
        assert "import" in " ".join(rest).lower()


def lines_of_code(node, source):
    """Lines of a function that hold code: no docstring, comment or blank line."""
    first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
    start = node.lineno
    lines = source[start - 1 : first.lineno - 1] if not ast.get_docstring(node) else []
    lines = lines + source[first.lineno - 1 : node.end_lineno]
    return [line for line in lines if line.strip() and not line.strip().startswith("#")]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_and_functions_stay_small(path):
    text = path.read_text(encoding="utf-8")
    source = text.splitlines()
    assert len(source) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert len(lines_of_code(node, source)) <= 80, node.name
