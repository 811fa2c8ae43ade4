"""Which of several routers to take, by cross-validation on the user's own data."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import indexable

from skrouter._targets.cautions import few_outcomes_warned_of_once
from skrouter._targets.named_target import NamedTarget
from skrouter._targets.routing_target import RoutingTarget, check_routing_target
from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.estimators import innermost_estimator
from skrouter._utils.folds import Folds, given_folds
from skrouter._utils.lengths import check_same_length
from skrouter._utils.types import CostLike, Floats, LabelsLike, QueriesLike
from skrouter.baselines import BestSingleRouter
from skrouter.metrics._bootstrap import PairedDifference
from skrouter.metrics._common_queries import common_queries, different_queries, same_queries
from skrouter.report._realized_outcomes import compare, mean_known, realize_outcomes
from skrouter.report._references import ORACLE, SINGLE, random_and_oracle


class ComparedRouter(NamedTuple):
    """One row of a comparison.

    Attributes
    ----------
    name : str
    score : float
        Mean utility on held-out queries. With missing scores it is over those on which what each
        router calls was scored; see `comparable` of :class:`RouterComparison`.
    gain : PairedDifference
        Utility less that of the best single LLM, on the same queries.
    behind : PairedDifference
        Utility of the best router of all less that of this one. Where its `low` is at most 0, the
        two cannot be told apart.
    share : float
        Part of what the oracle gains over the best single LLM. NaN where it gains nothing.
    seconds : float
        Mean time of a fit.
    """

    name: str
    score: float
    gain: PairedDifference
    behind: PairedDifference
    share: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class RouterComparison:
    """What :func:`compare_routers` found; ``print`` it, or look at its rows.

    Parameters
    ----------
    recommended : str
        Name of the first router that cannot be told apart from the best: the best single LLM,
        then the others in the order given.
    rows : list of ComparedRouter
        The recommended router first, the others by score.
    oracle : float
        Mean utility of the best LLM of every query, which nobody knows beforehand.
    n_scored : int
        Number of queries on which what each router calls was scored; less than `n_queries` where
        outcomes are missing.
    comparable : bool
        Whether scores rest on the same queries. Not so if outcomes are missing and fewer than a
        quarter of the queries have all that are needed: go by `gain`.
    n_queries : int
        Number of queries, each held out once.
    cost_weight : float
        The trade-off at which everything is judged.

    Examples
    --------
    See :func:`compare_routers`, which makes it.
    """

    recommended: str
    rows: list[ComparedRouter]
    oracle: float
    n_scored: int
    comparable: bool
    n_queries: int
    cost_weight: float

    def __str__(self) -> str:
        lines = [
            f"{self.n_queries} held-out queries, cost_weight={self.cost_weight:g}. Recommended: "
            f"{self.recommended}, the first that cannot be told apart from the best.",
            "",
            "| router | score | less best single LLM | 95 % interval | of the oracle's gain | "
            "seconds per fit |",
            "|---|---:|---:|---|---:|---:|",
        ]
        for row in self.rows:
            share = "" if np.isnan(row.share) else f"{row.share:.0%}"
            gain = row.gain
            lines.append(
                f"| {row.name} | {row.score:.4f} | {gain.difference:+.4f} | "
                f"[{gain.low:+.4f}, {gain.high:+.4f}] | {share} | {row.seconds:.2g} |"
            )
        lines.append(f"| {ORACLE} | {self.oracle:.4f} | | | | |")
        return "\n".join([*lines, *self._notes()])

    def _notes(self) -> list[str]:
        if self.comparable and self.n_scored == self.n_queries:
            return []
        note = (
            same_queries("scores", self.n_scored, self.n_queries)
            if self.comparable
            else different_queries("scores", self.n_scored, self.n_queries)
        )
        return ["", f"{note} Less best single LLM: over all queries that both have."]


@with_shared_parts
def compare_routers(
    routers: Sequence[tuple[str, BaseEstimator]],
    X: QueriesLike,
    y: ArrayLike,
    cost: CostLike | None = None,
    *,
    cost_weight: float = 0.02,
    cv: int | Any = 4,
    tasks: LabelsLike | None = None,
    random_state: int | None = 0,
) -> RouterComparison:
    """Compare routers by cross-validation, and say which to take.

    Every router is fitted without the queries of a fold and chooses LLMs for them, fold by fold.
    The best single LLM of the other folds is compared along. Recommended is the first, the best
    single LLM before the routers in the order given, whose utility cannot be told apart from that
    of the best (paired intervals over queries): so give the simplest first.

    Parameters
    ----------
    routers : list of tuple
        Names and unfitted routers, the simplest first. They are cloned. Pipelines and searches
        that end in a router will do; each is judged at `cost_weight`, and should be given it.
    %(X_fit)s
    %(y_fit)s
    %(cost)s
    cost_weight : float, default=0.02
        The trade-off to judge at: performance given up for one US dollar per 1,000 queries. Not
        used without costs.
    cv : int, splitter or iterable of splits, default=4
        Folds; an int shuffles. Every query must be held out once.
    tasks : array-like of shape (n_queries,), default=None
        Task of each query, for routers that want it told.
    random_state : int or None, default=0
        Seed of the folds and of the intervals.

    Returns
    -------
    comparison : RouterComparison
        ``print`` it for a table in Markdown.

    Raises
    ------
    ValueError
        If no router was given, names are not unique, tasks are missing for a router that wants
        them, or folds do not hold out every query once.

    See Also
    --------
    routing_report : Whether one fitted router pays, in detail.

    Examples
    --------
    >>> from skrouter.baselines import ClusterRouter, LinearRouter
    >>> from skrouter.datasets import make_routing_problem
    >>> from skrouter import compare_routers
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> data = make_routing_problem(1000, random_state=0)
    >>> X = TfidfVectorizer().fit_transform(data.queries).toarray()
    >>> routers = [("clusters", ClusterRouter(random_state=0)), ("ridge", LinearRouter())]
    >>> comparison = compare_routers(routers, X, data.performance, data.cost)
    >>> comparison.recommended
    'clusters'
    """
    names = [name for name, _ in routers]
    if not names or len(set(names)) < len(names) or {SINGLE, ORACLE} & set(names):
        raise ValueError(
            f"routers must be (name, router) with unique names other than {SINGLE!r} and "
            f"{ORACLE!r}, at least one; got names {names}."
        )
    target = check_routing_target(y, cost, llm_names=_llm_names(routers))
    if target.cost is not None:
        y = NamedTarget.of(
            np.stack([target.performance, target.cost], axis=-1), target.llm_names.tolist()
        )
    check_same_length(X=X, y=target.performance, tasks=tasks)
    needy = [name for name, router in routers if _needs_tasks(router)]
    if needy and tasks is None:
        raise ValueError(f"tasks is missing: {needy} want the task of each query.")
    cost_weight = 0.0 if target.cost is None else cost_weight
    folds = _folds(cv, len(target.performance), random_state)
    single = BestSingleRouter(cost_weight=cost_weight, llm_names=_llm_names(routers))
    utility, seconds = {}, {}
    with few_outcomes_warned_of_once(target):
        for name, router in [(SINGLE, single), *routers]:
            told = X, y, target, tasks, folds, cost_weight
            utility[name], seconds[name] = _held_out(router, *told)
    oracle = realize_outcomes(
        target, random_and_oracle(target, cost_weight)[ORACLE], cost_weight
    ).utility
    known_of_all = [~np.isnan(each) for each in (*utility.values(), oracle)]
    common = common_queries(known_of_all)
    # On the queries where both are known: else routers of LLMs that were scored would be ahead.
    best = max(utility, key=lambda name: mean_known(utility[name] - utility[SINGLE]))
    rows = []
    for name, each in utility.items():
        known = ~np.isnan(each) & ~np.isnan(utility[SINGLE])
        possible = mean_known((oracle - utility[SINGLE])[known])
        gain = _difference(name, SINGLE, utility, random_state)
        behind = _difference(best, name, utility, random_state)
        share = gain.difference / possible if possible > 0 else float("nan")
        score = mean_known(each if common is None else each[common])
        rows.append(ComparedRouter(name, score, gain, behind, share, seconds[name]))
    recommended = next(row for row in rows if row.name == best or row.behind.low <= 0)
    others = sorted((row for row in rows if row is not recommended), key=lambda row: -row.score)
    return RouterComparison(
        recommended=recommended.name,
        rows=[recommended, *others],
        oracle=mean_known(oracle if common is None else oracle[common]),
        n_scored=int(np.logical_and.reduce(known_of_all).sum()),
        comparable=common is not None,
        n_queries=len(target.performance),
        cost_weight=cost_weight,
    )


def _llm_names(routers: Sequence[tuple[str, BaseEstimator]]) -> list[Any] | None:
    """The names that routers give to the columns of a `y` without any."""
    given = [getattr(innermost_estimator(router), "llm_names", None) for _, router in routers]
    names = {tuple(each) for each in given if each is not None}
    if len(names) > 1:
        raise ValueError(f"routers must agree on llm_names; got {[list(each) for each in names]}.")
    return list(names.pop()) if names else None


def _difference(
    first: str, second: str, utility: dict[str, Floats], random_state: int | None
) -> PairedDifference:
    if first == second:  # the same choices, for certain
        n_queries = int((~np.isnan(utility[first])).sum())
        return PairedDifference(0.0, 0.0, 0.0, n_queries, 0.0)
    return compare(utility[first], utility[second], random_state=random_state)


def _needs_tasks(router: BaseEstimator) -> bool:
    return getattr(router, "_needs_tasks", False)


def _folds(cv: object, n_queries: int, random_state: int | None) -> Folds:
    if isinstance(cv, Integral):
        if not 2 <= int(cv) <= n_queries:
            raise ValueError(f"cv must be from 2 to the number of queries, {n_queries}; got {cv}.")
        order = np.random.default_rng(random_state).permutation(n_queries)
        parts = np.array_split(order, int(cv))
        return [(np.setdiff1d(order, part), np.sort(part)) for part in parts]
    return given_folds(cv, n_queries)


def _held_out(
    router: BaseEstimator,
    X: QueriesLike,
    y: ArrayLike,
    target: RoutingTarget,
    tasks: LabelsLike | None,
    folds: Folds,
    cost_weight: float,
) -> tuple[Floats, float]:
    """Utility on every query of what a router calls that did not know it, and time of a fit."""
    X, y = indexable(X, y)
    utility, seconds = np.full(len(target.performance), np.nan), []
    known = ~np.isnan(target.performance).all(axis=1)
    for train, test in folds:
        train, test = train[known[train]], test[known[test]]
        if not len(test):
            continue
        told = [
            {} if not _needs_tasks(router) else {"tasks": _safe_indexing(tasks, rows)}
            for rows in (train, test)
        ]
        start = time.perf_counter()
        fitted: Any = clone(router)
        fitted.fit(_safe_indexing(X, train), _safe_indexing(y, train), **told[0])
        seconds.append(time.perf_counter() - start)
        llms = fitted.predict(_safe_indexing(X, test), **told[1])
        utility[test] = realize_outcomes(target.rows(test), llms, cost_weight).utility
    return utility, float(np.mean(seconds))
