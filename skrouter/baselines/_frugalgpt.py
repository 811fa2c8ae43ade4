"""FrugalGPT: a cascade of LLMs."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from skrouter._routers.base import BaseRouter
from skrouter._targets.utility import routing_utility
from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.lengths import check_same_length
from skrouter._utils.state import as_of_now
from skrouter._utils.types import CostLike, LLMName, NamesLike, QueriesLike, Seed, TargetLike
from skrouter.baselines._cascade_search import (
    all_orders,
    least_cost,
    observed_share,
    search_cascade,
    threshold_grid,
)
from skrouter.baselines._masked_regression import ColumnRegressors
from skrouter.metrics._score import mean_observed


class CascadeOutcomes(NamedTuple):
    """The outcome of a cascade on each query.

    Attributes
    ----------
    performance : ndarray of shape (n_queries,)
        Performance of the answer that was used; NaN where it was not observed.
    cost : ndarray of shape (n_queries,) or None
        Cost of all LLMs that were called, in US dollars per 1,000 queries; NaN where one of them
        was not observed. None without costs.
    utility : ndarray of shape (n_queries,)
        ``performance - cost_weight * cost``.
    """

    performance: np.ndarray
    cost: np.ndarray | None
    utility: np.ndarray


@with_shared_parts
class FrugalGPTRouter(BaseRouter):
    r"""FrugalGPT: call LLMs in order until an answer can be trusted, and pay for all of them.

    A cascade [1]_ of LLMs :math:`j_1, \dots, j_L` uses the answer of :math:`j_k` if its score
    :math:`g_{j_k} \ge \tau_k`, else calls :math:`j_{k+1}`; the answer of :math:`j_L` is always
    used. Order and thresholds are those of largest mean utility
    :math:`\frac{1}{n} \sum_i (P_i - \alpha C_i)` on the training queries, where :math:`C_i` is the
    cost of all calls on query :math:`i`, and :math:`\alpha` is `cost_weight`.

    **Another scorer than the paper's.** The paper's :math:`g` reads the query and the answer.
    Routers are given no answers, so here :math:`g_j` is an estimate of the performance of LLM
    :math:`j` from the query's embedding alone (ridge regression, as in :class:`LinearRouter`).
    It is known before any call: this router could call the LLM whose answer it uses at once, and
    pays for calls that bring no information. Its results are those of a cascade with such a
    scorer, below those of FrugalGPT with a scorer that reads answers.

    Parameters
    ----------
    max_length : int, default=3
        Largest number of LLMs in a cascade, 1 to 3; 3 is the paper's. The time of the search
        grows as the number of LLMs to this power; take 2 for pools of more than about 20.
    order : sequence of str or int, default=None
        Names of the LLMs of the cascade, one to three, the first called first. None searches all
        orders of up to `max_length` LLMs.
    thresholds : sequence of float, default=None
        Least estimates at which an answer is used, one for each LLM of `order` but the last.
        None searches them. Needs `order`.
    budget : float, default=None
        Largest mean cumulative cost on the training queries, in US dollars per 1,000 queries.
        None sets no limit. Needs costs.
    n_thresholds : int, default=10
        Number of thresholds to try per LLM: quantiles of its estimates.
    alpha : float, default=10.0
        Strength of the ridge penalty of the estimates, as in :class:`LinearRouter`.
    n_folds : int, default=5
        Number of folds of the out-of-fold estimates that the search uses; at most the number of
        queries.
    %(encoder)s
    cost_weight : float, default=0.02
        The trade-off: performance given up for one US dollar per 1,000 queries. The default is
        the RadialRouter paper's "balance" scenario. With a budget, 0 is FrugalGPT's objective.
    %(llm_names)s
    %(seed_of_folds)s

    Attributes
    ----------
    %(classes_)s
    order_ : list
        Names of the LLMs of the cascade.
    thresholds_ : ndarray of shape (n_called - 1,)
        Least estimates, one for each LLM of `order_` but the last. Minus infinity where the
        answer is always used.
    training_utility_, training_cost_ : float
        Mean utility and mean cumulative cost of the cascade on the training queries, by
        out-of-fold estimates. Optimistic: they are the best of many. The cost is NaN where it
        does not count and is not known.
    performance_model_ : object
        The fitted regressors of performance.
    %(n_features_in_)s
    %(encoder_)s
    %(uses_cost_)s

    Notes
    -----
    `predict` returns the LLM whose answer is used. :meth:`predict_calls`,
    :meth:`cascade_outcomes`, `score` and :func:`~skrouter.metrics.make_routing_scorer` count the
    calls before it too; functions that take the result of `predict`
    (:func:`~skrouter.metrics.routing_score`, the displays) charge the last call only, so they
    make a cascade look cheaper than it is.

    The paper prunes the search by how often LLMs disagree and refines thresholds by
    interpolation; this search is exhaustive over a grid. Where outcomes are missing (NaN),
    estimates are learnt from the observed ones, and a cascade is judged on the queries on which
    all of its LLMs were observed. `sample_weight` weighs both.

    The best of so many cascades is partly luck: with few queries, and where the text says little
    about which LLM is good, it can be below the best single LLM. ``max_length=1`` is that LLM.

    References
    ----------
    .. [1] L. Chen, M. Zaharia and J. Zou, "FrugalGPT: How to Use Large Language Models While
       Reducing Cost and Improving Performance", 2023, arXiv:2305.05176.

    Examples
    --------
    >>> from skrouter.baselines import FrugalGPTRouter
    >>> X = [[-1.0], [-0.9], [0.9], [1.0]] * 10
    >>> performance = [[1, 1], [1, 1], [0, 1], [0, 1]] * 10
    >>> cost = [0.1, 5.0]
    >>> router = FrugalGPTRouter(llm_names=["small", "large"], random_state=0)
    >>> router = router.fit(X, performance, cost)
    >>> router.order_
    ['small', 'large']
    >>> router.predict_calls([[-1.0], [1.0]])
    [['small'], ['small', 'large']]
    >>> router.cascade_outcomes([[-1.0], [1.0]], [[1, 1], [0, 1]], cost).cost
    array([0.1, 5.1])
    """

    _parameter_constraints = {
        **BaseRouter._parameter_constraints,
        "max_length": [Interval(Integral, 1, 3, closed="both")],
        "order": ["array-like", None],
        "thresholds": ["array-like", None],
        "budget": [Interval(Real, 0, None, closed="neither"), None],
        "n_thresholds": [Interval(Integral, 1, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "n_folds": [Interval(Integral, 2, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        max_length: int = 3,
        *,
        order: Sequence[LLMName] | None = None,
        thresholds: Sequence[float] | None = None,
        budget: float | None = None,
        n_thresholds: int = 10,
        alpha: float = 10.0,
        n_folds: int = 5,
        encoder: str | BaseEstimator = "all-MiniLM-L6-v2",
        cost_weight: float = 0.02,
        llm_names: NamesLike | None = None,
        random_state: Seed = None,
    ) -> None:
        self.max_length = max_length
        self.order = order
        self.thresholds = thresholds
        self.budget = budget
        self.n_thresholds = n_thresholds
        self.alpha = alpha
        self.n_folds = n_folds
        self.encoder = encoder
        self.cost_weight = cost_weight
        self.llm_names = llm_names
        self.random_state = random_state

    def predict_calls(self, X: QueriesLike) -> list[list[LLMName]]:
        """LLMs that are called on each query, in order.

        Parameters
        ----------
        %(X)s

        Returns
        -------
        calls : list of list
            Names; the last of a query is the one whose answer is used, as `predict` gives it.
        """
        check_is_fitted(self)
        now = as_of_now(self)
        return [now.order_[: stop + 1] for stop in now._stops(now._read_queries(X))]

    def cascade_outcomes(
        self, X: QueriesLike, y: TargetLike, cost: CostLike | None = None
    ) -> CascadeOutcomes:
        """Performance, cumulative cost and utility of the cascade on each query.

        Parameters
        ----------
        %(X)s
        %(y_true)s
        %(cost)s

        Returns
        -------
        outcomes : CascadeOutcomes
            A named tuple ``(performance, cost, utility)`` of arrays of shape (n_queries,).

        Raises
        ------
        ValueError
            If the router was fitted with costs and they are missing here.
        """
        check_is_fitted(self)
        now = as_of_now(self)
        target = now._read_scored_target(y, cost)
        stops = now._stops(now._read_queries(X))
        check_same_length(X=stops, y=target.performance)
        rows = np.arange(len(stops))
        performance = target.performance[rows, now._order[stops]]
        if target.cost is None:
            return CascadeOutcomes(performance, None, performance)
        total = target.cost[:, now._order].cumsum(axis=1)[rows, stops]
        utility = routing_utility(performance, total, now.cost_weight)
        return CascadeOutcomes(performance, total, utility)

    def score(
        self,
        X: QueriesLike,
        y: TargetLike,
        cost: CostLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """Mean utility of the cascade, ``performance - cost_weight * cumulative cost``.

        Parameters
        ----------
        %(X)s
        %(y_true)s
        %(cost)s
        %(sample_weight)s

        Returns
        -------
        score : float
            Mean over the queries on which the utility of the cascade is known.

        Raises
        ------
        ValueError
            If the router was fitted with costs and they are missing here, or if the utility of
            the cascade is not known on any query.
        """
        return mean_observed(self.cascade_outcomes(X, y, cost).utility, sample_weight)

    def _check_parameters(self, X, text):
        if self.budget is not None and not self.uses_cost_:
            raise ValueError("budget was given, but no costs; pass cost=, or budget=None.")
        if self.order is None:
            if self.thresholds is not None:
                raise ValueError("thresholds was given without order; name the LLMs in order.")
            return
        names, order = self.classes_.tolist(), list(self.order)
        unknown = [name for name in order if name not in names]
        if unknown:
            raise ValueError(f"order names {unknown}, which are not in the pool {names}.")
        if not 1 <= len(order) <= 3 or len(set(order)) < len(order):
            raise ValueError(f"order must name one to three different LLMs, got {order}.")
        if self.thresholds is None:
            return
        if len(self.thresholds) != len(order) - 1:
            raise ValueError(
                f"thresholds has {len(self.thresholds)} entries; wanted {len(order) - 1}, one for "
                "each LLM of order but the last."
            )
        if not all(isinstance(value, Real) and value == value for value in self.thresholds):
            raise ValueError(f"thresholds must hold numbers, got {self.thresholds!r}.")

    def _check_outcomes(self, target, utility, sample_weight):
        outcomes, _ = self._read_table(target, sample_weight)
        order = None if self.order is None else self._order_columns()
        if order is not None and not observed_share(order, outcomes).any():
            raise ValueError(
                f"y has no query on which all of order={list(self.order)!r} were observed; name "
                "LLMs that were."
            )
        if self.budget is not None and least_cost(order, outcomes) > self.budget:
            raise self._budget_error()

    def _fit(self, data):
        X = data.embeddings[data.sample_weight > 0]
        outcomes, reported = self._read_table(data.target, data.sample_weight)
        performance, _, weight = outcomes
        self.performance_model_ = self._estimate(X, performance, weight)
        estimates = self._estimate_out_of_fold(X, performance, weight)
        if self.thresholds is None:
            grids = [threshold_grid(column, self.n_thresholds) for column in estimates.T]
        else:
            grids = [np.array([-np.inf])] * len(self.classes_)
        orders = all_orders(len(self.classes_), self.max_length)
        if self.order is not None:
            orders = [self._order_columns()]
            given = () if self.thresholds is None else self.thresholds
            for llm, threshold in zip(orders[0], given, strict=False):
                grids[llm] = np.array([threshold], dtype=float)
        limit = np.inf if self.budget is None else self.budget
        best = search_cascade(orders, outcomes, estimates, grids, self.cost_weight, limit)
        if not best.order:
            raise self._budget_error()
        self._order = np.array(best.order)
        self.order_ = self.classes_[self._order].tolist()
        self.thresholds_ = np.array(best.thresholds)
        self.training_utility_ = best.utility
        self.training_cost_ = best.cost if reported else np.nan

    def _read_table(self, target, weight):
        """``(performance, cost, weight)`` where weights are positive, and if the cost is known."""
        used = weight > 0
        performance = target.performance[used]
        cost = target.cost[used] if self.uses_cost_ else np.full(performance.shape, np.nan)
        counts = self.uses_cost_ and (self.cost_weight > 0 or self.budget is not None)
        if counts or not np.isnan(cost).any():
            return (performance, cost, weight[used]), True
        # A query is not left out for a missing cost that does not count.
        return (performance, np.zeros_like(performance), weight[used]), False

    def _order_columns(self):
        names = self.classes_.tolist()
        return tuple(names.index(name) for name in self.order)

    def _budget_error(self):
        return ValueError(
            f"No cascade has an observed mean cost within budget={self.budget!r}; raise it, or "
            "leave it out."
        )

    def _estimate(self, X, performance, weight):
        return ColumnRegressors(lambda n_rows: Ridge(self.alpha), X, performance, weight)

    def _estimate_out_of_fold(self, X, performance, weight):
        n_folds = min(self.n_folds, len(X))
        if n_folds < 2:
            return self.performance_model_.predict(X)
        estimates = np.empty(performance.shape)
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        for train, test in KFold(n_folds, shuffle=True, random_state=seed).split(X):
            model = self._estimate(X[train], performance[train], weight[train])
            estimates[test] = model.predict(X[test])
        # An LLM that was observed in one fold alone has no estimate there: it reaches no threshold.
        return np.where(np.isnan(estimates), -np.finfo(float).max, estimates)

    def _stops(self, embeddings):
        """Position in the cascade of the LLM whose answer is used."""
        estimates = self.performance_model_.predict(embeddings)[:, self._order]
        used = estimates >= np.append(self.thresholds_, -np.inf)
        used[:, -1] = True
        return used.argmax(axis=1)

    def _read_options(self, X, cost_weight, allowed):
        if allowed is not None:
            raise ValueError(
                "allowed was given, but a cascade calls its LLMs in a fixed order, order_, and "
                "cannot leave one out; fit it on the pool that is allowed."
            )
        return super()._read_options(X, cost_weight, allowed)

    def _utilities(self, embeddings, cost_weight):
        # A cascade gives no values to compare: 1 for the LLM whose answer is used.
        values = np.zeros((len(embeddings), len(self.classes_)))
        values[np.arange(len(embeddings)), self._order[self._stops(embeddings)]] = 1.0
        return values

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True  # it calls at most three LLMs of a pool
        return tags
