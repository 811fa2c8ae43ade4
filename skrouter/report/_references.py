"""What a user would do without the router, fitted: the references of a report."""

import numpy as np
from sklearn.model_selection import KFold

from skrouter._targets.utility import routing_utility
from skrouter._utils.stats import observed_mean
from skrouter.baselines import BestPerTaskRouter, KNNRouter
from skrouter.metrics._oracle import best_columns

SINGLE = "best single LLM"
PER_TASK = "best LLM per task"
KNN = "kNN"
RANDOM = "random"
ORACLE = "oracle"


def best_single(target, cost_weight):
    """Name of the LLM that was best on average on the rows of `target`.

    What :class:`~skrouter.baselines.BestSingleRouter` calls, on rows of which it need not be the
    case that every LLM was observed.
    """
    utility = routing_utility(target.performance, target.cost, cost_weight)
    return target.llm_names.tolist()[observed_mean(utility, np.ones(len(utility))).argmax()]


def trained_choices(X_train, train, X, *, cost_weight, tasks_train=None, tasks=None):
    """Choices of the references for `X`, fitted on training rows.

    Parameters
    ----------
    X_train, X : ndarray
        Embeddings.
    train : RoutingTarget
        Outcomes of the training rows.
    cost_weight : float
    tasks_train, tasks : ndarray or None
        With tasks, there is a table of the best LLM per task.

    Returns
    -------
    choices : dict of str to ndarray of shape (n_queries,)
    """
    X_train, train, tasks_train = _usable(X_train, train, cost_weight, tasks_train)
    settings = {"cost_weight": cost_weight, "llm_names": train.llm_names}
    rows = X_train, train.performance, train.cost
    choices = {}
    if tasks is not None:
        table = BestPerTaskRouter(**settings).fit(*rows, tasks=tasks_train)
        choices[PER_TASK] = table.predict(X, tasks=tasks)
    choices[KNN] = KNNRouter(**settings).fit(*rows).predict(X)
    return choices


def crossfitted_choices(X, target, *, cost_weight, tasks, cv, random_state):
    """Choices without training rows: each fold's by references fitted on the others.

    Parameters
    ----------
    X : ndarray
        Embeddings.
    target : RoutingTarget
        Outcomes of the same rows.
    cost_weight : float
    tasks : ndarray or None
    cv : int
    random_state : int

    Returns
    -------
    choices : dict of str to ndarray of shape (n_queries,)
    """
    choices = {}
    for train, test in KFold(cv, shuffle=True, random_state=random_state).split(X):
        fold = trained_choices(
            X[train],
            take(target, train),
            X[test],
            cost_weight=cost_weight,
            tasks_train=None if tasks is None else tasks[train],
            tasks=None if tasks is None else tasks[test],
        )
        for name, llms in fold.items():
            empty = np.empty(len(X), dtype=target.llm_names.dtype)
            choices.setdefault(name, empty)[test] = llms
    return choices


def random_and_oracle(target, cost_weight):
    """Probabilities of a choice by lot, and the choices of the oracle."""
    shape = target.performance.shape
    return {
        RANDOM: np.full(shape, 1 / shape[1]),
        ORACLE: target.llm_names[best_columns(target, cost_weight)],
    }


def _usable(X, target, cost_weight, tasks):
    """Without the queries and the LLMs of which no outcome that counts was observed."""
    observed = ~np.isnan(routing_utility(target.performance, target.cost, cost_weight))
    rows, llms = observed.any(axis=1), observed.any(axis=0)
    target = take(target, rows)
    cost = None if target.cost is None else target.cost[:, llms]
    target = target._replace(
        performance=target.performance[:, llms], cost=cost, llm_names=target.llm_names[llms]
    )
    return X[rows], target, None if tasks is None else tasks[rows]


def take(target, rows):
    """Some rows of a target."""
    cost = None if target.cost is None else target.cost[rows]
    return target._replace(performance=target.performance[rows], cost=cost)
