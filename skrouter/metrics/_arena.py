"""RouterArena's score."""

from numbers import Real

import numpy as np

from skrouter.metrics._score import read_outcomes, score_choices


def router_arena_score(
    y_true,
    llms,
    *,
    cost=None,
    llm_names=None,
    sample_weight=None,
    beta=0.1,
    c_min=0.0044,
    c_max=200.0,
):
    r"""RouterArena's score: a weighted harmonic mean of performance and cheapness.

    With the mean performance :math:`A` and the mean cost :math:`c` of the chosen LLMs,

    .. math::

        S = \frac{(1 + \beta) \, A \, C}{\beta A + C}, \qquad
        C = \frac{\log_2 c_{\max} - \log_2 c}{\log_2 c_{\max} - \log_2 c_{\min}},

    as in RouterArena [1]_. The small :math:`\beta` makes performance count more than cost, and
    the logarithm makes each halving of the cost count alike.

    Parameters
    ----------
    y_true : array-like of shape (n_queries, n_llms) or (n_queries, n_llms, 2)
        Performance of each LLM on each query, or the result of
        :func:`~skrouter.make_routing_target`. NaN where not observed, and then left out as in
        :func:`routing_score`.
    llms : array-like of shape (n_queries,) or (n_queries, n_llms)
        The chosen LLM of each query, or probabilities, as for :func:`routing_score`.
    cost : array-like of shape (n_queries, n_llms) or (n_llms,), default=None
        US dollars per 1,000 queries. Needed unless `y_true` holds the costs.
    llm_names : array-like of shape (n_llms,), default=None
        The pool, as for :func:`routing_score`.
    sample_weight : array-like of shape (n_queries,), default=None
        Weights of the queries.
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
    for name, value in (("beta", beta), ("c_min", c_min), ("c_max", c_max)):
        if not isinstance(value, Real) or not 0 < value < np.inf:
            raise ValueError(f"{name} must be a finite number > 0, got {value!r}.")
    if not c_min < c_max:
        raise ValueError(f"c_max={c_max!r} must be above c_min={c_min!r}.")
    score = score_choices(read_outcomes(y_true, cost, llm_names), llms, 0.0, sample_weight)
    if np.isnan(score.cost):
        raise ValueError(
            "cost is missing for the chosen LLMs; pass cost=, or the result of "
            "make_routing_target as y_true."
        )
    if not 0 <= score.performance <= 1:
        raise ValueError(
            f"The mean performance must be in [0, 1], got {score.performance:.6g}; scale y_true."
        )
    dear = np.log2(c_max)
    cheapness = (dear - np.log2(np.clip(score.cost, c_min, c_max))) / (dear - np.log2(c_min))
    if cheapness == 0:
        return 0.0
    product = (1 + beta) * score.performance * cheapness
    return float(product / (beta * score.performance + cheapness))
