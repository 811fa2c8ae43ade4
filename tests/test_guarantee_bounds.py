"""What a guarantee rests on is said, bounds from list prices, and input at the limits."""

import json
import pickle
import re
import warnings

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator

from skrouter import GuaranteedRouter, largest_query_cost, make_routing_target
from skrouter.baselines import KNNRouter, LinearRouter

NAMES = ["small", "large"]
FEW = np.append(0.0, np.logspace(-3, 3, 60))


def make(n_queries, seed, chance=0.0, huge=0.0):
    """A cheap LLM and an expensive one, of which an answer rarely costs far more."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_queries, 2))
    performance = (rng.random((n_queries, 2)) < [0.6, 0.9]).astype(float)
    cost = np.array([0.2, 2.0]) * rng.gamma(4.0, 0.25, size=(n_queries, 1))
    cost[rng.random(n_queries) < chance, 1] = huge
    return X, performance, cost


@pytest.fixture(scope="module")
def fitted():
    return LinearRouter(llm_names=NAMES).fit(*make(1000, 10**6))


def budget(router, max_cost=1.0, **options):
    return GuaranteedRouter(
        FrozenEstimator(router), max_cost=max_cost, cost_weights=FEW, random_state=0, **options
    )


# Without a bound


@pytest.mark.parametrize("in_y", [False, True])
def test_without_a_bound_there_is_no_guarantee_and_it_is_said(fitted, in_y):
    X, performance, cost = make(200, 0)
    data = (X, make_routing_target(performance, cost)) if in_y else (X, performance, cost)
    router = budget(fitted)
    assert "no guarantee" not in repr(router)
    with pytest.warns(UserWarning, match="No guarantee that the mean cost .* max_query_cost is mi"):
        router.fit(*data)
    assert router.guarantee_.startswith("No guarantee that the mean cost of future queries is at")
    assert f"the largest cost seen, {cost.max():g}," in router.guarantee_
    for shown in (router, pickle.loads(pickle.dumps(router))):
        assert repr(shown).endswith(" [no guarantee: max_query_cost is missing]")
    html = router._repr_mimebundle_()["text/html"]
    assert html.endswith(f"<p>{router.guarantee_}</p>")
    # Fitted with one, nothing is left of it.
    router.set_params(max_query_cost=12.0).fit(*data)
    assert router.guarantee_ == (
        "With confidence 0.9, the mean cost of future queries is at most 1 US dollars per 1,000, "
        "if no query costs more than 12."
    )
    assert "no guarantee" not in repr(router)


@pytest.mark.parametrize("prices", [[0.2, 2.0], {"small": 0.2, "large": 2.0}], ids=type)
def test_list_prices_are_a_bound(fitted, prices):
    X, performance, _ = make(200, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        router = budget(fitted, 1.5).fit(X, performance, prices)
    assert router.max_query_cost_ == 2.0
    assert router.guarantee_.endswith("if no query costs more than 2.")
    # In one table with the performance they look like costs that were measured.
    with pytest.warns(UserWarning, match="No guarantee"):
        router.fit(X, make_routing_target(performance, [0.2, 2.0]))


def test_a_quality_target_needs_no_bound(fitted):
    X, performance, cost = make(400, 0)
    router = GuaranteedRouter(
        FrozenEstimator(fitted),
        min_performance=0.8,
        relative=True,
        reference="large",
        cost_weights=FEW,
    ).fit(X, performance, cost)
    assert router.guarantee_ == (
        "With confidence 0.9, the mean performance of future queries is at least 0.8 of that of "
        "large."
    )
    assert router.max_query_cost_ is None


def test_the_page_of_a_guarantee_is_escaped():
    X, performance, cost = make(400, 0)
    router = LinearRouter(llm_names=["<small>", "<large>"]).fit(X, performance, cost)
    router = GuaranteedRouter(
        FrozenEstimator(router),
        max_cost=0.9,
        max_query_cost=9.0,
        relative=True,
        reference="<large>",
        cost_weights=FEW,
    ).fit(X, performance, cost)
    assert "of that of &lt;large&gt;" in router._repr_mimebundle_()["text/html"]


def test_rare_huge_costs_break_no_budget_unsaid(fitted):
    """One query in 500 costs 1,000: calling the expensive LLM always costs 4 on average, not 2."""
    X, _, cost = make(5000, 10**6 + 1)
    expected = cost * [1, 0.998] + [0, 2.0]
    broken = {None: 0, 1000.0: 0}
    for seed in range(40):
        data = make(50, seed, 0.002, 1000.0)
        for bound in broken:
            router = budget(fitted, 2.5, max_query_cost=bound)
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                try:
                    columns = (router.fit(*data).predict(X) == "large").astype(int)
                except ValueError:
                    continue
            if expected[np.arange(len(X)), columns].mean() > 2.5:
                broken[bound] += 1
                assert len(said) == 1 and "No guarantee" in str(said[0].message)
    assert broken[None] > 20  # as the largest cost seen is far from the largest possible
    assert broken[1000.0] == 0


# A bound from list prices


PRICES = {"small": (0.1, 0.4), "large": (2.0, 8.0), "prompts": (5.0, 0.0)}


def test_the_largest_cost_is_that_of_the_longest_prompt_and_answer():
    limits = {"max_prompt_tokens": 4000, "max_completion_tokens": 1000}
    # 4,000 tokens at 2 and 1,000 at 8 dollars per million are 1.6 cents.
    assert largest_query_cost(PRICES, llm_names=NAMES, **limits) == pytest.approx(16.0)
    assert largest_query_cost(PRICES, **limits) == pytest.approx(20.0)
    assert largest_query_cost(PRICES, llm_names=["small"], **limits) == pytest.approx(0.8)
    assert largest_query_cost(
        PRICES, max_prompt_tokens=0, max_completion_tokens=10
    ) == pytest.approx(0.08)


def test_prices_are_read_as_for_logs(tmp_path):
    file = tmp_path / "model_prices.json"
    entry = {"input_cost_per_token": 2e-6, "output_cost_per_token": 8e-6}
    images = {"litellm_provider": "openai", "output_cost_per_image": 0.04}
    file.write_text(json.dumps({"large": {**entry, "litellm_provider": "openai"}, "dall": images}))
    limits = {"max_prompt_tokens": 4000, "max_completion_tokens": 1000}
    assert largest_query_cost(file, **limits) == pytest.approx(16.0)
    assert largest_query_cost(file, llm_names=["openai/large"], **limits) == pytest.approx(16.0)
    with pytest.raises(ValueError, match=r"prices has no price of \['dall'\]; it has"):
        largest_query_cost(file, llm_names=["large", "dall"], **limits)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"llm_names": ["large", "huge"]}, ValueError, r"prices has no price of \['huge'\]"),
        ({"max_prompt_tokens": -1}, ValueError, "'max_prompt_tokens' parameter"),
        ({"max_completion_tokens": None}, ValueError, "'max_completion_tokens' parameter"),
        ({"prices": {"free": (0.0, 0.0)}}, ValueError, "cost nothing at these prices"),
        ({"max_prompt_tokens": 0, "max_completion_tokens": 0}, ValueError, "cost nothing at these"),
        ({"prices": {"large": (2e-6, 8e-6)}}, ValueError, "looks like a price per token"),
        ({"prices": 3.0}, TypeError, "prices is a float"),
    ],
)
def test_prices_that_bound_nothing_are_refused(change, error, message):
    arguments = {"prices": PRICES, "max_prompt_tokens": 100, "max_completion_tokens": 10}
    with pytest.raises(error, match=message):
        largest_query_cost(**arguments | change)


# Outcomes that are missing


def test_missing_costs_are_named_where_they_are_the_reason(fitted):
    X, performance, cost = make(300, 0)
    cost[:6] = np.nan
    router = budget(fitted, 0.55, max_query_cost=30.0)
    with pytest.raises(ValueError, match="max_cost=0.55 cannot be promised") as error:
        router.fit(X, performance, cost)
    assert "On 6 of them the cost of the LLM that is called was not observed" in str(error.value)
    assert "and counts as 30. Over the others the mean is 0.2106" in str(error.value)
    assert "It assumes that no query costs more than 30." in str(error.value)
    router.fit(X[6:], performance[6:], cost[6:])  # without them it can be
    with pytest.raises(ValueError) as error:
        budget(fitted, 0.1, max_query_cost=30.0).fit(X[6:], performance[6:], cost[6:])
    assert "not observed" not in str(error.value)


def test_missing_performance_and_references_are_named(fitted):
    X, performance, cost = make(300, 0)
    performance[:60, 1] = np.nan
    quality = {"cost_weights": FEW, "random_state": 0}
    router = GuaranteedRouter(FrozenEstimator(fitted), min_performance=0.85, **quality)
    with pytest.raises(ValueError) as error:
        router.fit(X, performance, cost)
    assert "On 60 of them the performance of the LLM that is called was not" in str(error.value)
    assert "and counts as 0. Over the others" in str(error.value)
    router.set_params(relative=True, reference="large")
    with pytest.raises(ValueError) as error:
        router.fit(X, performance, cost)
    assert "On 60 of them the performance of the reference was not observed" in str(error.value)
    assert "and counts as 1. Over the others the mean is 1 of the reference's" in str(error.value)


def test_a_refusal_says_what_the_best_rests_on(fitted):
    X, performance, cost = make(100, 0)
    with pytest.raises(ValueError) as error:
        budget(fitted, 0.05).fit(X, performance, cost)
    seen = f"no query costs more than {cost.max():g}, the largest cost seen, as max_query_cost is"
    assert seen in str(error.value)


# Input at the limits: an answer, or an error of this package in its own words


REFUSED = "cannot be promised with confidence"


@pytest.mark.parametrize("n_queries", [2, 3, 5])
@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {"max_cost": 0.2, "max_query_cost": 12.0},
        {"max_cost": 0.01, "max_query_cost": 12.0, "relative": True, "reference": "large"},
        {"min_performance": 1.0},
        {"min_performance": 1.0, "relative": True, "reference": "large"},
    ],
    ids=str,
)
def test_a_few_queries_show_nothing(options, frozen, n_queries, fitted):
    inner = FrozenEstimator(fitted) if frozen else KNNRouter(1, llm_names=NAMES)
    with pytest.raises(ValueError, match=REFUSED):
        GuaranteedRouter(inner, random_state=0, **options).fit(*make(n_queries, 0))


@pytest.mark.parametrize("fraction", [1e-9, 0.5, 1 - 1e-9])
def test_one_query_is_left_to_train_and_one_to_calibrate(fraction):
    router = GuaranteedRouter(
        KNNRouter(1, llm_names=NAMES),
        max_cost=9.0,
        max_query_cost=9.0,
        calibration_fraction=fraction,
        random_state=0,
    )
    assert router.fit(*make(2, 0)).n_calibration_ == 1
    with pytest.raises(ValueError, match="X has n_samples=1 of positive weight; at least 2"):
        router.fit(*make(1, 0))
    with pytest.raises(ValueError, match="X has n_samples=1 of positive weight; at least 2"):
        router.fit(*make(5, 0), sample_weight=[0, 0, 1, 0, 0])


@pytest.mark.parametrize("largest", [1e100, 1e300, 1.7e308])
@pytest.mark.parametrize("relative", [False, True])
def test_a_bound_beyond_all_measure_shows_nothing(largest, relative, fitted):
    options = {"relative": True, "reference": "large"} if relative else {}
    with pytest.raises(ValueError, match=REFUSED):
        budget(fitted, 0.9, max_query_cost=largest, **options).fit(*make(300, 0))


@pytest.mark.parametrize("target", [1e300, 1.7e308])
def test_a_target_beyond_all_measure(target, fitted):
    data = make(300, 0)
    for options in ({}, {"relative": True, "reference": "large"}):
        router = budget(fitted, target, max_query_cost=30.0, **options).fit(*data)
        assert router.cost_weight_ == 0 and router.bound_ <= target
    router = GuaranteedRouter(
        FrozenEstimator(fitted), min_performance=target, relative=True, reference="large"
    )
    with pytest.raises(ValueError, match=REFUSED):
        router.fit(*data)


@pytest.mark.parametrize("confidence", [5e-324, 1e-300, 1e-17, 1 - 1e-10, np.nextafter(1, 0)])
def test_confidence_next_to_its_limits(confidence, fitted):
    data = make(2000, 0)
    router = budget(fitted, 1.0, max_query_cost=15.0, confidence=confidence).fit(*data)
    assert 0 < router.bound_ <= 1.0
    router = GuaranteedRouter(
        FrozenEstimator(fitted), min_performance=0.7, confidence=confidence, cost_weights=FEW
    ).fit(*data)
    assert 0.7 <= router.bound_ < 1.0


def test_the_scale_of_costs_and_weights_does_not_matter(fitted):
    X, performance, cost = make(400, 0)
    expected = budget(fitted, 1.0, max_query_cost=16.0).fit(X, performance, cost)
    for scale in (2.0**-1000, 2.0**-30, 2.0**1000):
        router = budget(fitted, 1.0 * scale, max_query_cost=16.0 * scale)
        router.fit(X, performance, cost * scale)
        assert router.cost_weight_ == expected.cost_weight_
        assert router.bound_ == pytest.approx(expected.bound_ * scale, rel=1e-9)
    for scale in (5e-324, 1e-200, 1e300):
        router = budget(fitted, 1.0, max_query_cost=16.0)
        router.fit(X, performance, cost, sample_weight=np.full(400, scale))
        np.testing.assert_allclose(router.p_values_, expected.p_values_)
        assert router.mean_ == pytest.approx(expected.mean_)


def test_weights_whose_sum_overflows_are_refused(fitted):
    X, performance, cost = make(100, 0)
    with pytest.raises(ValueError, match=re.escape("sample_weight is up to 1e+308, and its sum")):
        budget(fitted).fit(X, performance, cost, sample_weight=np.full(100, 1e308))
