"""Exploration: now and then another LLM than the best, with a known probability."""

from __future__ import annotations

from typing import Any

import numpy as np

from skrouter._routers.routing import RoutedQueries


def check_exploration(share: Any) -> None:
    """Raise unless it is a share of the queries."""
    if not isinstance(share, float | int | np.number) or not 0 <= share <= 1:
        raise ValueError(f"exploration must be a share in [0, 1], got {share!r}.")


def exploration_shares(values: np.ndarray, usual: np.ndarray, share: float) -> np.ndarray:
    """Probability with which each LLM is called.

    Parameters
    ----------
    values : ndarray of shape (n_queries, n_llms)
        Minus infinity for an LLM that may not be called.
    usual : ndarray of shape (n_queries, n_llms)
        The probability without exploration.
    share : float
        Share of the queries whose LLM is drawn, all that may be called alike.

    Returns
    -------
    shares : ndarray of shape (n_queries, n_llms)
    """
    share = float(share)  # in single precision the rows would not sum to one
    possible = ~np.isneginf(values)
    shares: Any = (1 - share) * usual + share * possible / possible.sum(axis=1, keepdims=True)
    return shares


def propensities(routed: RoutedQueries) -> np.ndarray:
    """Probability with which `predict` of a router calls each LLM."""
    return exploration_shares(routed.values, routed.usual_propensities, routed.exploration)


def draw(shares: np.ndarray, rng: np.random.RandomState | np.random.Generator) -> np.ndarray:
    """Position of one LLM per query, drawn with these probabilities."""
    cumulative = shares.cumsum(axis=1)
    points = rng.uniform(size=(len(shares), 1)) * cumulative[:, -1:]
    return (points >= cumulative).sum(axis=1)
