"""The page of wrong input and its answers is what the library answers."""

import importlib.util
from importlib.metadata import version
from pathlib import Path

import pytest

pytest.importorskip("skops")

SCRIPT = Path(__file__).parents[1] / "tools" / "bad_inputs.py"
spec = importlib.util.spec_from_file_location("bad_inputs", SCRIPT)
bad_inputs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bad_inputs)


def other_versions():
    """Libraries with words on the page that are here in other versions than in constraints.txt."""
    lines = (SCRIPT.parents[1] / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    libraries = ("numpy", "pandas", "scikit-learn", "skops")
    return [name for name in libraries if version(name) != pinned[name]]


def test_the_page_shows_the_answers():
    if other_versions():
        pytest.skip(f"the page is made with other versions of {other_versions()}")
    wanted = bad_inputs.make_page()
    shown = bad_inputs.PAGE.read_text(encoding="utf-8")
    assert shown == wanted, "python tools/bad_inputs.py --write"
    calls = [line for line in bad_inputs.CASES.splitlines() if line.startswith("    ")]
    starts = [line for line in calls if not line.startswith("        ")]
    assert shown.count("` | **") == len(starts)  # none is passed over


def test_silence_is_a_fault():
    with pytest.raises(AssertionError, match=r"No error and no warning: 1 \+ 1"):
        bad_inputs.answer("1 + 1", {})


def test_long_messages_and_marks_of_markdown():
    assert bad_inputs.escape("a_b\n- [c] | `d`") == r"a\_b - \[c\] \| \`d\`"
    assert bad_inputs.escape("word " * 100) == "word " * 80 + "…"
