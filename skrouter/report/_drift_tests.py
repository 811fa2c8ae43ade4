"""Two-sample tests of what a router depends on: queries, calls, performance, cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import fisher_exact, ks_2samp, mannwhitneyu
from sklearn.decomposition import PCA

from skrouter._utils.types import Floats, LLMName

Kind = Literal["queries", "calls", "performance", "cost"]


class DriftRow(NamedTuple):
    """One test of a drift report.

    Attributes
    ----------
    kind : {"queries", "calls", "performance", "cost"}
        What was compared.
    name : str or int
        The LLM; for queries the number of the direction, 1 is the one of largest variance.
    reference, recent : float
        Means of both sides. For queries in standard deviations from the mean of both together,
        for calls the share of the queries, for costs US dollars per 1,000 queries.
    distance : float
        How far the two distributions are apart, from 0 to 1: the Kolmogorov-Smirnov distance for
        queries, the difference of the shares for calls, the absolute rank-biserial correlation
        for performance and cost.
    p_value : float
        Corrected for the number of tests, by :func:`correct`.
    moved : bool
        Whether it is at most the significance level; not known before the correction.
    """

    kind: Kind
    name: LLMName
    reference: float
    recent: float
    distance: float
    p_value: float
    moved: bool = False


def compare_queries(reference: Floats, recent: Floats, n_directions: int) -> Iterator[DriftRow]:
    """Kolmogorov-Smirnov along the main directions of both sides together.

    The directions know nothing of which side a query is on, or the tests would not hold: those
    of one side alone fit that side better.
    """
    both = np.vstack([reference, recent])
    n_components = min(n_directions, *both.shape)
    scores = PCA(n_components, random_state=0).fit_transform(both)
    scale = scores.std(axis=0)
    # Directions that are nothing but rounding.
    kept = scale > 1e-6 * max(scale[0], np.abs(both).max())
    for number, column in enumerate((scores[:, kept] / scale[kept]).T, start=1):
        before, after = column[: len(reference)], column[len(reference) :]
        found = ks_2samp(before, after, method="asymp")
        yield _row("queries", number, before, after, found.statistic, found.pvalue)


def compare_calls(
    llms: list[LLMName], reference: NDArray[Any], recent: NDArray[Any]
) -> Iterator[DriftRow]:
    """Fisher's exact test of how often each LLM is called; none where there is but one."""
    calls = [(llm, reference == llm, recent == llm) for llm in llms]
    calls = [each for each in calls if each[1].any() or each[2].any()]
    for llm, before, after in calls if len(calls) > 1 else []:
        table = [[part.sum(), (~part).sum()] for part in (before, after)]
        distance = abs(after.mean() - before.mean())
        yield _row("calls", llm, before, after, distance, fisher_exact(table)[1])


def compare_outcomes(
    kind: Kind, llms: list[LLMName], reference: Floats, recent: Floats
) -> Iterator[DriftRow]:
    """Mann-Whitney test of each LLM that was observed at least twice on both sides."""
    for position, llm in enumerate(llms):
        before, after = reference[:, position], recent[:, position]
        before, after = before[~np.isnan(before)], after[~np.isnan(after)]
        if min(len(before), len(after)) < 2:
            continue
        distance, p_value = 0.0, 1.0
        # Where all are equal there is no variance to divide by.
        if np.ptp(np.concatenate([before, after])) > 0:
            statistic, p_value = mannwhitneyu(before, after)
            distance = abs(2 * statistic / (len(before) * len(after)) - 1)
        yield _row(kind, llm, before, after, distance, p_value)


def _row(
    kind: Kind,
    name: LLMName,
    before: NDArray[Any],
    after: NDArray[Any],
    distance: float,
    p_value: float,
) -> DriftRow:
    means = float(before.mean()), float(after.mean())
    return DriftRow(kind, name, *means, float(distance), float(p_value))


def correct(tests: list[DriftRow], significance_level: float) -> list[DriftRow]:
    """Holm's correction, which holds however tests depend on each other, as these do."""
    p_values = np.array([test.p_value for test in tests])
    order = np.argsort(p_values, kind="stable")
    corrected = np.empty(len(tests))
    steps = p_values[order] * np.arange(len(tests), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [
        test._replace(p_value=float(p_value), moved=bool(p_value <= significance_level))
        for test, p_value in zip(tests, corrected, strict=True)
    ]
