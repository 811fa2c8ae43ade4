"""Numbers and tables as Markdown."""

from reproduce.settings import RADIAL


def markdown(heads, lines):
    """A table; the first column is text, the others are numbers."""
    table = [heads, ["---", *["---:"] * (len(heads) - 1)], *lines]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in table)


def signed(value):
    """Four digits with a sign; no minus before a zero."""
    return f"{round(value, 4) + 0.0:+.4f}"


def bold(name):
    """The name of a row, in bold if it is that of the main router."""
    return f"**{name}**" if name == RADIAL else name
