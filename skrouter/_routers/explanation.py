"""Explanations of decisions: margins, trade-offs that change them, similar training queries."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state


class Flip(NamedTuple):
    """The next trade-off at which the choice changes.

    Attributes
    ----------
    cost_weight : float
        Performance given up for one US dollar per 1,000 queries.
    llm : str or int
        Name of the LLM that is chosen beyond it.
    """

    cost_weight: float
    llm: object


class Decision(NamedTuple):
    """One decision of a router, explained.

    Attributes
    ----------
    llm : str or int
        Name of the LLM that is called.
    runner_up : str or int, or None
        Name of the second best; None where only one may be called.
    margin : float
        Expected utility of the LLM less that of the runner-up; infinite without one.
    cost_weight : float
        The trade-off of the decision.
    performance, cost, utility, probability : dict
        By name of the LLM, best utility first: predicted performance, predicted cost in US
        dollars per 1,000 queries (None for a router fitted without costs), expected utility, and
        share in `predict_proba`. LLMs that may not be called are left out.
    flip_below, flip_above : Flip or None
        The nearest smaller and the nearest larger trade-off at which another LLM would be called;
        None if there is none.
    neighbors : list of Neighbor
        The most similar training queries, nearest first.
    """

    llm: object
    runner_up: object
    margin: float
    cost_weight: float
    performance: dict
    cost: dict | None
    utility: dict
    probability: dict
    flip_below: Flip | None
    flip_above: Flip | None
    neighbors: list

    def __str__(self):
        width = max(len(str(name)) for name in self.utility)
        head = f"{'LLM':{width}}  performance     cost  utility  probability"
        lines = [f"{self.llm} is called at cost_weight={self.cost_weight:g}.", "", head]
        for name, utility in self.utility.items():
            cost = "       –" if self.cost is None else f"{self.cost[name]:8.3f}"
            lines.append(
                f"{name!s:{width}}  {self.performance[name]:11.3f} {cost} {utility:8.3f}  "
                f"{self.probability[name]:11.3f}"
            )
        lines.append("")
        if self.runner_up is not None:
            lines.append(f"Margin over {self.runner_up}: {self.margin:.3f}.")
        for flip, where in ((self.flip_below, "below"), (self.flip_above, "above")):
            if flip is not None:
                lines.append(f"{where.title()} cost_weight={flip.cost_weight:.4g}: {flip.llm}.")
        for neighbor in self.neighbors:
            outcomes = ", ".join(f"{name} {p:g}" for name, p in neighbor.performance.items())
            lines.append(
                f"Training query {neighbor.row}, similarity {neighbor.similarity:.2f}: {outcomes}."
            )
        return "\n".join(lines)


class Neighbor(NamedTuple):
    """A training query that is similar to the one decided on.

    Attributes
    ----------
    row : int
        Its row in the training data.
    similarity : float
        Cosine of the embeddings.
    performance, cost : dict
        Observed outcomes by name of the LLM; those that were not observed are left out.
    """

    row: int
    similarity: float
    performance: dict
    cost: dict


def explain(names, outcomes, utility, probability, cost_weight, examples, nearest):
    """Make a :class:`Decision` of the predictions for each query.

    Parameters
    ----------
    names : list
        The pool.
    outcomes : PredictedOutcomes
    utility, probability : ndarray of shape (n_queries, n_llms)
        Utilities are minus infinity and probabilities 0 for LLMs that may not be called.
    cost_weight : ndarray of shape (n_queries,)
    examples : Examples
    nearest : tuple of ndarray
        Positions in `examples` and similarities, each of shape (n_queries, n_neighbors).

    Returns
    -------
    decisions : list of Decision
    """
    decisions = []
    for i, values in enumerate(utility):
        order = [j for j in np.argsort(-values, kind="stable") if not np.isneginf(values[j])]
        first, second = order[0], (order[1:] or [None])[0]
        performance = outcomes.performance[i]
        cost = None if outcomes.cost is None else outcomes.cost[i]
        below, above = (
            (None, None)
            if cost is None
            else _flips(names, performance, cost, float(cost_weight[i]), first, order)
        )

        def by_name(row, order=order):
            return {names[j]: float(row[j]) for j in order}

        decisions.append(
            Decision(
                llm=names[first],
                runner_up=None if second is None else names[second],
                margin=np.inf if second is None else float(values[first] - values[second]),
                cost_weight=float(cost_weight[i]),
                performance=by_name(performance),
                cost=None if cost is None else by_name(cost),
                utility=by_name(values),
                probability=by_name(probability[i]),
                flip_below=below,
                flip_above=above,
                neighbors=[
                    _neighbor(names, examples, position, similarity)
                    for position, similarity in zip(*(part[i] for part in nearest), strict=True)
                ],
            )
        )
    return decisions


def _flips(names, performance, cost, cost_weight, first, order):
    """The next flips below and above the trade-off, each a :class:`Flip` or None.

    Utilities are straight lines over the trade-off; a flip is where another line crosses the
    highest one.
    """
    below = above = None
    for j in order[1:]:
        if not cost[j] != cost[first]:
            continue
        crossing = (performance[first] - performance[j]) / (cost[first] - cost[j])
        if cost[j] < cost[first] and crossing >= cost_weight:
            # Of several that cross at one point the cheapest is the highest beyond it.
            key = (crossing, cost[j])
            above = min(above or (key, j), (key, j))
        elif cost[j] > cost[first] and 0 <= crossing <= cost_weight:
            key = (crossing, cost[j])
            below = max(below or (key, j), (key, j))
    return tuple(flip and Flip(float(flip[0][0]), names[flip[1]]) for flip in (below, above))


def _neighbor(names, examples, position, similarity):
    def observed(values):
        if values is None:
            return {}
        row = values[position]
        return {name: float(x) for name, x in zip(names, row, strict=True) if not np.isnan(x)}

    return Neighbor(
        int(examples.rows[position]),
        float(similarity),
        observed(examples.performance),
        observed(examples.cost),
    )


class Examples(NamedTuple):
    """Training queries with their outcomes.

    Attributes
    ----------
    rows : ndarray of int, shape (n_examples,)
        Their rows in the training data.
    embeddings : ndarray of shape (n_examples, n_features)
        In single precision.
    performance, cost : ndarray of shape (n_examples, n_llms)
        Columns follow the router's `classes_`; `cost` is None without costs.
    """

    rows: np.ndarray
    embeddings: np.ndarray
    performance: np.ndarray
    cost: np.ndarray | None

    def with_new_llm(self):
        """The same for a pool with one more LLM, of which nothing was observed here."""
        unknown = np.full((len(self.rows), 1), np.nan)
        cost = None if self.cost is None else np.hstack([self.cost, unknown])
        return self._replace(performance=np.hstack([self.performance, unknown]), cost=cost)

    def without_llm(self, position):
        """The same for a pool without the LLM at a position."""
        cost = None if self.cost is None else np.delete(self.cost, position, axis=1)
        return self._replace(performance=np.delete(self.performance, position, axis=1), cost=cost)

    def nearest(self, embeddings, n_neighbors):
        """Positions and cosine similarities, each of shape (n_queries, n_neighbors)."""
        n_neighbors = min(n_neighbors, len(self.rows))
        if n_neighbors == 0:
            return np.empty((len(embeddings), 0), dtype=int), np.empty((len(embeddings), 0))
        index = NearestNeighbors(n_neighbors=n_neighbors, metric="cosine").fit(self.embeddings)
        distance, position = index.kneighbors(embeddings)
        return position, 1 - distance


def choose_examples(data, embeddings, max_examples, random_state):
    """Keep some of the training queries, drawn at random where there are more.

    Parameters
    ----------
    data : TrainingData
    embeddings : callable
        Maps row numbers to embeddings, as the fitted router computes them.
    max_examples : int
    random_state : int, RandomState instance or None

    Returns
    -------
    examples : Examples
    """
    rows = np.flatnonzero(data.sample_weight)
    if len(rows) > max_examples:
        generator = check_random_state(random_state)
        rows = np.sort(generator.choice(rows, max_examples, replace=False))
    cost = data.observed.cost
    return Examples(
        rows,
        embeddings(rows).astype(np.float32),
        data.observed.performance[rows].copy(),
        None if cost is None else cost[rows].copy(),
    )
