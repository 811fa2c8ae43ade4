"""Make a report: ask the router, fit the references, compare."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, validate_params
from sklearn.utils.validation import check_consistent_length

from skrouter._inputs.queries import check_queries, is_text
from skrouter._targets.routing_target import check_routing_target
from skrouter._targets.utility import routing_utility
from skrouter._utils.types import CostLike, LabelsLike, QueriesLike, Seed, TargetLike
from skrouter.report._checks import observed_rows, read_tasks, read_trade_off, read_training
from skrouter.report._notes import write_notes
from skrouter.report._predictability import per_query_signal
from skrouter.report._realized_outcomes import compare, realize_outcomes
from skrouter.report._references import (
    KNN,
    PER_TASK,
    SINGLE,
    best_single,
    crossfitted_choices,
    random_and_oracle,
    trained_choices,
)
from skrouter.report._result import RoutingReport
from skrouter.report._router_adapter import RouterAdapter
from skrouter.report._sections import (
    better_in_hindsight_than,
    calibrate,
    compare_costs,
    n_shared_rows,
    realised_shares,
    realized_by_router,
    uses_of_llms,
)
from skrouter.report._tables import ROUTER
from skrouter.report._verdict import worst_loss, write_verdict


@validate_params(
    {
        "cost_weight": [Interval(Real, 0, None, closed="left"), None],
        "confidence_level": [Interval(Real, 0, 1, closed="neither")],
        "router_cost": [Interval(Real, 0, None, closed="left")],
        "cv": [Interval(Integral, 2, None, closed="left")],
        "n_resamples": [Interval(Integral, 2, None, closed="left")],
        "encoder": [str, HasMethods(["fit", "transform"])],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def routing_report(
    router: BaseEstimator,
    X: QueriesLike,
    y: TargetLike,
    *,
    cost: CostLike | None = None,
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

    It holds the router against what you would do without it (the best single LLM, the best LLM
    per task), against a plain nearest-neighbour router and the oracle, with paired intervals;
    says what is saved, what is called, whether predictions are reliable, and how much there is
    to route by at all; and gives a verdict in plain words.

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
    cost : array-like of shape (n_queries, n_llms) or (n_llms,), default=None
        US dollars per 1,000 queries.
    X_train, y_train, cost_train : default=None
        The rows that the router was fitted on, to fit the references on the same. Without them
        the best single LLM is chosen in hindsight, on the held-out rows themselves, which favours
        it, so that the verdict stays conservative; the best LLM per task and kNN are cross-fitted
        on these rows.
    tasks : array-like of shape (n_queries,), default=None
        Task of each held-out query, for the best LLM per task: the reference that tells whether
        anything is gained per query.
    tasks_train : array-like of shape (n_train,), default=None
        The same of the training rows. Needed if both `tasks` and `X_train` are given.
    cost_weight : float, default=None
        The trade-off at which all are judged: performance given up for one US dollar per 1,000
        queries. None is the router's own. A router that serves any trade-off is asked at this
        one; another is judged at it all the same, and a note says so.
    confidence_level : float, default=0.95
        Coverage of the intervals. The verdict is one test at the lower end of one of them.
    router_cost : float, default=0.0
        What the router itself costs in US dollars per 1,000 queries, for hosting and encoding. It
        is charged to the router and to kNN, in cost and score, and taken from what is saved.
    cv : int, default=5
        Number of folds where something is cross-fitted on the held-out rows; at most their number.
    n_resamples : int, default=9999
        Resamples of each interval, at least 2, as for
        :func:`~skrouter.metrics.paired_bootstrap`.
    encoder : str or transformer, default="all-MiniLM-L6-v2"
        Makes embeddings of text for kNN and the signal where the router has none, as
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
    asked = RouterAdapter(router)
    rng = check_random_state(random_state)
    seed = rng.randint(np.iinfo(np.int32).max)
    target = check_routing_target(y, cost, known_llms=asked.classes)
    check_consistent_length(X, target.performance)
    cost_weight = read_trade_off(asked, target, cost_weight)
    if router_cost and target.cost is None:
        raise ValueError(f"router_cost={router_cost!r} was given, but no cost; pass cost=.")
    train = read_training(asked, X_train, y_train, cost_train, cost_weight)
    tasks, tasks_train = read_tasks(tasks, tasks_train, X, X_train, train)
    X, target, tasks, n_dropped = observed_rows(X, target, tasks, cost_weight)
    utility = routing_utility(target.performance, target.cost, cost_weight)
    n_queries = len(utility)
    if n_queries < 2:
        raise ValueError(
            f"y has {n_queries} queries with an observed outcome; a report needs many."
        )

    chosen, seconds = asked.choose(X, cost_weight, tasks)
    both = asked.embed(X if train is None else X_train, X, encoder)
    embeddings_train, embeddings = both
    n_shared = 0
    if train is None:
        folds = {"cv": min(cv, n_queries), "random_state": seed}
        choices = crossfitted_choices(
            embeddings, target, cost_weight=cost_weight, tasks=tasks, **folds
        )
    else:
        rows = (check_queries(X_train), check_queries(X)) if is_text(X) else both
        n_shared = n_shared_rows(*rows)
        choices = trained_choices(
            embeddings_train,
            train,
            embeddings,
            cost_weight=cost_weight,
            tasks=tasks,
            tasks_train=tasks_train,
        )
    known = target if train is None else train
    single = best_single(known, cost_weight)
    constants = {"performance": best_single(known, 0.0), "utility": single}

    def always(llm):
        return realize_outcomes(target, np.full(n_queries, llm), cost_weight)

    own = realized_by_router(asked, X, target, chosen, cost_weight)
    realized = {ROUTER: own.charged(router_cost, cost_weight), SINGLE: always(single)}
    for name in (PER_TASK, KNN):
        if name in choices:
            realized[name] = realize_outcomes(target, choices[name], cost_weight)
    realized[KNN] = realized[KNN].charged(router_cost, cost_weight)
    for name, llms in random_and_oracle(target, cost_weight).items():
        realized[name] = realize_outcomes(target, llms, cost_weight)

    settings = {
        "confidence_level": confidence_level,
        "n_resamples": n_resamples,
        "random_state": seed,
    }
    ours = realized[ROUTER]
    called = [llm for llm in asked.classes.tolist() if (chosen == llm).any()]

    def compare_with(theirs):
        most = worst_loss(utility, theirs, np.isin(asked.classes, called), own.utility)
        return compare(ours.utility, theirs, most + cost_weight * router_cost, **settings)

    differences = {
        name: compare_with(part.utility) for name, part in realized.items() if name != ROUTER
    }
    if differences[SINGLE].n_queries < 2:
        raise ValueError(
            f"y holds {differences[SINGLE].n_queries} queries on which both the LLM that the "
            f"router calls and {single}, the best single LLM, were observed; at least 2 are needed."
        )
    pays, verdict = write_verdict(
        single=single,
        called=called,
        differences=differences,
        better_in_hindsight=better_in_hindsight_than(target, ours, always, cost_weight),
    )
    return RoutingReport(
        verdict=verdict,
        routing_pays=bool(pays),
        router_name=asked.name,
        n_queries=n_queries,
        cost_weight=float(cost_weight),
        confidence_level=confidence_level,
        best_single_llm=single,
        scores={name: part.score() for name, part in realized.items()},
        differences=differences,
        realised=realised_shares(realized),
        savings=compare_costs(target, ours, constants, always, settings),
        llms=uses_of_llms(target, own, chosen),
        calibration=calibrate(asked, X, target, train),
        signal=per_query_signal(embeddings, target.performance, min(cv, n_queries), seed),
        router_cost=float(router_cost),
        ms_per_query=1000 * seconds / n_queries,
        notes=write_notes(
            asked,
            cost_weight=cost_weight,
            router_cost=router_cost,
            n_train=None if train is None else len(train.performance),
            n_shared=n_shared,
            n_folds=min(cv, n_queries),
            n_dropped=n_dropped,
            with_tasks=tasks is not None,
        ),
    )
