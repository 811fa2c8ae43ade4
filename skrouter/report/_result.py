"""The report itself: all numbers, and its forms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from sklearn.utils._param_validation import StrOptions

from skrouter._utils.param_validation import validate_params
from skrouter._utils.types import LLMName
from skrouter.metrics._bootstrap import PairedDifference
from skrouter.metrics._reliability import ReliabilityBins
from skrouter.metrics._score import RoutingScore
from skrouter.report._predictability import Signal
from skrouter.report._render import as_html, as_page, as_text
from skrouter.report._tables import tables

if TYPE_CHECKING:
    from pandas import DataFrame


class Savings(NamedTuple):
    """What the router saves against always calling one LLM.

    Attributes
    ----------
    llm : str or int
        The LLM.
    cost : float
        Its mean cost in US dollars per 1,000 queries, on the queries where both costs are known.
    saved : PairedDifference
        Its cost minus that of the router, in US dollars per 1,000 queries. The router's own cost
        is included.
    performance : PairedDifference
        The router's performance minus that of the LLM: what is given up, or gained, for it.
    """

    llm: LLMName
    cost: float
    saved: PairedDifference
    performance: PairedDifference

    @property
    def share(self) -> float:
        """What is saved as a share of the cost of the LLM; NaN where that costs nothing."""
        return self.saved.difference / self.cost if self.cost > 0 else float("nan")


class LLMUse(NamedTuple):
    """How one LLM is used.

    Attributes
    ----------
    n_calls : int
        Number of queries on which the router calls it.
    share : float
        The same as a share of all queries.
    performance : float
        Mean observed performance on these queries; NaN where there is none.
    cost : float
        Mean observed cost on these queries, in US dollars per 1,000 queries.
    overall : float
        Its mean observed performance on all queries, also those on which it is not called.
    n_observed : int
        Number of queries on which its performance was observed.
    """

    n_calls: int
    share: float
    performance: float
    cost: float
    overall: float
    n_observed: int


class Calibration(NamedTuple):
    """Predicted performance against what was observed.

    Attributes
    ----------
    brier : float
        Brier score: mean squared difference of predicted and observed performance, over the
        observed outcomes.
    constant : float
        The same when the mean of each LLM is predicted for every query.
    n_outcomes : int
        Number of outcomes.
    bins : ReliabilityBins
        ``(mean_predicted, mean_observed, count)`` of ten bins of equal counts.
    """

    brier: float
    constant: float
    n_outcomes: int
    bins: ReliabilityBins

    @property
    def skill(self) -> float:
        """Brier skill score: 1 is perfect, 0 no better than the constant."""
        return 1 - self.brier / self.constant if self.constant > 0 else float("nan")


@dataclass(frozen=True, kw_only=True, repr=False)
class RoutingReport:
    """What :func:`routing_report` found; ``print`` it, or look at its numbers.

    A notebook shows it as a page.

    Parameters
    ----------
    verdict : str
        The result in plain words, one to three sentences.
    routing_pays : bool
        Whether routing beats always calling the best single LLM: the lower end of the paired
        interval is above 0, and the router calls more than one LLM.
    router_name : str
        Class of the router.
    n_queries : int
        Number of held-out queries with an observed outcome.
    n_shared : int
        How many of these are also among the training queries that were given, and so not held
        out.
    cost_weight : float
        The trade-off at which everything is judged.
    confidence_level : float
        Coverage of the intervals.
    best_single_llm : str or int
        The LLM that is best on average at the trade-off: the reference of the verdict.
    scores : dict of str to RoutingScore
        Performance, cost, utility and number of counted queries of ``"router"``, ``"best single
        LLM"``, ``"best LLM per task"`` (with tasks), ``"kNN"``, ``"ridge"``, ``"random"`` and
        ``"oracle"``. Means over queries (micro): where outcomes are missing, over those on which
        what each of them calls was observed.
    n_common : int
        Number of queries on which what each of them calls was observed.
    comparable : bool
        Whether the `scores` rest on these queries. Not so where they are fewer than a quarter of
        all: each score is then over its own, and only the `differences` compare.
    differences : dict of str to PairedDifference
        Utility of the router minus that of each reference, over all queries that both have.
    realised : dict of str to float
        The part of the oracle's gain over the best single LLM that the router, the table of tasks,
        kNN and ridge realise. NaN where the oracle gains nothing.
    savings : dict of str to Savings
        Against the best single LLM by ``"performance"`` and by ``"utility"``: its name `llm`, its
        `cost`, what the router `saved` in US dollars per 1,000 queries and what it has more in
        `performance`, both PairedDifference, and the `share` saved. Empty without costs.
    llms : dict of str to LLMUse
        How each LLM is used: `n_calls`, their `share` of the queries, mean `performance` and
        `cost` where it is called, and its performance `overall`, on all queries.
    calibration : Calibration or None
        Predicted against observed performance: `brier`, the mean squared difference; `constant`,
        that of the mean of each LLM; `skill`, one minus their ratio; `n_outcomes`; and `bins`,
        ``(mean_predicted, mean_observed, count)``. None for a router that predicts no outcomes.
    signal : Signal
        ``(ridge, knn)``: the share of the interaction of queries and LLMs, that is of performance
        minus its means over LLMs and over queries, that these regressions on the embeddings
        explain out of fold. 0 or less is none.
    router_cost : float
        The router's own cost in US dollars per 1,000 queries, as given; charged to it, to kNN and
        to ridge.
    ms_per_query : float
        Measured time of `predict` in milliseconds per query.
    notes : tuple of str
        How the references were made, what was left out and why.

    See Also
    --------
    routing_report : Makes it.
    """

    verdict: str
    routing_pays: bool
    router_name: str
    n_queries: int
    n_shared: int
    cost_weight: float
    confidence_level: float
    best_single_llm: LLMName
    scores: dict[str, RoutingScore]
    n_common: int
    comparable: bool
    differences: dict[str, PairedDifference]
    realised: dict[str, float]
    savings: dict[str, Savings]
    llms: dict[LLMName, LLMUse]
    calibration: Calibration | None
    signal: Signal
    router_cost: float
    ms_per_query: float
    notes: tuple[str, ...]

    def to_text(self) -> str:
        """The report as aligned plain text.

        Returns
        -------
        text : str
            To be printed.
        """
        return as_text(self)

    def to_html(self) -> str:
        """The report as a page of HTML that stands alone: no scripts, no files.

        Returns
        -------
        html : str
            A whole page, to be written to a file, in UTF-8.
        """
        return as_page(as_html(self), f"Routing report: {self.router_name}")

    @validate_params({"part": [StrOptions({"scores", "savings", "llms", "reliability"})]})
    def to_frame(
        self, part: Literal["scores", "savings", "llms", "reliability"] = "scores"
    ) -> DataFrame:
        """One table of the report as a data frame.

        Parameters
        ----------
        part : {"scores", "savings", "llms", "reliability"}, default="scores"
            Which table. "savings" is empty without costs, "reliability" without predictions.

        Returns
        -------
        frame : pandas.DataFrame
            Indexed by what the rows are.

        Raises
        ------
        ValueError
            If there is no such table.
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError('to_frame needs pandas: pip install "skrouter[data]"') from error
        (table,) = (table for table in tables(self) if table.key == part)
        names = [column.name for column in table.columns]
        frame = pandas.DataFrame([row[1:] for row in table.rows], columns=names[1:])
        frame.index = pandas.Index([row[0] for row in table.rows], name=names[0] or None)
        return frame

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return (
            f"RoutingReport(router={self.router_name}, n_queries={self.n_queries}, "
            f"routing_pays={self.routing_pays})"
        )

    def _repr_html_(self) -> str:
        return as_html(self)  # a piece, for the page of a notebook
