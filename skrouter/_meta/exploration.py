"""Exploration: now and then another LLM than the best, with a known probability."""

from __future__ import annotations

from typing import Any

import numpy as np


def exploration_shares(values: np.ndarray, share: float) -> np.ndarray:
    """Probability with which each LLM is called.

    Parameters
    ----------
    values : ndarray of shape (n_queries, n_llms)
        Minus infinity for an LLM that may not be called.
    share : float
        Share of the queries whose LLM is drawn, all that may be called alike.

    Returns
    -------
    shares : ndarray of shape (n_queries, n_llms)
    """
    possible = ~np.isneginf(values)
    shares: Any = share * possible / possible.sum(axis=1, keepdims=True)
    shares[np.arange(len(values)), values.argmax(axis=1)] += 1 - share
    return shares


def draw(shares: np.ndarray, rng: np.random.RandomState | np.random.Generator) -> np.ndarray:
    """Position of one LLM per query, drawn with these probabilities."""
    cumulative = shares.cumsum(axis=1)
    points = rng.uniform(size=(len(shares), 1)) * cumulative[:, -1:]
    return (points >= cumulative).sum(axis=1)
