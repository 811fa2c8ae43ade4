"""The directive ``rooms``: the rooms of skrouter as a picture, and what lives in each.

Both are read at every build: the order from the layers contract of import-linter in
pyproject.toml, what lives in a room from the docstring of its ``__init__.py``.
"""

import ast
import tomllib
from html import escape
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

ROOT = Path(__file__).parents[2]

WIDTH, ROW, GAP, MARGIN, BAR = 520, 42, 12, 10, 34


def read_layers(pyproject=ROOT / "pyproject.toml"):
    """The layers, first the last one, each a list of names: what stands below may be imported."""
    settings = tomllib.loads(Path(pyproject).read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [[name.strip(" ()") for name in layer.replace(":", "|").split("|")] for layer in layers]


def read_room(name, package=ROOT / "skrouter"):
    """The first paragraph of the ``__init__.py`` of a room: what lives there."""
    source = (Path(package) / name / "__init__.py").read_text(encoding="utf-8")
    docstring = ast.get_docstring(ast.parse(source)) or ""
    return " ".join(docstring.split("\n\n")[0].split())


def draw_layers(layers):
    """The layers as SVG. Colours are those of the page, by classes."""
    height = len(layers) * (ROW + GAP) - GAP + 2 * MARGIN
    order = "; ".join(" and ".join(layer) for layer in layers)
    parts = [
        f'<svg class="rooms" viewBox="0 0 {WIDTH} {height}" role="img" '
        'aria-labelledby="rooms-title rooms-order" xmlns="http://www.w3.org/2000/svg">',
        '<title id="rooms-title">The rooms of skrouter and the direction of imports</title>',
        f'<desc id="rooms-order">From the last room to the first: {escape(order)}. '
        "Each imports only from those below it.</desc>",
        '<defs><marker id="rooms-tip" markerWidth="10" markerHeight="10" refX="5" refY="8" '
        'orient="0"><path class="tip" d="M0,0 L5,9 L10,0 Z"/></marker></defs>',
        f'<line class="arrow" x1="{MARGIN + 8}" y1="{MARGIN}" x2="{MARGIN + 8}" '
        f'y2="{height - MARGIN - 4}" marker-end="url(#rooms-tip)"/>',
    ]
    for number, layer in enumerate(layers):
        top = MARGIN + number * (ROW + GAP)
        room = (WIDTH - BAR - MARGIN - GAP * (len(layer) - 1)) / len(layer)
        for place, name in enumerate(layer):
            left = BAR + place * (room + GAP)
            kind = "private" if name.startswith("_") else "public"
            parts.append(
                f'<rect class="{kind}" x="{left:g}" y="{top}" width="{room:g}" height="{ROW}" '
                f'rx="6"/><text x="{left + room / 2:g}" y="{top + ROW / 2 + 5:g}" '
                f'text-anchor="middle">{escape(name)}</text>'
            )
    return "\n".join([*parts, "</svg>"])


class Rooms(Directive):
    """The picture, and below it every room with the first paragraph of its docstring."""

    def run(self):
        """Nodes of both; the list is in the order in which rooms may be imported."""
        layers = read_layers()
        lines = []
        for name in (name for layer in reversed(layers) for name in layer):
            lines += [f"``skrouter/{name}``", f"   {read_room(name)}", ""]
        rooms = nodes.Element()
        self.state.nested_parse(StringList(lines, source="rooms"), self.content_offset, rooms)
        picture = f'<div class="rooms-picture">{draw_layers(layers)}</div>'
        return [nodes.raw("", picture, format="html"), *rooms.children]


def setup(app):
    """Register the directive."""
    app.add_directive("rooms", Rooms)
    return {"parallel_read_safe": True}
