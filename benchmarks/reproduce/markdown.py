"""Numbers and tables as Markdown."""

from reproduce.settings import RADIAL


def markdown(heads, lines):
    """A table; the first column is text, the others are numbers."""
    table = [heads, ["---", *["---:"] * (len(heads) - 1)], *lines]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in table)


def signed(value):
    """Four digits with a sign; more where these would hide on which side of 0 a value is."""
    if abs(value) < 1e-9:
        return "+0.0000"
    return f"{value:+.4f}" if round(value, 4) else f"{value:+.0e}"


def bold(name):
    """The name of a row, in bold if it is that of the main router."""
    return f"**{name}**" if name == RADIAL else name
