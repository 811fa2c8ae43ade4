"""Docstrings: what several of them say stands once, and is filled in when they are read."""

import ast
import inspect
import re
from collections import Counter
from pathlib import Path

import pytest
from sklearn.utils.metaestimators import available_if

import skrouter
from skrouter import baselines
from skrouter._utils.docstrings import PARTS, with_shared_parts

PACKAGE = Path(skrouter.__file__).parent

ENTRY_SECTIONS = {"Parameters", "Attributes", "Returns", "Yields", "Raises", "Warns"}
HEADING = re.compile(r"^(\w[\w ]*)\n-+$", re.MULTILINE)
PLACE = re.compile(r"^ *%\((\w+)\)s$", re.MULTILINE)


def docstrings_below(folder):
    """Every docstring of a class or function as it stands in the source, without indentation."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
                yield ast.get_docstring(node)


def entries(docstring):
    """What stands in a docstring for each parameter, attribute, result and error."""
    _, *rest = HEADING.split(docstring)
    for heading, text in zip(rest[::2], rest[1::2], strict=True):
        if heading in ENTRY_SECTIONS:
            for entry in re.split(r"\n(?=\S)", text.strip("\n")):
                yield entry.rstrip()


def repeated_lines(folder):
    """Lines of entries that stand, word for word, in an earlier docstring too.

    Entries of one line are no copies of a text: a name and its type.
    """
    counts = Counter(entry for text in docstrings_below(folder) for entry in entries(text))
    return sum(
        (times - 1) * len(entry.splitlines())
        for entry, times in counts.items()
        if len(entry.splitlines()) > 1
    )


def test_entries_are_not_copied():
    assert repeated_lines(PACKAGE) <= 150


def test_copies_are_counted(tmp_path):
    """Two copies of an entry of three lines, one of two lines, and a bare name and type."""
    text = (
        "def {}():\n"
        '    """Say something.\n\n    Parameters\n    ----------\n    n : int\n'
        "        A number\n        of things.\n    m : int\n    %(X)s\n\n"
        '    Raises\n    ------\n    ValueError\n        {}.\n    """\n\n\n'
    )
    code = text.format("f", "Once") + text.format("g", "Twice") + text.format("h", "Twice")
    (tmp_path / "module.py").write_text(code, encoding="utf-8")
    assert repeated_lines(tmp_path) == 3 + 3 + 2


def test_every_part_is_used_and_every_place_has_a_part():
    places = {name for text in docstrings_below(PACKAGE) for name in PLACE.findall(text)}
    own = set()  # parts that a class brings along
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "with_shared_parts":
                own |= {keyword.arg for keyword in node.keywords}
    assert set(PARTS) - places == set()
    assert places - set(PARTS) == own


@pytest.mark.parametrize("name", PARTS)
def test_parts_are_no_copies_of_each_other(name):
    others = {part for other, part in PARTS.items() if other != name}
    assert PARTS[name] not in others


@pytest.mark.parametrize("name", ["", *baselines.__all__])
def test_filled_parts_keep_the_indentation(name):
    """The entries of a docstring begin in one column, whether they are shared or not."""
    thing = getattr(baselines, name) if name else skrouter.RadialRouterClassifier
    found = list(entries(inspect.getdoc(thing)))
    assert {"classes_ : ndarray of shape (n_llms,)\n    Names of the LLMs."} <= set(found)
    for entry in found:
        head, *rest = entry.splitlines()
        assert re.match(r"\S", head)
        assert all(line == "" or line.startswith("    ") for line in rest)


def test_parts_go_into_functions_methods_and_properties():
    @with_shared_parts(mine="n : int\n    A number.")
    class Documented:
        """A class.

        Parameters
        ----------
        %(mine)s
        """

        def method(self):
            """Return 1.

            %(sample_weight)s
            """
            return 1

        @classmethod
        def of_class(cls):
            """%(not a place)s %(X)s."""

        @property
        def attribute(self):
            """An attribute.

            %(mine)s
            """
            return 2

        @available_if(lambda self: True)
        def offered(self):
            """Return 3.

            %(sample_weight)s
            """
            return 3

        without = None

    weights = PARTS["sample_weight"]
    assert inspect.getdoc(Documented).endswith("----------\nn : int\n    A number.")
    assert inspect.getdoc(Documented.method) == f"Return 1.\n\n{weights}"
    assert inspect.getdoc(Documented.of_class) == "%(not a place)s %(X)s."
    assert inspect.getdoc(Documented.attribute) == "An attribute.\n\nn : int\n    A number."
    assert inspect.getdoc(Documented.offered) == f"Return 3.\n\n{weights}"
    assert inspect.getdoc(Documented().offered) == f"Return 3.\n\n{weights}"
    assert (Documented().method(), Documented().attribute, Documented().offered()) == (1, 2, 3)

    @with_shared_parts
    def function():
        """Return nothing.

        %(sample_weight)s
        """

    assert inspect.getdoc(function) == f"Return nothing.\n\n{weights}"


def test_a_place_without_a_part_is_an_error():
    def function():
        """Return nothing.

        %(no_such_part)s
        """

    with pytest.raises(KeyError, match="no_such_part"):
        with_shared_parts(function)
