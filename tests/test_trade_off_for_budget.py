"""The trade-off for a budget per period, and for a share of the best LLM's quality."""

import re

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from skrouter import (
    ExploringRouter,
    FallbackRouter,
    GuaranteedRouter,
    TradeOffForecast,
    trade_off_for_budget,
    trade_off_for_quality,
)
from skrouter.baselines import CosineClassifierRouter, KNNRouter, LinearRouter

NAMES = ["small", "medium", "large"]
COST = np.array([0.5, 2.0, 8.0])


def make(n_queries=200, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_queries, 4))
    chance = 1 / (1 + np.exp(-(np.array([-0.5, 0.3, 1.5]) + X[:, :3])))
    performance = (rng.random(chance.shape) < chance).astype(float)
    cost = COST * rng.uniform(0.5, 1.5, size=(n_queries, 1))
    return X, performance, cost


X, PERFORMANCE, COSTS = make()
ROUTER = LinearRouter(alpha=1.0, llm_names=NAMES).fit(X, PERFORMANCE, cost=COSTS)


def brought(router, cost_weight, **options):
    """Mean predicted performance and cost per 1,000 queries of what `predict` chooses."""
    performance, cost = router.predict_outcomes(X)
    names = router.predict(X, cost_weight=cost_weight, **options)
    columns = (names[:, None] == router.classes_).argmax(axis=1)
    rows = np.arange(len(X))
    return performance[rows, columns].mean(), cost[rows, columns].mean()


EVERY = [brought(ROUTER, a) for a in np.concatenate([[0.0], np.geomspace(1e-4, 10, 3000)])]


@pytest.mark.parametrize("budget", [60.0, 100.0, 200.0, 400.0])
def test_no_trade_off_within_the_budget_brings_more(budget):
    forecast = trade_off_for_budget(ROUTER, X, budget=budget, period_queries=100_000)
    performance, cost = brought(ROUTER, forecast.cost_weight)
    assert forecast.performance == pytest.approx(performance)
    assert forecast.cost == pytest.approx(cost * 100)
    assert forecast.cost <= budget
    assert forecast.performance >= max(p for p, c in EVERY if c * 100 <= budget) - 1e-12


@pytest.mark.parametrize("share", [0.7, 0.9, 0.95, 1.0])
def test_no_trade_off_of_that_quality_costs_less(share):
    forecast = trade_off_for_quality(ROUTER, X, share=share)
    best = ROUTER.predict_outcomes(X).performance.mean(axis=0).max()
    assert forecast.performance >= share * best
    assert forecast.kept == pytest.approx(forecast.performance / best)
    assert forecast.cost <= min(c for p, c in EVERY if p >= share * best) + 1e-12
    assert brought(ROUTER, forecast.cost_weight) == pytest.approx(
        (forecast.performance, forecast.cost)
    )


def test_units_are_those_of_the_period():
    small = trade_off_for_budget(ROUTER, X, budget=2.0, period_queries=1000)
    large = trade_off_for_budget(ROUTER, X, budget=2000.0, period_queries=1_000_000)
    assert small.cost_weight == large.cost_weight
    assert large.cost == pytest.approx(1000 * small.cost)
    assert large.best_cost == pytest.approx(1000 * small.best_cost)
    quality = trade_off_for_quality(ROUTER, X, period_queries=1_000_000)
    assert quality.cost == pytest.approx(1000 * trade_off_for_quality(ROUTER, X).cost)


def test_what_each_llm_gets_adds_up():
    forecast = trade_off_for_budget(ROUTER, X, budget=200.0, period_queries=100_000)
    names = ROUTER.predict(X, cost_weight=forecast.cost_weight)
    assert list(forecast.llms) == NAMES
    for name, part in forecast.llms.items():
        assert part.share == np.mean(names == name)
        assert part.calls == pytest.approx(100_000 * part.share)
    assert sum(part.cost for part in forecast.llms.values()) == pytest.approx(forecast.cost)
    parts = [part for part in forecast.llms.values() if part.calls]
    mean = sum(part.share * part.performance for part in parts)
    assert mean == pytest.approx(forecast.performance)


def test_the_best_single_llm_is_there_to_compare_with():
    forecast = trade_off_for_budget(ROUTER, X, budget=200.0, period_queries=100_000)
    performance, cost = ROUTER.predict_outcomes(X)
    assert forecast.best_llm == "large"
    assert forecast.best_performance == pytest.approx(performance[:, 2].mean())
    assert forecast.best_cost == pytest.approx(100 * cost[:, 2].mean())


def test_the_trade_off_has_few_digits():
    forecast = trade_off_for_budget(ROUTER, X[:20], budget=200.0, period_queries=100_000)
    assert len(f"{forecast.cost_weight:g}".replace("0", "").replace(".", "")) <= 3


def test_a_large_budget_takes_the_best_whatever_it_costs():
    forecast = trade_off_for_budget(ROUTER, X, budget=1e9, period_queries=1000)
    assert forecast.cost_weight == 0
    assert forecast.performance == ROUTER.predict_outcomes(X).performance.max(axis=1).mean()


def test_a_budget_that_cannot_be_kept():
    least = min(c for _, c in EVERY)
    with pytest.raises(ValueError, match="budget=10 US dollars cannot be kept: 100,000 queries"):
        trade_off_for_budget(ROUTER, X, budget=10, period_queries=100_000)
    with pytest.raises(ValueError, match=re.escape(f"cost {100 * least:,.6g} where")):
        trade_off_for_budget(ROUTER, X, budget=0, period_queries=100_000)
    at_least = trade_off_for_budget(ROUTER, X, budget=100.001 * least, period_queries=100_000)
    assert at_least.cost == pytest.approx(100 * least)


def test_a_quality_that_cannot_be_had():
    with pytest.raises(ValueError, match="share=2 of the performance of large cannot be had"):
        trade_off_for_quality(ROUTER, X, share=2)


def test_only_allowed_llms_are_counted():
    allowed = ["small", "medium"]
    options = {"budget": 1e9, "period_queries": 1000, "allowed": allowed}
    forecast = trade_off_for_budget(ROUTER, X, **options)
    assert forecast.best_llm == "medium"
    assert forecast.llms["large"].calls == 0
    assert "large    " in str(forecast) and "–" in str(forecast)
    assert brought(ROUTER, 0.0, allowed=allowed) == pytest.approx(
        (forecast.performance, forecast.cost)
    )
    each = [["small", "medium"], ["medium", "large"]] * (len(X) // 2)
    forecast = trade_off_for_quality(ROUTER, X, allowed=each)
    assert forecast.best_llm == "medium"  # the only one that may be called on all
    nowhere = [["small"], ["large"]] * (len(X) // 2)
    forecast = trade_off_for_quality(ROUTER, X, share=0.1, allowed=nowhere)
    assert forecast.best_llm == "large"
    assert forecast.best_performance == pytest.approx(
        ROUTER.predict_outcomes(X).performance[1::2, 2].mean()
    )


@pytest.mark.parametrize("criterion", [{"min_margin": 0.05}, {"min_similarity": 0.9}])
def test_a_fallback_is_charged(criterion):
    router = FallbackRouter(ROUTER, fallback="medium", **criterion)
    router.fit(X[:100], PERFORMANCE[:100], cost=COSTS[:100])
    forecast = trade_off_for_budget(router, X, budget=200.0, period_queries=100_000)
    assert forecast.cost <= 200
    assert brought(router, forecast.cost_weight) == pytest.approx(
        (forecast.performance, forecast.cost / 100)
    )
    quality = trade_off_for_quality(router, X, share=0.9)
    assert quality.kept >= 0.9


def test_one_llm_of_all_is_best():
    """Where nothing is to be bought there is still an answer."""
    performance = np.column_stack([np.ones(20), np.zeros(20)])
    router = KNNRouter(n_neighbors=3).fit(X[:20], performance, cost=[1.0, 2.0])
    forecast = trade_off_for_budget(router, X, budget=1.0, period_queries=1000)
    assert forecast.cost_weight == 0 and forecast.llms[0].share == 1
    assert forecast.kept == 1
    nothing = KNNRouter(n_neighbors=3).fit(X[:20], np.zeros((20, 2)), cost=[1.0, 2.0])
    assert np.isnan(trade_off_for_quality(nothing, X).kept)


def test_equally_good_llms_do_not_cost_more():
    router = KNNRouter(n_neighbors=3).fit(X[:20], np.ones((20, 2)), cost=[5.0, 1.0])
    forecast = trade_off_for_budget(router, X, budget=1.0, period_queries=1000)
    assert forecast.llms[1].share == 1


def test_the_table_is_readable():
    text = str(trade_off_for_budget(ROUTER, X, budget=200.0, period_queries=100_000))
    lines = text.splitlines()
    assert re.fullmatch(
        r"cost_weight=[\d.e-]+: performance 0\.\d{3} for 1\d\d\.\d\d US dollars per 100,000 "
        "queries, as predicted.",
        lines[0],
    )
    assert lines[1].startswith("Always large: 0.")
    assert len({len(line) for line in lines[3:7]}) == 1


def test_it_says_where_to_ask_for_the_trade_off():
    """With every digit that it takes to choose the same."""
    forecast = trade_off_for_budget(ROUTER, X, budget=200.0, period_queries=100_000)
    exact = forecast._replace(cost_weight=0.012345678)
    for one in (forecast, exact):
        text, weight = str(one), one.cost_weight
        for way in (
            f"predict(X, cost_weight={weight!r})",
            f"--cost-weight {weight!r}\n",
            f"RouterPlugin(..., cost_weight={weight!r})",
        ):
            assert way in text
        assert "cannot spend more" not in text
    assert "cannot spend more" in str(
        trade_off_for_budget(ROUTER, X, budget=1e9, period_queries=1000)
    )


@pytest.mark.parametrize("function", [trade_off_for_budget, trade_off_for_quality])
def test_routers_that_cannot_say(function):
    options = {"period_queries": 10}
    if function is trade_off_for_budget:
        options["budget"] = 1e9
    guaranteed = GuaranteedRouter(
        LinearRouter(), max_cost=20.0, max_query_cost=30.0, random_state=0
    )
    guaranteed.fit(X, PERFORMANCE, cost=COSTS)
    with pytest.raises(ValueError, match="GuaranteedRouter, which holds one trade-off"):
        function(guaranteed, X, **options)
    with pytest.raises(ValueError, match="fitted without costs"):
        function(LinearRouter().fit(X, PERFORMANCE), X, **options)
    with pytest.raises(NotFittedError):
        function(LinearRouter(), X, **options)
    with pytest.raises(ValueError, match="'router' parameter"):
        function(CosineClassifierRouter(), X, **options)


@pytest.mark.parametrize(
    ("function", "options"),
    [
        (trade_off_for_budget, {"budget": -1, "period_queries": 10}),
        (trade_off_for_budget, {"budget": 1, "period_queries": 0}),
        (trade_off_for_quality, {"share": 0}),
        (trade_off_for_quality, {"period_queries": "many"}),
    ],
)
def test_parameters_are_checked(function, options):
    with pytest.raises(ValueError, match="parameter of trade_off_for"):
        function(ROUTER, X, **options)


def test_what_comes_is_a_named_tuple():
    forecast = trade_off_for_quality(ROUTER, X)
    assert isinstance(forecast, TradeOffForecast)
    assert forecast._fields[:4] == ("cost_weight", "performance", "cost", "period_queries")


@pytest.mark.parametrize("kind", [lambda router: router, ExploringRouter])
def test_an_llm_of_unknown_cost_is_in_no_forecast(kind):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    performance = np.column_stack([X[:, 0] > 0, X[:, 0] <= 0, np.full(200, 0.9)]).astype(float)
    cost = np.tile([0.5, np.nan, 3.0], (200, 1))
    router = kind(LinearRouter(1.0, cost_weight=0, llm_names=["a", "b", "c"]))
    router.fit(X, performance, cost=cost)
    forecast = trade_off_for_quality(router, X, share=1.0)
    assert np.isfinite(forecast.cost) and forecast.cost_weight > 0
    assert forecast.llms["b"].share == 0
