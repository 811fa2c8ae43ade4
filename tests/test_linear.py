"""The linear router: penalty and rank by what choices are worth on held-out queries."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge

from skrouter.baselines import BestSingleRouter, LinearRouter
from skrouter.baselines._linear import _PENALTIES

nan = np.nan
N_LLMS = 12
TRAIN, TEST = slice(0, 300), slice(300, None)


def make(seed, *, signal=0.3, n_queries=1500, n_features=40, n_llms=N_LLMS):
    """LLMs differ in one direction of the queries: the one half is good where the other is bad."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_queries, n_features)) / np.sqrt(n_features)
    side = np.tile([1.0, -1.0], n_llms // 2)
    chance = 0.5 + signal * np.sign(X[:, :1]) * side
    performance = (rng.random(chance.shape) < chance).astype(float)
    cost = rng.gamma(4.0, 0.25, size=(n_queries, n_llms)) * np.linspace(1.0, 3.0, n_llms)
    return X, performance, cost


def fit(router, data, rows=TRAIN, **options):
    X, performance, cost = data
    return router.fit(X[rows], performance[rows], cost[rows], **options)


def score(router, data):
    X, performance, cost = data
    return fit(router, data).score(X[TEST], performance[TEST], cost[TEST])


def test_it_is_worth_more_than_one_penalty_for_all():
    gains = []
    for seed in range(5):
        data = make(seed)
        gains.append([score(LinearRouter(), data), score(LinearRouter(10.0), data)])
        router = fit(LinearRouter(), data)
        assert 0 < router.rank_ < N_LLMS
        penalty = router.alpha_ / data[0][TRAIN].var(axis=0).sum()
        assert penalty == pytest.approx(min(_PENALTIES, key=lambda x: abs(x - penalty)))
    chosen, fixed = np.mean(gains, axis=0)
    assert chosen > fixed + 0.01


def test_noise_is_not_taken_for_a_signal():
    worse = 0
    for seed in range(10):
        data = make(seed, signal=0.0)
        router, single = fit(LinearRouter(), data), fit(BestSingleRouter(), data)
        X, test = data[0][TEST], data[0][TEST]
        if router.rank_ == 0:
            assert np.isinf(router.alpha_)
            for cost_weight in (0.0, 0.02):
                again = BestSingleRouter(cost_weight=cost_weight)
                expected = fit(again, data).predict(X)
                chosen = router.predict(X, cost_weight=cost_weight)
                np.testing.assert_array_equal(chosen, expected)
        worse += (router.predict(test) != single.predict(test)).any()
    assert worse <= 1


def test_one_fit_serves_every_trade_off():
    """What is chosen depends on no trade-off of the router's own."""
    data = make(0)
    cheap, dear = (fit(LinearRouter(cost_weight=weight), data) for weight in (0.5, 0.0))
    assert cheap.alpha_ == dear.alpha_ and cheap.rank_ == dear.rank_ > 0
    np.testing.assert_array_equal(
        cheap.predict_outcomes(data[0]).performance, dear.predict_outcomes(data[0]).performance
    )


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_of_a_lower_rank_are_the_fitted_outcomes_in_their_first_directions(rank):
    X, performance, cost = data = make(1)
    weight = np.random.default_rng(0).uniform(0.5, 2.0, 300)
    router = fit(LinearRouter(3.0, rank=rank), data, sample_weight=weight)
    assert router.alpha_ == 3.0 and router.rank_ == rank
    outcomes = router.predict_outcomes(X[TEST])
    for found, observed in zip(outcomes, (performance, cost), strict=True):
        ridge = Ridge(3.0).fit(X[TRAIN], observed[TRAIN], weight)
        fitted, mean = ridge.predict(X[TRAIN]), np.average(observed[TRAIN], axis=0, weights=weight)
        *_, right = np.linalg.svd(np.sqrt(weight)[:, None] * (fitted - mean))
        expected = mean + (ridge.predict(X[TEST]) - mean) @ right[:rank].T @ right[:rank]
        np.testing.assert_allclose(found, expected, atol=1e-9)
        assert np.linalg.matrix_rank(found - mean, tol=1e-6) == rank


@pytest.mark.parametrize("rank", [None, "auto", N_LLMS, 100])
def test_a_given_penalty_has_full_rank_unless_one_is_asked_for(rank):
    data = make(2)
    router = fit(LinearRouter(3.0, rank=rank), data)
    assert router.rank_ == N_LLMS
    expected = Ridge(3.0).fit(data[0][TRAIN], data[1][TRAIN]).predict(data[0])
    np.testing.assert_allclose(router.predict_outcomes(data[0]).performance, expected)


def test_the_rank_may_be_given_and_the_penalty_chosen():
    data = make(3)
    assert fit(LinearRouter(rank=None), data).rank_ == N_LLMS
    router = fit(LinearRouter(rank=2), data)
    assert router.rank_ == 2 and np.isfinite(router.alpha_)
    again = fit(LinearRouter(router.alpha_, rank=2), data)
    np.testing.assert_allclose(
        again.predict_outcomes(data[0]).cost, router.predict_outcomes(data[0]).cost
    )


def test_an_infinite_penalty_is_the_mean_of_each_llm():
    X, performance, cost = data = make(4)
    holes = performance.copy()
    holes[:100, 0] = nan
    router = fit(LinearRouter(np.inf), (X, holes, cost))
    assert np.isinf(router.alpha_) and router.rank_ == 0
    outcomes = router.predict_outcomes(X[:3])
    expected = np.nanmean(holes[TRAIN], axis=0)
    np.testing.assert_allclose(outcomes.performance, np.tile(expected, (3, 1)))
    loaded = pickle.loads(pickle.dumps(router))
    np.testing.assert_array_equal(loaded.predict(X), router.predict(X))
    assert fit(router.set_params(alpha=1.0), data).rank_ == N_LLMS


def test_units_change_nothing():
    X, performance, cost = data = make(5)
    chosen = fit(LinearRouter(), data).predict(X)
    other = LinearRouter(cost_weight=0.01)
    other.fit(64 * X[TRAIN], performance[TRAIN] / 2, cost[TRAIN])
    np.testing.assert_array_equal(other.predict(64 * X), chosen)
    heavy = fit(LinearRouter(), data, sample_weight=np.full(300, 7.0))
    np.testing.assert_array_equal(heavy.predict(X), chosen)


def test_queries_of_no_weight_are_as_if_they_were_not_there():
    data = make(6)
    weight = np.r_[np.ones(200), np.zeros(100)]
    found = fit(LinearRouter(), data, sample_weight=weight)
    wanted = fit(LinearRouter(), data, slice(0, 200))
    assert found.rank_ == wanted.rank_ > 0
    np.testing.assert_allclose(
        found.predict_outcomes(data[0]).cost, wanted.predict_outcomes(data[0]).cost
    )


@pytest.mark.parametrize("share", [0.1, 0.7])
def test_missing_outcomes(share):
    """With a tenth missing gains can still be measured, with most of them explained variance."""
    X, performance, cost = data = make(7, signal=0.4)
    hidden = np.random.default_rng(0).random(performance.shape) < share
    hidden[:, 0] = False
    holes = np.where(hidden, nan, performance)
    router = fit(LinearRouter(), (X, holes, np.where(hidden, nan, cost)))
    assert router.rank_ > 0
    single = fit(BestSingleRouter(), data).score(X[TEST], performance[TEST], cost[TEST])
    assert router.score(X[TEST], performance[TEST], cost[TEST]) > single + 0.1


def test_an_llm_of_unknown_cost_does_no_harm():
    X, performance, cost = make(8)
    unknown = cost.copy()
    unknown[:, 3] = nan
    router = LinearRouter(3.0, rank=2, cost_weight=0.0).fit(
        X[TRAIN], performance[TRAIN], unknown[TRAIN]
    )
    outcomes = router.predict_outcomes(X)
    assert np.isnan(outcomes.cost[:, 3]).all()
    known = LinearRouter(3.0, rank=2).fit(
        X[TRAIN], performance[TRAIN][:, unknown[0] == unknown[0]], np.delete(cost, 3, axis=1)[TRAIN]
    )
    np.testing.assert_allclose(
        np.delete(outcomes.cost, 3, axis=1), known.predict_outcomes(X).cost, atol=1e-9
    )


@pytest.mark.parametrize("n_queries", [1, 3, 4, 9])
def test_few_queries(n_queries):
    data = make(9)
    router = fit(LinearRouter(), data, slice(0, n_queries))
    assert router.predict(data[0]).shape == (len(data[0]),)
    if n_queries < 4:  # nothing can be held out
        assert router.rank_ == 0


def test_features_that_do_not_vary():
    _, performance, cost = make(10)
    router = LinearRouter().fit(np.ones((300, 5)), performance[TRAIN], cost[TRAIN])
    assert router.rank_ == 0


def test_long_embeddings():
    X, performance, cost = make(11, signal=0.4)
    wide = np.hstack([X, 1e-3 * np.random.default_rng(0).normal(size=(len(X), 1000))])
    router = LinearRouter().fit(wide[TRAIN], performance[TRAIN], cost[TRAIN])
    assert router.rank_ > 0
    again = clone(router).fit(wide[TRAIN], performance[TRAIN], cost[TRAIN])
    np.testing.assert_array_equal(again.predict(wide), router.predict(wide))
