"""Mean performance, cost and utility of the LLMs that were chosen, and how often each is."""

from __future__ import annotations

from copy import deepcopy
from numbers import Real
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval
from sklearn.utils.metadata_routing import MetadataRequest
from sklearn.utils.validation import _check_sample_weight

from skrouter._targets.llm_names import columns_of
from skrouter._targets.routing_target import RoutingTarget, check_routing_target
from skrouter._targets.utility import routing_utility
from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.estimators import Classifier, innermost_estimator, innermost_input
from skrouter._utils.lengths import check_same_length
from skrouter._utils.param_validation import validate_params
from skrouter._utils.types import CostLike, Floats, LLMName, NamesLike, QueriesLike, TargetLike

# What a trade-off may be, for all metrics.
COST_WEIGHT = [Interval(Real, 0, None, closed="left")]


class RoutingScore(NamedTuple):
    """What the chosen LLMs achieved, and what they cost.

    Parameters
    ----------
    performance : float
        Mean performance.
    cost : float
        Mean cost in US dollars per 1,000 queries. NaN without costs.
    utility : float
        ``performance - cost_weight * cost``, the score of the paper's section 4.
    n_observed : int
        Number of queries that were counted: those with an observed outcome of the chosen LLM.
    """

    performance: float
    cost: float
    utility: float
    n_observed: int


@with_shared_parts
@validate_params({"cost_weight": COST_WEIGHT})
def routing_score(
    y_true: ArrayLike,
    llms: ArrayLike,
    *,
    cost: CostLike | None = None,
    cost_weight: float = 0.0,
    llm_names: NamesLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> RoutingScore:
    """Score a choice of LLMs: mean performance, cost and utility.

    Outcomes that were not observed (NaN) are left out, they are not taken as zero: the means are
    over the queries whose chosen LLM has an observed outcome, and `n_observed` tells how many
    these are. An outcome counts as observed when its utility is known; with ``cost_weight=0``
    that is the performance alone, and a missing cost is then left out of the mean cost only.

    Parameters
    ----------
    %(y_true_matrix)s
    llms : array-like of shape (n_queries,) or (n_queries, n_llms)
        The chosen LLM of each query, by name, as a router's `predict` returns it. Names are
        `llm_names`, else the columns of a DataFrame `y_true`, else 0, 1, ... Or, in two
        dimensions, the probability with which each LLM is called: the score is then the
        expectation, as wanted for a router that chooses at random. An unobserved outcome is left
        out there with its probability.
    %(cost)s
        Not together with a three-dimensional `y_true`.
    %(judged_cost_weight)s
    %(pool)s
    %(sample_weight)s
        The mean over tasks (macro) is had with weights of one over the number of queries of the
        same task.

    Returns
    -------
    score : RoutingScore
        A named tuple ``(performance, cost, utility, n_observed)``.

    Raises
    ------
    ValueError
        If `y_true` or `cost` is not as described, `cost_weight` is above 0 and there are no
        costs, a chosen LLM is not in the pool, probabilities do not sum to 1, lengths differ, or
        no chosen LLM has an observed outcome.

    Examples
    --------
    >>> from skrouter.metrics import routing_score
    >>> performance = [[1.0, 0.0], [1.0, 1.0]]
    >>> score = routing_score(performance, [0, 1], cost=[5.0, 1.0], cost_weight=0.02)
    >>> score.performance, score.cost, round(score.utility, 3)
    (1.0, 3.0, 0.94)
    """
    target = check_scored_target(y_true, cost, llm_names)
    check_costs_given(target, cost_weight)
    return score_choices(target, llms, cost_weight, sample_weight)


def check_scored_target(
    y_true: TargetLike, cost: CostLike | None, llm_names: NamesLike | None
) -> RoutingTarget:
    """Check the true outcomes, with columns in the order of `llm_names` if that is given."""
    pool = None if llm_names is None else np.asarray(llm_names)
    return check_routing_target(y_true, cost, known_llms=pool, allow_labels=False)


def check_costs_given(target: RoutingTarget, cost_weight: float) -> None:
    """Raise if `cost_weight` weighs costs that `target` does not have."""
    if cost_weight > 0 and target.cost is None:
        raise ValueError(
            f"cost is missing, but cost_weight={cost_weight!r} charges it. Pass cost=, or the "
            "result of make_routing_target; or set cost_weight=0 to judge performance alone."
        )


def score_choices(
    target: RoutingTarget,
    llms: ArrayLike,
    cost_weight: float,
    sample_weight: ArrayLike | None = None,
) -> RoutingScore:
    """Score the chosen `llms` on a checked :class:`RoutingTarget`; see :func:`routing_score`."""
    share = call_shares(llms, target)
    query_weight = _check_sample_weight(sample_weight, target.performance, ensure_non_negative=True)
    weight = share * query_weight[:, None]
    utility = routing_utility(target.performance, target.cost, cost_weight)
    counted = (weight > 0) & ~np.isnan(utility)
    if not counted.any():
        raise ValueError("y holds no observed outcome for the chosen LLMs.")

    def mean(values: Floats | None) -> float:
        known = counted if values is None else counted & ~np.isnan(values)
        if values is None or not known.any():
            return float("nan")
        return float(np.average(values[known], weights=weight[known]))

    return RoutingScore(
        performance=mean(target.performance),
        cost=mean(target.cost),
        utility=mean(utility),
        n_observed=int(counted.any(axis=1).sum()),
    )


def mean_observed(utility: Floats, sample_weight: ArrayLike | None = None) -> float:
    """Mean over the queries on which the utility is known; ValueError if there are none."""
    weight = _check_sample_weight(sample_weight, utility, ensure_non_negative=True)
    known = ~np.isnan(utility)
    if not weight[known].any():
        raise ValueError("y holds no observed outcome for the called LLMs.")
    return float(np.average(utility[known], weights=weight[known]))


def call_shares(llms: ArrayLike, target: RoutingTarget) -> Floats:
    """The probability with which each LLM is called, shape (n_queries, n_llms)."""
    array = np.asarray(llms)
    if array.ndim not in (1, 2):
        raise ValueError(
            f"llms has shape {array.shape}; wanted names of shape (n_queries,) or probabilities of "
            "shape (n_queries, n_llms)."
        )
    check_same_length(outcomes=target.performance, llms=array)
    if array.ndim == 2:
        return _check_probabilities(array, target.performance.shape)
    columns = columns_of(array, target.llm_names, "llms")
    shares = np.zeros(target.performance.shape)
    shares[np.arange(len(columns)), columns] = 1.0
    return shares


def _check_probabilities(llms: NDArray[Any], shape: tuple[int, ...]) -> Floats:
    if llms.shape != shape or llms.dtype.kind not in "fiub":
        raise ValueError(
            f"llms has shape {llms.shape} and dtype {llms.dtype}; two-dimensional it must hold the "
            f"probability of each LLM, shape {shape}."
        )
    # 1e-3: probabilities may come in single precision or rounded for storage.
    if not ((llms >= 0).all() and np.allclose(llms.sum(axis=1), 1, rtol=0, atol=1e-3)):
        raise ValueError("llms holds rows that are not probabilities: wanted >= 0, with sum 1.")
    return llms.astype(np.float64)


@validate_params({"cost_weight": COST_WEIGHT})
def make_routing_scorer(cost_weight: float) -> _RoutingScorer:
    """Make a scorer: the mean utility of a router's choices at a fixed trade-off.

    For ``scoring=`` in :class:`~sklearn.model_selection.GridSearchCV`,
    :func:`~sklearn.model_selection.cross_val_score` and the like, with any classifier that has
    `classes_` and `predict`, or a pipeline that ends in one. A router's own `score` moves with
    the router's `cost_weight`, so that a search over `cost_weight` would always prefer the
    smallest one; this scorer judges all candidates alike.

    Parameters
    ----------
    cost_weight : float
        The trade-off at which choices are judged: performance given up for one US dollar per
        1,000 queries. The paper's scenarios are 0, 0.02 and 0.1.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y, sample_weight=None)`` returns a float, higher is better. `y` is
        the result of :func:`~skrouter.make_routing_target`, or, with ``cost_weight=0``, may be
        the performance matrix or the best LLM of each query. Columns follow the `classes_` of
        the estimator, by name where they have names. Queries whose chosen LLM has no observed
        outcome are left out. A cascade, that is a router with `cascade_outcomes` (also within
        pipelines and searches), is charged for all calls. `sample_weight` can be requested by
        ``set_score_request`` where scikit-learn's metadata routing is enabled.

    Raises
    ------
    ValueError
        If `cost_weight` is not a finite number >= 0. The scorer raises it if `y` holds no costs
        and `cost_weight` is above 0.

    Examples
    --------
    >>> from skrouter.metrics import make_routing_scorer
    >>> make_routing_scorer(0.02)
    make_routing_scorer(cost_weight=0.02)
    """
    return _RoutingScorer(cost_weight)


class _RoutingScorer:
    """What :func:`make_routing_scorer` returns; a class so that it can be pickled and cloned."""

    def __init__(self, cost_weight: float) -> None:
        self.cost_weight = cost_weight
        self._metadata_request = MetadataRequest(owner="make_routing_scorer")
        self._metadata_request.score.add_request(param="sample_weight", alias=None)

    def __call__(
        self,
        estimator: Classifier,
        X: QueriesLike,
        y: TargetLike,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """Mean utility of what `estimator` chooses for `X`."""
        target = check_routing_target(y, known_llms=np.asarray(estimator.classes_))
        check_costs_given(target, self.cost_weight)
        if self.cost_weight > 0:
            router = innermost_estimator(estimator)
            if hasattr(router, "cascade_outcomes"):
                outcomes = router.cascade_outcomes(innermost_input(estimator, X), y)
                utility = routing_utility(outcomes.performance, outcomes.cost, self.cost_weight)
                return mean_observed(utility, sample_weight)
        return score_choices(target, estimator.predict(X), self.cost_weight, sample_weight).utility

    def set_score_request(self, *, sample_weight: bool | str | None) -> Self:
        """Request `sample_weight` when scikit-learn's metadata routing is enabled.

        Parameters
        ----------
        sample_weight : bool, str or None
            As in scikit-learn's ``set_score_request``.

        Returns
        -------
        self : object
            This scorer.
        """
        self._metadata_request.score.add_request(param="sample_weight", alias=sample_weight)
        return self

    def get_metadata_routing(self) -> MetadataRequest:
        """Return the metadata that this scorer requests."""
        return deepcopy(self._metadata_request)

    def __repr__(self) -> str:
        return f"make_routing_scorer(cost_weight={self.cost_weight!r})"


@with_shared_parts
def routing_share(
    llms: ArrayLike,
    *,
    llm_names: NamesLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> dict[LLMName, float]:
    """Share of the queries on which a router calls each LLM.

    Outcomes do not matter: it tells what a router does, not whether that is right. A router that
    calls one LLM only has learnt to be constant.

    Parameters
    ----------
    %(chosen_llms)s
    llm_names : array-like of shape (n_llms,), default=None
        The pool, mostly the router's `classes_`; LLMs that are never called have a share of 0.
        None: the LLMs that are called, sorted; for probabilities 0, 1, ...
    %(sample_weight)s

    Returns
    -------
    shares : dict
        Share of each LLM by name, in the order of the pool. They sum to 1.

    Raises
    ------
    ValueError
        If a chosen LLM is not in the pool, probabilities do not sum to 1, there are no queries,
        or lengths differ.

    Examples
    --------
    >>> from skrouter.metrics import routing_share
    >>> routing_share(["small", "large", "small", "small"], llm_names=["tiny", "small", "large"])
    {'tiny': 0.0, 'small': 0.75, 'large': 0.25}
    """
    array = np.asarray(llms)
    if not array.size:
        raise ValueError("llms is empty; at least one query is needed.")
    if llm_names is None:
        llm_names = np.arange(array.shape[1]) if array.ndim == 2 else np.unique(array)
    names = np.asarray(llm_names)
    # Outcomes are not read; zeros only give the shape.
    pool = RoutingTarget(np.zeros((len(array) if array.ndim else 0, len(names))), None, names)
    shares = call_shares(array, pool)
    mean = np.average(shares, axis=0, weights=_check_sample_weight(sample_weight, shares))
    return dict(zip(names.tolist(), mean.tolist(), strict=True))
