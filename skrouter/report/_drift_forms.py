"""A drift report as Markdown and as HTML."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from skrouter.report._drift_tests import DriftRow
from skrouter.report._render import as_piece, html_table
from skrouter.report._tables import Column, Table, cell

if TYPE_CHECKING:
    from skrouter.report._drift_report import DriftReport

_COLUMNS = [
    Column("what"),
    Column("which"),
    Column("before", "{:.3f}"),
    Column("recent", "{:.3f}"),
    Column("distance", "{:.3f}"),
    Column("p", "{:.2g}"),
    Column("moved"),
]
_DIRECTIONS = (
    "Directions are those along which the embeddings of both sides together vary most, the first "
    "one most of all; before and recent are means along them, in standard deviations. Distance: 0 "
    "where both sides are alike, 1 where they have nothing in common."
)


def as_markdown(report: DriftReport) -> str:
    """Sentences and a table in Markdown."""
    lines = [*_head(report), "| what | which | before | recent | distance | p | moved |"]
    lines.append("|---|---|---:|---:|---:|---:|---|")
    for row in _rows(report.rows):
        cells = [cell(value, column.form) for value, column in zip(row, _COLUMNS, strict=True)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, *(f"\n{note}" for note in _notes(report))])


def as_html(report: DriftReport) -> str:
    """One ``div``; every text is escaped, as names of LLMs come from outside."""
    first, _, second, _ = _head(report)
    kind = "verdict" if report.moved else "verdict yes"
    table = Table("drift", "Tests", _COLUMNS, _rows(report.rows))
    return as_piece(
        [
            "<h2>Drift report</h2>",
            f'<p class="{kind}">{escape(first)}</p>',
            f"<p>{escape(second)}</p>",
            html_table(table),
            *(f"<p>{escape(note)}</p>" for note in _notes(report)),
        ]
    )


def _head(report: DriftReport) -> list[str]:
    return [
        f"Moved: {', '.join(report.moved) or 'nothing that these queries show'}. {report.advice}",
        "",
        f"{report.n_recent} recent queries against {report.n_reference}; {len(report.rows)} tests, "
        f"together at significance level {report.significance_level:g}.",
        "",
    ]


def _rows(rows: list[DriftRow]) -> list[tuple[object, ...]]:
    return [
        (
            row.kind,
            f"direction {row.name}" if row.kind == "queries" else row.name,
            *(row.reference, row.recent, row.distance, row.p_value),
            "yes" if row.moved else "",
        )
        for row in rows
    ]


def _notes(report: DriftReport) -> list[str]:
    has_directions = any(row.kind == "queries" for row in report.rows)
    return [*([_DIRECTIONS] if has_directions else []), *report.notes]
