"""A pool that changes after training: LLMs come, go, and cost something else."""

from collections.abc import Mapping
from numbers import Integral, Real

import numpy as np
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from skrouter._routers.new_llm import learn_new_llm
from skrouter._targets.utility import PredictedOutcomes
from skrouter._utils.estimators import all_or_nothing


class ChangingPool:
    """Mixin of a router whose pool can be changed without a new fit.

    The outputs of the network are the columns of `_predict_trained`, those of LLMs added later come
    after them, and `_columns` says which of them are the pool.
    """

    def _start_pool(self, data):
        self._columns = np.arange(len(self.classes_))
        self._new_llms = []
        self._cost_factor = np.ones(len(self.classes_))
        self._cost_shift = np.zeros(len(self.classes_))
        performance = data.target.performance[data.sample_weight > 0]
        self._limits = (float(np.nanmin(performance)), float(np.nanmax(performance)))

    def add_llm(self, name, performance, cost=None, X=None):
        """Add an LLM from a few scored queries, without training anything else.

        Predictions for the LLMs that are there already do not change.

        Parameters
        ----------
        name : str or int
            Its name, of the kind of those in `classes_`, and none of them.
        performance : array-like of shape (n_scored,)
            Its performance on each query. NaN where it was not observed.
        cost : float or array-like of shape (n_scored,), default=None
            Its cost in US dollars per 1,000 queries, measured or a list price. Needed if the
            router was fitted with costs.
        X : sequence of str, or array-like of shape (n_scored, n_features)
            The queries, as text or ready embeddings, whichever they were at `fit`. Some dozens,
            drawn at random from what the router will see.

        Returns
        -------
        self : object
            The router, with `name` at the end of `classes_`.

        Raises
        ------
        ValueError
            If the name is taken or of another kind, the input is not as described, or the router
            does not predict outcomes. The router stays as it was.

        Notes
        -----
        The new LLM is taken for a typical LLM of the pool until its own scores say otherwise: a
        logistic Gaussian process over the query representations moves it away from the mean of
        the others. With few queries this is all that can be known: a new fit with complete scores
        is better. It takes time and memory of the cube and the square of the number of queries;
        beyond some thousand, fit again.
        """
        check_is_fitted(self)
        if X is None:
            raise ValueError("X is missing: pass the queries that the new LLM was scored on.")
        self._check_new_name(name)
        performance = column_or_1d(performance, dtype=np.float64, input_name="performance")
        check_consistent_length(X, performance)
        known = ~np.isnan(performance)
        if not known.any() or np.isinf(performance).any():
            raise ValueError(
                "performance must hold finite numbers, at least one; NaN is not observed."
            )
        cost = self._check_new_cost(cost, performance)
        embeddings = self._read_queries(X)[known]
        new_llm = learn_new_llm(
            self._run("represent", embeddings),
            self._predict_trained(embeddings),
            performance[known],
            None if cost is None else cost[known],
            self._limits,
        )
        with all_or_nothing(self):
            self._new_llms = [*self._new_llms, new_llm]
            self._columns = np.append(self._columns, len(self._cost_factor))
            self._cost_factor = np.append(self._cost_factor, 1.0)
            self._cost_shift = np.append(self._cost_shift, 0.0)
            self.classes_ = np.append(self.classes_, name)
            self._examples = self._examples.with_new_llm()
        return self

    def remove_llm(self, name):
        """Take an LLM out of the pool. Predictions for the others do not change.

        Parameters
        ----------
        name : str or int
            Its name, out of `classes_`.

        Returns
        -------
        self : object
            The router.

        Raises
        ------
        ValueError
            If it is not in the pool, or the only one there.
        """
        check_is_fitted(self)
        position = self._position(name)
        if len(self.classes_) == 1:
            raise ValueError(f"{name!r} is the only LLM of the pool; it cannot be removed.")
        kept = np.arange(len(self.classes_)) != position
        with all_or_nothing(self):
            self.classes_ = self.classes_[kept]
            self._columns = self._columns[kept]
            self._examples = self._examples.with_llms(kept)
        return self

    def update_cost(self, cost, *, relative=False):
        """Change what LLMs cost, as when prices change.

        Parameters
        ----------
        cost : mapping of names to float
            The new mean cost in US dollars per 1,000 queries over the queries of training (for
            an LLM added later, over those it was scored on). Predicted costs of the LLM are
            multiplied by the new mean over the old one; an LLM that cost nothing has the new cost
            on every query. With ``relative=True`` the factor itself: 0.5 after prices were
            halved.
        relative : bool, default=False
            Whether `cost` holds factors.

        Returns
        -------
        self : object
            The router.

        Raises
        ------
        ValueError
            If an LLM is not in the pool, a number is negative or not finite, or the router was
            fitted without costs. Nothing is changed then.

        Notes
        -----
        A router trained for one trade-off (``trade_off="fixed"``) has costs baked in and refuses.
        """
        check_is_fitted(self)
        if not isinstance(cost, Mapping):
            raise ValueError(f"cost must be a dict of names to numbers, got {cost!r}.")
        if not self.uses_cost_:
            raise ValueError("This router was fitted without costs; there is none to update.")
        self._check_predicts_outcomes()
        positions = {name: self._position(name) for name in cost}
        for name, value in cost.items():
            if not isinstance(value, Real) or not 0 <= value < np.inf:
                raise ValueError(f"cost[{name!r}] must be a finite number >= 0, got {value!r}.")
        factor, shift = self._cost_factor.copy(), self._cost_shift.copy()
        for name, value in cost.items():
            column, mean = self._columns[positions[name]], self.mean_cost_[positions[name]]
            if relative and np.isnan(mean):
                raise ValueError(
                    f"The cost of {name!r} was never observed, so there is nothing to multiply by "
                    f"{value!r}; pass its cost with relative=False."
                )
            if relative:
                factor[column], shift[column] = value * factor[column], value * shift[column]
            elif mean > 0:
                by = value / mean
                factor[column], shift[column] = by * factor[column], by * shift[column]
            else:
                factor[column], shift[column] = 0.0, value
        self._cost_factor, self._cost_shift = factor, shift
        return self

    @property
    def mean_cost_(self):
        """Mean cost of each LLM, US dollars per 1,000 queries; None without costs."""
        if not self.uses_cost_ or not self._any_trade_off:
            return None
        trained = self._network.mean[:, 1].detach().cpu().numpy()
        means = np.append(trained, [new_llm.mean_cost for new_llm in self._new_llms])
        return self._present_cost(means)[self._columns]

    def _present_cost(self, cost):
        """Costs as of training at the prices of today. Those that were unknown may be known now."""
        factor = self._cost_factor
        return np.where(factor == 0, 0.0, factor * cost) + self._cost_shift

    def _predict_outcomes(self, embeddings):
        """Predicted outcomes of the LLMs in `classes_`."""
        performance, cost = trained = self._predict_trained(embeddings)
        if self._new_llms:
            states = self._run("represent", embeddings)
            added = [new_llm.outcomes(states, *trained) for new_llm in self._new_llms]
            performance = np.column_stack([performance, *(new for new, _ in added)])
            if cost is not None:
                cost = np.column_stack([cost, *(new for _, new in added)])
        if cost is not None:
            cost = self._present_cost(cost)[:, self._columns]
        return PredictedOutcomes(performance[:, self._columns], cost)

    def _check_new_name(self, name):
        kind = str if self.classes_.dtype.kind == "U" else Integral
        if not isinstance(name, kind):
            raise ValueError(
                f"name must be of the kind of the other names, like {self.classes_.tolist()[0]!r}, "
                f"got {name!r}."
            )
        if name in self.classes_.tolist():
            raise ValueError(f"{name!r} is in the pool already; remove_llm it first.")

    def _check_new_cost(self, cost, performance):
        if not self.uses_cost_:
            if cost is not None:
                raise ValueError("cost was given, but this router was fitted without costs.")
            return None
        if cost is None:
            raise ValueError("cost is missing: this router was fitted with costs.")
        if np.ndim(cost) == 0:
            cost = np.full(len(performance), cost, dtype=np.float64)
        cost = column_or_1d(cost, dtype=np.float64, input_name="cost")
        check_consistent_length(performance, cost)
        if np.isinf(cost).any() or (cost < 0).any():
            raise ValueError("cost holds negative or infinite values.")
        if np.isnan(cost[~np.isnan(performance)]).all():
            raise ValueError("cost is NaN on every query with an observed performance.")
        return cost

    def _position(self, name):
        names = self.classes_.tolist()
        if name not in names:
            raise ValueError(f"{name!r} is not in the pool {names}.")
        return names.index(name)
