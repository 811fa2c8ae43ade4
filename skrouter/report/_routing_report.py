"""Make a report: let the router choose, fit the references, compare."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval

from skrouter._targets.cautions import few_outcomes_warned_of_once
from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.param_validation import validate_params
from skrouter._utils.types import CostLike, LabelsLike, QueriesLike, Seed, TargetLike
from skrouter.report._comparison import compare_with_references
from skrouter.report._data import check_report_data
from skrouter.report._notes import write_notes
from skrouter.report._predictability import per_query_signal
from skrouter.report._realized_outcomes import compare_scores
from skrouter.report._references import learnt_choices
from skrouter.report._result import RoutingReport
from skrouter.report._router_adapter import RouterAdapter
from skrouter.report._sections import (
    calibrate,
    compare_costs,
    n_shared_queries,
    shares_of_oracle_gain,
    uses_of_llms,
)
from skrouter.report._verdict import write_verdict


@with_shared_parts
@validate_params(
    {
        "cost_weight": [Interval(Real, 0, None, closed="left"), None],
        "confidence_level": [Interval(Real, 0, 1, closed="neither")],
        "router_cost": [Interval(Real, 0, None, closed="left")],
        "cv": [Interval(Integral, 2, None, closed="left")],
        "n_resamples": [Interval(Integral, 2, None, closed="left")],
        "encoder": [str, HasMethods(["fit", "transform"])],
        "random_state": ["random_state"],
    }
)
def routing_report(
    router: BaseEstimator,
    X: QueriesLike,
    y: TargetLike,
    cost: CostLike | None = None,
    *,
    X_train: QueriesLike | None = None,
    y_train: TargetLike | None = None,
    cost_train: CostLike | None = None,
    tasks: LabelsLike | None = None,
    tasks_train: LabelsLike | None = None,
    cost_weight: float | None = None,
    confidence_level: float = 0.95,
    router_cost: float = 0.0,
    cv: int = 5,
    n_resamples: int = 9999,
    encoder: str | BaseEstimator = "all-MiniLM-L6-v2",
    random_state: Seed = None,
) -> RoutingReport:
    """Report whether a fitted router pays, on queries that it has not seen.

    It compares the router with what you would do without it (the best single LLM, the best LLM
    per task), with a plain nearest-neighbour router and the oracle, by paired intervals; says what
    is saved, what is called, whether predictions are reliable, and how much can be predicted at
    all; and gives a verdict in plain words.

    Parameters
    ----------
    router : classifier
        A fitted router; or any fitted classifier with `classes_`, the names of the LLMs, and
        `predict`, such as a pipeline or a search.
    X : sequence of str, or array-like of shape (n_queries, n_features)
        Held-out queries, as the router's `predict` takes them. On the rows that the router was
        fitted on, all that is said is wrong.
    y : array-like
        Their true performance, in any form that a router's `fit` accepts. NaN where not observed.
        Columns of an array are in the order of the router's `classes_`, those of a data frame are
        matched by name.
    %(cost)s
    X_train, y_train, cost_train : default=None
        The rows that the router was fitted on, to fit the references on the same. Without them
        the best single LLM is chosen in hindsight, on the held-out rows themselves, which favours
        it, so that the verdict stays conservative; the best LLM per task, kNN and ridge are
        cross-fitted on these rows.
    tasks : array-like of shape (n_queries,), default=None
        Task of each held-out query, for the best LLM per task: the reference that tells whether
        anything is gained per query.
    tasks_train : array-like of shape (n_train,), default=None
        The same of the training rows. Needed if both `tasks` and `X_train` are given.
    cost_weight : float, default=None
        The trade-off at which all are judged: performance given up for one US dollar per 1,000
        queries. None is the router's own. A router that serves any trade-off chooses at this
        one; another is judged at it all the same, and a note says so.
    confidence_level : float, default=0.95
        Coverage of the intervals. The verdict is one test at the lower end of one of them.
    router_cost : float, default=0.0
        What the router itself costs in US dollars per 1,000 queries, for hosting and encoding. It
        is charged to the router, to kNN and to ridge, in cost and score, and taken from what is
        saved.
    cv : int, default=5
        Number of folds where something is cross-fitted on the held-out rows; at most their number.
    n_resamples : int, default=9999
        Resamples of each interval, at least 2, as for
        :func:`~skrouter.metrics.paired_bootstrap`.
    encoder : str or transformer, default="all-MiniLM-L6-v2"
        Makes embeddings of text for kNN, ridge and the signal where the router has none, as
        :class:`~skrouter.baselines.KNNRouter` takes it. Else the router's own are used.
    random_state : int, RandomState instance or None, default=None
        Seed of folds and resamples.

    Returns
    -------
    report : RoutingReport
        To be printed, shown in a notebook, or read number by number.

    Raises
    ------
    ValueError
        If costs are missing or not wanted, training rows or tasks are given in part, lengths
        differ, a parameter is not as described, or too few outcomes of the called LLMs were
        observed.
    TypeError
        If `router` is not a classifier.
    NotFittedError
        If it is not fitted.

    Notes
    -----
    The verdict is "beats" only if the lower end of the paired interval of the router's score less
    that of the best single LLM is above 0 and the router calls more than one LLM. The interval is
    Gaffke's: it allows for one more query, on which the router loses the most that it can. That
    matters where few queries differ, as a bootstrap does not know the losses that have not
    happened yet. That the best LLM per task is beaten is said by the same rule, and only after
    that. All else in the report describes and decides nothing, so that there is one test, and a
    false "beats" has a probability of about ``(1 - confidence_level) / 2``.

    The intervals hold what varies with other queries of the same kind, not what varies with other
    training rows or seeds.

    Examples
    --------
    >>> import numpy as np
    >>> from skrouter import routing_report
    >>> from skrouter.baselines import LinearRouter
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(400, 3))
    >>> performance = np.stack([X[:, 0] > 0, X[:, 0] < 0], axis=1).astype(float)
    >>> router = LinearRouter(llm_names=["small", "large"])
    >>> router.fit(X[:200], performance[:200], cost=[1.0, 5.0])
    LinearRouter(llm_names=['small', 'large'])
    >>> report = routing_report(router, X[200:], performance[200:], cost=[1.0, 5.0], random_state=0)
    >>> report
    RoutingReport(router=LinearRouter, n_queries=200, routing_pays=True)
    >>> round(report.scores["router"].performance, 2)
    0.94
    """
    adapter = RouterAdapter(router)
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    data = check_report_data(
        adapter,
        X,
        y,
        cost,
        X_train=X_train,
        y_train=y_train,
        cost_train=cost_train,
        tasks=tasks,
        tasks_train=tasks_train,
        cost_weight=cost_weight,
        router_cost=router_cost,
    )
    n_folds = min(cv, data.n_queries)
    intervals = {
        "confidence_level": confidence_level,
        "n_resamples": n_resamples,
        "random_state": seed,
    }
    chosen, seconds = adapter.choose(data.X, data.cost_weight, data.tasks)
    embeddings_train, embeddings = adapter.embed(
        data.X if data.train is None else data.X_train, data.X, encoder
    )
    with few_outcomes_warned_of_once(data.known):
        choices = learnt_choices(
            data, embeddings_train, embeddings, n_folds=n_folds, random_state=seed
        )
    comparison = compare_with_references(adapter, data, chosen, choices, router_cost, intervals)
    pays, verdict = write_verdict(
        single=comparison.single,
        called=comparison.called,
        differences=comparison.differences,
        better_in_hindsight=comparison.better_in_hindsight,
    )
    n_shared = n_shared_queries(data, embeddings_train, embeddings)
    return RoutingReport(
        verdict=verdict,
        routing_pays=pays,
        router_name=adapter.name,
        n_queries=data.n_queries,
        n_shared=n_shared,
        cost_weight=float(data.cost_weight),
        confidence_level=confidence_level,
        best_single_llm=comparison.single,
        **compare_scores(comparison.realized)._asdict(),
        differences=comparison.differences,
        realised=shares_of_oracle_gain(comparison.realized),
        savings=compare_costs(comparison, intervals),
        llms=uses_of_llms(comparison),
        calibration=calibrate(adapter, data),
        signal=per_query_signal(embeddings, data.target.performance, n_folds, seed),
        router_cost=float(router_cost),
        ms_per_query=1000 * seconds / data.n_queries,
        notes=write_notes(
            adapter,
            data,
            router_cost=router_cost,
            n_shared=n_shared,
            n_folds=n_folds,
        ),
    )
