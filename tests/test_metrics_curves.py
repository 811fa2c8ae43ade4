"""Curves of performance against cost and what is read off them, by hand."""

import copy

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull

from skrouter import make_routing_target
from skrouter.metrics import (
    CostQualityCurve,
    NonDecreasingHull,
    aiq,
    aiq_routerbench,
    cost_quality_curve,
    cost_save,
    deferral_curve_area,
    mix_for_budget,
    non_decreasing_hull,
    perf_gain,
    quality_neutral_cost,
    routing_score,
    single_llm_points,
    zero_router_curve,
)

nan = np.nan
NAMES = ["large", "small"]
PERFORMANCE = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.5], [1.0, 0.25]])
COST = np.array([[4.0, 1.0], [6.0, 1.0], [5.0, 2.0], [5.0, 0.0]])
CHOSEN = ["large", "small", "small", "large"]  # performance 1, 1, .5, 1; cost 4, 1, 2, 5

# Three LLMs, the most expensive of which is dominated: the hull goes from (1, .4) to (3, .8).
POINTS = ([3.0, 1.0, 5.0], [0.8, 0.4, 0.6])


# cost_quality_curve, single_llm_points, zero_router_curve


def test_curve_by_hand():
    settings = {0.0: ["large"] * 4, 0.1: CHOSEN, 1.0: np.full((4, 2), 0.5)}
    curve = cost_quality_curve(PERFORMANCE, settings, cost=COST, llm_names=NAMES)
    assert isinstance(curve, CostQualityCurve)
    assert curve.cost.tolist() == [5.0, 3.0, 3.0]
    assert curve.performance.tolist() == [0.75, 0.875, 0.59375]
    assert curve.settings == (0.0, 0.1, 1.0)
    assert curve.n_observed.tolist() == [4, 4, 4]


def test_curve_of_a_sequence_numbers_its_settings():
    y = make_routing_target(PERFORMANCE, COST)
    curve = cost_quality_curve(y, [[0] * 4, [1] * 4])
    assert curve.settings == (0, 1)
    assert curve.performance.tolist() == [0.75, 0.4375]


def test_points_of_a_curve_are_routing_scores():
    rng = np.random.default_rng(0)
    performance, cost = rng.uniform(size=(2, 30, 3))
    performance[rng.uniform(size=(30, 3)) < 0.3] = nan
    cost[rng.uniform(size=(30, 3)) < 0.3] = nan
    weights = rng.uniform(size=30)
    choices = rng.integers(3, size=(4, 30))
    curve = cost_quality_curve(performance, choices, cost=cost, sample_weight=weights)
    for place, llms in enumerate(choices):
        score = routing_score(performance, llms, cost=cost, sample_weight=weights)
        point = curve.performance[place], curve.cost[place]
        assert point == (score.performance, score.cost)
        assert curve.n_observed[place] == score.n_observed < 30


def test_points_of_single_llms():
    performance = np.column_stack([PERFORMANCE, np.full(4, nan)])
    performance[0, 0] = nan
    names = [*NAMES, "never seen"]
    points = single_llm_points(
        performance, cost=np.column_stack([COST, COST[:, 0]]), llm_names=names
    )
    assert points.settings == ("large", "small")
    assert points.cost.tolist() == [16 / 3, 1.0]
    assert points.performance.tolist() == [2 / 3, 0.4375]
    assert points.n_observed.tolist() == [3, 4]


def test_zero_router_is_the_hull_of_the_pool_in_the_order_of_cost():
    frame = pd.DataFrame([POINTS[1]] * 2, columns=["middle", "cheap", "poor"])
    zero = zero_router_curve(frame, cost=POINTS[0])
    assert zero.settings == ("cheap", "middle")
    assert zero.cost.tolist() == [1.0, 3.0]
    assert zero.performance.tolist() == [0.4, 0.8]
    assert zero.n_observed.tolist() == [2, 2]


@pytest.mark.parametrize(
    "function, arguments",
    [(cost_quality_curve, [{0: [0] * 4}]), (single_llm_points, []), (zero_router_curve, [])],
)
def test_curves_need_costs(function, arguments):
    with pytest.raises(ValueError, match="cost is missing; pass cost="):
        function(PERFORMANCE, *arguments)


@pytest.mark.parametrize("nothing", [{}, []])
def test_curve_of_no_settings_is_refused(nothing):
    with pytest.raises(ValueError, match="llms is empty; at least one setting"):
        cost_quality_curve(PERFORMANCE, nothing, cost=COST)


def test_points_of_nothing_observed_are_refused():
    with pytest.raises(ValueError, match="no observed outcome"):
        single_llm_points([[nan, nan]], cost=[1.0, 2.0])


# non_decreasing_hull


def test_hull_by_hand():
    cost = [4.0, 1.0, 2.0, 3.0, 2.0, 6.0, 5.0]
    performance = [0.9, 0.2, 0.3, 0.8, 0.6, 0.9, 0.7]
    hull = non_decreasing_hull(cost, performance)
    assert isinstance(hull, NonDecreasingHull)
    assert hull.index.tolist() == [1, 4, 3, 0]
    assert hull.cost.tolist() == [1.0, 2.0, 3.0, 4.0]
    assert hull.performance.tolist() == [0.2, 0.6, 0.8, 0.9]


def test_hull_drops_points_under_a_line_and_below_their_predecessor():
    assert non_decreasing_hull([1, 2, 3, 4], [0.5, 0.5, 0.8, 0.7]).index.tolist() == [0, 2]
    assert non_decreasing_hull(*POINTS).index.tolist() == [1, 0]


@pytest.mark.parametrize(
    "cost, performance, corners",
    [
        ([2.0], [0.5], [0]),
        (2.0, 0.5, [0]),
        ([1.0, 2.0], [0.5, 0.6], [0, 1]),
        ([2.0, 1.0], [0.6, 0.5], [1, 0]),
        ([1.0, 2.0], [0.5, 0.4], [0]),
        ([1.0, 2.0], [0.5, 0.5], [0]),
        ([1.0, 1.0], [0.5, 0.6], [1]),
        ([1.0, 1.0, 1.0], [0.5, 0.5, 0.5], [0]),
        ([0.0, 0.0, 1.0], [0.5, 0.5, 0.7], [0, 2]),
        ([1.0, 2.0, 3.0], [0.0, 1.0, 2.0], [0, 2]),
    ],
)
def test_hull_of_few_or_equal_points(cost, performance, corners):
    assert non_decreasing_hull(cost, performance).index.tolist() == corners


def test_hull_is_flat_to_the_right_and_nothing_to_the_left():
    hull = non_decreasing_hull(*POINTS)
    np.testing.assert_allclose(
        hull.performance_at([0.9, 1.0, 2.0, 3.0, 50.0]), [nan, 0.4, 0.6, 0.8, 0.8]
    )
    value = hull.performance_at(2)
    assert isinstance(value, float) and value == pytest.approx(0.6)


def test_hull_is_that_of_scipy_with_its_flat_end():
    rng = np.random.default_rng(0)
    for _ in range(20):
        cost, performance = rng.uniform(size=(2, 40))
        hull = non_decreasing_hull(cost, performance)
        # Far away points make the steep start, the flat end and the lower side of it.
        frame = [[cost.min(), -9.0], [9.0, -9.0], [9.0, performance.max()]]
        full = ConvexHull(np.vstack([np.column_stack([cost, performance]), frame]))
        assert set(hull.index) == {corner for corner in full.vertices if corner < 40}
        assert (np.diff(hull.cost) > 0).all() and (np.diff(hull.performance) > 0).all()
        assert (hull.performance_at(cost) >= performance - 1e-12).all()


# Few values, so that equal costs, equal performances and points in a line are common.
some_points = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12
).map(lambda points: np.array(points, dtype=float).T)


@settings(max_examples=200, deadline=None)
@given(points=some_points, budget=st.floats(0, 8), data=st.data())
def test_hull_and_mix_of_any_points(points, budget, data):
    cost, performance = points
    hull = non_decreasing_hull(cost, performance)
    assert (np.diff(hull.cost) > 0).all() and (np.diff(hull.performance) > 0).all()
    slopes = np.diff(hull.performance) / np.diff(hull.cost)
    assert (np.diff(slopes) < 0).all()  # strictly bent: no corner on a line, whole numbers
    assert (hull.performance_at(cost) >= performance - 1e-12).all()
    order = data.draw(st.permutations(range(len(cost))))
    again = non_decreasing_hull(cost[order], performance[order])
    np.testing.assert_array_equal(again.cost, hull.cost)
    np.testing.assert_array_equal(again.performance, hull.performance)
    if budget < cost.min():
        return
    mix = mix_for_budget(cost, performance, budget)
    assert (mix >= 0).all() and (mix > 0).sum() <= 2 and mix.sum() == pytest.approx(1)
    assert mix @ cost <= budget + 1e-12
    assert mix @ performance == pytest.approx(hull.performance_at(budget))


@settings(max_examples=100, deadline=None)
@given(points=some_points, c_min=st.integers(0, 5), width=st.integers(1, 5))
def test_areas_of_any_points(points, c_min, width):
    cost, performance = points
    area = aiq(cost, performance, c_min=c_min, c_max=c_min + width)
    assert 0 <= area <= performance.max() + 1e-12
    # By the midpoint rule on a fine grid.
    grid = c_min + width * (np.arange(12_000) + 0.5) / 12_000
    height = np.nan_to_num(non_decreasing_hull(cost, performance).performance_at(grid))
    assert area == pytest.approx(height.mean(), abs=1e-3)
    taken = deferral_curve_area(cost, performance, max_cost=8)
    assert taken <= aiq(cost, performance, c_min=0, c_max=8) + 1e-12
    assert aiq_routerbench(cost, performance, c_max=8) == aiq(cost, performance, c_min=0, c_max=8)


@pytest.mark.parametrize(
    "cost, performance, message",
    [
        ([1.0, nan], [0.5, 0.5], "cost holds 1 NaN or infinite value(s), the first at 1; leave"),
        ([1.0, 2.0], [nan, 0.5], "performance holds 1 NaN or infinite value(s), the first at 0"),
        ([1.0, np.inf], [0.5, 0.5], "cost holds 1 NaN or infinite"),
        ([1.0, -2.0], [0.5, 0.5], "cost holds negative values, the least is -2."),
        ([], [], "cost and performance are empty"),
        ([1.0, 2.0], [0.5], "cost has 2, and performance has 1"),
        ([[1.0, 2.0]] * 2, [0.5, 0.5], "cost should be a 1d array"),
    ],
)
def test_bad_points_are_refused(cost, performance, message):
    functions = [
        non_decreasing_hull,
        lambda *points: mix_for_budget(*points, 1.0),
        lambda *points: aiq(*points, c_min=0, c_max=1),
        lambda *points: aiq_routerbench(*points, c_max=9),
        lambda *points: deferral_curve_area(*points, max_cost=9),
        lambda *points: cost_save(*points, single_cost=1.0, single_performance=0.5),
        lambda *points: quality_neutral_cost(*points, single_cost=1.0, single_performance=0.5),
    ]
    for function in functions:
        with pytest.raises(ValueError) as error:
            function(cost, performance)
        if "1d array" not in message:
            assert message in str(error.value)


# mix_for_budget


@pytest.mark.parametrize(
    "budget, probabilities",
    [
        (1.0, [0.0, 1.0, 0.0]),
        (1.5, [0.25, 0.75, 0.0]),
        (3.0, [1.0, 0.0, 0.0]),
        (4.0, [1.0, 0.0, 0.0]),
        (np.inf, [1.0, 0.0, 0.0]),
    ],
)
def test_mix_by_hand(budget, probabilities):
    assert mix_for_budget(*POINTS, budget).tolist() == probabilities


def test_mix_meets_the_budget_and_reaches_the_hull():
    rng = np.random.default_rng(0)
    performance, cost = rng.uniform(size=(2, 50, 6))
    points = single_llm_points(performance, cost=cost)
    zero = zero_router_curve(performance, cost=cost)
    for budget in np.linspace(zero.cost[0], zero.cost[-1], 7):
        mix = mix_for_budget(points.cost, points.performance, budget)
        assert mix.sum() == pytest.approx(1) and (mix > 0).sum() <= 2
        score = routing_score(performance, np.tile(mix, (50, 1)), cost=cost)
        assert score.cost == pytest.approx(budget)
        hull = non_decreasing_hull(zero.cost, zero.performance)
        assert score.performance == pytest.approx(hull.performance_at(budget))


def test_mix_of_an_infeasible_budget_tells_the_cheapest():
    with pytest.raises(ValueError, match=r"budget=0.5 cannot be met; .* is 1 US dollars"):
        mix_for_budget(*POINTS, 0.5)


@pytest.mark.parametrize("budget", [nan, "1", None])
def test_mix_refuses_what_is_no_budget(budget):
    with pytest.raises(ValueError, match="'budget' parameter of mix_for_budget must be a float"):
        mix_for_budget(*POINTS, budget)


# aiq, aiq_routerbench, deferral_curve_area


def test_aiq_by_hand():
    # From 1 to 3 the mean is .6, from 3 to 5 it is .8.
    assert aiq(*POINTS, c_min=1, c_max=5) == pytest.approx(0.7)
    # Nothing from 0 to 1; half way up from 2.
    assert aiq(*POINTS, c_min=0, c_max=5) == pytest.approx(2.8 / 5)
    assert aiq(*POINTS, c_min=2, c_max=3) == pytest.approx(0.7)
    assert aiq(*POINTS, c_min=3, c_max=9) == pytest.approx(0.8)
    assert aiq(*POINTS, c_min=0, c_max=1) == 0


def test_aiq_of_the_zero_router_is_that_of_the_pool():
    performance, cost = np.array([POINTS[1]] * 3), POINTS[0]
    zero = zero_router_curve(performance, cost=cost)
    pool = single_llm_points(performance, cost=cost)
    bounds = {"c_min": min(cost), "c_max": max(cost)}
    assert aiq(zero.cost, zero.performance, **bounds) == pytest.approx(0.7)
    assert aiq(pool.cost, pool.performance, **bounds) == pytest.approx(0.7)


def test_aiq_of_a_constant_router():
    assert aiq(2.0, 0.5, c_min=2, c_max=4) == 0.5
    assert aiq(2.0, 0.5, c_min=0, c_max=4) == 0.25


def test_aiq_as_in_the_code_of_routerbench_by_hand():
    # The area from the router's own first point, 1, to 5, over 5.
    assert aiq_routerbench(*POINTS, c_max=5) == pytest.approx((2 * 0.6 + 2 * 0.8) / 5)
    assert aiq_routerbench(*POINTS, c_max=3) == pytest.approx(2 * 0.6 / 3)
    assert aiq_routerbench(*POINTS, c_max=5) != pytest.approx(aiq(*POINTS, c_min=1, c_max=5))


def test_deferral_curve_area_takes_the_points_and_not_their_hull():
    # Relative costs .1, .3, .5: means .6 and .7 between them, then .6; nothing before .1.
    by_hand = 0.2 * 0.6 + 0.2 * 0.7 + 0.5 * 0.6
    assert deferral_curve_area(*POINTS, max_cost=10) == pytest.approx(by_hand)
    assert aiq(*POINTS, c_min=0, c_max=10) == pytest.approx(0.2 * 0.6 + 0.7 * 0.8)
    # cut at the most expensive LLM; the best of equal costs
    assert deferral_curve_area([0, 0, 2], [0.2, 0.4, 0.8], max_cost=1) == pytest.approx(0.5)
    assert deferral_curve_area(3.0, 0.8, max_cost=1) == 0


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: aiq(*POINTS, c_min=2, c_max=2), "c_max=2 must be above c_min=2"),
        (lambda: aiq(*POINTS, c_min=-1, c_max=2), "'c_min' parameter of aiq must be"),
        (lambda: aiq(*POINTS, c_min=0, c_max=np.inf), "'c_max' parameter of aiq must be"),
        (lambda: aiq(*POINTS, c_min=0, c_max="5"), "'c_max' parameter of aiq must be"),
        (lambda: aiq_routerbench(*POINTS, c_max=0), "'c_max' parameter of aiq_routerbench must be"),
        (
            lambda: aiq_routerbench(*POINTS, c_max=2),
            "c_max=2 is below the most expensive corner .* 3;",
        ),
        (
            lambda: deferral_curve_area(*POINTS, max_cost=0),
            "'max_cost' parameter of deferral_curve_area",
        ),
        (lambda: deferral_curve_area(*POINTS, max_cost=nan), "'max_cost' parameter of deferral"),
    ],
)
def test_bad_bounds_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_bounds_of_aiq_have_no_defaults():
    with pytest.raises(TypeError):
        aiq(*POINTS)


# perf_gain, cost_save, quality_neutral_cost

SINGLE = {"single_cost": [10.0, 8.0, 1.0], "single_performance": [0.8, 0.8, 0.6]}


def test_perf_gain_by_hand():
    assert perf_gain([0.7, 0.84, 0.6], SINGLE["single_performance"]) == pytest.approx(0.05)
    assert perf_gain(0.6, 0.8) == pytest.approx(-0.25)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([[0.5], [0.0, -1.0]], "single_performance must be above 0 for the best LLM, got 0"),
        ([[nan], [0.5]], "performance holds 1 NaN"),
        ([[0.5], [nan]], "single_performance holds 1 NaN"),
        ([[], [0.5]], "empty"),
    ],
)
def test_bad_input_of_perf_gain_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        perf_gain(*arguments)


def test_cost_save_by_hand():
    # The best single LLM is the cheaper one of the two with .8, at 8.
    assert cost_save([2.0, 6.0, 7.0], [0.7, 0.8, 0.9], **SINGLE) == pytest.approx(0.25)
    assert cost_save([2.0, 10.0], [0.7, 0.9], **SINGLE) == pytest.approx(-0.25)
    assert cost_save([8.0], [0.8], **SINGLE) == 0


def test_cost_save_never_as_good_is_nan():
    assert np.isnan(cost_save([2.0, 6.0], [0.7, 0.79], **SINGLE))


def test_cost_save_of_a_free_llm_is_refused():
    with pytest.raises(ValueError, match="costs nothing"):
        cost_save([1.0], [0.8], single_cost=0.0, single_performance=0.8)


def test_quality_neutral_cost_by_hand():
    # Half way from (2, .7) to (6, .9), over the most expensive LLM's 10.
    assert quality_neutral_cost([6.0, 2.0], [0.9, 0.7], **SINGLE) == pytest.approx(0.4)
    assert quality_neutral_cost([6.0], [0.9], **SINGLE) == pytest.approx(0.6)
    # falls again: the first crossing counts
    curve = [1.0, 2.0, 3.0, 4.0], [0.7, 0.9, 0.7, 0.9]
    assert quality_neutral_cost(*curve, **SINGLE) == pytest.approx(0.15)
    assert np.isnan(quality_neutral_cost([6.0], [0.7], **SINGLE))


def test_quality_neutral_cost_of_the_zero_router_is_that_of_the_best_llm():
    performance, cost = np.array([[0.5, 0.9, 0.7], [0.7, 0.9, 0.7]]), [1.0, 4.0, 5.0]
    zero = zero_router_curve(performance, cost=cost)
    pool = single_llm_points(performance, cost=cost)
    qnc = quality_neutral_cost(
        zero.cost, zero.performance, single_cost=pool.cost, single_performance=pool.performance
    )
    assert qnc == pytest.approx(0.8)


def test_quality_neutral_cost_of_free_llms_is_refused():
    with pytest.raises(ValueError, match="All single LLMs cost nothing"):
        quality_neutral_cost([1.0], [0.8], single_cost=[0.0, 0.0], single_performance=[0.8, 0.1])


def test_input_is_not_modified():
    cost, performance = np.array(POINTS[0]), np.array(POINTS[1])
    y, choices = make_routing_target(PERFORMANCE, COST), {0.0: np.zeros(4, dtype=int)}
    before = copy.deepcopy((cost, performance, y, choices))
    non_decreasing_hull(cost, performance)
    mix_for_budget(cost, performance, 2.0)
    aiq(cost, performance, c_min=0, c_max=9)
    deferral_curve_area(cost, performance, max_cost=9)
    cost_quality_curve(y, choices)
    zero_router_curve(y)
    for old, new in zip(before[:3], (cost, performance, y), strict=True):
        np.testing.assert_array_equal(old, new)
    np.testing.assert_array_equal(before[3][0.0], choices[0.0])
