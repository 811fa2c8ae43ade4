"""The method that explains decisions."""

from __future__ import annotations

from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skrouter._routers.explanation import Decision, Examples, explain
from skrouter._routers.outcomes import OutcomesMixin, serves_any_trade_off
from skrouter._targets.utility import expected_utility, restrict
from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.state import as_of_now
from skrouter._utils.types import AllowedLike, QueriesLike


@with_shared_parts
class ExplainMethods(OutcomesMixin):
    """Mixin of a router that predicts outcomes and keeps training queries in `_examples`."""

    _examples: Examples

    @available_if(serves_any_trade_off)
    def explain(
        self,
        X: QueriesLike,
        *,
        cost_weight: float | ArrayLike | None = None,
        allowed: AllowedLike | None = None,
        n_neighbors: int = 5,
    ) -> list[Decision]:
        """Say for each query what the choice rests on.

        Parameters
        ----------
        %(X)s
        %(cost_weight)s
        %(allowed)s
        n_neighbors : int, default=5
            How many of the most similar training queries to show, of those that were kept: see
            `max_examples`.

        Returns
        -------
        decisions : list of Decision
            One named tuple per query: the LLM and the runner-up, the margin, the predicted
            performance and cost of every LLM, the trade-offs at which the choice flips, and the
            nearest training queries with their outcomes. ``print`` shows it as a table.

        Raises
        ------
        ValueError
            As `predict`, and for a router trained with ``trade_off="fixed"``, which predicts no
            outcomes.
        """
        check_is_fitted(self)
        if not isinstance(n_neighbors, Integral) or n_neighbors < 0:
            raise ValueError(f"n_neighbors must be an integer >= 0, got {n_neighbors!r}.")
        now = as_of_now(self)
        cost_weight, mask = now._read_options(X, cost_weight, allowed)
        embeddings = now._read_queries(X)
        outcomes = now._predict_outcomes(embeddings)
        utility = restrict(expected_utility(outcomes, cost_weight), mask)
        return explain(
            now.classes_.tolist(),
            outcomes,
            utility,
            now._shares(utility),
            np.broadcast_to(np.ravel(cost_weight), len(embeddings)),
            now._examples,
            now._examples.nearest(embeddings, n_neighbors),
        )
