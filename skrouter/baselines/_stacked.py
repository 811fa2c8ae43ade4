"""The router that averages several others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import KFold
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils._repr_html.estimator import _VisualBlock
from sklearn.utils.metaestimators import _BaseComposition

from skrouter._routers.base import BaseRouter
from skrouter._routers.outcomes import OutcomesMixin
from skrouter._targets.utility import PredictedOutcomes, routing_utility
from skrouter._training.averaging import Expected, weigh_learners
from skrouter._training.held_out import LearntOutcomes
from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.folds import used_folds
from skrouter._utils.state import replaced_at_once
from skrouter._utils.types import NamesLike, Seed


@with_shared_parts
class StackedRouter(OutcomesMixin, BaseRouter, _BaseComposition):
    r"""Average what several routers expect, by what each is worth in cross-validation.

    Like :class:`~sklearn.ensemble.StackingClassifier` it has named members. Each of them predicts
    the outcomes of queries that it was not fitted on, and the stack expects

    .. math::

        \hat p_j(x) = \bar p_j + f \sum_m w_m \, (\hat p_{jm}(x) - \bar p_j),

    and likewise for the cost, with a factor of its own. The weights :math:`w_m \ge 0` sum to one:
    a member whose utility, over several trade-offs, chance does not tell from the best has nearly
    the same weight, one that is far below none. The factor :math:`f \ge 0` makes the average come
    true on held-out queries; where it is 0 the stack stays at the best single LLM. It is the
    mechanism by which :class:`~skrouter.RadialRouterClassifier` averages its own learners.

    Parameters
    ----------
    routers : list of (str, router)
        The members, by name. They must predict outcomes, as :class:`LinearRouter`,
        :class:`KNNRouter`, :class:`ClusterRouter` and RadialRouter do, and are cloned. Their
        parameters are reached by name: ``set_params(knn__n_neighbors=20)``, and
        ``set_params(knn=other)`` replaces one. They get the embeddings of the stack, its trade-off
        and the LLMs, which they call 0, 1, ..., in place of their own.
    cv : int, cross-validation generator or iterable, default=4
        Folds of the cross-validation. With fewer queries there are fewer; with a single one there
        is nothing to weigh by, and the stack stays at the best LLM.
    %(encoder)s
    %(own_cost_weight)s
    %(llm_names)s
    %(seed_of_folds)s

    Attributes
    ----------
    routers_ : dict of str to router
        The members that have a weight, by name, fitted on all queries; none where the stack stays
        at the best single LLM.
    weights_ : dict of str to float
        Weight of each member.
    validation_ : Validation
        What cross-validation found out. Printed, it says so in words; `factors` holds those of
        performance and cost, `gains` what is gained over the best single LLM.
    %(classes_)s
    %(n_features_in_)s
    %(encoder_)s
    %(uses_cost_)s

    Notes
    -----
    %(missing_outcomes)s

    `sample_weight` is passed to the members; `fit` raises ValueError if one of them takes none
    (nearest neighbours).

    Examples
    --------
    >>> from skrouter.baselines import ClusterRouter, LinearRouter, StackedRouter
    >>> from skrouter.datasets import make_routing_problem
    >>> data = make_routing_problem(300, random_state=0)
    >>> X = data.difficulty[:, None]
    >>> members = [("linear", LinearRouter(1.0)), ("table", ClusterRouter(1, random_state=0))]
    >>> router = StackedRouter(members, llm_names=data.llm_names, random_state=0)
    >>> router = router.fit(X, data.performance, cost=data.cost)
    >>> router.weights_["linear"] > router.weights_["table"]
    True
    """

    _parameter_constraints = {
        **BaseRouter._parameter_constraints,
        "routers": [list, tuple],
        "cv": [
            Interval(Integral, 2, None, closed="left"),
            HasMethods(["split", "get_n_splits"]),
            Iterable,
        ],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        routers: Sequence[tuple[str, BaseRouter]],
        *,
        cv: Any = 4,
        encoder: str | BaseEstimator = "all-MiniLM-L6-v2",
        cost_weight: float = 0.02,
        llm_names: NamesLike | None = None,
        random_state: Seed = None,
    ) -> None:
        self.routers = routers
        self.cv = cv
        self.encoder = encoder
        self.cost_weight = cost_weight
        self.llm_names = llm_names
        self.random_state = random_state

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters of the router and of its members.

        Parameters
        ----------
        deep : bool, default=True
            Whether those of the members are given, too, as ``name__parameter``.

        Returns
        -------
        params : dict
            Values by name.
        """
        return self._get_params("routers", deep=deep)

    def set_params(self, **params: Any) -> Self:
        """Set parameters of the router or of its members, or replace a member.

        Parameters
        ----------
        **params
            By name, those of members as ``name__parameter``.

        Returns
        -------
        self : object
            The router.
        """
        self._set_params("routers", **params)
        return self

    def _check_parameters(self, X, text):
        try:
            names, members = zip(*self.routers, strict=True)
        except (TypeError, ValueError):
            raise ValueError(
                "routers must be a list of pairs, at least one, of a name and a router; got "
                f"{self.routers!r}."
            ) from None
        if not all(isinstance(name, str) for name in names):
            raise TypeError(f"Names in routers must be strings, got {list(names)!r}.")
        self._validate_names(names)
        for name, router in zip(names, members, strict=True):
            if not (isinstance(router, OutcomesMixin) and router._any_trade_off):
                raise TypeError(
                    f"Members of a stack must predict outcomes, performance and cost, for any "
                    f"trade-off; {name!r} does not: {router!r}."
                )
            router._validate_params()  # before any of them is fitted

    def _fit(self, data):
        learnt = LearntOutcomes.of(data)
        weight = data.sample_weight[learnt.used]
        rows = data.embeddings[learnt.used], data.observed.rows(learnt.used), weight
        folds = self._folds(learnt.used)
        judge = learnt.judge([test for _, test in folds])
        learners = {
            name: Expected(self._held_out(router, rows, folds, learnt))
            for name, router in (self.routers if folds else ())
        }
        shares, factors, _, validation = weigh_learners(learners, judge, learnt.mean)
        self.weights_ = {name: float(shares.get(name, [0.0])[0]) for name, _ in self.routers}
        self.routers_ = {
            name: self._fit_member(router, *rows)[0]
            for name, router in self.routers
            if factors.any() and self.weights_[name] > 0
        }
        # Back from the unit of performance.
        self._mean, self._factors = learnt.mean * learnt.units, factors
        self.validation_ = validation.scaled(float(learnt.units[0]))

    def _folds(self, used):
        """Rows to train on and to hold out, in turn, of the queries that count."""
        n_queries = int(used.sum())
        if not isinstance(self.cv, Integral):
            return used_folds(self.cv, used)
        n_folds = min(self.cv, n_queries)
        if n_folds < 2:
            return []
        seed = check_random_state(self.random_state)
        folds = KFold(n_folds, shuffle=True, random_state=seed)
        return list(folds.split(np.empty(n_queries)))

    def _held_out(self, router, rows, folds, learnt):
        """What a member expects of held-out queries, less the mean, in the unit of performance."""
        X, target, weight = rows
        deviations = np.zeros(learnt.outcomes.shape)
        for train, test in folds:
            fitted, llms = self._fit_member(router, X[train], target.rows(train), weight[train])
            expected = np.stack(_parts(fitted.predict_outcomes(X[test])), axis=-1) / learnt.units
            deviations[np.ix_(test, llms)] = expected - learnt.mean[llms]
        return np.nan_to_num(deviations).reshape(len(X), -1)

    def _fit_member(self, router, X, target, weight):
        """A fitted clone, and the columns of the LLMs that it knows."""
        utility = routing_utility(target.performance, target.cost, self.cost_weight)
        observed = ~np.isnan(utility)
        # In a fold an LLM that was tried on a few queries may be on none.
        rows, llms = observed.any(axis=1), np.flatnonzero(observed.any(axis=0))
        known = target.rows(rows)
        # By their places: labels that y named may be no names that can be given.
        member = clone(router).set_params(cost_weight=self.cost_weight, llm_names=llms.tolist())
        cost = None if known.cost is None else known.cost[:, llms]
        # Members that take no weights serve where all are equal.
        weight = weight[rows] if len(np.unique(weight)) > 1 else None
        with replaced_at_once(member) as draft:
            # The stack has warned of the whole of these data already.
            given = X[rows], known.performance[:, llms], cost, weight
            draft._learn(draft._read_training_data(*given, cautions=False))
        return member, llms

    def _predict_outcomes(self, embeddings):
        outcomes = np.tile(self._mean, (len(embeddings), 1, 1))
        for name, router in self.routers_.items():
            expected = np.stack(_parts(router.predict_outcomes(embeddings)), axis=-1)
            outcomes += self.weights_[name] * self._factors * (expected - self._mean)
        return PredictedOutcomes(outcomes[..., 0], outcomes[..., 1] if self.uses_cost_ else None)

    def _sk_visual_block_(self):
        names, members = zip(*self.routers, strict=True)
        return _VisualBlock("parallel", members, names=names)


def _parts(outcomes):
    return [part for part in outcomes if part is not None]
