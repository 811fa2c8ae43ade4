"""Metrics, against examples worked by hand."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrouter import make_routing_target
from skrouter.metrics import (
    PairedDifference,
    RoutingScore,
    make_routing_scorer,
    oracle_llms,
    paired_bootstrap,
    routing_score,
)

nan = np.nan
NAMES = ["large", "small"]
PERFORMANCE = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.5], [1.0, 0.25]])
COST = np.array([[4.0, 1.0], [6.0, 1.0], [5.0, 2.0], [5.0, 0.0]])
CHOSEN = ["large", "small", "small", "large"]  # performance 1, 1, .5, 1; cost 4, 1, 2, 5


class Constant(ClassifierMixin, BaseEstimator):
    """A router from outside the package: a few lines, not one of our classes."""

    def __init__(self, choice=0):
        self.choice = choice

    def fit(self, X, y):
        self.classes_ = np.array(NAMES)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[self.choice])


# routing_score


def test_score_by_hand():
    score = routing_score(PERFORMANCE, CHOSEN, cost=COST, cost_weight=0.1, llm_names=NAMES)
    assert isinstance(score, RoutingScore)
    assert score == pytest.approx((0.875, 3.0, 0.575, 4))
    assert score._fields == ("performance", "cost", "utility", "n_observed")


def test_score_of_names_in_columns_of_numbers_and_of_llm_names_is_the_same():
    frame = pd.DataFrame(PERFORMANCE[:, ::-1], columns=NAMES[::-1])
    numbers = [NAMES.index(name) for name in CHOSEN]
    expected = routing_score(PERFORMANCE, CHOSEN, llm_names=NAMES)
    assert routing_score(frame, CHOSEN)[:3:2] == expected[:3:2] == (0.875, 0.875)
    assert routing_score(frame, np.array(CHOSEN, dtype=object), llm_names=NAMES)[0] == 0.875
    assert routing_score(PERFORMANCE, numbers)[0] == 0.875


def test_score_of_a_three_dimensional_target():
    y = make_routing_target(PERFORMANCE, COST)
    assert routing_score(y, CHOSEN, cost_weight=0.1, llm_names=NAMES) == routing_score(
        PERFORMANCE, CHOSEN, cost=COST, cost_weight=0.1, llm_names=NAMES
    )


def test_score_of_list_prices():
    score = routing_score(PERFORMANCE, CHOSEN, cost=[4.0, 1.0], cost_weight=0.1, llm_names=NAMES)
    assert score == pytest.approx((0.875, 2.5, 0.625, 4))


def test_score_without_costs_has_no_cost():
    score = routing_score(PERFORMANCE, CHOSEN, llm_names=NAMES)
    assert np.isnan(score.cost)
    assert score.utility == score.performance == 0.875


def test_unobserved_outcomes_are_left_out_not_zero():
    performance, cost = PERFORMANCE.copy(), COST.copy()
    performance[0, 0] = nan  # chosen
    performance[1, 0] = nan  # not chosen
    cost[2, 1] = nan  # chosen
    score = routing_score(performance, CHOSEN, cost=cost, cost_weight=0.1, llm_names=NAMES)
    assert score == pytest.approx((1.0, 3.0, 0.7, 2))
    # a missing cost does not count at a trade-off of 0
    score = routing_score(performance, CHOSEN, cost=cost, llm_names=NAMES)
    assert score == pytest.approx((2.5 / 3, 3.0, 2.5 / 3, 3))


def test_utility_is_always_performance_minus_weighted_cost():
    rng = np.random.default_rng(0)
    performance, cost = rng.uniform(size=(2, 50, 4))
    performance[rng.uniform(size=(50, 4)) < 0.3] = nan
    cost[rng.uniform(size=(50, 4)) < 0.3] = nan
    score = routing_score(performance, rng.integers(4, size=50), cost=cost, cost_weight=0.5)
    assert 0 < score.n_observed < 50
    assert score.utility == pytest.approx(score.performance - 0.5 * score.cost)


def test_weights_are_repetitions():
    options = {"cost_weight": 0.1, "llm_names": NAMES}
    weighted = routing_score(PERFORMANCE, CHOSEN, cost=COST, sample_weight=[2, 0, 1, 1], **options)
    rows = [0, 0, 2, 3]
    repeated = routing_score(PERFORMANCE[rows], np.array(CHOSEN)[rows], cost=COST[rows], **options)
    assert weighted[:3] == pytest.approx(repeated[:3])
    assert weighted.n_observed == 3


def test_macro_mean_by_weights():
    tasks = np.array([0, 0, 0, 1])
    score = routing_score(
        PERFORMANCE, CHOSEN, llm_names=NAMES, sample_weight=1 / np.bincount(tasks)[tasks]
    )
    assert score.performance == pytest.approx((2.5 / 3 + 1) / 2)


def test_probabilities_score_the_expectation():
    shares = np.full((4, 2), 0.5)
    score = routing_score(PERFORMANCE, shares, cost=COST, cost_weight=0.1)
    assert score == pytest.approx((4.75 / 8, 3.0, 4.75 / 8 - 0.3, 4))
    certain = (np.array(CHOSEN)[:, None] == NAMES).astype(np.float32)
    assert routing_score(PERFORMANCE, certain, cost=COST) == routing_score(
        PERFORMANCE, CHOSEN, cost=COST, llm_names=NAMES
    )


def test_probability_of_an_unobserved_outcome_is_left_out():
    performance = np.where(PERFORMANCE == 0.25, nan, PERFORMANCE)
    score = routing_score(performance, np.full((4, 2), 0.5))
    assert score == pytest.approx((4.5 / 7, nan, 4.5 / 7, 4), nan_ok=True)


@pytest.mark.parametrize(
    "llms, options, message",
    [
        (CHOSEN, {}, "['large', 'small'], which are not in the pool [0, 1]"),
        (["large", "huge"] * 2, {"llm_names": NAMES}, "llms holds ['huge']"),
        (CHOSEN[:3], {"llm_names": NAMES}, "outcomes has 4, and llms has 3"),
        (0, {}, "llms has shape ()"),
        (np.full((4, 3), 1 / 3), {}, "llms has shape (4, 3)"),
        (np.full((4, 2), "large"), {}, "must hold the probability"),
        (np.full((4, 2), 0.6), {}, "not probabilities"),
        (np.full((4, 2), nan), {}, "not probabilities"),
        ([[1.5, -0.5]] * 4, {}, "not probabilities"),
        ([0] * 4, {"cost_weight": 0.1}, "cost is missing, but cost_weight=0.1"),
        (
            [0] * 4,
            {"cost_weight": -0.1},
            "'cost_weight' parameter of routing_score must be a float",
        ),
        ([0] * 4, {"cost_weight": nan}, "in the range [0.0, inf). Got nan instead"),
        ([0] * 4, {"cost_weight": np.inf}, "in the range [0.0, inf). Got inf instead"),
        (
            [0] * 4,
            {"cost_weight": "0.1"},
            "'cost_weight' parameter of routing_score must be a float",
        ),
        ([0] * 4, {"sample_weight": [1, 2]}, "sample_weight.shape == (2,), expected (4,)"),
    ],
)
def test_bad_input_of_score_is_refused(llms, options, message):
    with pytest.raises(ValueError) as error:
        routing_score(PERFORMANCE, llms, **options)
    assert message in str(error.value)


def test_labels_have_no_outcomes_to_score():
    with pytest.raises(ValueError, match="must have shape \\(n_queries, n_llms\\)"):
        routing_score([0, 1], [0, 1])


def test_score_of_nothing_observed_is_refused():
    with pytest.raises(ValueError, match="no observed outcome"):
        routing_score([[nan, 1.0]], [0])


# make_routing_scorer


def test_scorer_is_the_mean_utility_of_predict():
    y = make_routing_target(PERFORMANCE, COST)
    router = Constant(1).fit(None, None)
    assert make_routing_scorer(0.1)(router, [0] * 4, y) == pytest.approx(1.75 / 4 - 0.1)
    weights = [1, 0, 0, 1]
    assert make_routing_scorer(0.1)(router, [0] * 4, y, weights) == pytest.approx(0.125 - 0.05)


def test_scorer_needs_costs_unless_they_weigh_nothing():
    router = Constant(1).fit(None, None)
    assert make_routing_scorer(0)(router, [0] * 4, PERFORMANCE) == pytest.approx(1.75 / 4)
    with pytest.raises(ValueError, match="cost is missing, but cost_weight=0.1"):
        make_routing_scorer(0.1)(router, [0] * 4, PERFORMANCE)


def test_scorer_takes_columns_by_name():
    frame = pd.DataFrame(PERFORMANCE[:, ::-1], columns=NAMES[::-1])
    assert make_routing_scorer(0)(Constant(1).fit(None, None), [0] * 4, frame) == 1.75 / 4


def test_scorer_of_labels_is_the_accuracy():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = np.where(X[:, 0] + rng.normal(size=60) > 0, "large", "small")
    scores = cross_validate(
        LogisticRegression(), X, y, scoring={"ours": make_routing_scorer(0), "accuracy": "accuracy"}
    )
    np.testing.assert_allclose(scores["test_ours"], scores["test_accuracy"])


@pytest.mark.parametrize("cost_weight", [-1, nan, np.inf, "0.1", None])
def test_scorer_refuses_a_bad_trade_off(cost_weight):
    with pytest.raises(ValueError, match="'cost_weight' parameter of make_routing_scorer must be"):
        make_routing_scorer(cost_weight)


def test_scorer_reads_well_and_survives_copies():
    scorer = make_routing_scorer(0.02)
    y = make_routing_target(PERFORMANCE, COST)
    router = Constant().fit(None, None)
    expected = scorer(router, [0] * 4, y)
    assert repr(scorer) == "make_routing_scorer(cost_weight=0.02)"
    for copied in (pickle.loads(pickle.dumps(scorer)), copy.deepcopy(scorer)):
        assert repr(copied) == repr(scorer)
        assert copied(router, [0] * 4, y) == expected
    search = clone(GridSearchCV(Constant(), {"choice": [0]}, scoring=scorer))
    assert search.scoring(router, [0] * 4, y) == expected


@pytest.mark.parametrize("cost_weight, best", [(0.0, 0), (0.5, 1)])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_scorer_chooses_in_a_search_over_a_pipeline(cost_weight, best, n_jobs):
    y = make_routing_target(np.tile(PERFORMANCE, (3, 1)), np.tile(COST, (3, 1)))
    pipeline = make_pipeline(StandardScaler(), Constant())
    search = GridSearchCV(
        pipeline,
        {"constant__choice": [0, 1]},
        scoring=make_routing_scorer(cost_weight),
        cv=3,
        n_jobs=n_jobs,
        error_score="raise",
    ).fit(np.ones((12, 1)), y)
    assert search.best_params_ == {"constant__choice": best}
    outcomes = routing_score(y, [best] * 12, cost_weight=cost_weight)
    assert search.best_score_ == pytest.approx(outcomes.utility)
    assert search.score(np.ones((12, 1)), y) == pytest.approx(outcomes.utility)


def test_scorer_in_cross_val_score():
    y = make_routing_target(PERFORMANCE, COST)
    scores = cross_val_score(Constant(), np.ones((4, 1)), y, scoring=make_routing_scorer(0.1), cv=4)
    np.testing.assert_allclose(scores, PERFORMANCE[:, 0] - 0.1 * COST[:, 0])


def test_scorer_gets_weights_by_metadata_routing():
    y, X = make_routing_target(PERFORMANCE, COST), np.ones((4, 1))
    weights = np.array([1.0, 3.0, 1.0, 0.0])
    with config_context(enable_metadata_routing=True):
        scorer = make_routing_scorer(0).set_score_request(sample_weight=True)
        scores = cross_val_score(
            Constant(1), X, y, scoring=scorer, cv=2, params={"sample_weight": weights}
        )
    np.testing.assert_allclose(scores, [0.75, 0.5])


# oracle_llms


def test_oracle_by_hand():
    assert oracle_llms(PERFORMANCE, llm_names=NAMES).tolist() == [
        "large",
        "large",
        "small",
        "large",
    ]
    chosen = oracle_llms(PERFORMANCE, cost=COST, llm_names=NAMES)
    assert chosen.tolist() == ["large", "small", "small", "large"]
    chosen = oracle_llms(PERFORMANCE, cost=COST, cost_weight=0.4, llm_names=NAMES)
    assert chosen.tolist() == ["small", "small", "small", "small"]


def test_oracle_breaks_ties_by_cost_or_by_place():
    performance = [[1.0, 1.0, 1.0, 0.0]]
    cost = [[3.0, 1.0, 1.0, 0.1]]
    assert oracle_llms(performance, cost=cost, ties="cheapest") == [1]
    assert oracle_llms(performance, cost=cost, ties="first") == [0]
    assert oracle_llms(make_routing_target(performance, cost), ties="first") == [0]


def test_oracle_is_the_best_score_there_is():
    rng = np.random.default_rng(0)
    performance, cost = rng.integers(3, size=(2, 100, 4)) / 2.0
    for weight in (0.0, 0.1, 1.0):
        best = (performance - weight * cost).max(axis=1).mean()
        for ties in ("cheapest", "first"):
            llms = oracle_llms(performance, cost=cost, cost_weight=weight, ties=ties)
            score = routing_score(performance, llms, cost=cost, cost_weight=weight)
            assert score.utility == pytest.approx(best)
    cheapest, first = (
        routing_score(performance, oracle_llms(performance, cost=cost, ties=ties), cost=cost).cost
        for ties in ("cheapest", "first")
    )
    assert cheapest < first


def test_oracle_never_chooses_the_unobserved():
    performance = [[nan, 0.0, -1.0], [nan, nan, 0.0]]
    assert oracle_llms(performance).tolist() == [1, 2]
    assert oracle_llms(performance, cost=[0.0, 9.0, 9.0], cost_weight=1).tolist() == [1, 2]
    # an unknown cost: unknown utility if costs count, else the last among equals
    performance, cost = [[1.0, 1.0], [1.0, 0.0]], [[nan, 5.0], [nan, 5.0]]
    assert oracle_llms(performance, cost=cost, cost_weight=0.1).tolist() == [1, 1]
    assert oracle_llms(performance, cost=cost).tolist() == [1, 0]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"ties": "last"}, "'ties' parameter of oracle_llms must be a str among"),
        ({"cost_weight": 0.1}, "cost is missing"),
        ({"cost_weight": -1, "cost": COST}, "'cost_weight' parameter of oracle_llms must be"),
    ],
)
def test_bad_input_of_oracle_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        oracle_llms(PERFORMANCE, **options)


def test_oracle_refuses_queries_without_outcomes():
    with pytest.raises(ValueError, match="1 row\\(s\\) of y_true .* first \\[1\\]"):
        oracle_llms([[1.0, 0.0], [nan, nan]])


# paired_bootstrap


@pytest.mark.parametrize("method", ["gaffke", "BCa", "percentile"])
def test_bootstrap_of_many_normal_differences_is_the_normal_interval(method):
    rng = np.random.default_rng(0)
    shared = rng.normal(scale=10, size=2000)  # cancels: without pairing the interval is 10 x wider
    difference = rng.normal(0.3, 1, size=2000)
    result = paired_bootstrap(
        shared + difference, shared, method=method, random_state=0, n_resamples=4000
    )
    # The range of the shared part is what Gaffke's bound allows an unseen difference to be.
    if method == "gaffke":
        assert result.max_difference == pytest.approx(np.ptp([shared + difference, shared]))
        result = paired_bootstrap(difference, np.zeros(2000), random_state=0, n_resamples=4000)
    half = 1.96 * difference.std() / np.sqrt(2000)
    assert result.difference == pytest.approx(difference.mean())
    assert result.low == pytest.approx(difference.mean() - half, abs=0.005)
    assert result.high == pytest.approx(difference.mean() + half, abs=0.005)
    assert result.n_queries == 2000


def test_bootstrap_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    hits = 0
    for seed in range(200):
        a, b = rng.uniform(size=(2, 60)) < [[0.7], [0.6]]
        result = paired_bootstrap(
            a, b, confidence_level=0.8, n_resamples=300, random_state=seed, method="percentile"
        )
        hits += result.low <= 0.1 <= result.high
    assert 0.7 < hits / 200 < 0.9


def test_bootstrap_is_antisymmetric_in_its_routers():
    rng = np.random.default_rng(0)
    a, b = rng.uniform(size=(2, 40))
    forth = paired_bootstrap(a, b, random_state=3)
    back = paired_bootstrap(b, a, random_state=3)
    assert forth.difference == pytest.approx(-back.difference)
    assert forth.low == pytest.approx(-back.high, abs=5e-3)
    assert forth.low < forth.difference < forth.high


@pytest.mark.parametrize("method", ["BCa", "percentile"])
@pytest.mark.parametrize("shift", [0.0, 0.25])
def test_bootstrap_of_differences_that_do_not_vary(method, shift):
    utility = np.array([1.0, 0.0, 0.5, nan])
    result = paired_bootstrap(utility + shift, utility, method=method)
    assert result == PairedDifference(shift, shift, shift, 3, None)


def test_bootstrap_of_one_disagreement_is_finite():
    a, b = np.ones(100), np.ones(100)
    b[7] = 0
    result = paired_bootstrap(a, b, method="BCa", random_state=0)
    assert result.difference == pytest.approx(0.01)
    assert 0 <= result.low <= 0.01 <= result.high < 0.1
    # The opposite could have happened as well, and did not by chance.
    assert -0.05 < paired_bootstrap(a, b, random_state=0).low < 0


def test_bootstrap_leaves_out_queries_without_both_outcomes():
    rng = np.random.default_rng(0)
    a, b = rng.uniform(size=(2, 30))
    expected = paired_bootstrap(a, b, random_state=0)
    a = np.append(a, [nan, 1.0])
    b = np.append(b, [1.0, nan])
    assert paired_bootstrap(a, b, random_state=0) == expected
    assert expected.n_queries == 30


def test_bootstrap_over_groups_is_about_the_macro_mean():
    a = np.array([1.0, 0.0, 1.0, 1.0, 0.0, 1.0])
    groups = ["x", "x", "x", "x", "y", "y"]
    for method in ("gaffke", "BCa"):
        result = paired_bootstrap(a, np.zeros(6), groups=groups, random_state=0, method=method)
        assert result.difference == pytest.approx((0.75 + 0.5) / 2)
        assert -1 <= result.low < result.difference < result.high <= 1
    one = paired_bootstrap(a, np.zeros(6), groups=["x"] * 6, random_state=0)
    assert one == paired_bootstrap(a, np.zeros(6), random_state=0)


def test_bootstrap_resamples_within_groups():
    # nothing varies within a group, a lot between them
    a = np.repeat([0.0, 1.0], 10)
    groups = np.repeat(["x", "y"], 10)
    result = paired_bootstrap(a, np.zeros(20), groups=groups, method="BCa")
    assert result == PairedDifference(0.5, 0.5, 0.5, 20)
    apart = paired_bootstrap(a, np.zeros(20), groups=groups, random_state=0)
    together = paired_bootstrap(a, np.zeros(20), random_state=0)
    assert apart.high < together.high  # the lower ends are the same query that did not happen


def test_bootstrap_is_seeded_and_leaves_the_global_state_alone():
    a, b = np.random.default_rng(0).uniform(size=(2, 30))
    before = np.random.get_state()[1].copy()
    first = paired_bootstrap(a, b, random_state=5, n_resamples=200)
    assert first == paired_bootstrap(a, b, random_state=5, n_resamples=200)
    assert first != paired_bootstrap(a, b, random_state=6, n_resamples=200)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_more_confidence_is_a_wider_interval():
    a, b = np.random.default_rng(0).uniform(size=(2, 50))
    narrow, wide = (
        paired_bootstrap(a, b, confidence_level=level, random_state=0) for level in (0.5, 0.99)
    )
    assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize(
    "arguments, options, message",
    [
        (([1, 2], [1, 2, 3]), {}, "utility_a has 2, and utility_b has 3"),
        (([1, 2], [1, 2]), {"groups": ["a"]}, "utility_b has 2, and groups has 1"),
        (([1, np.inf], [1, 2]), {}, "infinite"),
        (([1], [2]), {}, "1 query with both outcomes; at least 2"),
        (([1, nan], [2, 3]), {}, "1 query with both outcomes"),
        (([1, 2, 3], [2, 3, 5]), {"groups": ["a", "a", "b"]}, "in group 'b'; at least 2"),
        (([1, 2], [2, 4]), {"method": "basic"}, "'method' parameter of paired_bootstrap must"),
        (
            ([1, 2], [2, 4]),
            {"confidence_level": 95},
            "'confidence_level' parameter of paired_bootstrap",
        ),
        (([1, 2], [2, 4]), {"n_resamples": 0}, "'n_resamples' parameter of paired_bootstrap must"),
    ],
)
def test_bad_input_of_bootstrap_is_refused(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        paired_bootstrap(*arguments, **options)


def test_metrics_import_no_estimator():
    code = (
        "import sys, skrouter.metrics\n"
        "ours = [name for name in sys.modules if name.startswith('skrouter.')]\n"
        "rooms = {name.split('.')[1] for name in ours}\n"
        "print(sorted(rooms - {'_utils', '_inputs', '_targets', 'metrics'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_list_prices_may_be_given_by_name():
    by_name = {"small": 1.0, "large": 5.0}
    assert routing_score(
        PERFORMANCE, CHOSEN, cost=by_name, cost_weight=0.1, llm_names=NAMES
    ) == routing_score(PERFORMANCE, CHOSEN, cost=[5.0, 1.0], cost_weight=0.1, llm_names=NAMES)
