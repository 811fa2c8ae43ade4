"""The directive ``rooms``: the order of the rooms as a picture, drawn from the contract.

The contract that import-linter holds the code against is read from pyproject.toml, and what lives
in a room from the docstring of its folder, so that the picture cannot say something else.
"""

import ast
import tomllib
from html import escape
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive

ROOT = Path(__file__).parents[2]

_WIDTH, _HEIGHT, _GAP, _TOP = 760, 44, 10, 34


def read_layers(root=ROOT):
    """Rooms from the top to the bottom; those of one layer do not know each other."""
    contracts = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    for contract in contracts["tool"]["importlinter"]["contracts"]:
        if contract["type"] == "layers":
            return [[room.strip() for room in layer.split("|")] for layer in contract["layers"]]
    raise ValueError("pyproject.toml has no contract of layers.")


def what_lives_in(room, root=ROOT):
    """First sentence of the docstring of a folder."""
    source = (root / "skrouter" / room / "__init__.py").read_text(encoding="utf-8")
    return " ".join(ast.get_docstring(ast.parse(source)).split("\n\n")[0].split())


def draw(layers, sentence=what_lives_in):
    """The rooms as SVG; imports run downwards only."""
    height = _TOP + len(layers) * (_HEIGHT + _GAP) + 4
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        'class="rooms" aria-label="The rooms of skrouter, each above those that it may import">',
        "<style>.rooms rect{fill:#eef3fa;stroke:#33638d}.rooms text{font:13px sans-serif;"
        "fill:#1b2a3a}.rooms .name{font:bold 14px monospace}</style>",
        '<text x="4" y="18">Each room may import from those below it, and from no other. '
        "Rooms beside each other do not know each other.</text>",
    ]
    for row, rooms in enumerate(layers):
        y = _TOP + row * (_HEIGHT + _GAP)
        width = (_WIDTH - 8 - _GAP * (len(rooms) - 1)) / len(rooms)
        for column, room in enumerate(rooms):
            x = 4 + column * (width + _GAP)
            text = _cut(sentence(room), int(width / 6.6))
            parts += [
                f"<g><title>{escape(sentence(room))}</title>",
                f'<rect x="{x:.0f}" y="{y}" width="{width:.0f}" height="{_HEIGHT}" rx="6"/>',
                f'<text class="name" x="{x + 10:.0f}" y="{y + 18}">{escape(room)}</text>',
                f'<text x="{x + 10:.0f}" y="{y + 36}">{escape(text)}</text></g>',
            ]
    return "\n".join([*parts, "</svg>"])


def _cut(text, length):
    return text if len(text) <= length else text[: length - 1].rsplit(" ", 1)[0] + " …"


class Rooms(Directive):
    """The picture, and the rooms with the whole sentence of each."""

    def run(self):
        """Nodes of the picture and of a list."""
        layers = read_layers()
        entries = nodes.definition_list()
        for room in (room for layer in layers for room in layer):
            term = nodes.term("", "", nodes.literal(text=room))
            text = nodes.definition("", nodes.paragraph(text=what_lives_in(room)))
            entries += nodes.definition_list_item("", term, text)
        return [nodes.raw("", draw(layers), format="html"), entries]


def setup(app):
    """Register the directive."""
    app.add_directive("rooms", Rooms)
    return {"parallel_read_safe": True}
