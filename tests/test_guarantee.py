"""Budgets and quality targets with a guarantee: how often they are broken, and what is refused."""

import pickle
import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import column_or_1d

from skrouter import GuaranteedRouter, RadialRouterClassifier, make_routing_target
from skrouter._meta.risk_constraint import RiskConstraint
from skrouter._utils.betting import betting_p_value, plug_in_bets
from skrouter.baselines import BestSingleRouter, CosineClassifierRouter, KNNRouter, LinearRouter
from skrouter.metrics import make_routing_scorer, routing_score

NAMES = ["small", "medium", "large"]
FEW = np.append(0.0, np.logspace(-2, 0, 40))


def make(n_queries, seed):
    """The first feature tells how hard a query is; the better an LLM, the more expensive."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_queries, 3))
    chance = 1 / (1 + np.exp(X[:, :1] * 2 - np.array([0.0, 1.0, 2.5])))
    performance = (rng.random(chance.shape) < chance).astype(float)
    cost = np.array([0.2, 1.0, 5.0]) * rng.gamma(4.0, 0.25, size=(n_queries, 1))
    return X, performance, cost


@pytest.fixture(scope="module")
def data():
    return make(1200, 0)


@pytest.fixture(scope="module")
def fitted():
    """A router, fitted on queries that no test calibrates on."""
    X, performance, cost = make(400, 1)
    return LinearRouter(10.0, llm_names=NAMES).fit(X, performance, cost)


# Conventions


class Priced(GuaranteedRouter):
    """With list prices, where scikit-learn's checks know of none."""

    def fit(self, X, y, cost=None, sample_weight=None):
        if y is not None:
            y = np.asarray(y)
            y = column_or_1d(y, warn=True) if y.shape[1:] == (1,) else y
            cost = np.linspace(1, 2, len(np.unique(y)))
        return super().fit(X, y, cost, sample_weight)

    def score(self, X, y, sample_weight=None):
        return super().score(X, y, np.linspace(1, 2, len(self.classes_)), sample_weight)


def expected_failures(router):
    return {
        "check_sample_weight_equivalence_on_dense_data": (
            "a repeated query is two draws, one of weight two is not, and the split is at random"
        )
    }


@parametrize_with_checks(
    [
        # Any cost will do, so that the router is at a trade-off of 0.
        Priced(LinearRouter(alpha=0.1), max_cost=2.0, random_state=0),
        Priced(LinearRouter(alpha=0.1), min_performance=0.0, cost_weights=[0.0], random_state=0),
    ],
    expected_failed_checks=expected_failures,
    xfail_strict=True,
)
def test_scikit_learn_conventions(estimator, check):
    check(estimator)


def test_copies_and_pickles_choose_the_same(data):
    X, performance, cost = data
    before = np.random.get_state()[1].copy()
    router = GuaranteedRouter(LinearRouter(10.0), max_cost=2.0, max_query_cost=25.0, random_state=0)
    chosen = router.fit(X, performance, cost).predict(X)
    assert not hasattr(router.router, "classes_")
    for other in (clone(router).fit(X, performance, cost), pickle.loads(pickle.dumps(router))):
        np.testing.assert_array_equal(other.predict(X), chosen)
        assert other.cost_weight_ == router.cost_weight_
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_searches_pipelines_and_frames(data):
    X, performance, cost = data
    y = make_routing_target(performance, cost)
    search = GridSearchCV(
        GuaranteedRouter(
            LinearRouter(10.0), max_cost=2.0, max_query_cost=25.0, cost_weights=FEW, random_state=0
        ),
        {"router__alpha": [1.0, 1e6]},
        scoring=make_routing_scorer(0.05),
        cv=2,
        error_score="raise",
    ).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    router = GuaranteedRouter(
        KNNRouter(20), max_cost=2.0, max_query_cost=25.0, cost_weights=FEW, random_state=0
    )
    pipeline = make_pipeline(StandardScaler(), router).fit(X, y)
    assert pipeline.predict(X).shape == (1200,)

    frame = pd.DataFrame(performance, columns=NAMES)
    prices = pd.Series({"large": 5.0, "small": 0.2, "medium": 1.0})
    table = pd.DataFrame(X, columns=["a", "b", "c"])
    router.fit(table, frame, prices)
    assert router.classes_.tolist() == NAMES
    assert router.feature_names_in_.tolist() == ["a", "b", "c"]
    assert set(router.predict(table)) <= set(NAMES)


def test_text(tiny_encoder_path):
    easy = ["what is the capital of France"] * 100
    hard = ["prove this theorem in python"] * 100
    performance = np.array([[1.0, 1.0]] * 100 + [[0.0, 1.0]] * 100)
    router = GuaranteedRouter(
        LinearRouter(0.1, encoder=tiny_encoder_path, llm_names=["small", "large"]),
        max_cost=3.5,
        max_query_cost=25.0,
        random_state=0,
    ).fit(pd.Series(easy + hard), performance, cost=[0.2, 5.0])
    assert router.predict([easy[0], hard[0]]).tolist() == ["small", "large"]
    assert not hasattr(router, "n_features_in_")
    assert not hasattr(router, "feature_names_in_")


def test_predictions_are_those_of_the_router_at_the_chosen_trade_off(data):
    X, performance, cost = data
    router = GuaranteedRouter(
        LinearRouter(10.0, cost_weight=3.0), max_cost=2.0, max_query_cost=25.0, random_state=0
    )
    router.fit(X, performance, cost)
    asked = {"cost_weight": router.cost_weight_}
    for method in ("predict", "predict_proba", "decision_function"):
        expected = getattr(router.router_, method)(X, **asked)
        np.testing.assert_array_equal(getattr(router, method)(X), expected)
        expected = getattr(router.router_, method)(X, allowed=[0, 2], **asked)
        np.testing.assert_array_equal(getattr(router, method)(X, allowed=[0, 2]), expected)
        with pytest.raises(TypeError, match="cost_weight"):
            getattr(router, method)(X, cost_weight=0.1)
    np.testing.assert_array_equal(
        router.predict_outcomes(X)[0], router.router_.predict_outcomes(X)[0]
    )
    score = routing_score(performance, router.predict(X), cost=cost, **asked).utility
    assert router.score(X, performance, cost) == pytest.approx(score)
    with pytest.raises(ValueError, match="cost is missing"):
        router.score(X, performance)


# What is chosen


TARGETS = [
    {"max_cost": 2.0, "max_query_cost": 25.0},
    {"max_cost": 0.5, "max_query_cost": 25.0, "relative": True, "reference": "large"},
    {"min_performance": 0.65},
    {"min_performance": 0.85, "relative": True, "reference": "large"},
]


def received(router, data, options, cost_weight):
    """What a target limits, and what it is compared with, on each query."""
    X, performance, cost = data
    column = {name: j for j, name in enumerate(NAMES)}
    chosen = [column[name] for name in router.predict(X, cost_weight=cost_weight)]
    table = cost if "max_cost" in options else performance
    reference = table[:, 2] if options.get("relative") else np.ones(len(X))
    return np.stack([table[np.arange(len(X)), chosen], reference])


@pytest.mark.parametrize("options", TARGETS, ids=str)
def test_every_trade_off_is_tested_until_one_fails(options, data, fitted):
    X, performance, cost = data
    router = GuaranteedRouter(
        FrozenEstimator(fitted), cost_weights=FEW, random_state=0, **options
    ).fit(X, performance, cost)
    weights, p_values = router.cost_weights_, router.p_values_
    budget = "max_cost" in options
    np.testing.assert_array_equal(weights, (FEW[::-1] if budget else FEW)[: len(weights)])
    assert (p_values[:-1] <= 0.1).all() and p_values[-1] > 0.1
    assert len(np.unique(p_values)) > 10
    assert router.cost_weight_ == weights[-2]
    assert router.mean_ == router.means_[-2]
    # As if every trade-off were asked of the router one by one, in the same order of the queries.
    order = np.random.RandomState(0).permutation(len(X))
    sign, target = (-1, options["max_cost"]) if budget else (1, options["min_performance"])
    largest = 25.0 if budget else 1.0
    promise = RiskConstraint(sign, target, largest, options.get("relative", False), 1 - 0.9)
    for number in range(len(weights)):
        value, reference = received(fitted, data, options, weights[number])[:, order]
        assert router.means_[number] == pytest.approx(value.mean() / reference.mean())
        unit = largest if "relative" in options else 1.0
        outcomes = value / largest, reference / unit, np.ones(len(X))
        p_value = promise.p_value(outcomes)
        assert p_values[number] == pytest.approx(p_value)
    assert sign * target <= sign * router.bound_ < sign * router.mean_


def test_choices_between_two_steps_are_not_tested_again_but_ties_are():
    # Exactly at 0.25 the two are equal, and the first is called; above it the second, cheaper one.
    X, performance, cost = np.zeros((50, 1)), np.tile([1.0, 0.5], (50, 1)), [3.0, 1.0]
    fitted = LinearRouter(10.0).fit(X, performance, cost)
    assert fitted.predict(X[:1], cost_weight=0.25) == [0]
    router = GuaranteedRouter(
        FrozenEstimator(fitted), max_cost=2.0, cost_weights=[0.0, 0.2, 0.25, 0.3, 0.4]
    ).fit(X, performance, cost)
    assert router.cost_weights_.tolist() == [0.4, 0.3, 0.25]
    assert router.means_.tolist() == pytest.approx([1.0, 1.0, 3.0])
    # At 0 the first of equals is called, above it the cheapest.
    equal = LinearRouter(10.0).fit(X, np.ones((50, 2)), cost)
    router = GuaranteedRouter(
        FrozenEstimator(equal), min_performance=0.9, cost_weights=[0.0, 0.1]
    ).fit(X, np.tile([1.0, 0.0], (50, 1)), cost)
    assert router.means_.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("options", TARGETS, ids=str)
def test_targets_are_broken_no_more_often_than_allowed(options, fitted):
    """Calibration queries are drawn from a pool, whose means are therefore known exactly."""
    pool, n_draws = make(20_000, 2), 150
    X, performance, cost = pool
    outcomes = np.stack([received(fitted, pool, options, weight) for weight in FEW])
    ratio = outcomes[:, 0].mean(axis=1) / outcomes[:, 1].mean(axis=1)
    # The hardest target: one that a trade-off next to those that keep it breaks by a hair.
    name, sign = ("max_cost", -1) if "max_cost" in options else ("min_performance", 1)
    target = ratio[np.abs(ratio - options[name]).argmin()] * (1 + sign * 1e-3)
    kept = sign * ratio >= sign * target
    assert 0 < kept.sum() < len(FEW)
    options = {**options, name: target}
    router = GuaranteedRouter(FrozenEstimator(fitted), cost_weights=FEW, **options)
    broken = naive_broken = 0
    for seed in range(n_draws):
        rows = np.random.default_rng(seed).integers(len(X), size=150)
        router.set_params(random_state=seed).fit(X[rows], performance[rows], cost[rows])
        broken += not kept[FEW == router.cost_weight_][0]
        # A plug-in choice: the last trade-off at which the calibration mean keeps the target.
        drawn = outcomes[:, :, rows].mean(axis=2)
        fine = sign * drawn[:, 0] >= sign * target * drawn[:, 1]
        fine, truth = (fine, kept) if sign > 0 else (fine[::-1], kept[::-1])
        naive_broken += not truth[(fine.argmin() if not fine.all() else len(fine)) - 1]
    allowed = binom.ppf(0.999, n_draws, 0.1)
    assert broken <= allowed
    assert naive_broken > allowed


def test_more_confidence_spends_less(data, fitted):
    X, performance, cost = data
    router = GuaranteedRouter(
        FrozenEstimator(fitted), max_cost=2.0, max_query_cost=25.0, random_state=0
    )
    means = [
        router.set_params(confidence=confidence).fit(X, performance, cost).mean_
        for confidence in (0.5, 0.9, 0.999)
    ]
    assert 2.0 > means[0] > means[1] > means[2]
    assert means[1] > 1.5


def test_a_budget_above_every_cost_buys_the_best(data):
    X, performance, cost = data
    router = GuaranteedRouter(
        LinearRouter(10.0), max_cost=26.0, max_query_cost=25.0, random_state=0
    )
    assert router.fit(X, performance, cost).cost_weight_ == 0
    assert (router.p_values_ == 0).all()
    assert GuaranteedRouter(LinearRouter(10.0), min_performance=0.0).fit(*data).cost_weight_ == 1e6


def test_the_reference_is_the_best_llm_of_the_training_part(data):
    X, performance, cost = data
    performance = performance.copy()
    train, calibration = train_test_split(
        np.arange(1200), test_size=0.25, random_state=np.random.RandomState(3)
    )
    performance[train, 1], performance[calibration, 1] = 1.0, 0.0
    router = GuaranteedRouter(
        LinearRouter(10.0, llm_names=NAMES),
        max_cost=0.9,
        max_query_cost=25.0,
        relative=True,
        calibration_fraction=0.25,
        random_state=3,
    ).fit(X, performance, cost)
    assert (router.reference_, router.n_calibration_) == ("medium", 300)
    named = clone(router).set_params(reference="medium").fit(X, performance, cost)
    assert named.cost_weight_ == router.cost_weight_
    assert named.set_params(relative=False, reference=None).fit(*data).reference_ is None


@pytest.mark.parametrize("relative", [False, True])
def test_llms_that_cost_nothing_keep_every_budget(relative, data):
    X, performance, _ = data
    router = GuaranteedRouter(LinearRouter(10.0), max_cost=0.5, relative=relative, random_state=0)
    router.fit(X, performance, cost=[0.0, 0.0, 0.0])
    assert router.cost_weight_ == router.mean_ == router.bound_ == router.max_query_cost_ == 0
    assert (router.p_values_ == 0).all()
    # It might have been otherwise: now it has to be shown.
    router.set_params(max_query_cost=5.0, relative=False)
    router.fit(X, performance, cost=[0.0, 0.0, 0.0])
    assert router.mean_ == 0 < router.bound_ <= 0.5


def test_labels_of_a_series(data):
    X, performance, _ = data
    # As they were before pandas had strings of its own.
    labels = pd.Series(np.array(NAMES, dtype=object)[performance.argmax(axis=1)], dtype=object)
    router = GuaranteedRouter(LinearRouter(10.0), max_cost=1.5, relative=True, random_state=0)
    router.fit(X, labels, cost=[1.0, 2.0, 9.0])
    assert router.reference_ == labels.value_counts().index[0]
    assert type(router.reference_) is str
    rare = pd.Series(["a"] * 99 + ["b"] * 100 + ["rare"], dtype=object)
    _, calibration = train_test_split(
        np.arange(200), test_size=0.5, random_state=np.random.RandomState(1)
    )
    assert 199 in calibration
    router = GuaranteedRouter(LinearRouter(10.0), max_cost=8.0, random_state=1)
    router.fit(X[:200], rare, cost=[1.0, 2.0, 9.0])
    assert router.classes_.tolist() == ["a", "b", "rare"]


def test_what_was_not_observed_is_taken_at_its_worst(fitted):
    X, performance, cost = make(600, 3)
    missing = np.random.default_rng(0).random(600) < 0.1
    worst, hidden = performance.copy(), performance.copy()
    worst[missing], hidden[missing] = 0.0, np.nan
    target = {"cost_weights": FEW, "random_state": 0}
    router = GuaranteedRouter(FrozenEstimator(fitted), min_performance=0.5, **target)
    expected = router.fit(X, worst, cost).means_
    np.testing.assert_array_equal(router.fit(X, hidden, cost).means_, expected)
    expensive, unknown = cost.copy(), cost.copy()
    expensive[missing], unknown[missing] = 25.0, np.nan
    router = GuaranteedRouter(FrozenEstimator(fitted), max_cost=4.0, max_query_cost=25.0, **target)
    expected = router.fit(X, performance, expensive).means_
    np.testing.assert_array_equal(router.fit(X, performance, unknown).means_, expected)
    # The reference, on the other hand, at its best.
    best = performance.copy()
    best[missing, 2], hidden = 1.0, performance.copy()
    hidden[missing, 2] = np.nan
    router = GuaranteedRouter(
        FrozenEstimator(fitted),
        min_performance=0.3,
        relative=True,
        reference="large",
        cost_weights=[10.0],  # never calls it
    )
    assert router.fit(X, hidden, cost).mean_ == router.fit(X, best, cost).mean_


def test_weights(data):
    X, performance, cost = data
    weight = np.random.default_rng(0).integers(0, 3, size=1200)
    router = GuaranteedRouter(LinearRouter(10.0), max_cost=2.0, max_query_cost=25.0, random_state=0)
    router.fit(X, performance, cost, sample_weight=weight)
    kept = weight > 0
    again = clone(router).fit(X[kept], performance[kept], cost[kept], weight[kept])
    np.testing.assert_array_equal(again.p_values_, router.p_values_)
    frozen = GuaranteedRouter(
        FrozenEstimator(router.router_), max_cost=2.0, max_query_cost=25.0, random_state=0
    )
    p_values = frozen.fit(X, performance, cost, weight).p_values_
    scaled = frozen.fit(X, performance, cost, weight * 7.0).p_values_
    np.testing.assert_allclose(scaled, p_values)
    assert router.n_calibration_ == kept.sum() / 2
    rows = np.flatnonzero(weight)
    _, calibration = train_test_split(rows, test_size=0.5, random_state=np.random.RandomState(0))
    chosen = router.predict(X[calibration])
    score = routing_score(
        performance[calibration], chosen, cost=cost[calibration], sample_weight=weight[calibration]
    )
    assert router.mean_ == pytest.approx(score.cost)


def test_a_frozen_router_is_left_as_it_is(data, fitted):
    X, performance, cost = data
    before = pickle.dumps(fitted)
    router = GuaranteedRouter(
        FrozenEstimator(fitted), max_cost=2.0, max_query_cost=25.0, random_state=0
    )
    frame = pd.DataFrame(performance, columns=NAMES)[["large", "small", "medium"]]
    router.fit(X, frame, pd.DataFrame(cost, columns=NAMES))
    assert router.n_calibration_ == 1200
    assert router.router_ is fitted
    assert pickle.dumps(fitted) == before
    assert clone(router).fit(X, performance, cost).cost_weight_ == router.cost_weight_


@pytest.mark.parametrize("change", ["fit", "update_cost"])
def test_a_guarantee_is_not_for_a_router_that_was_changed(data, change):
    """Fitted again, or at other prices, a budget of 3 would spend more without a word."""
    X, performance, cost = (table[:400] for table in data)
    inner = RadialRouterClassifier(
        llm_names=NAMES, cv=None, max_iter=1, device="cpu", random_state=0
    ).fit(X[:100], performance[:100], cost[:100])
    router = GuaranteedRouter(
        FrozenEstimator(inner), max_cost=5.0, max_query_cost=25.0, random_state=0
    )
    router.fit(X[100:], performance[100:], cost[100:]).predict(X)
    if change == "fit":
        inner.fit(X[:100], performance[:100], cost[:100])
    else:
        inner.update_cost({"large": 2.0}, relative=True)
    for method in ("predict", "predict_proba", "decision_function", "predict_outcomes"):
        with pytest.raises(ValueError, match="fitted again, or its pool or its costs were changed"):
            getattr(router, method)(X)
    router.fit(X[100:], performance[100:], cost[100:]).predict(X)


def test_a_guarantee_is_not_for_another_pool(data):
    X, performance, cost = (table[:400] for table in data)
    inner = RadialRouterClassifier(
        llm_names=NAMES, cv=None, max_iter=1, device="cpu", random_state=0
    ).fit(X[:100], performance[:100], cost[:100])
    frozen = GuaranteedRouter(
        FrozenEstimator(inner), max_cost=5.0, max_query_cost=25.0, random_state=0
    )
    frozen.fit(X[100:], performance[100:], cost[100:])
    fitted = GuaranteedRouter(clone(inner), max_cost=5.0, max_query_cost=25.0, random_state=0)
    fitted.fit(X, performance, cost)
    for router in (frozen, fitted):
        router.predict(X)
        router.router_.remove_llm("small")
        for method in ("predict", "predict_proba", "decision_function", "predict_outcomes"):
            with pytest.raises(ValueError, match=r"is \['medium', 'large'\], but was \['small'"):
                getattr(router, method)(X)
        with pytest.raises(ValueError, match="Fit again"):
            router.score(X, performance, cost)
    table = pd.DataFrame(performance, columns=NAMES)[["medium", "large"]]
    frozen.fit(X[100:], table[100:], cost[100:, 1:])
    np.testing.assert_array_equal(
        frozen.predict(X), inner.predict(X, cost_weight=frozen.cost_weight_)
    )


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "One of max_cost and min_performance must be given, got max_cost=None"),
        ({"max_cost": 1.0, "min_performance": 0.5}, "One of max_cost and min_performance"),
        ({"max_cost": 0.0}, "'max_cost' parameter"),
        ({"min_performance": -0.1}, "'min_performance' parameter"),
        ({"min_performance": 1.2}, "min_performance must be in [0, 1], got 1.2"),
        ({"min_performance": 0.5, "max_query_cost": 9.0}, "max_query_cost was given, but only"),
        ({"max_cost": 1.0, "max_query_cost": 9.0}, "max_query_cost=9.0 is no upper bound: cost"),
        ({"max_cost": 1.0, "reference": 2}, "reference=2 was given, but the target is absolute"),
        ({"max_cost": 1.0, "relative": True, "reference": 3}, "reference=3 is not in the pool"),
        ({"max_cost": 1.0, "confidence": 1.0}, "'confidence' parameter"),
        ({"max_cost": 1.0, "calibration_fraction": 1.5}, "'calibration_fraction' parameter"),
        ({"max_cost": 1.0, "cost_weights": []}, "cost_weights must hold finite numbers >= 0"),
        ({"max_cost": 1.0, "cost_weights": [-1.0]}, "cost_weights must hold finite numbers >= 0"),
        ({"max_cost": 1.0, "cost_weights": [[1.0]]}, "cost_weights must hold finite numbers >= 0"),
        ({"max_cost": 1.0, "cost_weights": ["a"]}, "cost_weights must hold finite numbers >= 0"),
        ({"max_cost": 1.0, "cost_weights": "all"}, "'cost_weights' parameter"),
    ],
)
def test_bad_requests_are_refused_before_any_work(options, message, data, monkeypatch):
    monkeypatch.setattr(LinearRouter, "_read_training_data", None)
    with pytest.raises(ValueError, match=re.escape(message)):
        GuaranteedRouter(LinearRouter(10.0), **options).fit(*data)


@pytest.mark.parametrize(
    "router", [BestSingleRouter(), CosineClassifierRouter(16)], ids=lambda r: type(r).__name__
)
def test_a_router_of_one_trade_off_is_refused(router, data):
    with pytest.raises(ValueError, match=f"{type(router).__name__}, which serves one trade-off"):
        GuaranteedRouter(router, max_cost=1.0).fit(*data)


def test_bad_outcomes_are_refused_before_any_work(data, monkeypatch):
    monkeypatch.setattr(LinearRouter, "_read_training_data", None)
    X, performance, cost = data
    router = GuaranteedRouter(LinearRouter(10.0), min_performance=0.5)
    for missing in (None, np.full(3, np.nan)):
        with pytest.raises(ValueError, match="cost is missing: without costs there is no trade"):
            router.fit(X, performance, missing)
    with pytest.raises(ValueError, match=r"performance in \[0, 1\], but that in y is from 0 to 5"):
        router.fit(X, performance * 5, cost)
    # Costs are known of queries only that are left out.
    weight = np.arange(len(X)) < 600
    router.set_params(min_performance=None, max_cost=1.0)
    with pytest.raises(ValueError, match="max_query_cost is missing: no cost of a query of posit"):
        router.fit(X, performance, np.where(weight[:, None], np.nan, cost), weight.astype(float))


def test_a_frozen_router_that_knows_too_little_is_refused(data):
    X, performance, cost = data
    free = LinearRouter(10.0).fit(X, performance)
    for router, options, error, message in [
        (LinearRouter(10.0), {}, NotFittedError, "not fitted"),
        (free, {}, ValueError, "router was fitted without costs"),
        (clone(free).fit(X, performance, cost), {"relative": True}, ValueError, "reference is mis"),
    ]:
        with pytest.raises(error, match=message):
            GuaranteedRouter(FrozenEstimator(router), max_cost=0.9, **options).fit(*data)


@pytest.mark.parametrize(
    ("options", "safest", "rest"),
    [
        (
            {"max_cost": 0.21, "max_query_cost": 25.0},
            "cost_weight=1e+06",
            "over 600 calibration queries is 0.2",
        ),
        ({"min_performance": 0.99}, "cost_weight=0", "over 600 calibration queries is 0.8"),
        ({"min_performance": 1.5, "relative": True}, "cost_weight=0", "of the reference's"),
    ],
)
def test_a_target_out_of_reach_is_refused_with_the_best_that_is_not(options, safest, rest, data):
    X, performance, cost = data
    (name, target), *_ = options.items()
    router = GuaranteedRouter(
        LinearRouter(10.0), max_cost=2.0, max_query_cost=25.0, random_state=0
    ).fit(*data)
    before = router.predict(X)
    router.set_params(**{"max_cost": None, "max_query_cost": None, **options})
    with pytest.raises(ValueError) as error:
        router.fit(X, performance, cost)
    message = str(error.value)
    assert message.startswith(f"{name}={target} cannot be promised with confidence=0.9")
    assert safest in message and rest in message
    np.testing.assert_array_equal(router.predict(X), before)
    # What is named can be had, up to the figures of the message.
    best = float(re.search(r"best that could be promised there is ([\d.]+)\.", message)[1])
    slack = 1.001 if name == "max_cost" else 0.999
    router.set_params(**{name: best * slack}).fit(X, performance, cost)


# Betting


@pytest.mark.parametrize("rate", [0.5, 0.1, 0.02])
@pytest.mark.parametrize("sign", [1, -1])
def test_p_values_are_valid_also_for_rare_and_large_outcomes(rate, sign):
    """With 0.02, eight in ten samples of ten show nothing at all."""
    rng, n_samples = np.random.default_rng(0), 4000
    for n in (10, 100):
        values = (rng.random((n_samples, n)) < rate).astype(float)
        gains = sign * (values - rate)
        bets = plug_in_bets(gains, 0.1, 1.0)
        p_values = betting_p_value(gains, bets, rate if sign > 0 else 1 - rate)
        for level in (0.1, 0.02):
            assert (p_values <= level).sum() <= binom.ppf(0.9999, n_samples, level)


def test_bets_know_nothing_of_what_they_are_placed_on():
    gains = np.random.default_rng(0).normal(size=50)
    bets = plug_in_bets(gains, 0.1, 4.0)
    for t in (0, 10, 49):
        changed = gains.copy()
        changed[t] = -3.0
        np.testing.assert_array_equal(plug_in_bets(changed, 0.1, 4.0)[: t + 1], bets[: t + 1])


def test_small_variance_is_worth_much_less_caution_than_hoeffding():
    value = np.random.default_rng(0).gamma(4.0, 0.25, size=1000)  # mean 1, at most about 4
    promise = RiskConstraint(-1, 1.2, 20.0, False, 0.1)
    outcomes = value / 20.0, np.ones(1000), np.ones(1000)
    hoeffding = value.mean() + 20.0 * np.sqrt(np.log(10) / 2000)
    assert value.mean() < promise.bound(outcomes) < 1.1 < 1.6 < hoeffding


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_bound_is_where_the_p_value_reaches_the_level(sign, relative):
    rng = np.random.default_rng(0)
    outcomes = rng.random(300), rng.random(300) if relative else np.ones(300), rng.random(300)
    promise = RiskConstraint(sign, 0.5, 1.0, relative, 0.1)
    bound = promise.bound(outcomes)
    assert sign * bound < sign * promise.mean(outcomes)
    targets = np.linspace(0, 2, 201)
    bets = promise._bets(outcomes)
    accepted = np.array([promise._p_value(target, outcomes, bets) <= 0.1 for target in targets])
    np.testing.assert_array_equal(accepted, sign * targets <= sign * bound)


def test_a_reference_of_zero_bounds_nothing():
    ones, zeros = np.ones(20), np.zeros(20)
    promise = RiskConstraint(-1, 0.5, 1.0, True, 0.1)
    assert promise.bound((ones, zeros, ones)) == promise.mean((ones, zeros, ones)) == np.inf
    assert promise.p_value((ones, zeros, ones)) == 1.0
