"""What a user would do without the router, fitted: the references of a report."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold

from skrouter._targets.rarely_tried import shrink_rarely_tried
from skrouter._targets.routing_target import RoutingTarget
from skrouter._targets.utility import routing_utility
from skrouter._utils.stats import observed_mean
from skrouter._utils.types import Floats, LLMName
from skrouter.baselines import BestPerTaskRouter, KNNRouter, LinearRouter
from skrouter.metrics._oracle import best_columns
from skrouter.report._data import ReportData

# Names of the rows of a report.
ROUTER = "router"
SINGLE = "best single LLM"
PER_TASK = "best LLM per task"
KNN = "kNN"
RIDGE = "ridge"
RANDOM = "random"
ORACLE = "oracle"

# Those that read the queries, as the router does.
ROUTERS = {KNN: KNNRouter, RIDGE: LinearRouter}

Choices = dict[str, NDArray[Any]]


def best_single(target: RoutingTarget, cost_weight: float) -> LLMName:
    """Name of the LLM that was best on average on the rows of `target`.

    What :class:`~skrouter.baselines.BestSingleRouter` calls, on rows of which it need not be the
    case that every LLM was observed.
    """
    target = shrink_rarely_tried(target, np.ones(len(target.performance)))
    utility = routing_utility(target.performance, target.cost, cost_weight)
    names: list[LLMName] = target.llm_names.tolist()
    return names[observed_mean(utility, np.ones(len(utility))).argmax()]


def learnt_choices(
    data: ReportData,
    embeddings_train: Floats,
    embeddings: Floats,
    *,
    n_folds: int,
    random_state: int,
) -> Choices:
    """Choices of the references that learn from the queries.

    Parameters
    ----------
    data : ReportData
    embeddings_train, embeddings : ndarray
        Embeddings of the training queries, which count only if there are training rows, and of the
        held-out queries.
    n_folds : int
        Without training rows each of so many folds is chosen for by references that were fitted on
        the others.
    random_state : int
        Seed of the folds.

    Returns
    -------
    choices : dict of str to ndarray of shape (n_queries,)
        The best LLM per task, if there are tasks, kNN and ridge.
    """
    if data.train is not None:
        train = embeddings_train, data.train, data.tasks_train
        return _choices_after_fit(*train, embeddings, data.tasks, data.cost_weight)
    choices: Choices = {}
    folds = KFold(n_folds, shuffle=True, random_state=random_state)
    for rows, held_out in folds.split(embeddings):
        fold = _choices_after_fit(
            embeddings[rows],
            data.target.rows(rows),
            None if data.tasks is None else data.tasks[rows],
            embeddings[held_out],
            None if data.tasks is None else data.tasks[held_out],
            data.cost_weight,
        )
        for name, llms in fold.items():
            empty = np.empty(len(embeddings), dtype=data.target.llm_names.dtype)
            choices.setdefault(name, empty)[held_out] = llms
    return choices


def _choices_after_fit(
    X_train: Floats,
    train: RoutingTarget,
    tasks_train: NDArray[Any] | None,
    X: Floats,
    tasks: NDArray[Any] | None,
    cost_weight: float,
) -> Choices:
    """Choices for `X` of references fitted on training rows."""
    X_train, train, tasks_train = _observed_part(X_train, train, tasks_train, cost_weight)
    names, rows = train.llm_names, (X_train, train.performance, train.cost)
    choices: Choices = {}
    if tasks is not None:
        table = BestPerTaskRouter(cost_weight=cost_weight, llm_names=names)
        choices[PER_TASK] = table.fit(*rows, tasks=tasks_train).predict(X, tasks=tasks)
    for name, kind in ROUTERS.items():
        router = kind(cost_weight=cost_weight, llm_names=names)
        choices[name] = router.fit(*rows).predict(X)
    return choices


def random_and_oracle(target: RoutingTarget, cost_weight: float) -> Choices:
    """Probabilities of a choice at random, and the choices of the oracle."""
    shape = target.performance.shape
    return {
        RANDOM: np.full(shape, 1 / shape[1]),
        ORACLE: target.llm_names[best_columns(target, cost_weight)],
    }


def _observed_part(
    X: Floats, target: RoutingTarget, tasks: NDArray[Any] | None, cost_weight: float
) -> tuple[Floats, RoutingTarget, NDArray[Any] | None]:
    """Without the queries and the LLMs of which no outcome that counts was observed."""
    observed = ~np.isnan(routing_utility(target.performance, target.cost, cost_weight))
    rows, llms = observed.any(axis=1), observed.any(axis=0)
    kept = target.rows(rows)
    kept = RoutingTarget(
        kept.performance[:, llms],
        None if kept.cost is None else kept.cost[:, llms],
        kept.llm_names[llms],
    )
    return X[rows], kept, None if tasks is None else tasks[rows]
