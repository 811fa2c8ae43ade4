"""How often each LLM is called."""

import numpy as np
from sklearn.utils.validation import _check_sample_weight

from skrouter._target import RoutingTarget
from skrouter.metrics._score import call_shares


def routing_share(llms, *, llm_names=None, sample_weight=None):
    """Share of the queries on which a router calls each LLM.

    Outcomes do not matter: it tells what a router does, not whether that is right. A router that
    calls one LLM only has learnt to be constant.

    Parameters
    ----------
    llms : array-like of shape (n_queries,) or (n_queries, n_llms)
        The chosen LLM of each query, or the probability with which each is called, as for
        :func:`routing_score`.
    llm_names : array-like of shape (n_llms,), default=None
        The pool, mostly the router's `classes_`; LLMs that are never called have a share of 0.
        None: the LLMs that are called, sorted; for probabilities 0, 1, ...
    sample_weight : array-like of shape (n_queries,), default=None
        Weights of the queries.

    Returns
    -------
    shares : dict
        Share of each LLM by name, in the order of the pool. They sum to 1.

    Raises
    ------
    ValueError
        If a chosen LLM is not in the pool, probabilities do not sum to 1, there are no queries,
        or lengths differ.

    Examples
    --------
    >>> from skrouter.metrics import routing_share
    >>> routing_share(["small", "large", "small", "small"], llm_names=["tiny", "small", "large"])
    {'tiny': 0.0, 'small': 0.75, 'large': 0.25}
    """
    llms = np.asarray(llms)
    if not llms.size:
        raise ValueError("llms is empty; at least one query is needed.")
    if llm_names is None:
        llm_names = np.arange(llms.shape[1]) if llms.ndim == 2 else np.unique(llms)
    names = np.asarray(llm_names)
    # Outcomes are not read; zeros only tell the shape.
    pool = RoutingTarget(np.zeros((len(llms) if llms.ndim else 0, len(names))), None, names)
    shares = call_shares(llms, pool)
    mean = np.average(shares, axis=0, weights=_check_sample_weight(sample_weight, shares))
    return dict(zip(names.tolist(), mean.tolist(), strict=True))
