"""RouterArena's score."""

from __future__ import annotations

from numbers import Real

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval

from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.param_validation import validate_params
from skrouter._utils.types import CostLike, NamesLike
from skrouter.metrics._score import check_scored_target, score_choices

_ABOVE_0 = [Interval(Real, 0, None, closed="neither")]


@with_shared_parts
@validate_params({"beta": _ABOVE_0, "c_min": _ABOVE_0, "c_max": _ABOVE_0})
def router_arena_score(
    y_true: ArrayLike,
    llms: ArrayLike,
    *,
    cost: CostLike | None = None,
    llm_names: NamesLike | None = None,
    sample_weight: ArrayLike | None = None,
    beta: float = 0.1,
    c_min: float = 0.0044,
    c_max: float = 200.0,
) -> float:
    r"""RouterArena's score: a weighted harmonic mean of performance and cheapness.

    With the mean performance :math:`A` and the mean cost :math:`c` of the chosen LLMs,

    .. math::

        S = \frac{(1 + \beta) \, A \, C}{\beta A + C}, \qquad
        C = \frac{\log_2 c_{\max} - \log_2 c}{\log_2 c_{\max} - \log_2 c_{\min}},

    as in RouterArena [1]_. The small :math:`\beta` makes performance count more than cost, and
    the logarithm makes each halving of the cost count alike.

    Parameters
    ----------
    %(y_true_matrix)s
        What was not observed is left out as in :func:`routing_score`.
    %(chosen_llms)s
    %(cost_of_pair)s
    %(pool)s
    %(sample_weight)s
    beta : float, default=0.1
        Weight of the cheapness against the performance, above 0. The default is RouterArena's.
    c_min, c_max : float, default=0.0044 and 200.0
        Costs in US dollars per 1,000 queries at which :math:`C` is 1 and 0, ``0 < c_min < c_max``.
        The defaults are RouterArena's, for LLMs of 2025. A mean cost outside of them is taken as
        the bound, which is our choice.

    Returns
    -------
    score : float
        In [0, 1], higher is better.

    Raises
    ------
    ValueError
        If there are no costs, the mean performance is not in [0, 1], a parameter is not as
        described, or the input is not as :func:`routing_score` wants it.

    References
    ----------
    .. [1] Y. Lu et al., "RouterArena: An Open Platform for Comprehensive Comparison of LLM
       Routers", 2025, arXiv:2510.00202.

    Examples
    --------
    >>> from skrouter.metrics import router_arena_score
    >>> round(router_arena_score([[0.0, 1.0], [1.0, 1.0]], [0, 1], cost=[0.1, 1.9]), 4)
    0.4995
    """
    if not c_min < c_max:
        raise ValueError(f"c_max={c_max!r} must be above c_min={c_min!r}.")
    score = score_choices(check_scored_target(y_true, cost, llm_names), llms, 0.0, sample_weight)
    if np.isnan(score.cost):
        raise ValueError(
            "cost is missing for the chosen LLMs; pass cost=, or the result of "
            "make_routing_target as y_true."
        )
    if not 0 <= score.performance <= 1:
        raise ValueError(
            f"The mean performance must be in [0, 1], got {score.performance:.6g}; scale y_true."
        )
    highest = np.log2(c_max)
    cheapness = (highest - np.log2(np.clip(score.cost, c_min, c_max))) / (highest - np.log2(c_min))
    if cheapness == 0:
        return 0.0
    product = (1 + beta) * score.performance * cheapness
    return float(product / (beta * score.performance + cheapness))
