"""Whether queries, performance or costs have moved since a router was fitted."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import _num_samples

from skrouter._targets.routing_target import RoutingTarget, check_routing_target
from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.lengths import check_same_length
from skrouter._utils.param_validation import validate_params
from skrouter._utils.types import CostLike, Floats, LLMName, QueriesLike, TargetLike
from skrouter.report._drift_forms import as_html, as_markdown
from skrouter.report._drift_tests import (
    DriftRow,
    compare_calls,
    compare_outcomes,
    compare_queries,
    correct,
)
from skrouter.report._render import as_page
from skrouter.report._router_adapter import RouterAdapter

# Below so many queries on a side only a large move can be seen.
_FEW = 50


@dataclass(frozen=True, kw_only=True)
class DriftReport:
    """What :func:`drift_report` found; ``print`` it, or look at its rows.

    Parameters
    ----------
    moved : tuple of str
        What has moved, of "queries", "calls", "performance" and "cost".
    action : {"nothing", "update_cost", "fit again"}
        What to do about it.
    advice : str
        The same as a sentence.
    rows : list of DriftRow
        All tests, with means of both sides, distances and corrected p-values.
    n_reference, n_recent : int
        Numbers of queries.
    significance_level : float
        Probability of at least one false alarm, at most.
    notes : list of str
        What was not compared, and why.

    Examples
    --------
    See :func:`drift_report`, which makes it.
    """

    moved: tuple[str, ...]
    action: Literal["nothing", "update_cost", "fit again"]
    advice: str
    rows: list[DriftRow]
    n_reference: int
    n_recent: int
    significance_level: float
    notes: list[str]

    def to_html(self) -> str:
        """The report as a page of HTML that stands alone: no scripts, no files.

        Returns
        -------
        html : str
            A whole page, to be written to a file, in UTF-8.
        """
        return as_page(as_html(self), "Drift report")

    def __str__(self) -> str:
        return as_markdown(self)

    def _repr_html_(self) -> str:
        return as_html(self)  # a piece, for the page of a notebook


@with_shared_parts
@validate_params(
    {
        "significance_level": [Interval(Real, 0, 1, closed="neither")],
        "n_directions": [Interval(Integral, 1, None, closed="left")],
        "encoder": [str, HasMethods(["fit", "transform"])],
    }
)
def drift_report(
    router: BaseEstimator,
    X_recent: QueriesLike,
    y_recent: TargetLike | None = None,
    cost_recent: CostLike | None = None,
    *,
    X_reference: QueriesLike | None = None,
    y_reference: TargetLike | None = None,
    cost_reference: CostLike | None = None,
    significance_level: float = 0.05,
    n_directions: int = 10,
    encoder: str | BaseEstimator = "all-MiniLM-L6-v2",
) -> DriftReport:
    """Report whether queries, performance or costs have moved since a router was fitted.

    Recent queries are compared with those of a reference: along the main directions of their
    embeddings, by what the router calls, and by the performance and the cost of each LLM where
    they are given. It says what has moved, by how much, and what to do about it.

    Parameters
    ----------
    router : classifier
        A fitted router, as :func:`routing_report` takes it.
    X_recent : sequence of str, or array-like of shape (n_recent, n_features)
        Recent queries, as the router's `predict` takes them.
    y_recent : array-like, default=None
        Their performance, in any form that a router's `fit` accepts. NaN where not observed.
        Without it queries and calls alone are compared.
    cost_recent : array-like of shape (n_recent, n_llms) or (n_llms,), or dict, default=None
        Their costs in US dollars per 1,000 queries, measured or list prices, whichever those of
        the reference are.
    X_reference, y_reference, cost_reference : default=None
        The same of the time of the fit: best queries that were held out then. None takes the
        training queries that :class:`RadialRouterClassifier` keeps, at present prices; other
        routers keep none.
    significance_level : float, default=0.05
        Probability of at least one false alarm in the whole report, at most.
    n_directions : int, default=10
        Number of directions along which queries are compared.
    encoder : str or transformer, default="all-MiniLM-L6-v2"
        Makes embeddings of text where the router has none, as for :func:`routing_report`.

    Returns
    -------
    report : DriftReport
        ``print`` it for a table in Markdown; a notebook shows it formatted.

    Raises
    ------
    ValueError
        If there is no reference, one side has performance or costs that the other lacks, lengths
        differ, or a side has fewer than 2 queries.
    TypeError
        If `router` is not a classifier.
    NotFittedError
        If it is not fitted.

    See Also
    --------
    routing_report : Whether the router still pays, on recent queries with outcomes.

    Notes
    -----
    Queries: two-sample Kolmogorov-Smirnov tests along the principal components of both sides
    together. Calls: Fisher's exact test for each LLM; only against an `X_reference`, as a router
    chooses otherwise on the queries it was trained on. Performance and cost: Mann-Whitney tests,
    which see that values became larger or smaller, not that they only spread. All p-values are
    corrected together by Holm's method, which holds for tests that depend on each other.

    The tests assume that queries are independent draws, so that repeated queries and long
    conversations make them alarm too often; and that it is the same kind of chance on both sides
    which outcomes are missing. A log of a running router has the performance of an LLM only
    where the router called it: compare it with an earlier log of the same router.

    That something moved does not say that it matters: among many thousand queries the least
    move is found. Look at the distance, and judge by :func:`routing_report`.

    Examples
    --------
    >>> import numpy as np
    >>> from skrouter import drift_report
    >>> from skrouter.baselines import LinearRouter
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(600, 3))
    >>> performance = np.stack([X[:, 0] > 0, X[:, 0] < 0], axis=1).astype(float)
    >>> router = LinearRouter(llm_names=["small", "large"])
    >>> router.fit(X[:200], performance[:200], cost=[1.0, 5.0])
    LinearRouter(llm_names=['small', 'large'])
    >>> recent = X[400:] + [0.0, 1.0, 0.0]
    >>> report = drift_report(router, recent, X_reference=X[200:400])
    >>> report.moved
    ('queries',)
    >>> report.action
    'fit again'
    """
    adapter = RouterAdapter(router)
    sides = _check_sides(
        adapter,
        _Given(X_recent, y_recent, cost_recent),
        _Given(X_reference, y_reference, cost_reference),
    )
    recent, reference = sides
    for name, side in zip(("X_recent", "the reference"), sides, strict=True):
        if side.n_queries < 2:
            raise ValueError(f"{name} has {side.n_queries} queries; at least 2 are needed.")
    tests: list[DriftRow] = []
    notes: list[str] = []
    embeddings_before, embeddings = _embed(adapter, reference, recent, encoder)
    tests += compare_queries(embeddings_before, embeddings, n_directions)
    llms = adapter.classes.tolist()
    if reference.X is None:
        notes.append("Calls were not compared, which needs X_reference: held-out queries.")
    elif getattr(adapter.core, "_needs_tasks", False):
        notes.append(f"Calls were not compared: {adapter.name} wants tasks.")
    else:
        before, now = (_calls(adapter, side.X) for side in (reference, recent))
        tests += compare_calls(llms, before, now)
    if recent.target is not None and reference.target is not None:
        performance_before, cost_before, _ = reference.target
        performance, cost, _ = recent.target
        tests += compare_outcomes("performance", llms, performance_before, performance)
        if cost_before is not None and cost is not None:
            tests += compare_outcomes("cost", llms, cost_before, cost)
        elif cost_before is not None:
            notes.append("Costs were not compared: cost_recent was not given.")
        tested = {test.name for test in tests if test.kind == "performance"}
        unknown = [llm for llm in llms if llm not in tested]
        if unknown:
            notes.append(f"Observed less than twice on a side, and not compared: {unknown}.")
        notes += _note_on_holes(performance_before, performance)
    if min(side.n_queries for side in sides) < _FEW:
        notes.append(f"One side has fewer than {_FEW} queries: only a large move can be seen.")
    rows = correct(tests, significance_level)
    moved = tuple(dict.fromkeys(row.kind for row in rows if row.moved))
    action, advice = _advise(adapter, moved, rows)
    return DriftReport(
        moved=moved,
        action=action,
        advice=advice,
        rows=rows,
        n_reference=reference.n_queries,
        n_recent=recent.n_queries,
        significance_level=significance_level,
        notes=notes,
    )


class _Given(NamedTuple):
    """One side as a user gives it."""

    X: QueriesLike | None
    y: TargetLike | None
    cost: CostLike | None


class _Side(NamedTuple):
    """One side, checked: queries, or the embeddings that a router keeps, and outcomes if any."""

    X: Any
    embeddings: Floats | None
    target: RoutingTarget | None

    @property
    def n_queries(self) -> int:
        return int(_num_samples(self.X if self.embeddings is None else self.embeddings))


def _check_sides(adapter: RouterAdapter, recent: _Given, reference: _Given) -> tuple[_Side, _Side]:
    for name, given in (("recent", recent), ("reference", reference)):
        if given.y is None and given.cost is not None:
            raise ValueError(f"cost_{name} was given without y_{name}; pass both.")
    if reference.X is None:
        if reference.y is not None:
            raise ValueError("y_reference was given without X_reference; pass both.")
        before = _kept_examples(adapter)
        target = before.target
        if recent.cost is not None and target is not None and target.cost is None:
            raise ValueError("cost_recent was given, but the router was fitted without costs.")
    else:
        if (reference.y is None) != (recent.y is None):
            missing = "y_reference" if reference.y is None else "y_recent"
            raise ValueError(f"{missing} is missing; give outcomes of both sides, or of neither.")
        before = _Side(reference.X, None, _check_target(adapter, reference, "reference"))
    now = _Side(recent.X, None, _check_target(adapter, recent, "recent"))
    if before.target is not None and now.target is not None:
        has_cost = before.target.cost is not None, now.target.cost is not None
        if has_cost[0] != has_cost[1] and before.X is not None:
            missing = "cost_recent" if has_cost[0] else "cost_reference"
            raise ValueError(f"{missing} is missing; give costs of both sides, or of neither.")
    return now, before


def _check_target(adapter: RouterAdapter, given: _Given, name: str) -> RoutingTarget | None:
    if given.y is None:
        return None
    target: RoutingTarget = check_routing_target(given.y, given.cost, known_llms=adapter.classes)
    check_same_length(**{f"X_{name}": given.X, f"y_{name}": target.performance})
    return target


def _kept_examples(adapter: RouterAdapter) -> _Side:
    """The training queries that a router keeps, at the prices that it knows now."""
    examples = getattr(adapter.inner, "_examples", None)
    if examples is None or len(examples.rows) == 0:
        raise ValueError(
            f"X_reference is missing: this {adapter.name} keeps no training queries. Pass queries "
            "of the time of the fit, best held-out ones."
        )
    cost = examples.cost
    if cost is not None:
        cost = adapter.inner._pool._at_present_prices(cost)
    target = RoutingTarget(examples.performance, cost, adapter.classes)
    return _Side(None, examples.embeddings, target)


def _embed(
    adapter: RouterAdapter, reference: _Side, recent: _Side, encoder: str | BaseEstimator
) -> tuple[Floats, Floats]:
    if reference.embeddings is None:
        return adapter.embed(reference.X, recent.X, encoder)
    embeddings = adapter.embed(recent.X, recent.X, encoder)[1]
    # In the precision of those that are kept, so that equal queries are equal.
    return reference.embeddings, embeddings.astype(reference.embeddings.dtype)


def _calls(adapter: RouterAdapter, X: Any) -> Any:
    return np.asarray(adapter.core.predict(adapter.seen_by_core(X)))


def _note_on_holes(before: Floats, now: Floats) -> list[str]:
    shares = [float(np.isnan(part).mean()) for part in (before, now)]
    if abs(shares[0] - shares[1]) <= 0.1:
        return []
    return [
        f"Not observed are {shares[0]:.0%} of the reference and {shares[1]:.0%} of the recent "
        "outcomes. If it is not chance which, a move of performance or cost may be no more than "
        "another choice of queries."
    ]


def _advise(
    adapter: RouterAdapter, moved: tuple[str, ...], rows: list[DriftRow]
) -> tuple[Literal["nothing", "update_cost", "fit again"], str]:
    if not moved:
        return "nothing", "Nothing needs to be done."
    if moved == ("cost",) and adapter.uses_cost is False:
        return "nothing", "Nothing needs to be done: the router was fitted without costs."
    if moved == ("cost",) and hasattr(adapter.inner, "update_cost"):
        new: dict[LLMName, float] = {
            row.name: float(f"{row.recent:.4g}") for row in rows if row.moved
        }
        return "update_cost", f"Tell the router: update_cost({new})."
    return "fit again", "Fit the router again, with recent queries and their outcomes."
