"""Past queries and their outcomes, kept to show where a decision comes from."""

from typing import NamedTuple

import numpy as np
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state


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
        """The same, of a pool with one more LLM, of which nothing was observed here."""
        unknown = np.full((len(self.rows), 1), np.nan)
        cost = None if self.cost is None else np.hstack([self.cost, unknown])
        return self._replace(performance=np.hstack([self.performance, unknown]), cost=cost)

    def with_llms(self, kept):
        """The same, of the part of the pool that a boolean mask keeps."""
        cost = None if self.cost is None else self.cost[:, kept]
        return self._replace(performance=self.performance[:, kept], cost=cost)

    def nearest(self, embeddings, n_neighbors):
        """Positions and cosine similarities, each of shape (n_queries, n_neighbors)."""
        n_neighbors = min(n_neighbors, len(self.rows))
        if n_neighbors == 0:
            return np.empty((len(embeddings), 0), dtype=int), np.empty((len(embeddings), 0))
        index = NearestNeighbors(n_neighbors=n_neighbors, metric="cosine").fit(self.embeddings)
        distance, position = index.kneighbors(embeddings)
        return position, 1 - distance


def choose_examples(router, data):
    """Keep at most `max_examples` of the training queries, drawn by lot where there are more."""
    rows = np.flatnonzero(data.sample_weight)
    if len(rows) > router.max_examples:
        generator = check_random_state(router.random_state)
        rows = np.sort(generator.choice(rows, router.max_examples, replace=False))
    embeddings = data.embeddings[rows]
    if len(rows) and router.fine_tune_encoder:
        # The encoder has changed since.
        embeddings = router.encoder_.transform([data.queries[row] for row in rows])
    cost = data.target.cost
    return Examples(
        rows,
        embeddings.astype(np.float32),
        data.target.performance[rows].copy(),
        None if cost is None else cost[rows].copy(),
    )
