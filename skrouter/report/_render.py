"""A report as plain text and as HTML."""

from __future__ import annotations

from html import escape
from textwrap import fill
from typing import TYPE_CHECKING

from skrouter.metrics._common_queries import different_queries, same_queries
from skrouter.report._tables import Table, cell, tables

if TYPE_CHECKING:
    from skrouter.report._result import RoutingReport

_WIDTH = 88
_STYLE = """
.skrouter-report { font: 14px/1.45 system-ui, sans-serif; color: #1a1a1a; background: #fff;
  max-width: 68em; padding: 0.6em 1em; }
.skrouter-report h2 { font-size: 1.25em; margin: 0 0 0.4em; }
.skrouter-report h3 { font-size: 1.05em; margin: 1.2em 0 0.3em; }
.skrouter-report p, .skrouter-report ul { margin: 0.35em 0; }
.skrouter-report .verdict { border-left: 5px solid #D55E00; background: #f6f6f6;
  padding: 0.5em 0.8em; font-size: 1.05em; }
.skrouter-report .verdict.yes { border-left-color: #0072B2; }
.skrouter-report .wide { overflow-x: auto; }
.skrouter-report table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.skrouter-report th, .skrouter-report td { padding: 0.2em 0.7em; text-align: right;
  border-bottom: 1px solid #ddd; white-space: nowrap; }
.skrouter-report thead th { border-bottom: 2px solid #888; white-space: normal; }
.skrouter-report tbody th, .skrouter-report thead th:first-child { text-align: left; }
.skrouter-report tbody th { font-weight: normal; }
""".strip()


def as_text(report: RoutingReport) -> str:
    """Aligned plain text, with lines that fit a terminal but for wide tables."""
    title = f"Routing report: {report.router_name}"
    parts = [f"{title}\n{'=' * len(title)}", _wrap(report.verdict), _wrap(_setting(report))]
    for table in tables(report):
        captions = _captions(report, table.key)
        if not table.rows and not captions:
            continue
        part = [f"{table.title}\n{'-' * len(table.title)}"]
        if table.rows:
            part.append(_align(table))
        parts.append("\n".join([*part, *(_wrap(line) for line in captions)]))
    head = "Signal"
    parts.append(f"{head}\n{'-' * len(head)}\n{_wrap(_signal(report))}")
    head = "Notes"
    notes = [fill(f"- {note}", _WIDTH, subsequent_indent="  ") for note in report.notes]
    parts.append("\n".join([head, "-" * len(head), *notes]))
    return "\n\n".join(parts)


def as_html(report: RoutingReport) -> str:
    """One ``div``; every text is escaped, as names of LLMs come from outside."""
    kind = "verdict yes" if report.routing_pays else "verdict"
    parts = [
        f"<h2>Routing report: {escape(report.router_name)}</h2>",
        f'<p class="{kind}">{escape(report.verdict)}</p>',
        f"<p>{escape(_setting(report))}</p>",
    ]
    for table in tables(report):
        captions = _captions(report, table.key)
        if not table.rows and not captions:
            continue
        parts.append(f"<h3>{escape(table.title)}</h3>")
        if table.rows:
            parts.append(html_table(table))
        parts += [f"<p>{escape(line)}</p>" for line in captions]
    parts += ["<h3>Signal</h3>", f"<p>{escape(_signal(report))}</p>", "<h3>Notes</h3>", "<ul>"]
    parts += [f"<li>{escape(note)}</li>" for note in report.notes]
    return as_piece([*parts, "</ul>"])


def as_piece(parts: list[str]) -> str:
    """One ``div`` with its own style, of parts that are HTML."""
    opened = ['<div class="skrouter-report">', f"<style>{_STYLE}</style>"]
    return "\n".join([*opened, *parts, "</div>"])


def as_page(body: str, title: str) -> str:
    """A whole page, to be kept as a file: with a title, and the encoding of its text."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def html_table(table: Table) -> str:
    """A table, its first column as heads of the rows."""
    heads = "".join(f'<th scope="col">{escape(column.name)}</th>' for column in table.columns)
    lines = ['<div class="wide"><table>', f"<thead><tr>{heads}</tr></thead>", "<tbody>"]
    for first, *rest in _written(table):
        cells = "".join(f"<td>{escape(text)}</td>" for text in rest)
        lines.append(f'<tr><th scope="row">{escape(first)}</th>{cells}</tr>')
    return "\n".join([*lines, "</tbody></table></div>"])


def _written(table: Table) -> list[list[str]]:
    return [
        [cell(value, column.form) for value, column in zip(row, table.columns, strict=True)]
        for row in table.rows
    ]


def _align(table: Table) -> str:
    """Columns under their names: the first to the left, numbers to the right.

    Names are broken into words, one per line, where they are wider than what stands below.
    """
    written = _written(table)
    widths, heads = [], []
    for place, column in enumerate(table.columns):
        below = max(len(row[place]) for row in written)
        words = [column.name] if len(column.name) <= below else column.name.split(" ")
        heads.append(words)
        widths.append(max([below, *map(len, words)]))
    height = max(map(len, heads))
    heads = [[""] * (height - len(words)) + words for words in heads]
    lines = [*map(list, zip(*heads, strict=True)), *written]
    return "\n".join(
        "  ".join(
            text.rjust(width) if place else text.ljust(width)
            for place, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _wrap(text: str) -> str:
    return fill(text, _WIDTH)


def _setting(report: RoutingReport) -> str:
    queries = (
        f"{report.n_queries} queries, of which {report.n_shared} are also among the training "
        "queries"
        if report.n_shared
        else f"{report.n_queries} held-out queries"
    )
    return (
        f"{queries}, {len(report.llms)} LLMs, of which "
        f"{report.best_single_llm} is the best single one. "
        f"Score = performance - {report.cost_weight:g} * cost, cost in US dollars per 1,000 "
        f"queries. Means over queries (micro); intervals of {100 * report.confidence_level:g} % "
        "by a paired bootstrap over these queries."
    )


def _captions(report: RoutingReport, key: str) -> list[str]:
    """What stands below a table."""
    if key == "scores":
        return [
            "Router minus it: score of the router minus that of the reference, with its interval. "
            "Of oracle's gain: share of what the oracle has over the best single LLM; the oracle "
            "knows the noise in the outcomes, so 100 % is out of reach.",
            *_on_missing_outcomes(report),
        ]
    if key == "savings" and report.savings:
        time = (
            f"The router took {report.ms_per_query:.3g} ms per query, and is charged "
            f"{report.router_cost:g} US dollars per 1,000 queries of its own (router_cost)."
        )
        return [
            "Performance: that of the router minus that of the LLM, which is what the money is "
            "saved at.",
            time,
            *_on_pairs(report),
        ]
    if key == "savings":
        return [f"No costs were given. The router took {report.ms_per_query:.3g} ms per query."]
    if key == "llms" and any(use.n_observed < report.n_queries for use in report.llms.values()):
        counts = ", ".join(f"{llm} {use.n_observed:,}" for llm, use in report.llms.items())
        return [
            f"Outcomes are missing: of {report.n_queries:,} queries {counts} were observed, so "
            "that means over all queries are over different ones."
        ]
    if key == "reliability" and report.calibration is not None:
        part = report.calibration
        return [
            f"Brier score {part.brier:.4f}, that of the mean of each LLM {part.constant:.4f}: "
            f"skill {cell(part.skill, '{:+.3f}')} (1 is perfect, 0 or less no better than the "
            f"means), over {part.n_outcomes} outcomes."
        ]
    return []


def _on_missing_outcomes(report: RoutingReport) -> list[str]:
    """Which queries the scores rest on, where it is not all."""
    counts = [score.n_observed for score in report.scores.values()]
    if report.comparable and min(counts) == report.n_queries:
        return []
    note = (
        same_queries("rows", counts[0], report.n_queries)
        if report.comparable
        else different_queries("rows", report.n_common, report.n_queries)
    )
    shared = {name: difference.n_queries for name, difference in report.differences.items()}
    if report.comparable and set(shared.values()) <= {counts[0]}:
        return [note]
    pairs = ", ".join(f"{name} {count:,}" for name, count in shared.items())
    return [
        f"{note} Router minus it is over all queries that both have ({pairs}), so that it need "
        "not be the difference of two rows."
    ]


def _on_pairs(report: RoutingReport) -> list[str]:
    """How many queries savings rest on, where it is not all."""
    counts = {
        str(part.llm): min(part.saved.n_queries, part.performance.n_queries)
        for part in report.savings.values()
    }
    if min(counts.values()) == report.n_queries:
        return []
    pairs = ", ".join(f"{llm} {count:,}" for llm, count in counts.items())
    return [
        f"Outcomes are missing: each row is over the queries of {report.n_queries:,} on which both "
        f"the router's LLM and this one were observed ({pairs}), its cost, too."
    ]


def _signal(report: RoutingReport) -> str:
    ridge, knn = (cell(value, "{:+.1%}") for value in report.signal)
    return (
        f"{ridge} (ridge, penalty 10) and {knn} (kNN) of what differs between the LLMs from query "
        "to query can be predicted from the embeddings, out of fold. 0 or less is none: no router "
        "on these embeddings can then tell queries apart by performance. Outcomes are noisy, so "
        "that what can be had is far below 100 %."
    )
