"""The tables of a report, once for all its forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from skrouter.report._references import ORACLE

if TYPE_CHECKING:
    from skrouter.report._result import RoutingReport


class Column(NamedTuple):
    """A column: its name, and how its numbers are written."""

    name: str
    form: str = "{}"


class Table(NamedTuple):
    """A table: `rows` holds tuples of raw values, one per column."""

    key: str
    title: str
    columns: list[Column]
    rows: list[tuple[object, ...]]


def tables(report: RoutingReport) -> list[Table]:
    """All tables, also those without rows."""
    return [_scores(report), _savings(report), _llms(report), _reliability(report)]


def cell(value: object, form: str) -> str:
    """A value as it is written; a number that is not known is a dash."""
    if isinstance(value, float) and value != value:
        return "-"
    return form.format(value)


def _scores(report: RoutingReport) -> Table:
    columns = [
        Column(""),
        Column("performance", "{:.4f}"),
        Column("cost", "{:.3f}"),
        Column("score", "{:.4f}"),
        Column("queries"),
        Column("router minus it", "{:+.4f}"),
        Column("low", "{:+.4f}"),
        Column("high", "{:+.4f}"),
        Column("of oracle's gain", "{:.0%}"),
    ]
    unknown = float("nan")
    rows: list[tuple[object, ...]] = []
    for name, score in report.scores.items():
        interval = report.differences.get(name, (unknown,) * 3)[:3]
        realised = 1.0 if name == ORACLE else report.realised.get(name, unknown)
        means = (score.performance, score.cost, score.utility, score.n_observed)
        rows.append((name, *means, *interval, realised))
    return Table("scores", "Scores", columns, rows)


def _savings(report: RoutingReport) -> Table:
    columns = [
        Column("against always calling"),
        Column("best by"),
        Column("its cost", "{:.3f}"),
        Column("saved", "{:+.3f}"),
        Column("low", "{:+.3f}"),
        Column("high", "{:+.3f}"),
        Column("saved share", "{:+.0%}"),
        Column("performance", "{:+.4f}"),
        Column("perf. low", "{:+.4f}"),
        Column("perf. high", "{:+.4f}"),
    ]
    best_by: dict[object, list[str]] = {}
    for by, part in report.savings.items():
        best_by.setdefault(part.llm, []).append(by)
    rows: list[tuple[object, ...]] = []
    for measures in best_by.values():
        part = report.savings[measures[0]]
        means = (part.cost, *part.saved[:3], part.share, *part.performance[:3])
        rows.append((part.llm, measures[0] if len(measures) == 1 else "both", *means))
    return Table("savings", "Savings, US dollars per 1,000 queries", columns, rows)


def _llms(report: RoutingReport) -> Table:
    columns = [
        Column("LLM"),
        Column("calls"),
        Column("share", "{:.1%}"),
        Column("performance where called", "{:.4f}"),
        Column("cost where called", "{:.3f}"),
        Column("performance on all queries", "{:.4f}"),
    ]
    rows: list[tuple[object, ...]] = [
        (name, use.n_calls, use.share, use.performance, use.cost, use.overall)
        for name, use in report.llms.items()
    ]
    return Table("llms", "LLMs", columns, rows)


def _reliability(report: RoutingReport) -> Table:
    columns = [
        Column("bin"),
        Column("mean predicted", "{:.4f}"),
        Column("mean observed", "{:.4f}"),
        Column("outcomes"),
    ]
    bins = () if report.calibration is None else report.calibration.bins
    rows: list[tuple[object, ...]] = [
        (number, float(predicted), float(observed), int(count))
        for number, (predicted, observed, count) in enumerate(zip(*bins, strict=True), start=1)
    ]
    return Table("reliability", "Predicted and observed performance", columns, rows)
