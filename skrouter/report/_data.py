"""What a report is given, checked before any work."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples, column_or_1d

from skrouter._targets.routing_target import RoutingTarget, check_routing_target
from skrouter._targets.utility import routing_utility
from skrouter._utils.lengths import check_same_length
from skrouter._utils.types import CostLike, Floats, LabelsLike, QueriesLike, TargetLike
from skrouter.metrics._score import check_costs_given
from skrouter.report._router_adapter import RouterAdapter


class ReportData(NamedTuple):
    """Held-out rows, training rows, and the trade-off of a report.

    Attributes
    ----------
    X : sequence
        The held-out queries of which an outcome that counts was observed.
    target : RoutingTarget
        Their outcomes.
    tasks : ndarray of shape (n_queries,) or None
        Their tasks.
    X_train : sequence or None
        The training queries.
    train : RoutingTarget or None
        Their outcomes.
    tasks_train : ndarray or None
        Their tasks.
    cost_weight : float
        The trade-off.
    n_dropped : int
        Number of held-out queries that were left out, as none of their outcomes was observed.
    """

    X: Any
    target: RoutingTarget
    tasks: NDArray[Any] | None
    X_train: Any
    train: RoutingTarget | None
    tasks_train: NDArray[Any] | None
    cost_weight: float
    n_dropped: int

    @property
    def n_queries(self) -> int:
        """Number of held-out queries."""
        return len(self.target.performance)

    @property
    def utility(self) -> Floats:
        """Utility of each LLM on each held-out query."""
        return routing_utility(self.target.performance, self.target.cost, self.cost_weight)

    @property
    def known(self) -> RoutingTarget:
        """The outcomes that constants are learnt from: of training rows if there are any."""
        return self.target if self.train is None else self.train


def check_report_data(
    router: RouterAdapter,
    X: QueriesLike,
    y: TargetLike,
    cost: CostLike | None,
    *,
    X_train: QueriesLike | None,
    y_train: TargetLike | None,
    cost_train: CostLike | None,
    tasks: LabelsLike | None,
    tasks_train: LabelsLike | None,
    cost_weight: float | None,
    router_cost: float,
) -> ReportData:
    """Check the data that :func:`routing_report` is given; parameters are as there."""
    target = check_routing_target(y, cost, known_llms=router.classes)
    check_same_length(X=X, y=target.performance)
    cost_weight = _choose_trade_off(router, target, cost_weight)
    if router_cost and target.cost is None:
        raise ValueError(f"router_cost={router_cost!r} was given, but no cost; pass cost=.")
    train = _check_training_rows(router, X_train, y_train, cost_train, cost_weight)
    checked_tasks, checked_tasks_train = _check_tasks(tasks, tasks_train, X, X_train, train)
    utility = routing_utility(target.performance, target.cost, cost_weight)
    rows = np.flatnonzero(~np.isnan(utility).all(axis=1))
    if len(rows) < 2:
        raise ValueError(
            f"y has {len(rows)} queries with an observed outcome; a report needs many."
        )
    n_dropped = len(utility) - len(rows)
    if n_dropped:
        X, target = _safe_indexing(X, rows), target.rows(rows)
        checked_tasks = None if checked_tasks is None else checked_tasks[rows]
    return ReportData(
        X, target, checked_tasks, X_train, train, checked_tasks_train, cost_weight, n_dropped
    )


def _choose_trade_off(
    router: RouterAdapter, target: RoutingTarget, cost_weight: float | None
) -> float:
    """The trade-off that was given, else the router's own; 0 where there are no costs at all."""
    if cost_weight is None:
        cost_weight = router.own_cost_weight
        if target.cost is None and not router.uses_cost:
            cost_weight = 0.0
        elif cost_weight is None:
            raise ValueError(
                f"cost_weight is None, and this {router.name} has none of its own; pass the "
                "trade-off at which costs are to be judged."
            )
    check_costs_given(target, cost_weight)
    return cost_weight


def _check_training_rows(
    router: RouterAdapter,
    X_train: QueriesLike | None,
    y_train: TargetLike | None,
    cost_train: CostLike | None,
    cost_weight: float,
) -> RoutingTarget | None:
    """The checked target of the training rows, or None."""
    if (X_train is None) != (y_train is None):
        missing = "X_train" if X_train is None else "y_train"
        raise ValueError(f"{missing} is missing; pass X_train and y_train together, or neither.")
    if X_train is None or y_train is None:
        if cost_train is not None:
            raise ValueError("cost_train was given without X_train and y_train.")
        return None
    train = check_routing_target(y_train, cost_train, known_llms=router.classes)
    check_same_length(X_train=X_train, y_train=train.performance)
    if cost_weight > 0 and train.cost is None:
        raise ValueError(
            f"cost_train is missing, but cost_weight={cost_weight!r} charges it, also in the "
            "references; pass cost_train=, or the result of make_routing_target as y_train."
        )
    utility = routing_utility(train.performance, train.cost, cost_weight)
    if np.isnan(utility).all():
        raise ValueError("y_train holds no observed outcome; the references need some.")
    return train


def _check_tasks(
    tasks: LabelsLike | None,
    tasks_train: LabelsLike | None,
    X: QueriesLike,
    X_train: QueriesLike | None,
    train: RoutingTarget | None,
) -> list[NDArray[Any] | None]:
    """Both as arrays; the second is of no use without the first, nor without training rows."""
    if tasks_train is not None and (tasks is None or train is None):
        missing = "tasks" if tasks is None else "X_train"
        raise ValueError(f"tasks_train was given without {missing}; pass both.")
    if tasks is not None and train is not None and tasks_train is None:
        raise ValueError("tasks was given with X_train, but without tasks_train; pass both.")
    checked: list[NDArray[Any] | None] = []
    for name, values, rows in (("tasks", tasks, X), ("tasks_train", tasks_train, X_train)):
        labels = None
        if values is not None:
            labels = column_or_1d(values, dtype=object, input_name=name)
            if len(labels) != _num_samples(rows):
                raise ValueError(
                    f"{name} has {len(labels)} entries for {_num_samples(rows)} queries."
                )
        checked.append(labels)
    return checked
