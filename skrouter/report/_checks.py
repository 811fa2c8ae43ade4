"""What a report is given, checked before any work."""

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples, check_consistent_length, column_or_1d

from skrouter._targets.routing_target import check_routing_target
from skrouter._targets.utility import routing_utility
from skrouter.metrics._score import check_charged
from skrouter.report._references import take


def read_trade_off(asked, target, cost_weight):
    """The trade-off asked for, else the router's own; 0 where nothing was ever charged."""
    if cost_weight is None:
        cost_weight = asked.own_cost_weight
        if target.cost is None and not asked.uses_cost:
            cost_weight = 0.0
        elif cost_weight is None:
            raise ValueError(
                f"cost_weight is None, and this {asked.name} has none of its own; pass the "
                "trade-off at which costs are to be judged."
            )
    check_charged(target, cost_weight)
    return cost_weight


def read_training(asked, X_train, y_train, cost_train, cost_weight):
    """The checked target of the training rows, or None."""
    if (X_train is None) != (y_train is None):
        missing = "X_train" if X_train is None else "y_train"
        raise ValueError(f"{missing} is missing; pass X_train and y_train together, or neither.")
    if X_train is None:
        if cost_train is not None:
            raise ValueError("cost_train was given without X_train and y_train.")
        return None
    train = check_routing_target(y_train, cost_train, known_llms=asked.classes)
    check_consistent_length(X_train, train.performance)
    if cost_weight > 0 and train.cost is None:
        raise ValueError(
            f"cost_train is missing, but cost_weight={cost_weight!r} charges it, also in the "
            "references; pass cost_train=, or the result of make_routing_target as y_train."
        )
    utility = routing_utility(train.performance, train.cost, cost_weight)
    if np.isnan(utility).all():
        raise ValueError("y_train holds no observed outcome; the references need some.")
    return train


def read_tasks(tasks, tasks_train, X, X_train, train):
    """Both as arrays; the second is of no use without the first, nor without training rows."""
    if tasks_train is not None and (tasks is None or train is None):
        missing = "tasks" if tasks is None else "X_train"
        raise ValueError(f"tasks_train was given without {missing}; pass both.")
    if tasks is not None and train is not None and tasks_train is None:
        raise ValueError("tasks was given with X_train, but without tasks_train; pass both.")
    checked = []
    for name, values, rows in (("tasks", tasks, X), ("tasks_train", tasks_train, X_train)):
        if values is not None:
            values = column_or_1d(values, dtype=object, input_name=name)
            if len(values) != _num_samples(rows):
                raise ValueError(
                    f"{name} has {len(values)} entries for {_num_samples(rows)} queries."
                )
        checked.append(values)
    return checked


def observed_rows(X, target, tasks, cost_weight):
    """Without the queries of which no outcome that counts was observed; and their number."""
    utility = routing_utility(target.performance, target.cost, cost_weight)
    rows = np.flatnonzero(~np.isnan(utility).all(axis=1))
    n_dropped = len(utility) - len(rows)
    if n_dropped:
        X, target = _safe_indexing(X, rows), take(target, rows)
        tasks = None if tasks is None else tasks[rows]
    return X, target, tasks, n_dropped
