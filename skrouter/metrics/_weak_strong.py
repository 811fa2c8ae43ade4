"""RouteLLM's metrics, of routers between a weak and a strong LLM."""

from __future__ import annotations

from numbers import Real

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import trapezoid
from sklearn.utils import assert_all_finite
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import _check_sample_weight, column_or_1d

from skrouter._targets.routing_target import RoutingTarget
from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.lengths import check_same_length
from skrouter._utils.param_validation import validate_params
from skrouter._utils.types import Floats, LLMName, NamesLike
from skrouter.metrics._score import call_shares, check_scored_target

# Parts of the gap that differ by less are equal: sums of the same outcomes in another order.
_ROUNDING = 1e-12


@with_shared_parts
def pgr(
    y_true: ArrayLike,
    llms: ArrayLike,
    *,
    weak: LLMName,
    strong: LLMName,
    llm_names: NamesLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    r"""Performance gap recovered: where a router stands between a weak and a strong LLM.

    .. math::

        \text{PGR} = \frac{\text{performance} - \text{performance}_{\text{weak}}}
            {\text{performance}_{\text{strong}} - \text{performance}_{\text{weak}}},

    0 for always calling the weak LLM and 1 for always calling the strong one (RouteLLM [1]_). It
    is above 1 where a router profits from queries on which the weak LLM is the better one. It
    says nothing of how often the strong LLM was called: see :func:`apgr`.

    Parameters
    ----------
    %(y_true_matrix)s
        Queries on which one of the two LLMs was not observed are left out, so that all three
        means are over the same queries.
    %(chosen_llms)s
        Only these two LLMs may be chosen.
    %(weak_and_strong)s
    %(pool)s
    %(sample_weight)s

    Returns
    -------
    pgr : float
        Higher is better.

    Raises
    ------
    ValueError
        If `weak` or `strong` is not in the pool, another LLM is chosen, the strong one is not
        better on these queries (there is no gap to recover then), or the input is not as
        :func:`routing_score` wants it.

    References
    ----------
    %(routellm)s

    Examples
    --------
    >>> from skrouter.metrics import pgr
    >>> performance = [[0.0, 1.0], [1.0, 1.0], [0.0, 1.0]]
    >>> pgr(
    ...     performance,
    ...     ["small", "small", "large"],
    ...     weak="small",
    ...     strong="large",
    ...     llm_names=["small", "large"],
    ... )
    0.5
    """
    target = check_scored_target(y_true, None, llm_names)
    shares = call_shares(llms, target)
    _, gap = _gap_per_query(target, weak, strong, sample_weight)
    others = (shares > 0).any(axis=0) & ~np.isin(target.llm_names, [weak, strong])
    if others.any():
        raise ValueError(
            f"llms holds {target.llm_names[others].tolist()[:5]}; only weak={weak!r} and "
            f"strong={strong!r} may be chosen."
        )
    called = shares[:, _column(target, strong, "strong")]
    return float((called * gap).sum() / gap.sum())


@with_shared_parts
def apgr(
    y_true: ArrayLike,
    strong_score: ArrayLike,
    *,
    weak: LLMName,
    strong: LLMName,
    llm_names: NamesLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    r"""Average performance gap recovered over all shares of calls to the strong LLM.

    A router between two LLMs calls the strong one where its score is above a threshold. Moving
    the threshold moves the share :math:`s` of strong calls from 0 to 1, and

    .. math::

        \text{APGR} = \int_0^1 \text{PGR}(s) \, ds

    (RouteLLM [1]_). A random order has 0.5 in expectation, and a constant score has it exactly.

    Parameters
    ----------
    %(y_true_matrix)s
        Queries on which one of the two LLMs was not observed are left out.
    %(strong_score)s
    %(weak_and_strong)s
    %(pool)s
    %(sample_weight)s

    Returns
    -------
    apgr : float
        Higher is better. The best order there is, by the gain of the strong LLM, is above 1 if
        the weak LLM is better on enough queries.

    Raises
    ------
    ValueError
        If `strong_score` holds NaN or infinite values, or as :func:`pgr`.

    Notes
    -----
    The integral is exact for the queries given: every threshold counts. RouteLLM's code takes
    about ten thresholds, which differs slightly.

    References
    ----------
    %(routellm)s

    Examples
    --------
    >>> from skrouter.metrics import apgr
    >>> performance = [[0.0, 1.0], [1.0, 1.0]]
    >>> apgr(performance, [0.9, 0.2], weak=0, strong=1)
    0.75
    >>> apgr(performance, [0.5, 0.5], weak=0, strong=1)
    0.5
    """
    share, recovered = _recovery_curve(y_true, strong_score, weak, strong, llm_names, sample_weight)
    return float(trapezoid(recovered, share))


@with_shared_parts
@validate_params({"level": [Interval(Real, None, None, closed="neither")]})
def cpt(
    y_true: ArrayLike,
    strong_score: ArrayLike,
    *,
    weak: LLMName,
    strong: LLMName,
    level: float = 0.5,
    llm_names: NamesLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    r"""Call-performance threshold: the smallest share of strong calls that recovers a level.

    :math:`\text{CPT}(x) = \min \{ s : \text{PGR}(s) \ge x \}`, with the share :math:`s` of calls
    to the strong LLM as in :func:`apgr` (RouteLLM [1]_).

    Parameters
    ----------
    %(y_true_matrix)s
        Queries on which one of the two LLMs was not observed are left out.
    %(strong_score)s
    %(weak_and_strong)s
    level : float, default=0.5
        The PGR to reach. The paper reports 0.5 and 0.8.
    %(pool)s
    %(sample_weight)s

    Returns
    -------
    cpt : float
        In [0, 1], lower is better; the paper gives it in per cent. NaN if the level is never
        reached, which happens only for levels above 1.

    Raises
    ------
    ValueError
        If `level` is not a finite number, or as :func:`apgr`.

    Notes
    -----
    PGR may fall where more strong calls do harm, so the curve is followed from the left to its
    **first** crossing. RouteLLM's code inverts it by interpolation, which presumes that it only
    rises.

    References
    ----------
    %(routellm)s

    Examples
    --------
    >>> from skrouter.metrics import cpt
    >>> cpt([[0.0, 1.0], [1.0, 1.0]], [0.9, 0.2], weak=0, strong=1, level=0.8)
    0.4
    """
    share, recovered = _recovery_curve(y_true, strong_score, weak, strong, llm_names, sample_weight)
    return first_crossing(share, recovered, level)


def first_crossing(x: Floats, height: Floats, level: float) -> float:
    """The smallest x at which straight lines between points reach a level; NaN if nowhere."""
    reached = np.flatnonzero(height >= level - _ROUNDING)
    if not reached.size:
        return float("nan")
    right = reached[0]
    if right == 0 or height[right] <= level:
        return float(x[right])
    return float(np.interp(level, height[right - 1 : right + 1], x[right - 1 : right + 1]))


def _recovery_curve(
    y_true: ArrayLike,
    strong_score: ArrayLike,
    weak: LLMName,
    strong: LLMName,
    llm_names: NamesLike | None,
    sample_weight: ArrayLike | None,
) -> tuple[Floats, Floats]:
    """Share of strong calls and PGR, from (0, 0) to (1, 1), one point per distinct score."""
    target = check_scored_target(y_true, None, llm_names)
    score = column_or_1d(strong_score, dtype=np.float64, input_name="strong_score")
    check_same_length(y_true=target.performance, strong_score=score)
    assert_all_finite(score, input_name="strong_score")
    weight, gap = _gap_per_query(target, weak, strong, sample_weight)
    counted = weight > 0
    score, weight, gap = score[counted], weight[counted], gap[counted]
    order = np.argsort(-score, kind="stable")
    # Among equal scores the calls are made at random: a straight line to the end of the group.
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)

    def cumulative_share(values: Floats) -> Floats:
        total = np.concatenate([[0.0], np.cumsum(values[order])[ends]])
        return total / total[-1]

    return cumulative_share(weight), cumulative_share(gap)


def _gap_per_query(
    target: RoutingTarget, weak: LLMName, strong: LLMName, sample_weight: ArrayLike | None
) -> tuple[Floats, Floats]:
    """Weights, 0 where one of the LLMs was not observed, and the weighted gain of the strong."""
    low = target.performance[:, _column(target, weak, "weak")]
    high = target.performance[:, _column(target, strong, "strong")]
    observed = ~(np.isnan(low) | np.isnan(high))
    weight = np.where(observed, _check_sample_weight(sample_weight, target.performance), 0.0)
    if not weight.sum() > 0:
        raise ValueError(f"No query has an observed outcome of both {weak!r} and {strong!r}.")
    gap = weight * np.where(observed, high - low, 0.0)
    if not gap.sum() > _ROUNDING * weight.sum():
        raise ValueError(
            f"strong={strong!r} is not better than weak={weak!r}: the difference of their mean "
            f"performance is {gap.sum() / weight.sum():.6g}, and there is no gap to recover."
        )
    return weight, gap


def _column(target: RoutingTarget, llm: LLMName, name: str) -> int:
    names = target.llm_names.tolist()
    if llm not in names:
        raise ValueError(f"{name}={llm!r} is not in the pool {names}.")
    return names.index(llm)
