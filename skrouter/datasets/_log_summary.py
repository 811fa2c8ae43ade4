"""What is in a log, and what became of its rows, in a few lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

# Fewer scores of an LLM than this say little: the standard error of a rate is then 0.09.
FEW_SCORES = 30

_NAMED = 5  # as many names stand in a line


class LLMRows(NamedTuple):
    """What a log says of one LLM.

    Attributes
    ----------
    n_scores : int
        Number of queries with its performance.
    performance : float
        Their mean, in [0, 1].
    cost : float
        Mean of the known costs in US dollars per 1,000 queries; NaN in a log without costs.
    """

    n_scores: int
    performance: float
    cost: float


@dataclass(frozen=True)
class LogSummary:
    """Counts of a log that was read by :func:`load_log`; ``print`` shows them.

    Attributes
    ----------
    n_rows : int
        Rows of the log.
    n_queries, n_llms : int
        What came of them.
    llms : dict of str to LLMRows
        ``(n_scores, performance, cost)`` of each LLM.
    share_observed : float
        Share of the outcomes of all queries and LLMs that the log holds.
    n_no_query, n_no_llm, n_no_propensity : int
        Rows that were left out, since they have no query, else no name of an LLM, else no
        propensity.
    n_no_performance : int
        Other rows without a performance. It is then missing, unless another row has it.
    n_no_cost : int
        Rows with a performance whose cost is unknown, although the log has costs, for another
        reason than that the LLM has no price.
    n_repeated : int
        Rows with the query and the LLM of an earlier one. Their mean is taken; in a log with
        propensities they stay rows of their own.
    n_single : int
        Queries on which one LLM only was scored.
    n_queries_left_out : int
        Queries without any complete outcome, which are left out.
    spellings : dict of str to list of str
        Of each LLM whose name is written in several ways, all of them. They differ by case or
        space, and are taken for one.
    no_price : dict of str to int
        LLMs that are not in `prices`, and their rows.
    left_out : dict of str to int
        LLMs without any complete outcome, which are left out, and their rows.
    n_mixed_tasks, n_mixed_weights, n_no_task : int
        Queries with several tasks, of which the first is taken; with several sample weights, of
        which the mean is taken; and without a task.
    has_propensity : bool
        Whether each row is a call of its own, with its propensity.
    """

    n_rows: int
    n_queries: int
    n_llms: int
    llms: Mapping[str, LLMRows]
    share_observed: float
    n_no_query: int = 0
    n_no_llm: int = 0
    n_no_propensity: int = 0
    n_no_performance: int = 0
    n_no_cost: int = 0
    n_repeated: int = 0
    n_single: int = 0
    n_queries_left_out: int = 0
    spellings: Mapping[str, list[str]] = field(default_factory=dict)
    no_price: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    n_mixed_tasks: int = 0
    n_mixed_weights: int = 0
    n_no_task: int = 0
    has_propensity: bool = False

    @property
    def few_scores(self) -> dict[str, int]:
        """LLMs with fewer than 30 scores, and how many they have."""
        return {n: rows.n_scores for n, rows in self.llms.items() if rows.n_scores < FEW_SCORES}

    @property
    def notes(self) -> tuple[str, ...]:
        """Everything that is worth a look, one sentence each; nothing that is as it should be."""
        return tuple(_notes(self))

    def __str__(self) -> str:
        head = (
            f"{_count(self.n_rows, 'row')}: {_count(self.n_queries, 'query')}, "
            f"{_count(self.n_llms, 'LLM')}, {100 * self.share_observed:.0f} % of the outcomes"
        )
        width = max(map(len, (*self.llms, "LLM")))
        with_cost = any(rows.cost == rows.cost for rows in self.llms.values())
        lines = [head, "", f"{'LLM':{width}}  scores  performance"]
        lines[-1] += "  $ per 1,000 queries" if with_cost else ""
        for name, rows in self.llms.items():
            line = f"{name:{width}}  {rows.n_scores:6d}  {rows.performance:11.3f}"
            lines.append(line + (f"  {rows.cost:19.4g}" if with_cost else ""))
        return "\n".join([*lines, *([""] if self.notes else []), *self.notes])


def _notes(log: LogSummary) -> Iterator[str]:
    reasons = [
        f"{count:,} without {what}"
        for count, what in (
            (log.n_no_query, "a query"),
            (log.n_no_llm, "the name of an LLM"),
            (log.n_no_propensity, "a propensity"),
        )
        if count
    ]
    if reasons:
        n_rows = log.n_no_query + log.n_no_llm + log.n_no_propensity
        yield f"- {_count(n_rows, 'row')} left out: {', '.join(reasons)}."
    if log.n_no_performance:
        yield f"- {_count(log.n_no_performance, 'row')} without a performance."
    unpriced = {name: n for name, n in log.no_price.items() if name in log.left_out}
    if unpriced:
        yield f"- LLMs left out, as prices lacks them: {_names(unpriced, 'row')}."
    unpriced = {name: n for name, n in log.no_price.items() if name not in log.left_out}
    if unpriced:
        yield f"- LLMs that prices lacks, with their logged costs alone: {_names(unpriced, 'row')}."
    if log.n_no_cost:
        yield f"- {_count(log.n_no_cost, 'row')} with a performance, but without a cost."
    empty = {name: n for name, n in log.left_out.items() if name not in log.no_price}
    if empty:
        yield f"- LLMs left out, without any complete outcome: {_names(empty, 'row')}."
    if log.n_queries_left_out:
        yield (
            f"- {_count(log.n_queries_left_out, 'query')} left out, without any complete outcome."
        )
    if log.spellings:
        ways = "; ".join(
            f"{name!r} is also {', '.join(repr(w) for w in written if w != name)}"
            for name, written in list(log.spellings.items())[:_NAMED]
        )
        more = _more(len(log.spellings))
        yield f"- Names that differ by case or space, taken for one: {ways}{more}."
    if log.n_repeated:
        what = "kept as calls of their own" if log.has_propensity else "the mean is taken"
        yield f"- {_count(log.n_repeated, 'row')} with the query and LLM of another one: {what}."
    if log.few_scores:
        yield f"- LLMs with fewer than {FEW_SCORES} scores: {_names(log.few_scores, 'score')}."
    if log.n_single == log.n_queries:
        yield "- Every query has the score of one LLM only."
    elif log.n_single:
        yield f"- {_count(log.n_single, 'query')} with the score of one LLM only."
    if log.n_no_task:
        yield f"- {_count(log.n_no_task, 'query')} without a task, called 'unknown'."
    if log.n_mixed_tasks:
        yield f"- {_count(log.n_mixed_tasks, 'query')} with several tasks: the first is taken."
    if log.n_mixed_weights:
        yield f"- {_count(log.n_mixed_weights, 'query')} with several weights: the mean is taken."


def _count(number: int, what: str) -> str:
    if number != 1:
        what = what[:-1] + "ies" if what.endswith("y") else what + "s"
    return f"{number:,} {what}"


def _names(counts: Mapping[str, int], what: str) -> str:
    shown = [f"{name!r} ({_count(n, what)})" for name, n in list(counts.items())[:_NAMED]]
    return ", ".join(shown) + _more(len(counts))


def _more(number: int) -> str:
    return f" and {number - _NAMED} more" if number > _NAMED else ""
