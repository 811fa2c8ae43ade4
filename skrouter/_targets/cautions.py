"""Warnings about targets that can be learnt from, but hardly say what was meant."""

from __future__ import annotations

import warnings
from contextlib import contextmanager

import numpy as np

# An LLM with fewer outcomes than the one and than this share of those of the best known LLM.
_FEW, _FEW_SHARE = 10, 0.1

# Costs that change the utility by less than this share of what performance does.
_NEGLIGIBLE = 1e-3


class FewOutcomesWarning(UserWarning):
    """Some LLMs were observed on very few queries.

    ``warnings.simplefilter("ignore", FewOutcomesWarning)`` silences it, as in a search by
    cross-validation, where every fit on a part of the queries gives it anew.

    Examples
    --------
    >>> import warnings
    >>> import numpy as np
    >>> from skrouter import FewOutcomesWarning
    >>> from skrouter.baselines import BestSingleRouter
    >>> X, performance = np.zeros((40, 1)), np.ones((40, 2))
    >>> performance[2:, 1] = np.nan
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", FewOutcomesWarning)
    ...     BestSingleRouter().fit(X, performance).predict(X[:2])
    array([0, 0])
    """


def warn_of_few_outcomes(target):
    """Warn where an LLM rests on few outcomes, as chance then makes it look good or bad."""
    counts = (~np.isnan(target.performance)).sum(axis=0)
    few = (counts > 0) & (counts < min(_FEW, _FEW_SHARE * counts.max()))
    if few.any():
        found = ", ".join(
            f"{name!r} on {count}"
            for name, count in zip(
                target.llm_names[few].tolist(), counts[few].tolist(), strict=True
            )
        )
        warnings.warn(
            f"Some LLMs were observed on very few of {len(target.performance)} queries: {found}. "
            "Chance makes such an LLM look better or worse than it is; score it on more queries, "
            "or leave it out.",
            FewOutcomesWarning,
            stacklevel=2,
        )


@contextmanager
def few_outcomes_warned_of_once(target):
    """Warn of `target` now, and not again of its parts while routers are fitted on them."""
    warn_of_few_outcomes(target)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewOutcomesWarning)
        yield


def warn_of_scale(target, cost_weight):
    """Warn where performance and costs are on scales that the trade-off cannot join."""
    if target.cost is None or cost_weight == 0:
        return
    performance, cost = target.performance, target.cost
    low, high = float(np.nanmin(performance)), float(np.nanmax(performance))
    if low < 0 or high > 1:
        warnings.warn(
            f"performance is from {low:g} to {high:g}, and costs are charged: cost_weight="
            f"{cost_weight:g} is the performance given up for one US dollar per 1,000 queries, and "
            f"means little on a scale other than [0, 1]. Map it to [0, 1], or choose cost_weight "
            "for that scale.",
            UserWarning,
            stacklevel=2,
        )
    charged = np.where(np.isnan(performance), np.nan, cost_weight * cost)
    several = (~np.isnan(charged)).sum(axis=1) > 1
    if not several.any() or high == low:
        return
    ordered = np.sort(charged[several], axis=1)  # NaN last
    spans = np.nanmax(ordered, axis=1) - ordered[:, 0]
    gaps = ordered[:, 1] - ordered[:, 0]
    hint = "Costs are in US dollars per 1,000 queries: are these dollars per query, or per token?"
    if 0 < spans.max() < _NEGLIGIBLE * (high - low):
        warnings.warn(
            f"Costs can hardly change a choice: at cost_weight={cost_weight:g} they differ by "
            f"{spans.max():.2g} in utility on any query, performance by {high - low:g}. {hint}",
            UserWarning,
            stacklevel=2,
        )
    elif gaps.min() > high - low:
        warnings.warn(
            f"Performance cannot change a choice: at cost_weight={cost_weight:g} the cheapest LLM "
            f"is ahead by {gaps.min():.2g} in utility on every query, and performance differs by "
            f"{high - low:g}. {hint}",
            UserWarning,
            stacklevel=2,
        )


def warn_of_number_labels(labels):
    """Warn of labels that look like ratings."""
    if labels.dtype.kind == "f" and len(np.unique(labels)) > 2:
        warnings.warn(
            f"y has one dimension, so that its numbers, such as {labels[0]:g}, are taken for the "
            "names of the best LLMs. If they are ratings of answers, pass the performance of each "
            "LLM, shape (n_queries, n_llms); for a log of one LLM per query see "
            "make_logged_target.",
            UserWarning,
            stacklevel=2,
        )
