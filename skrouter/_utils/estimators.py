"""Handling of scikit-learn estimators of any kind."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline


class Classifier(Protocol):
    """A fitted classifier: a router, or any other whose classes are the LLMs."""

    @property
    def classes_(self) -> NDArray[Any]:
        """Names of the classes."""

    def predict(self, X: Any, /) -> Any:
        """Name a class for each row of `X`."""


def estimator_layers(estimator: Any) -> list[Any]:
    """The estimator, what it delegates its predictions to, and so on to the innermost one.

    A search delegates to its `best_estimator_`, a frozen estimator to its `estimator`, and a
    pipeline to its last step, on what the steps before make of the input. A search that is not
    fitted, and a pipeline that ends in no estimator, are innermost themselves.

    Parameters
    ----------
    estimator : estimator

    Returns
    -------
    layers : list of estimators
        From `estimator` inwards; the last one does the work.
    """
    layers = [estimator]
    while True:
        inner = _delegate(layers[-1])
        if inner is None:
            return layers
        layers.append(inner)


def _delegate(estimator: Any) -> Any:
    # First, for a frozen estimator shows all attributes of what it holds.
    if isinstance(estimator, FrozenEstimator):
        return estimator.estimator
    if isinstance(estimator, Pipeline):
        last = estimator.steps[-1][1]
        return None if last == "passthrough" else last
    return getattr(estimator, "best_estimator_", None)


def innermost_estimator(estimator: Any) -> Any:
    """The estimator that does the work inside searches, pipelines and frozen estimators.

    See :func:`estimator_layers` for what is looked into.
    """
    return estimator_layers(estimator)[-1]


def innermost_input(estimator: Any, X: Any) -> Any:
    """What the innermost estimator is given for `X`: transformed by the steps before it.

    ``innermost_estimator(estimator).predict(innermost_input(estimator, X))`` is what
    ``estimator.predict(X)`` returns.

    Parameters
    ----------
    estimator : estimator
        With all steps before the innermost estimator fitted.
    X : object
        Input of `estimator`.

    Returns
    -------
    X : object
        `X` itself where there is no pipeline.
    """
    for layer in estimator_layers(estimator)[:-1]:
        if isinstance(layer, Pipeline) and len(layer.steps) > 1:
            X = layer[:-1].transform(X)
    return X


def own_cost_weight(estimator: Any) -> float | None:
    """The trade-off at which a router chooses if no other is asked for; None if it has none."""
    router = innermost_estimator(estimator)
    return getattr(router, "_own_cost_weight", getattr(router, "cost_weight", None))
