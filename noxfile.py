"""The checks of this project, session by session; ``nox -l`` lists them.

They run what ``.ci/run`` and the workflows run, each in an environment of its own. Two environment
variables change what is installed:

``TORCH``
    The requirement to ask for in place of torch's line in the constraints: ``TORCH=torch==2.14.1
    nox -s tests-3.13``, or ``TORCH=torch nox -s newest``. For Linux PyPI has torch with CUDA,
    some gigabytes, which the sessions do not need; ``PIP_EXTRA_INDEX_URL`` with the index of
    PyTorch's CPU builds (https://download.pytorch.org/whl/cpu) makes pip take those, as the
    workflows do.
``PYENV_VERSION``
    With pyenv, the interpreters that are at hand: ``PYENV_VERSION=3.11.7:3.12.1:3.13.0``. A session
    whose interpreter is not there is skipped, and says so.
"""

import os
import re
from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["lint", "types", "imports", "tests-3.11"]

ROOT = Path(__file__).parent
PYTHONS = ["3.11", "3.12", "3.13"]
# What the tests need from the environment, as in .ci/run.
OFFLINE = {"HF_HUB_OFFLINE": "1", "MPLBACKEND": "Agg"}
SUITE = ["pytest", "-n", "2"]


def constraints(session: nox.Session, name: str = "constraints.txt") -> str:
    """The path of a file of constraints, with the torch that `TORCH` asks for."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    if "TORCH" in os.environ:
        lines = [line for line in lines if not line.startswith("torch==")] + [os.environ["TORCH"]]
    path = Path(session.create_tmp()).resolve() / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


@nox.session
def lint(session: nox.Session) -> None:
    """Linter and formatter."""
    session.install("-c", "constraints.txt", "ruff")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Type checker, with all that the package imports."""
    session.install("-c", constraints(session), "-e", ".[test,dev]")
    session.run("mypy")


@nox.session
def imports(session: nox.Session) -> None:
    """Which room may import which: the contracts in pyproject.toml."""
    session.install("-c", "constraints.txt", "import-linter")
    session.run("lint-imports", env={"PYTHONPATH": str(ROOT)})


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The suite with the versions of constraints.txt."""
    session.install("-c", constraints(session), "-e", ".[test]")
    session.run(*SUITE, *session.posargs, env=OFFLINE)


@nox.session(python="3.11")
def oldest(session: nox.Session) -> None:
    """The suite with the oldest supported versions, those of constraints-oldest.txt."""
    session.install("-c", constraints(session, "constraints-oldest.txt"), "-e", ".[test]")
    session.run("pip", "check")
    session.run(*SUITE, *session.posargs, env=OFFLINE)


@nox.session(python="3.11")
def newest(session: nox.Session) -> None:
    """The suite with the newest version of everything; of torch only with ``TORCH=torch``."""
    path = Path(constraints(session))
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(line for line in lines if re.match(r"torch\b(?!-)", line)) + "\n")
    session.install("-c", str(path), "-e", ".[test]")
    session.run("pip", "list")
    session.run(*SUITE, *session.posargs, env=OFFLINE)


@nox.session(python="3.11")
def litellm(session: nox.Session) -> None:
    """Routers in a real LiteLLM proxy, which wants other versions than constraints.txt has."""
    # Not the extra "test": import-linter wants a newer rich than LiteLLM does.
    pins = constraints(session, "constraints-litellm.txt")
    session.install("-c", pins, "-e", ".[offline,data,skops,litellm]", "pytest")
    session.run("pip", "check")
    session.run("pytest", "tests/test_litellm.py", *session.posargs, env=OFFLINE)


@nox.session(python="3.11")
def mlflow(session: nox.Session) -> None:
    """Routers in a real MLflow and its server, which want an older pyarrow than constraints.txt."""
    pins = constraints(session, "constraints-mlflow.txt")
    session.install("-c", pins, "-e", ".[mlflow]", "pytest")
    session.run("pip", "check")
    session.run("pytest", "tests/test_mlflow.py", *session.posargs, env=OFFLINE)


@nox.session(python="3.11")
def coverage(session: nox.Session) -> None:
    """Branch coverage of the suite, held against the gate in pyproject.toml."""
    session.install("-c", constraints(session), "-e", ".[test]")
    session.run(*SUITE, "--cov", *session.posargs, env=OFFLINE)


@nox.session(python="3.11")
def wheel(session: nox.Session) -> None:
    """Build sdist and wheel, check them, and run the quick start from the wheel elsewhere."""
    session.install("-c", "constraints.txt", "build", "packaging")
    folder = Path(session.create_tmp()).resolve()
    built = folder / "dist"
    session.run("python", "-m", "build", "--outdir", str(built))
    session.run("python", "tools/check_distributions.py", str(built))
    (path,) = built.glob("*.whl")
    session.run("python", "-m", "venv", "--clear", str(folder / "clean"))
    python = str(folder / "clean" / ("Scripts" if os.name == "nt" else "bin") / "python")
    wanted = ["-c", constraints(session), f"{path}[offline,plot,data,skops]"]
    session.run(python, "-m", "pip", "install", *wanted, external=True)
    session.chdir(folder)
    # Isolated, so that nothing but what is installed can be imported.
    quickstart = str(ROOT / "examples" / "quickstart.py")
    session.run(python, "-I", quickstart, env=OFFLINE, external=True)


@nox.session(python="3.11")
def docs(session: nox.Session) -> None:
    """The documentation; warnings are errors. Then its pages in a browser, if one is at hand."""
    session.install("-c", constraints(session), "-e", ".[docs,test]")
    build = ["sphinx-build", "-W", "--keep-going", "-b", "html", "docs", "docs/_build/html"]
    session.run(*build, env=OFFLINE)
    session.run("pytest", "-rs", "tests/test_site.py", env=OFFLINE)
