"""The trade-off for a budget of so many dollars a month, or for a share of the best quality."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils._param_validation import HasMethods, Interval, validate_params
from sklearn.utils.validation import check_is_fitted

from skrouter._meta.exploration import propensities
from skrouter._meta.fixed_trade_off import check_supports_any_trade_off
from skrouter._routers.base import BaseRouter
from skrouter._targets.predict_options import check_allowed
from skrouter._targets.utility import PredictedOutcomes, expected_utility, restrict
from skrouter._utils.convex_hull import hull_steps

_QUERIES_PER_COST_UNIT = 1000


class LLMForecast(NamedTuple):
    """What one LLM is expected to get in a period.

    Attributes
    ----------
    share : float
        Its share of the queries.
    calls : float
        Number of calls.
    cost : float
        US dollars.
    performance : float
        Mean predicted performance where it is called; NaN where it never is.
    """

    share: float
    calls: float
    cost: float
    performance: float


class TradeOffForecast(NamedTuple):
    """A trade-off, and what it is expected to bring in a period; ``print`` shows it as a table.

    Attributes
    ----------
    cost_weight : float
        The trade-off, asked for as ``predict(X, cost_weight=...)``, ``--cost-weight``, or
        ``RouterPlugin(cost_weight=...)``. Of all that choose the same, the one of fewest digits.
    performance : float
        Mean predicted performance.
    cost : float
        Predicted US dollars for the period.
    period_queries : float
        Number of queries of the period.
    llms : dict
        By name what each LLM gets, ``(share, calls, cost, performance)``.
    best_llm : str or int
        The single LLM of the best mean predicted performance, of those that may be called.
    best_performance, best_cost : float
        What always calling it would bring, and cost, in US dollars for the period.
    """

    cost_weight: float
    performance: float
    cost: float
    period_queries: float
    llms: dict[Any, LLMForecast]
    best_llm: Any
    best_performance: float
    best_cost: float

    @property
    def kept(self) -> float:
        """Performance as a share of that of the best LLM; NaN where that has none."""
        return self.performance / self.best_performance if self.best_performance else float("nan")

    def __str__(self) -> str:
        width = max(len(str(name)) for name in self.llms)
        most = ["The router cannot spend more: cost counts for nothing here."]
        lines = [
            f"cost_weight={self.cost_weight:g}: performance {self.performance:.3f} for "
            f"{self.cost:,.2f} US dollars per {self.period_queries:,.0f} queries, as predicted.",
            f"Always {self.best_llm}: {self.best_performance:.3f} for {self.best_cost:,.2f}; "
            f"{100 * self.kept:.1f} % of that performance is kept.",
            *(most if self.cost_weight == 0 else []),
            "",
            f"{'LLM':{width}}  share          calls  US dollars  performance",
        ]
        for name, part in sorted(self.llms.items(), key=lambda item: -item[1].share):
            performance = f"{part.performance:11.3f}" if part.calls else "          –"
            lines.append(
                f"{name!s:{width}}  {100 * part.share:3.0f} %  {part.calls:13,.0f}  "
                f"{part.cost:10,.2f}  {performance}"
            )
        asked = f"cost_weight={self.cost_weight!r}"  # every digit: fewer may choose otherwise
        lines += [
            "",
            f"Ask for it in Python:  predict(X, {asked})",
            f"in the shell:          --cost-weight {self.cost_weight!r}",
            f"in LiteLLM's proxy:    RouterPlugin(..., {asked})",
        ]
        return "\n".join(lines)


@validate_params(
    {
        "router": [HasMethods(["predict", "predict_outcomes"])],
        "budget": [Interval(Real, 0, None, closed="left")],
        "period_queries": [Interval(Real, 0, None, closed="neither")],
    },
    prefer_skip_nested_validation=True,
)
def trade_off_for_budget(
    router: Any, X: Any, *, budget: float, period_queries: float, allowed: Any = None
) -> TradeOffForecast:
    """Find the trade-off at which a period's queries cost no more than a budget.

    Of all trade-offs that keep the budget it is the one that spends most, and so brings the best
    performance. For queries that come one by one, as in production; for a batch that is at hand
    as a whole see :func:`spend_budget`.

    Parameters
    ----------
    router : router
        A fitted router that predicts outcomes, fitted with costs.
    X : sequence of str or chats, or array-like of shape (n_queries, n_features)
        Queries that are like those of the period: a sample of recent traffic.
    budget : float
        US dollars for the period, a month, say.
    period_queries : float
        Number of queries that the period is expected to bring.
    allowed : sequence of names, one per query of these, or bool array, default=None
        The LLMs that may be called, as for `predict`.

    Returns
    -------
    forecast : TradeOffForecast
        The trade-off, the expected performance and cost, and what each LLM gets.

    Raises
    ------
    ValueError
        If even the cheapest LLMs cost more than the budget, the router serves one trade-off only
        or was fitted without costs, or `allowed` is not as described.

    See Also
    --------
    trade_off_for_quality : The cheapest that keeps a share of the best LLM's performance.
    GuaranteedRouter : Keeps a budget for future queries with a probability of your choice.

    Notes
    -----
    The budget is kept by the *predicted* mean cost of `X`; the bill will differ by what
    predictions are off, and by chance. Negative predictions of a cost are taken as 0.

    Spending moves in steps, from one query to the next that gets a better LLM, so a part of the
    budget of up to one such step is left over. With :class:`FallbackRouter` the trade-off also
    moves where it abstains; what is returned keeps the budget, but another one might spend more.
    With :class:`ExploringRouter` the forecast is the expectation over its draws.

    Examples
    --------
    >>> from skrouter import trade_off_for_budget
    >>> from skrouter.baselines import LinearRouter
    >>> X = [[0.0], [0.1], [0.9], [1.0]]
    >>> performance = [[1, 1], [1, 1], [0, 1], [0, 1]]
    >>> router = LinearRouter(alpha=0.1, llm_names=["small", "large"])
    >>> router = router.fit(X, performance, cost=[1.0, 5.0])
    >>> print(trade_off_for_budget(router, X, budget=30, period_queries=10_000))
    cost_weight=0.1: performance 0.970 for 30.00 US dollars per 10,000 queries, as predicted.
    Always large: 1.000 for 50.00; 97.0 % of that performance is kept.
    <BLANKLINE>
    LLM    share          calls  US dollars  performance
    small   50 %          5,000        5.00        0.940
    large   50 %          5,000       25.00        1.000
    <BLANKLINE>
    Ask for it in Python:  predict(X, cost_weight=0.1)
    in the shell:          --cost-weight 0.1
    in LiteLLM's proxy:    RouterPlugin(..., cost_weight=0.1)
    """
    choices = _Choices(router, X, allowed)
    limit = budget / period_queries * _QUERIES_PER_COST_UNIT
    cost_weight = choices.last(lambda point: point.cost <= limit)
    if cost_weight is None:
        least = choices.at(choices.cost_weights[0]).cost * period_queries / _QUERIES_PER_COST_UNIT
        raise ValueError(
            f"budget={budget!r} US dollars cannot be kept: {period_queries:,.0f} queries cost "
            f"{least:,.6g} where the router saves most, as predicted. Plan for fewer queries, or "
            "add cheaper LLMs."
        )
    return choices.forecast(cost_weight, period_queries)


@validate_params(
    {
        "router": [HasMethods(["predict", "predict_outcomes"])],
        "share": [Interval(Real, 0, None, closed="neither")],
        "period_queries": [Interval(Real, 0, None, closed="neither")],
    },
    prefer_skip_nested_validation=True,
)
def trade_off_for_quality(
    router: Any, X: Any, *, share: float = 0.95, period_queries: float = 1000, allowed: Any = None
) -> TradeOffForecast:
    """Find the trade-off that saves most and keeps a share of the best LLM's performance.

    Parameters
    ----------
    router : router
        A fitted router that predicts outcomes, fitted with costs.
    X : sequence of str or chats, or array-like of shape (n_queries, n_features)
        Queries that are like those to come: a sample of recent traffic.
    share : float, default=0.95
        Least performance, as a share of the mean predicted performance of the best single LLM.
        More than 1 asks to be better than any LLM.
    period_queries : float, default=1000
        Number of queries that costs are told for. The default is the unit of costs elsewhere.
    allowed : sequence of names, one per query of these, or bool array, default=None
        The LLMs that may be called, as for `predict`.

    Returns
    -------
    forecast : TradeOffForecast
        The trade-off, the expected performance and cost, and what each LLM gets.

    Raises
    ------
    ValueError
        If no trade-off brings as much, the router serves one trade-off only or was fitted without
        costs, or `allowed` is not as described.

    See Also
    --------
    trade_off_for_budget : The best for a sum of money, with notes that hold here, too.
    GuaranteedRouter : Keeps a quality for future queries with a probability of your choice.

    Examples
    --------
    >>> from skrouter import trade_off_for_quality
    >>> from skrouter.baselines import LinearRouter
    >>> X = [[0.0], [0.1], [0.9], [1.0]]
    >>> performance = [[1, 1], [1, 1], [0, 1], [0, 1]]
    >>> router = LinearRouter(alpha=0.1, llm_names=["small", "large"])
    >>> router = router.fit(X, performance, cost=[1.0, 5.0])
    >>> forecast = trade_off_for_quality(router, X, share=0.9)
    >>> round(forecast.cost, 4), round(forecast.kept, 3)
    (3.0, 0.97)
    """
    choices = _Choices(router, X, allowed)
    wanted = share * choices.best[1]
    cost_weight = choices.first(lambda point: point.performance >= wanted)
    if cost_weight is None:
        most = choices.at(choices.cost_weights[-1]).performance
        raise ValueError(
            f"share={share!r} of the performance of {choices.best[0]} cannot be had: that is "
            f"{wanted:.4g}, and the best that the router expects of its choices is {most:.4g}."
        )
    return choices.forecast(cost_weight, period_queries)


class _Point(NamedTuple):
    """Share of each LLM on each query, mean performance, and mean cost per 1,000 queries."""

    shares: np.ndarray
    performance: float
    cost: float


class _Choices:
    """What a router chooses on some queries at each trade-off, and what it expects of that.

    Attributes
    ----------
    cost_weights : ndarray
        One trade-off for each set of choices that there is, from the one that spends least to 0.
    best : tuple
        Name, mean performance and mean cost of the LLM of the best predicted performance.
    """

    def __init__(self, router: Any, X: Any, allowed: Any) -> None:
        check_is_fitted(router)
        if "cost_weight" not in signature(router.predict).parameters:
            raise ValueError(
                f"router is a {type(router).__name__}, which holds one trade-off; there is nothing "
                "to choose. Pass the router within it."
            )
        check_supports_any_trade_off(getattr(router, "router_", router), fitted=True)
        self._router, self._X, self._allowed = router, X, allowed
        self._mask = None if allowed is None else check_allowed(allowed, router.classes_, X)
        self._outcomes = PredictedOutcomes(*router.predict_outcomes(X))
        performance, cost = self._outcomes
        assert cost is not None  # it was fitted with costs
        self._cost: np.ndarray = np.maximum(cost, 0.0)
        self._tables = performance, self._cost
        usable = ~(np.isnan(performance) | np.isnan(cost))
        if self._mask is not None:
            usable &= self._mask
        restrict(np.where(usable, 0.0, -np.inf), self._mask)  # raises where none is left
        self._slopes = self._edges(performance, np.where(usable, cost, np.nan))
        # At 0 the cheaper of equals is not preferred, and an LLM of unknown cost may be called.
        ends = [] if np.isnan(cost).any() else [0.0]
        self.cost_weights = np.append((self._slopes[:-1] + self._slopes[1:]) / 2, ends)
        self.best = self._best_single(usable)

    @staticmethod
    def _edges(performance: np.ndarray, cost: np.ndarray) -> np.ndarray:
        """Trade-offs at which a choice changes, the largest first, between two ends."""
        slopes = np.unique(hull_steps(performance, cost)[1].slope)[::-1]
        return np.concatenate([[2 * slopes[0]] if len(slopes) else [1.0], slopes, [0.0]])

    def _best_single(self, usable: np.ndarray) -> tuple[Any, float, float]:
        everywhere = usable.all(axis=0)
        # Not all LLMs may be called on every query, where it is for the caller to say.
        means = np.where(usable, self._outcomes.performance, np.nan)
        counts = usable.sum(axis=0)
        with np.errstate(invalid="ignore"):
            mean = np.where(usable, means, 0.0).sum(axis=0) / counts
            price = np.where(usable, self._cost, 0.0).sum(axis=0) / counts
        candidates = np.where(everywhere if everywhere.any() else counts > 0, mean, -np.inf)
        best = int(candidates.argmax())
        return self._router.classes_.tolist()[best], float(mean[best]), float(price[best])

    def at(self, cost_weight: float) -> _Point:
        """What is called at a trade-off."""
        if isinstance(self._router, BaseRouter):  # spares another look at the queries
            values = restrict(expected_utility(self._outcomes, cost_weight), self._mask)
            shares = np.zeros_like(values)
            shares[np.arange(len(values)), values.argmax(axis=1)] = 1.0
        else:
            shares = propensities(self._router._route(self._X, cost_weight, self._allowed))
        means = (float(_weighted(shares, table).sum(axis=1).mean()) for table in self._tables)
        return _Point(shares, *means)

    def last(self, kept: Callable[[_Point], bool]) -> float | None:
        """The trade-off that spends most of those that keep a limit which spending breaks."""
        low, high = -1, len(self.cost_weights) - 1
        while low < high:
            middle = (low + high + 1) // 2
            if kept(self.at(self.cost_weights[middle])):
                low = middle
            else:
                high = middle - 1
        return self._of_few_digits(low, kept) if low >= 0 else None

    def first(self, reached: Callable[[_Point], bool]) -> float | None:
        """The trade-off that saves most of those that reach what spending brings."""
        low, high = 0, len(self.cost_weights)
        while low < high:
            middle = (low + high) // 2
            if reached(self.at(self.cost_weights[middle])):
                high = middle
            else:
                low = middle + 1
        return self._of_few_digits(low, reached) if low < len(self.cost_weights) else None

    def _of_few_digits(self, index: int, kept: Callable[[_Point], bool]) -> float:
        exact = float(self.cost_weights[index])
        if exact == 0:
            return exact
        high, low = self._slopes[index], self._slopes[index + 1]
        rounded = (float(f"{exact:.{digits}e}") for digits in range(17))
        fit = (value for value in rounded if low < value < high and kept(self.at(value)))
        return next(fit, exact)

    def forecast(self, cost_weight: float, period_queries: float) -> TradeOffForecast:
        """What the trade-off brings in a period."""
        point = self.at(cost_weight)
        n_queries, scale = len(point.shares), period_queries / _QUERIES_PER_COST_UNIT
        calls = point.shares.sum(axis=0)
        performance, cost = (_weighted(point.shares, table).sum(axis=0) for table in self._tables)
        llms = {
            name: LLMForecast(
                float(calls[j] / n_queries),
                float(calls[j] / n_queries * period_queries),
                float(cost[j] / n_queries * scale),
                float(performance[j] / calls[j]) if calls[j] else float("nan"),
            )
            for j, name in enumerate(self._router.classes_.tolist())
        }
        name, best_performance, best_cost = self.best
        return TradeOffForecast(
            cost_weight=cost_weight,
            performance=point.performance,
            cost=point.cost * scale,
            period_queries=float(period_queries),
            llms=llms,
            best_llm=name,
            best_performance=best_performance,
            best_cost=best_cost * scale,
        )


def _weighted(shares: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Share times what each LLM brings: 0 where the share is, also if the outcome is unknown."""
    weighted: np.ndarray = np.where(shares > 0, shares * table, 0.0)
    return weighted
