"""Exploration: what is drawn, how probable it was, and that the log tells the truth."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.decomposition import TruncatedSVD
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skrouter import (
    ExploringRouter,
    FallbackRouter,
    RadialRouterClassifier,
    make_logged_target,
    make_routing_target,
    trade_off_for_budget,
)
from skrouter.baselines import (
    BestPerTaskRouter,
    BestSingleRouter,
    FrugalGPTRouter,
    HybridLLMRouter,
    KNNRouter,
    LinearRouter,
    RandomRouter,
    ZeroRouter,
)
from skrouter.datasets import load_log, make_routing_problem
from skrouter.metrics import make_routing_scorer, off_policy_value, routing_score

NAMES = ["a", "b", "c"]
COST = np.array([0.5, 1.0, 20.0])


def expected_failures(estimator):
    failures = {}
    if isinstance(estimator.router, KNNRouter):
        reason = "neighbours have no weights, and the router says so"
        failures |= {
            "check_sample_weights_not_overwritten": reason,
            "check_sample_weight_equivalence_on_dense_data": reason,
        }
    if estimator.exploration:
        reason = "some of its choices are drawn, and are not those of largest probability"
        failures |= dict.fromkeys(["check_classifiers_train", "check_classifiers_classes"], reason)
    return failures


@parametrize_with_checks(
    [
        ExploringRouter(LinearRouter(10.0), exploration=0),
        ExploringRouter(BestSingleRouter(), exploration=0.0),
        ExploringRouter(LinearRouter(10.0), exploration=0.2, random_state=0),
        ExploringRouter(KNNRouter(), random_state=0),
    ],
    expected_failed_checks=expected_failures,
    xfail_strict=True,
)
def test_scikit_learn_conventions(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def numbers():
    """The sign of the first feature tells which of two LLMs is good; a third is expensive."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    performance = np.stack([X[:, 0] > 0, X[:, 0] <= 0, np.ones(200)], axis=1).astype(float)
    return X, performance


@pytest.fixture(scope="module")
def linear(numbers):
    X, performance = numbers
    return LinearRouter(llm_names=NAMES).fit(X, performance, cost=COST)


def exploring(router, **parameters):
    """An exploring router around a fitted one."""
    return ExploringRouter(FrozenEstimator(router), **parameters).fit()


def test_it_fits_the_router_that_it_is_given(linear, numbers):
    X, performance = numbers
    router = ExploringRouter(LinearRouter(llm_names=NAMES), exploration=0.0)
    router.fit(X, performance, cost=COST)
    np.testing.assert_array_equal(router.predict(X), linear.predict(X))
    assert not hasattr(router.router, "classes_")
    assert exploring(linear).router_ is linear
    assert router.n_features_in_ == exploring(linear).n_features_in_ == 4
    weight = (X[:, 0] > 0).astype(float)
    router.set_params(router=BestSingleRouter(cost_weight=0.5, llm_names=NAMES))
    assert set(router.fit(X, performance, COST, weight).predict(X)) == {"a"}
    assert set(router.fit(X, performance, COST, 1 - weight).predict(X)) == {"b"}


def test_propensities_are_those_of_the_rule(linear, numbers):
    X = numbers[0]
    router = exploring(linear, exploration=np.float32(0.3))
    best = linear.predict(X)[:, None] == NAMES
    probabilities = router.predict_proba(X)
    np.testing.assert_allclose(probabilities, np.where(best, 0.8, 0.1))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(router.set_params(exploration=0).predict_proba(X), best)
    np.testing.assert_allclose(router.set_params(exploration=1).predict_proba(X), 1 / 3)
    np.testing.assert_array_equal(router.decision_function(X), linear.decision_function(X))
    np.testing.assert_array_equal(
        router.predict_outcomes(X).performance, linear.predict_outcomes(X).performance
    )


def test_every_query_has_its_own_trade_off_and_pool(linear, numbers):
    X = numbers[0][:4]
    router = exploring(linear, exploration=0.3)
    weights = [0.0, 0.1, 1.0, 5.0]
    allowed = [["a", "b"], ["c"], ["b", "c"], ["a", "b", "c"]]
    options = {"cost_weight": weights, "allowed": allowed}
    best = linear.predict(X, **options)[:, None] == NAMES
    may = np.array([[name in names for name in NAMES] for names in allowed])
    expected = 0.7 * best + 0.3 * may / may.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(router.predict_proba(X, **options), expected)
    drawn = [router.decide(X, **options) for _ in range(200)]
    for name, column in zip(NAMES, may.T, strict=True):
        ever = np.any([decisions.llm == name for decisions in drawn], axis=0)
        np.testing.assert_array_equal(ever, column)
    assert all(decisions.propensity[1] == 1 for decisions in drawn)


@pytest.mark.parametrize("method", ["predict", "decide", "predict_proba"])
def test_bad_options_are_refused(linear, numbers, method):
    ask = getattr(exploring(linear), method)
    with pytest.raises(ValueError, match="allowed holds no LLM"):
        ask(numbers[0], allowed=[])
    with pytest.raises(ValueError, match=r"allowed names \['d'\]"):
        ask(numbers[0], allowed=["d"])
    with pytest.raises(ValueError, match="cost_weight must be a finite number >= 0"):
        ask(numbers[0], cost_weight=-1.0)


def test_what_is_drawn_follows_the_propensities(linear, numbers):
    """Frequencies of each LLM on each of a few queries, by Pearson's statistic."""
    X = numbers[0][:5]
    router = exploring(linear, exploration=0.4, random_state=np.random.RandomState(0))
    n_draws = 4000
    drawn = router.decide(np.repeat(X, n_draws, axis=0))
    expected = router.predict_proba(X)
    counts = np.stack([drawn.llm.reshape(5, -1) == name for name in NAMES], axis=-1).sum(axis=1)
    statistic = ((counts - n_draws * expected) ** 2 / (n_draws * expected)).sum()
    assert statistic < 29.6  # chi-square with 10 degrees of freedom, at 0.001
    column = (drawn.llm[:, None] == NAMES).argmax(axis=1)
    np.testing.assert_array_equal(
        drawn.propensity, np.repeat(expected, n_draws, axis=0)[np.arange(5 * n_draws), column]
    )
    own = np.repeat(linear.predict(X), n_draws)
    np.testing.assert_array_equal(drawn.explored, drawn.llm != own)


def test_seeds(linear, numbers):
    X = numbers[0]
    seeded = exploring(linear, exploration=0.5, random_state=3)
    for method in (seeded.predict, lambda X: seeded.decide(X).llm):
        np.testing.assert_array_equal(method(X), seeded.predict(X))
    fresh = exploring(linear, exploration=0.5)
    assert (fresh.predict(X) != fresh.predict(X)).any()
    state = exploring(linear, exploration=0.5, random_state=np.random.RandomState(3))
    np.testing.assert_array_equal(state.predict(X), seeded.predict(X))
    assert (state.predict(X) != seeded.predict(X)).any()


def test_the_global_random_state_is_left_alone(linear, numbers):
    router = exploring(linear, exploration=0.5)
    before = np.random.get_state()
    first = router.predict(numbers[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])
    assert np.random.get_state()[2] == before[2]
    np.random.set_state(before)
    assert (router.predict(numbers[0]) != first).any()


def test_a_prediction_changes_nothing(linear, numbers):
    for state in (None, 0):
        router = exploring(linear, exploration=0.5, random_state=state)
        before = pickle.dumps(router)
        router.predict(numbers[0])
        router.score(*numbers, cost=COST)
        assert pickle.dumps(router) == before


def test_score_is_the_expectation_over_the_draws(linear, numbers):
    X, performance = numbers
    router = exploring(linear, exploration=0.3, random_state=np.random.RandomState(0))
    utility = performance - 0.02 * COST
    even = utility.mean()
    own = linear.score(X, performance, COST)
    assert router.score(X, performance, COST) == pytest.approx(0.7 * own + 0.3 * even)
    weight = np.arange(200.0)
    expected = routing_score(
        performance, router.predict_proba(X), cost=COST, cost_weight=0.02, sample_weight=weight
    ).utility
    assert router.score(X, performance, COST, weight) == pytest.approx(expected)
    drawn = [
        routing_score(performance, router.predict(X), cost=COST, cost_weight=0.02, llm_names=NAMES)
        for _ in range(200)
    ]
    values = [score.utility for score in drawn]
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values) - router.score(X, performance, COST)) < 4 * error
    with pytest.raises(ValueError, match="cost is missing"):
        router.score(X, performance)


def test_routers_that_draw_are_explored_around_their_own_probabilities(numbers):
    X, performance = numbers
    zero = ZeroRouter(budget=5.0, llm_names=NAMES, random_state=0).fit(X, performance, COST)
    used = zero.shares_ > 0
    assert used.sum() == 2
    router = exploring(zero, exploration=0.2, random_state=0)
    expected = np.tile(0.8 * zero.shares_ + 0.2 * used / 2, (len(X), 1))
    np.testing.assert_allclose(router.predict_proba(X), expected)
    many = np.zeros((20000, 4))
    llms = router.decide(many).llm  # both seeds are 0, and the draws do not hang together
    for name, share in zip(NAMES, expected[0], strict=True):
        assert abs((llms == name).mean() - share) <= 4 * np.sqrt(share * (1 - share) / 20000)
    drawn = exploring(RandomRouter(llm_names=NAMES).fit(X, performance), exploration=0.2)
    np.testing.assert_allclose(drawn.predict_proba(X), 1 / 3)
    assert not drawn.decide(X).explored.any()


def test_what_a_router_never_calls_is_not_explored(numbers):
    X, performance = numbers
    hybrid = HybridLLMRouter("a", "c", llm_names=NAMES, random_state=0).fit(X, performance, COST)
    router = exploring(hybrid, exploration=1.0)
    np.testing.assert_allclose(router.predict_proba(X), [[0.5, 0.0, 0.5]] * len(X))
    assert set(router.predict(X)) == {"a", "c"}
    cascade = FrugalGPTRouter(order=["a", "c"], llm_names=NAMES, random_state=0)
    router = exploring(cascade.fit(X, performance, COST), exploration=0.3)
    best = router.router_.predict(X)[:, None] == NAMES
    np.testing.assert_allclose(router.predict_proba(X), 0.7 * best + 0.1)


def test_one_llm_one_query(numbers):
    X, performance = numbers
    router = ExploringRouter(LinearRouter(llm_names=["a"]), exploration=1.0)
    decisions = router.fit(X, performance[:, :1]).decide(X[:1])
    assert (decisions.llm, decisions.propensity, decisions.explored) == ("a", 1.0, False)


def test_it_follows_the_pool_of_the_router(numbers):
    X, performance = numbers
    inner = RadialRouterClassifier(
        llm_names=NAMES, cv=None, max_iter=1, device="cpu", random_state=0
    )
    router = ExploringRouter(inner, exploration=1.0).fit(X, performance, cost=COST)
    router.router_.remove_llm("a")
    assert router.classes_.tolist() == ["b", "c"] and set(router.predict(X)) == {"b", "c"}
    router.router_.add_llm("d", np.ones(50), cost=0.0, X=X[:50])
    assert set(router.predict(X)) == {"b", "c", "d"}
    assert not hasattr(clone(router), "classes_")


def test_only_routers_that_predict_outcomes_have_them():
    assert not hasattr(ExploringRouter(BestSingleRouter()), "predict_outcomes")
    assert hasattr(ExploringRouter(LinearRouter(10.0)), "predict_outcomes")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"exploration": 1.1}, "'exploration' parameter of ExploringRouter must be"),
        ({"exploration": -0.1}, "'exploration' parameter of ExploringRouter must be"),
        ({"exploration": "much"}, "'exploration' parameter of ExploringRouter must be"),
        ({"random_state": "x"}, "'random_state' parameter of ExploringRouter must be"),
        ({"router": StandardScaler()}, "'router' parameter of ExploringRouter must be"),
        ({"router": BestPerTaskRouter()}, "BestPerTaskRouter, which must be told the task"),
    ],
)
def test_bad_parameters_are_refused(numbers, change, message):
    X, performance = numbers
    router = ExploringRouter(LinearRouter(llm_names=NAMES))
    before = router.fit(X, performance).predict_proba(X)
    with pytest.raises(ValueError, match=message):
        clone(router).set_params(**change).fit(X, performance)
    with pytest.raises(ValueError, match=message):
        router.set_params(**change).fit(X, performance)
    if "exploration" in change:
        with pytest.raises(ValueError, match=r"exploration must be a share in \[0, 1\], got"):
            router.predict(X)
    np.testing.assert_array_equal(router.set_params(exploration=0.05).predict_proba(X), before)


@pytest.mark.parametrize(
    "router",
    [
        make_pipeline(LinearRouter(10.0)),
        ExploringRouter(LinearRouter(10.0)),
        FrozenEstimator(FallbackRouter(LinearRouter(10.0), min_margin=0.1)),
    ],
)
def test_only_a_router_itself_can_be_inside(router, numbers):
    with pytest.raises(TypeError, match="router must be a router of skrouter that is none around"):
        ExploringRouter(router).fit(*numbers)


def test_data_are_needed_but_around_a_frozen_router(linear, numbers):
    X, performance = numbers
    for given, missing in (((), "X are"), ((X,), "y is"), ((None, performance), "X are")):
        with pytest.raises(ValueError, match=f"{missing} None. Only a fitted router"):
            ExploringRouter(LinearRouter(10.0)).fit(*given)
    router = ExploringRouter(FrozenEstimator(linear))
    with pytest.raises(NotFittedError):
        router.predict(X)
    assert router.fit(X, performance, COST).router_ is linear
    with pytest.raises(ValueError, match="X has 200, and y has 50"):
        router.fit(X, performance[:50])
    with pytest.raises(ValueError, match="y has 200, and sample_weight has 50"):
        router.fit(X, performance, sample_weight=np.ones(50))
    with pytest.raises(NotFittedError):
        ExploringRouter(FrozenEstimator(LinearRouter(10.0))).fit()


def test_it_can_be_searched_over_put_in_a_pipeline_and_pickled(numbers):
    X, performance = numbers
    y = make_routing_target(performance, COST)
    router = ExploringRouter(LinearRouter(llm_names=NAMES), random_state=0)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), router),
        {"exploringrouter__exploration": [0.0, 1.0], "exploringrouter__router__alpha": [1.0]},
        scoring=make_routing_scorer(0.02),
        cv=2,
    ).fit(X, y)
    assert search.best_params_["exploringrouter__exploration"] == 0.0
    best = search.best_estimator_.set_params(exploringrouter__exploration=0.5)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(best)).predict(X), best.predict(X))
    assert "LinearRouter" in best._repr_html_() and "exploration" in best._repr_html_()


def test_names_of_data_frames(numbers):
    X, performance = numbers
    table = pd.DataFrame(X, columns=list("wxyz"))
    target = pd.DataFrame(performance, columns=NAMES)
    router = ExploringRouter(LinearRouter(10.0)).fit(table, target, pd.Series(COST, index=NAMES))
    assert router.feature_names_in_.tolist() == list("wxyz")
    decided = pd.DataFrame({"row": table.index, **router.decide(table)})
    assert list(decided) == ["row", "llm", "propensity", "explored"] and len(decided) == len(X)


def test_a_forecast_counts_what_is_explored(linear, numbers):
    X = numbers[0]
    plain = trade_off_for_budget(linear, X, budget=4.0, period_queries=1000)
    router = exploring(linear, exploration=0.1)
    found = trade_off_for_budget(router, X, budget=4.0, period_queries=1000)
    assert found == trade_off_for_budget(router, X, budget=4.0, period_queries=1000)
    assert found.cost <= 4.0 and found.cost_weight > plain.cost_weight
    shares = router.predict_proba(X, cost_weight=found.cost_weight)
    outcomes = linear.predict_outcomes(X)
    assert found.cost == pytest.approx((shares * outcomes.cost).sum(axis=1).mean())
    assert found.performance == pytest.approx((shares * outcomes.performance).sum(axis=1).mean())
    for name, share in zip(NAMES, shares.mean(axis=0), strict=True):
        assert found.llms[name].share == pytest.approx(share)
    assert sum(part.cost for part in found.llms.values()) == pytest.approx(found.cost)


# From the log to what another router would have achieved


@pytest.fixture(scope="module")
def production():
    """A router on text that was fitted long ago, queries that came since, and a candidate."""
    data = make_routing_problem(1400, random_state=0)
    encoder = make_pipeline(TfidfVectorizer(), TruncatedSVD(16, random_state=0))

    def fit(rows, alpha):
        router = LinearRouter(alpha, encoder=encoder, llm_names=data.llm_names)
        return router.fit(data.queries[rows], data.performance[rows], cost=data.cost[rows])

    served, candidate = fit(slice(0, 100), 100.0), fit(slice(0, 400), 1.0)
    queries, performance, cost = (
        values[400:] for values in (data.queries, data.performance, data.cost)
    )
    assert (served.predict(queries) != candidate.predict(queries)).mean() > 0.1
    return exploring(served, exploration=0.3), candidate, (queries, performance, cost)


def log_of(router, queries, performance, cost):
    """What production writes down: one LLM per query, its rating and its bill, in dollars."""
    decisions = router.decide(queries)
    rows = np.arange(len(queries))
    column = (decisions.llm[:, None] == router.classes_).argmax(axis=1)
    return pd.DataFrame(
        {
            "query": queries,
            **decisions,
            "rating": performance[rows, column],
            "dollars": cost[rows, column] / 1000,
        }
    )


def read(records):
    columns = {"query": "query", "llm": "llm", "performance": "rating", "cost": "dollars"}
    return load_log(records, **columns, propensity="propensity")


def test_a_log_tells_what_another_router_would_have_achieved(production):
    """The mean over many logs is the truth, within its standard error; without propensities not."""
    router, candidate, (queries, performance, cost) = production
    router = clone(router).set_params(random_state=np.random.RandomState(0)).fit()
    choices = candidate.predict(queries)
    names = router.classes_
    truth = routing_score(
        performance, choices, cost=cost, cost_weight=0.02, llm_names=names
    ).utility
    settings = {"llm_names": names, "cost_weight": 0.02, "method": "ips", "n_resamples": 2}
    estimates, naive = [], []
    for _ in range(150):
        records = log_of(router, queries, performance, cost)
        log = {
            "logged_llms": records["llm"],
            "performance": records["rating"],
            "cost": records["dollars"] * 1000,
        }
        for found, propensity in ((estimates, records["propensity"]), (naive, 0.3)):
            value = off_policy_value(
                choices,
                **log,
                propensity=propensity,
                min_propensity=0.3 / len(names),
                max_query_cost=cost.max(),
                **settings,
            )
            found.append(value.utility)
    error = np.std(estimates, ddof=1) / np.sqrt(len(estimates))
    assert error < 0.01
    assert abs(np.mean(estimates) - truth) < 4 * error
    assert abs(np.mean(naive) - truth) > 10 * error


def test_the_whole_circle(production):
    """Serve and explore, read the log, judge a candidate on a part of it, learn from the rest."""
    router, candidate, (queries, performance, cost) = production
    router = clone(router).set_params(random_state=0).fit()
    records = log_of(router, queries, performance, cost)
    log = read(records)
    np.testing.assert_array_equal(log.queries, queries)
    np.testing.assert_array_equal(log.propensity, records["propensity"])
    assert len(log.logged["logged_llms"]) == len(queries)
    names = router.classes_

    choices = candidate.predict(log.queries)
    truth = routing_score(performance, choices, cost=cost, cost_weight=0.02, llm_names=names)
    value = off_policy_value(
        choices,
        **log.logged,
        predicted=candidate.predict_outcomes(log.queries),
        cost_weight=0.02,
        llm_names=names,
        min_propensity=router.exploration / len(names),
        max_query_cost=cost.max(),
        n_resamples=499,
        random_state=0,
    )
    assert value.low < truth.utility < value.high and value.high - value.low < 0.4
    assert abs(value.mean_weight - 1) < 0.2 and value.effective_sample_size > 50

    target = make_logged_target(
        records["llm"], records["rating"], records["dollars"] * 1000, llm_names=names
    )
    learnt = clone(candidate).fit(queries[:800], target.rows(slice(0, 800)))
    assert learnt.classes_.tolist() == names.tolist()
    test = queries[800:], performance[800:], cost[800:]
    assert learnt.score(*test) > router.router_.score(*test) + 0.02 > router.score(*test)
