"""The pool of a router, as a value: LLMs come, go, and cost something else."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from sklearn.utils.validation import column_or_1d

from skrouter._routers.new_llm import NewLLM
from skrouter._targets.utility import PredictedOutcomes
from skrouter._utils.lengths import check_same_length


class Pool(NamedTuple):
    """The LLMs that a router can call, and how their outcomes are known.

    A change gives another pool; a router holds one and replaces it.

    Attributes
    ----------
    names : ndarray of shape (n_llms,)
    outputs : ndarray of int, shape (n_llms,)
        Where each LLM stands among the outputs of the network, followed by the added ones.
    n_trained : int
        Number of outputs of the network.
    added : tuple of NewLLM
        LLMs that came after training.
    mean_cost : ndarray of shape (n_llms,) or None
        As of training, or of the queries that an added one was scored on. NaN where never
        observed, None without costs.
    cost_factor, cost_shift : ndarray of shape (n_llms,)
        Costs as of then are multiplied by the one, and the other is added.
    performance_range : tuple of float
        Smallest and largest performance in training.
    """

    names: np.ndarray
    outputs: np.ndarray
    n_trained: int
    added: tuple[NewLLM, ...]
    mean_cost: np.ndarray | None
    cost_factor: np.ndarray
    cost_shift: np.ndarray
    performance_range: tuple[float, float]

    @classmethod
    def of_training(cls, names, mean_cost, performance):
        """The pool that a router was trained on.

        Parameters
        ----------
        names : ndarray of shape (n_llms,)
        mean_cost : ndarray of shape (n_llms,) or None
        performance : ndarray of shape (n_queries, n_llms)
            NaN where not observed.
        """
        n_llms = len(names)
        return cls(
            names=names,
            outputs=np.arange(n_llms),
            n_trained=n_llms,
            added=(),
            mean_cost=mean_cost,
            cost_factor=np.ones(n_llms),
            cost_shift=np.zeros(n_llms),
            performance_range=(float(np.nanmin(performance)), float(np.nanmax(performance))),
        )

    def with_llm(self, name, llm):
        """The pool with a :class:`NewLLM` at its end."""
        return self._replace(
            names=np.append(self.names, name),
            outputs=np.append(self.outputs, self.n_trained + len(self.added)),
            added=(*self.added, llm),
            mean_cost=None if self.mean_cost is None else np.append(self.mean_cost, llm.mean_cost),
            cost_factor=np.append(self.cost_factor, 1.0),
            cost_shift=np.append(self.cost_shift, 0.0),
        )

    def without_llm(self, name):
        """The pool without an LLM; of an added one nothing is left."""
        position = self.position(name)
        kept = np.arange(len(self.names)) != position
        outputs, added = self.outputs[kept], self.added
        gone = self.outputs[position]
        if gone >= self.n_trained:
            place = gone - self.n_trained
            added = added[:place] + added[place + 1 :]
            outputs = outputs - (outputs > gone)
        return self._replace(
            names=self.names[kept],
            outputs=outputs,
            added=added,
            mean_cost=None if self.mean_cost is None else self.mean_cost[kept],
            cost_factor=self.cost_factor[kept],
            cost_shift=self.cost_shift[kept],
        )

    def with_cost(self, cost, *, relative):
        """The pool at other prices; `cost` has the numbers by name, checked."""
        factor, shift, means = (
            self.cost_factor.copy(),
            self.cost_shift.copy(),
            self.present_mean_cost,
        )
        for name, value in cost.items():
            position = self.position(name)
            mean = means[position]
            if relative and np.isnan(mean):
                raise ValueError(
                    f"The cost of {name!r} was never observed, so there is nothing to multiply by "
                    f"{value!r}; pass its cost with relative=False."
                )
            if relative or mean > 0:
                by = value if relative else value / mean
                factor[position], shift[position] = by * factor[position], by * shift[position]
            else:
                factor[position], shift[position] = 0.0, value
        return self._replace(cost_factor=factor, cost_shift=shift)

    @property
    def present_mean_cost(self):
        """Mean cost of each LLM at the prices of today; None without costs."""
        return None if self.mean_cost is None else self._at_present_prices(self.mean_cost)

    def outcomes(self, trained, states):
        """Predicted outcomes of the LLMs in `names`.

        Parameters
        ----------
        trained : PredictedOutcomes
            Of the LLMs that were there in training.
        states : ndarray of shape (n_queries, dim) or None
            Query representations, of which only added LLMs know something.

        Returns
        -------
        outcomes : PredictedOutcomes
        """
        performance, cost = trained
        if self.added:
            added = [llm.outcomes(states, *trained) for llm in self.added]
            performance = np.column_stack([performance, *(new for new, _ in added)])
            if cost is not None:
                cost = np.column_stack([cost, *(new for _, new in added)])
        performance = performance[:, self.outputs]
        if cost is None:
            return PredictedOutcomes(performance, None)
        return PredictedOutcomes(performance, self._at_present_prices(cost[:, self.outputs]))

    def position(self, name):
        """Where an LLM stands; an error if it is not there."""
        names = self.names.tolist()
        if name not in names:
            raise ValueError(f"{name!r} is not in the pool {names}.")
        return names.index(name)

    def _at_present_prices(self, cost):
        # Those that were unknown may be known now.
        return np.where(self.cost_factor == 0, 0.0, self.cost_factor * cost) + self.cost_shift


def check_new_name(name, names):
    """Check the name of an LLM to add to a pool of these names."""
    kind = str if names.dtype.kind == "U" else Integral
    if not isinstance(name, kind):
        raise ValueError(
            f"name must be of the kind of the other names, like {names.tolist()[0]!r}, "
            f"got {name!r}."
        )
    if name in names.tolist():
        raise ValueError(f"{name!r} is in the pool already; call remove_llm first.")


def check_new_outcomes(performance, cost, X, *, uses_cost):
    """Check what is known of an LLM to add.

    Returns
    -------
    performance, cost : ndarray of shape (n_scored,)
        NaN where not observed; the cost is None for a router that uses none.
    """
    if X is None:
        raise ValueError("X is missing: pass the queries that the new LLM was scored on.")
    performance = column_or_1d(performance, dtype=np.float64, input_name="performance")
    check_same_length(X=X, performance=performance)
    known = ~np.isnan(performance)
    if not known.any() or np.isinf(performance).any():
        raise ValueError("performance must hold finite numbers, at least one; NaN is not observed.")
    if not uses_cost:
        if cost is not None:
            raise ValueError("cost was given, but this router was fitted without costs.")
        return performance, None
    if cost is None:
        raise ValueError("cost is missing: this router was fitted with costs.")
    if np.ndim(cost) == 0:
        cost = np.full(len(performance), cost, dtype=np.float64)
    cost = column_or_1d(cost, dtype=np.float64, input_name="cost")
    check_same_length(performance=performance, cost=cost)
    if np.isinf(cost).any() or (cost < 0).any():
        raise ValueError("cost holds negative or infinite values.")
    if np.isnan(cost[known]).all():
        raise ValueError("cost is NaN on every query with an observed performance.")
    return performance, cost


def check_new_prices(cost, pool):
    """Check costs, or factors of costs, by name."""
    if not isinstance(cost, Mapping):
        raise ValueError(f"cost must be a dict of names to numbers, got {cost!r}.")
    if pool.mean_cost is None:
        raise ValueError("This router was fitted without costs; there is none to update.")
    for name, value in cost.items():
        pool.position(name)
        if not isinstance(value, Real) or not 0 <= value < np.inf:
            raise ValueError(f"cost[{name!r}] must be a finite number >= 0, got {value!r}.")
