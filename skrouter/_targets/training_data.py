"""What a router is fitted on, read and checked once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skrouter._targets.routing_target import RoutingTarget


class TrainingData(NamedTuple):
    """Checked training data.

    Attributes
    ----------
    queries : Queries or None
        The text, if it was text.
    embeddings : ndarray of shape (n_queries, n_features) or None
        None for routers that do not look at the queries.
    target : RoutingTarget
        What to learn: as observed, but for LLMs that were rarely tried (``rarely_tried.py``).
    utility : ndarray of shape (n_queries, n_llms)
        At the router's own trade-off. NaN where not observed.
    sample_weight : ndarray of shape (n_queries,)
    observed : RoutingTarget
        As observed, to be shown.
    """

    queries: list | None
    embeddings: np.ndarray | None
    target: RoutingTarget
    utility: np.ndarray
    sample_weight: np.ndarray
    observed: RoutingTarget
