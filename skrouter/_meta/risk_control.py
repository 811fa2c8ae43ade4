"""Budgets and quality targets that hold for future queries, with a probability of your choice."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from html import escape
from numbers import Integral, Real
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import _safe_indexing, check_random_state, get_tags
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import (
    _check_sample_weight,
    indexable,
    validate_data,
)

from skrouter._inputs.queries import check_queries, is_text
from skrouter._meta.fixed_trade_off import FixedTradeOffMixin, check_supports_any_trade_off
from skrouter._meta.inner_router import read_inner_router
from skrouter._meta.risk_constraint import impute_worst_case, make_risk_constraint
from skrouter._meta.risk_messages import WITHOUT_BOUND, describe_failure, describe_guarantee
from skrouter._meta.sequential_testing import fixed_sequence_test, order_hypotheses
from skrouter._targets.routing_target import check_routing_target
from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.lengths import check_same_length
from skrouter._utils.state import replaced_at_once
from skrouter._utils.stats import observed_mean
from skrouter._utils.types import CostLike, LLMName, QueriesLike, Seed, TargetLike


@with_shared_parts
class GuaranteedRouter(FixedTradeOffMixin, MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    r"""Choose the trade-off of a router so that a budget or a quality target is kept.

    Part of the queries trains a clone of `router`. On the others, the calibration queries, the
    trade-off :math:`\alpha` is chosen such that, whatever the distribution of the queries and
    however good the router,

    .. math::

        P(\text{mean cost of future queries} \leq \text{max\_cost}) \geq \text{confidence}

    or likewise mean performance :math:`\geq` `min_performance`, for finitely many calibration
    queries. The probability is over the draw of the calibration queries, the mean that of the
    distribution they come from. Among the trade-offs for which that can be shown, a budget takes
    the one that spends most, a quality target the one that saves most.

    Parameters
    ----------
    router : router or FrozenEstimator
        A router that predicts outcomes, so that one fit serves every trade-off, such as
        :class:`~skrouter.baselines.KNNRouter`. Inside a
        :class:`~sklearn.frozen.FrozenEstimator` it is taken as fitted, and all queries calibrate;
        none of them may have been in its training.
    max_cost : float, default=None
        Largest mean cost, in US dollars per 1,000 queries. One of `max_cost` and `min_performance`
        must be given.
    min_performance : float, default=None
        Smallest mean performance. Performance must then be in [0, 1].
    relative : bool, default=False
        Whether the target is a share of the mean cost or performance of `reference` instead: at
        most 0.5 of its cost, at least 0.95 of its performance.
    reference : str or int, default=None
        Name of the LLM that a relative target refers to. None takes the one of highest mean
        performance on the training queries. With a frozen router there are none, and it must be
        given. Do not choose it by the calibration queries.
    confidence : float, default=0.9
        Probability with which the target holds, :math:`1 - \delta`.
    calibration_fraction : float, default=0.5
        Share of the queries that calibrate. What is lost to caution shrinks with the root of their
        number, and most routers gain little from the second half of the training queries. Not used
        with a frozen router.
    cost_weights : "auto" or array-like of shape (n_candidates,), default="auto"
        Trade-offs to choose from. They must not depend on the calibration queries. "auto" is 0
        and 3,000 per decade from 1e-6 to 1e6.
    max_query_cost : float, default=None
        Upper bound on the cost of one query, for a budget: US dollars per 1,000 queries like that.
        Nothing can be guaranteed of a mean to which one unheard-of query may add any sum. Lengths
        of prompts and answers are limited, so it can mostly be known:
        :func:`~skrouter.largest_query_cost` computes it from list prices. With None and list prices
        as `cost` in `fit`, one per LLM, it is the largest of these. With None and costs per query
        **there is no guarantee**: the largest cost seen is taken, and `fit` warns. The tighter
        the bound, the more of the budget can be used: about :math:`2.6 / n` of it is kept in
        reserve for :math:`n` calibration queries at a confidence of 0.9.
    random_state : int, RandomState instance or None, default=None
        Seed of the split and of the order of the calibration queries, on which the tests depend.

    Attributes
    ----------
    router_ : router
        The fitted router; its own `cost_weight` is not used.
    classes_ : ndarray of shape (n_llms,)
        Names of the LLMs that the guarantee is for.
    cost_weight_ : float
        The chosen trade-off, at which this router predicts.
    mean_ : float
        Mean of what the target limits over the calibration queries, at that trade-off: cost,
        performance, or the share of the reference's. Optimistic, as the trade-off is chosen by it.
    bound_ : float
        Confidence bound on it, for this trade-off taken by itself. It keeps the target; what is
        guaranteed after choosing is the target.
    cost_weights_, means_, p_values_ : ndarray of shape (n_tested,)
        The trade-offs in the order in which they were tested, up to the first failure, with the
        calibration mean and the p-value of "the target does not hold" of each.
    guarantee_ : str
        What is guaranteed, and what it rests on; or that nothing is.
    reference_ : str or int
        The LLM that a relative target refers to; None for an absolute one.
    max_query_cost_ : float
        The bound that was used, without one the largest cost seen; None for a quality target.
    n_calibration_ : int
        Number of calibration queries.
    n_features_in_ : int
        Length of an embedding.

    Notes
    -----
    The method is Learn then Test [1]_ with fixed-sequence testing. The trade-offs are tested one
    by one from the safest on: from the largest downwards for a budget, from 0 upwards for a
    quality target. Each test is at level :math:`\delta`, and the last trade-off before the first
    failure is chosen. A wrong one is chosen only if the first trade-off that breaks the target
    passes its test, which has a probability of at most :math:`\delta`. The tests are by betting
    [2]_, valid for any distribution on a bounded range, and tight where the variance is small.
    They serve performance of 0 or 1 and graded performance alike.

    The guarantee needs future queries, and their outcomes, that are like the calibration queries:
    independent draws from one distribution. It does not survive a drift of the queries or of
    prices, repeated attempts until `fit` succeeds, or a choice among LLMs after `allowed`.

    **Outcomes that were not observed** (NaN) of the chosen LLMs among the calibration queries are
    taken at their worst, whatever the reason that they are missing: performance 0, cost
    `max_query_cost_`. Those of the reference are taken as 1 and 0. It keeps the guarantee, and
    makes targets harder to show.

    **Weights**: queries of weight 0 are left out. Others train with their weights, as far as the
    router takes them, and the guarantee is then for the weighted mean, that is for future queries
    of which each kind is as frequent as its weight says. The largest weight is taken as the bound
    on weights.

    References
    ----------
    .. [1] A. N. Angelopoulos, S. Bates, E. J. Candès, M. I. Jordan, L. Lei, "Learn then Test:
       Calibrating Predictive Algorithms to Achieve Risk Control", 2021, arXiv:2110.01052.
    .. [2] I. Waudby-Smith, A. Ramdas, "Estimating means of bounded random variables by betting",
       Journal of the Royal Statistical Society B 86(1), 2024, arXiv:2010.09686.

    Examples
    --------
    >>> import numpy as np
    >>> from skrouter import GuaranteedRouter
    >>> from skrouter.baselines import LinearRouter
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(1000, 4))
    >>> solved = rng.random((1000, 2)) < np.stack(
    ...     [0.4 + 0.3 * np.sign(X[:, 0]), np.full(1000, 0.9)], 1
    ... )
    >>> router = GuaranteedRouter(LinearRouter(), max_cost=3.0, max_query_cost=6.0, random_state=0)
    >>> router = router.fit(X, solved.astype(float), cost=[0.2, 5.0])
    >>> bool(router.mean_ < router.bound_ <= 3.0)
    True
    """

    _parameter_constraints = {
        "router": [HasMethods(["fit", "predict"])],
        "max_cost": [Interval(Real, 0, None, closed="neither"), None],
        "min_performance": [Interval(Real, 0, None, closed="left"), None],
        "relative": ["boolean"],
        "reference": [str, Integral, None],
        "confidence": [Interval(Real, 0, 1, closed="neither")],
        "calibration_fraction": [Interval(Real, 0, 1, closed="neither")],
        "cost_weights": [StrOptions({"auto"}), "array-like"],
        "max_query_cost": [Interval(Real, 0, None, closed="neither"), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        router: BaseEstimator,
        *,
        max_cost: float | None = None,
        min_performance: float | None = None,
        relative: bool = False,
        reference: LLMName | None = None,
        confidence: float = 0.9,
        calibration_fraction: float = 0.5,
        cost_weights: str | ArrayLike = "auto",
        max_query_cost: float | None = None,
        random_state: Seed = None,
    ) -> None:
        self.router = router
        self.max_cost = max_cost
        self.min_performance = min_performance
        self.relative = relative
        self.reference = reference
        self.confidence = confidence
        self.calibration_fraction = calibration_fraction
        self.cost_weights = cost_weights
        self.max_query_cost = max_query_cost
        self.random_state = random_state

    def fit(
        self,
        X: QueriesLike,
        y: TargetLike,
        cost: CostLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train the router on a part of the queries and choose its trade-off on the others.

        Parameters
        ----------
        %(X_fit)s
        %(y_fit)s
        cost : array-like of shape (n_queries, n_llms) or (n_llms,), or dict, default=None
            US dollars per 1,000 queries. Needed, here or in `y`.
        %(sample_weight)s

        Returns
        -------
        self : object
            The fitted router.

        Raises
        ------
        ValueError
            If the input or a parameter is not as described, `router` serves one trade-off only, or
            the target cannot be shown to hold even at the safest trade-off; the message then
            says what could be promised there, and which outcomes are missing. A router that was
            fitted before stays as it was.
        TypeError
            If a query among texts is not a string.

        Warns
        -----
        UserWarning
            If there is no guarantee, as `max_query_cost` is missing for a budget.
        """
        with replaced_at_once(self) as draft:
            draft._fit(X, y, cost, sample_weight)
        return self

    def _fit(self, X, y, cost, sample_weight):
        self._validate_params()
        candidates = self._check_request()
        router, frozen = read_inner_router(self.router)
        check_supports_any_trade_off(router, fitted=frozen)
        text = is_text(X)
        if text:
            X = check_queries(X)
        else:
            validate_data(self, X, dtype=[np.float64, np.float32])
            (X,) = indexable(X)  # the original, for the sake of feature names
        known = {"known_llms": router.classes_} if frozen else {"llm_names": router.llm_names}
        target = check_routing_target(y, cost, **known)
        check_same_length(X=X, y=target.performance)
        weight = _check_sample_weight(
            sample_weight, target.performance, dtype=np.float64, ensure_non_negative=True
        )
        if target.cost is None or np.isnan(target.cost).all():
            raise ValueError(
                "cost is missing: without costs there is no trade-off to choose. Pass cost=, or "
                "the result of make_routing_target as y."
            )
        with np.errstate(over="ignore"):
            if not np.isfinite(weight.sum()):
                raise ValueError(
                    f"sample_weight is up to {weight.max():.3g}, and its sum overflows; divide it "
                    "by its mean."
                )
        rows, random = np.flatnonzero(weight), check_random_state(self.random_state)
        constraint = make_risk_constraint(
            target.performance[rows],
            target.cost[rows],
            max_cost=self.max_cost,
            min_performance=self.min_performance,
            max_query_cost=self.max_query_cost,
            confidence=self.confidence,
            relative=self.relative,
        )
        reference = self._check_reference(target.llm_names, frozen)

        if frozen:
            calibration = random.permutation(rows)
        else:
            train, calibration = self._split(rows, random)
            weights = {} if sample_weight is None else {"sample_weight": weight[train]}
            part = target.rows(train)
            router.fit(_safe_indexing(X, train), part, **weights)
            if self.relative and reference is None:
                means = observed_mean(target.performance[train], weight[train])
                reference = int(means.argmax())

        values, references = impute_worst_case(constraint, target, calibration, reference)
        predicted = router.predict_outcomes(_safe_indexing(X, calibration))
        tested = values, references, weight[calibration] / weight.max()
        tests = fixed_sequence_test(constraint, candidates, predicted, *tested)
        known_bound = self.max_query_cost is not None or _are_list_prices(cost)
        if tests.chosen < 0:
            table = target.performance if self.max_cost is None else target.cost
            limited = table[calibration], reference
            raise ValueError(
                describe_failure(
                    self, constraint, tests, predicted, limited, tested, known_bound=known_bound
                )
            )
        self.router_, self.classes_ = router, router.classes_
        self._router_state_id = router._state_id
        self.cost_weight_ = float(tests.cost_weights[tests.chosen])
        self.mean_, self.bound_ = float(tests.means[tests.chosen]), tests.bound
        self.cost_weights_, self.means_ = tests.cost_weights, tests.means
        self.p_values_ = tests.p_values
        self.reference_ = None if reference is None else target.llm_names.tolist()[reference]
        self.max_query_cost_ = None if self.max_cost is None else constraint.largest
        self.n_calibration_ = len(calibration)
        self._without_bound = self.max_cost is not None and not known_bound
        self.guarantee_ = describe_guarantee(
            self, constraint, self.reference_, known_bound=known_bound
        )
        if self._without_bound:
            warnings.warn(self.guarantee_, UserWarning, stacklevel=3)
        if text:  # nothing of a former fit on numbers may promise that they are taken
            for name in ("n_features_in_", "feature_names_in_"):
                self.__dict__.pop(name, None)

    def _check_request(self):
        """Check what the constraints cannot express; return the trade-offs, the safest first."""
        if (self.max_cost is None) == (self.min_performance is None):
            raise ValueError(
                "One of max_cost and min_performance must be given, got "
                f"max_cost={self.max_cost!r} and min_performance={self.min_performance!r}."
            )
        if self.max_cost is None and self.max_query_cost is not None:
            raise ValueError("max_query_cost was given, but only max_cost needs it; leave it out.")
        if self.reference is not None and not self.relative:
            raise ValueError(
                f"reference={self.reference!r} was given, but the target is absolute; set "
                "relative=True, or leave it out."
            )
        if self.max_cost is None and not self.relative and self.min_performance > 1:
            raise ValueError(
                f"min_performance must be in [0, 1], got {self.min_performance!r}; a share of the "
                "performance of another LLM is asked for with relative=True."
            )
        return order_hypotheses(self.cost_weights, ascending=self.max_cost is None)

    def _check_reference(self, names, frozen):
        if self.reference is None:
            if self.relative and frozen:
                raise ValueError(
                    "reference is missing: a relative target of a frozen router has no training "
                    "queries to choose the LLM by; name it."
                )
            return None
        if self.reference not in names.tolist():
            raise ValueError(f"reference={self.reference!r} is not in the pool {names.tolist()}.")
        return names.tolist().index(self.reference)

    def _split(self, rows, random):
        """Queries to train on, and to calibrate on."""
        if len(rows) < 2:
            raise ValueError(
                f"X has n_samples={len(rows)} of positive weight; at least 2 queries are needed, "
                "one to train the router and one to calibrate, and many to be of use. Or pass a "
                "fitted router in a FrozenEstimator."
            )
        n_calibration = int(np.ceil(self.calibration_fraction * len(rows)))
        n_calibration = min(n_calibration, len(rows) - 1)
        return train_test_split(rows, test_size=n_calibration, random_state=random)

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        """Parameters; and that there is no guarantee, where there is none."""
        text = super().__repr__(N_CHAR_MAX)
        return f"{text} [{WITHOUT_BOUND}]" if getattr(self, "_without_bound", False) else text

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        if "text/html" in bundle and hasattr(self, "guarantee_"):
            bundle["text/html"] += f"<p>{escape(self.guarantee_)}</p>"
        return bundle

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.router).input_tags
        return tags


def _are_list_prices(cost):
    """Whether costs are one per LLM, which every query then costs."""
    return isinstance(cost, Mapping) or np.ndim(cost) == 1
