"""The reference that shows whether a router gains anything per query."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import _num_samples, check_is_fitted, column_or_1d

from skrouter._routers.base import BaseRouter
from skrouter._routers.routing import RoutedQueries
from skrouter._targets.utility import restrict
from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.state import as_of_now, replaced_at_once
from skrouter._utils.stats import observed_mean
from skrouter._utils.types import (
    AllowedLike,
    CostLike,
    Floats,
    LabelsLike,
    Names,
    NamesLike,
    QueriesLike,
    TargetLike,
)
from skrouter.metrics._score import score_choices


@with_shared_parts
class BestPerTaskRouter(BaseRouter):
    """Choose the LLM that was best in training on the task of the query.

    The caller names the task of every query (its data set or use case); all queries of a task go
    to the same LLM. A router that is no better although it reads the queries has gained nothing
    per query, so this is the reference to print beside every router. It does not look at the
    queries, so no text is encoded.

    Parameters
    ----------
    %(own_cost_weight)s
    %(llm_names)s

    Attributes
    ----------
    %(classes_)s
    tasks_ : list
        The tasks seen at `fit`, in the order of their first query.
    task_utility_ : ndarray of shape (n_tasks, n_llms)
        Weighted mean utility of each LLM on each task; minus infinity where it was never
        observed.
    mean_utility_ : ndarray of shape (n_llms,)
        The same over all queries. For a task that was not seen at `fit`, the LLM of the largest
        is chosen.
    %(n_features_in_)s
    %(uses_cost_)s

    Notes
    -----
    `tasks` is a keyword of every method. Pipelines and searches pass it on when scikit-learn's
    metadata routing is enabled and the router requests it: ``set_fit_request(tasks=True)``,
    ``set_predict_request(tasks=True)``, ``set_score_request(tasks=True)``.

    Examples
    --------
    >>> from skrouter.baselines import BestPerTaskRouter
    >>> router = BestPerTaskRouter(llm_names=["large", "small"])
    >>> performance = [[1.0, 1.0], [1.0, 0.0]]
    >>> router.fit(["2+2?", "Prove it."], performance, [9.0, 0.1], tasks=["sums", "proofs"])
    BestPerTaskRouter(llm_names=['large', 'small'])
    >>> router.predict(["3+3?", "Show it.", "Who?"], tasks=["sums", "proofs", "history"])
    array(['small', 'large', 'large'], dtype='<U5')
    """

    _looks_at_queries = False
    _needs_tasks = True

    def __init__(self, *, cost_weight: float = 0.02, llm_names: NamesLike | None = None) -> None:
        self.cost_weight = cost_weight
        self.llm_names = llm_names

    def fit(
        self,
        X: QueriesLike,
        y: TargetLike,
        cost: CostLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        tasks: LabelsLike | None = None,
    ) -> Self:
        """Learn the best LLM of each task.

        Parameters
        ----------
        X : sequence of str or chats, or array-like of shape (n_queries, n_features)
            Queries as text or ready embeddings. Only their number matters.
        %(y_fit)s
        %(cost)s
        %(sample_weight)s
        tasks : array-like of shape (n_queries,)
            The task of each query, strings or other hashable labels. Required: it has a default
            only because scikit-learn's metadata routing needs one.

        Returns
        -------
        %(fitted)s

        Raises
        ------
        ValueError
            If `tasks` is missing, holds missing values, or has another length than `X`, or the
            other input or a parameter is not as described.
        TypeError
            If a query among texts is neither a string nor a chat.
        """
        tasks = _check_tasks(tasks, X)
        with replaced_at_once(self) as draft:
            draft._learn(draft._read_training_data(X, y, cost, sample_weight), tasks=tasks)
        return self

    def predict(
        self,
        X: QueriesLike,
        *,
        tasks: LabelsLike | None = None,
        cost_weight: float | ArrayLike | None = None,
        allowed: AllowedLike | None = None,
    ) -> Names:
        """Choose an LLM for each query by its task.

        Parameters
        ----------
        %(X)s
        tasks : array-like of shape (n_queries,)
            The task of each query. For a task not seen at `fit` the best single LLM is chosen.
        %(table_cost_weight)s
        %(allowed)s

        Returns
        -------
        %(llms)s

        Raises
        ------
        %(raises_tasks)s
        """
        return self._route(X, cost_weight, allowed, tasks).llms

    def decision_function(
        self,
        X: QueriesLike,
        *,
        tasks: LabelsLike | None = None,
        cost_weight: float | ArrayLike | None = None,
        allowed: AllowedLike | None = None,
    ) -> Floats:
        """Mean utility of each LLM on the task of each query.

        Parameters
        ----------
        %(X)s
        %(tasks)s
        %(table_cost_weight)s
        %(allowed)s

        Returns
        -------
        %(values)s

        Raises
        ------
        %(raises_tasks)s
        """
        return self._route(X, cost_weight, allowed, tasks).decision

    def predict_proba(
        self,
        X: QueriesLike,
        *,
        tasks: LabelsLike | None = None,
        cost_weight: float | ArrayLike | None = None,
        allowed: AllowedLike | None = None,
    ) -> Floats:
        """Share of each LLM by a softmax of the mean utilities on the task.

        Parameters
        ----------
        %(X)s
        %(tasks)s
        %(table_cost_weight)s
        %(allowed)s

        Returns
        -------
        %(probabilities)s

        Raises
        ------
        %(raises_tasks)s
        """
        return self._route(X, cost_weight, allowed, tasks).shares

    def score(
        self,
        X: QueriesLike,
        y: TargetLike,
        cost: CostLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        tasks: LabelsLike | None = None,
    ) -> float:
        """Mean utility of the chosen LLMs, ``performance - cost_weight * cost``.

        Parameters
        ----------
        %(X)s
        %(y_true)s
        %(cost)s
        %(sample_weight)s
        %(tasks)s

        Returns
        -------
        %(score)s

        Raises
        ------
        ValueError
            If `tasks` is not as `predict` needs it, if the router was fitted with costs and they
            are missing here, or if no chosen LLM has an observed outcome.
        """
        check_is_fitted(self)
        now = as_of_now(self)
        target, chosen = now._read_scored_target(y, cost), now.predict(X, tasks=tasks)
        return score_choices(target, chosen, now.cost_weight, sample_weight).utility

    def _fit(self, data, tasks):
        utility, weight = data.utility, data.sample_weight
        self.mean_utility_ = observed_mean(utility, weight)
        # A task all of whose queries have weight 0 counts as not seen.
        self.tasks_ = list(dict.fromkeys(tasks[i] for i in np.flatnonzero(weight)))
        rows = self._rows(tasks)
        means = [
            observed_mean(utility[rows == row], weight[rows == row])
            for row in range(len(self.tasks_))
        ]
        self.task_utility_ = np.stack(means)

    def _utilities(self, tasks, cost_weight):
        # Row -1, of the tasks that were not seen, is the mean over all queries.
        return np.vstack([self.task_utility_, self.mean_utility_])[self._rows(tasks)]

    def _rows(self, tasks):
        """Position of each task in `tasks_`, -1 for a task that was not seen."""
        position = {task: row for row, task in enumerate(self.tasks_)}
        return np.array([position.get(task, -1) for task in tasks])

    def _route(self, X, cost_weight=None, allowed=None, tasks=None):
        check_is_fitted(self)
        now = as_of_now(self)
        cost_weight, mask = now._read_options(X, cost_weight, allowed)
        embeddings = now._read_queries(X)
        values = restrict(now._utilities(_check_tasks(tasks, embeddings), cost_weight), mask)
        return RoutedQueries(now.classes_, embeddings, values, cost_weight, now._shares)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True
        return tags


def _check_tasks(tasks, X):
    """Return the tasks as a list of hashable labels, one per row of `X`."""
    if tasks is None:
        raise ValueError(
            "tasks is missing: pass tasks=, the task of each query. Inside a pipeline or a search, "
            "enable scikit-learn's metadata routing and request it with set_fit_request(tasks=True)"
            ", set_predict_request(tasks=True) and set_score_request(tasks=True)."
        )
    if isinstance(tasks, str):
        raise ValueError(f"tasks is one string, {tasks!r}; pass a list, one task per query.")
    tasks = column_or_1d(tasks, input_name="tasks").tolist()
    if len(tasks) != _num_samples(X):
        raise ValueError(f"tasks has {len(tasks)} entries for {_num_samples(X)} queries in X.")
    for position, task in enumerate(tasks):
        if task is None or task != task:
            raise ValueError(f"tasks holds a missing value, {task!r}, at position {position}.")
    return tasks
