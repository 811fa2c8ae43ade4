"""Learners are averaged by what they are worth out of fold, and their average made to come true."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from skrouter import RadialRouterClassifier
from skrouter._routers.fitted_network import _as_tensors
from skrouter._training.averaging import Expected, FittedAverage, average_learners
from skrouter._training.closed_form import ClusterLearners, LinearLearners
from skrouter._training.judge import Judge
from skrouter._training.outcomes import VALIDATED_SHARES
from skrouter._training.validation import Validation
from skrouter.nn.average import AveragedNetwork

N = 2000
rng = np.random.default_rng(0)
SIDE = rng.choice([-1.0, 1.0], N)
LEVEL = np.array([0.5, 0.6])
# The first LLM is better on one side by 0.3 than on average, the second on the other.
SIGNAL = 0.3 * SIDE[:, None] * [1, -1]
FOLDS = np.array_split(rng.permutation(N), 4)


def draw(seed=0, shown=1.0):
    random = np.random.default_rng(seed)
    drawn = (random.random((N, 2)) < LEVEL + SIGNAL).astype(float)
    return np.where(random.random((N, 2)) < shown, drawn, np.nan)[..., None]


def judge(outcomes, weight=None, typical=None, mean=None):
    mean = np.nanmean(outcomes, axis=0) if mean is None else mean
    weight = np.ones(len(outcomes)) if weight is None else weight
    return Judge(outcomes, mean, weight, FOLDS, typical, temperature=0.2)


@pytest.mark.parametrize("shown", [1.0, 0.9, 0.5, 0.2])
@pytest.mark.parametrize("scale", [0.25, 1.0, 2.0])
def test_the_factor_makes_a_prediction_come_true(shown, scale):
    """One that promises a multiple of what is there is divided by it."""
    found = np.mean(
        [judge(draw(seed, shown)).factors(scale * SIGNAL[..., None]) for seed in range(5)]
    )
    assert found == pytest.approx(1 / scale, rel=0.1)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_the_factor_holds_where_each_llm_was_called_for_what_it_is_good_at(scale):
    """Its mean in such a log is of the queries that it got, and so must be what is expected."""
    found = []
    for seed in range(5):
        outcomes = draw(seed)
        called = np.where(np.random.default_rng(seed).random(N) < 0.9, SIDE > 0, SIDE < 0)
        outcomes[called, 1] = np.nan
        outcomes[~called, 0] = np.nan
        found.append(judge(outcomes).factors(scale * SIGNAL[..., None]))
    assert np.mean(found) == pytest.approx(1 / scale, rel=0.15)


@pytest.mark.parametrize("shown", [1.0, 0.3])
def test_the_factor_of_chance_is_mostly_zero(shown):
    """What the queries do not show is not expected of them, however loudly it is promised."""
    factors = []
    for seed in range(40):
        noise = np.random.default_rng(seed).normal(size=(N, 2, 1))
        factors.append(judge(draw(seed, shown)).factors(noise)[0])
    assert np.mean(np.array(factors) == 0) > 0.6
    assert np.mean(factors) < 0.005
    assert min(factors) >= 0


def test_the_wrong_way_round_the_factor_is_zero():
    ours = judge(draw())
    assert ours.factors(-SIGNAL[..., None]).tolist() == [0.0]
    assert (ours.explained(-SIGNAL[..., None]) == 0).all()


def test_performance_and_cost_have_factors_of_their_own():
    random = np.random.default_rng(0)
    cost = np.array([1.0, 3.0]) + 0.5 * SIDE[:, None] + 0.3 * random.normal(size=(N, 2))
    cost[:, 1] += SIDE
    outcomes = np.concatenate([draw(), cost[..., None]], axis=2)
    expected = np.stack([0.5 * SIGNAL, SIDE[:, None] * [0.25, 0.75]], axis=-1)
    factors = judge(outcomes, typical=0.3).factors(expected)
    assert factors == pytest.approx([2.0, 2.0], rel=0.1)


def test_difficulty_that_all_llms_share_explains_nothing():
    shared = 0.3 * SIDE[:, None]
    random = np.random.default_rng(0)
    outcomes = (random.random((N, 2)) < LEVEL + shared).astype(float)[..., None]
    factors = judge(outcomes).factors(np.repeat(shared, 2, axis=1)[..., None])
    assert factors.tolist() == [0.0]


def test_how_well_an_llm_did_in_the_other_folds_does_not_matter():
    """A learner knows it from the rest, where an LLM that did well in a fold did worse."""
    shift = np.zeros((N, 2, 1))
    for rows, by in zip(FOLDS, ([0.1, -0.1], [-0.2, 0.1], [0.0, 0.3], [0.1, 0.0]), strict=True):
        shift[rows, :, 0] = by
    ours = judge(draw(shown=0.3))
    # The shares, by which LLMs count, know of the shift: hence nearly.
    shifted, plain = (ours.factors(SIGNAL[..., None] + by) for by in (shift, 0.0))
    assert shifted == pytest.approx(plain, rel=0.05)


def test_merit_is_the_gain_at_several_trade_offs():
    cost = np.broadcast_to([1.0, 3.0], (N, 2))
    outcomes = np.stack([draw()[..., 0], cost], axis=-1)
    mean = np.stack([LEVEL, [1.0, 3.0]], axis=-1)
    expected = np.stack([SIGNAL, np.zeros((N, 2))], axis=-1)
    typical, total = 0.4, 0.0
    for share in VALIDATED_SHARES:
        weight, importance = typical * share / (1 - share), 2 * (1 - share)
        value = outcomes[..., 0] - weight * cost
        promised = LEVEL + SIGNAL - weight * cost
        best = (LEVEL - weight * np.array([1.0, 3.0])).argmax()
        gain = value[np.arange(N), promised.argmax(axis=1)] - value[:, best]
        total = total + importance * gain / len(VALIDATED_SHARES)
    found = judge(outcomes, typical=typical, mean=mean).merit(expected)
    np.testing.assert_allclose(found, total)


def test_queries_with_gaps_are_left_out_where_most_have_none():
    outcomes = draw()
    outcomes[: N // 4, 0] = np.nan
    ours = judge(outcomes, mean=LEVEL[:, None])
    complete = judge(draw(), mean=LEVEL[:, None]).merit(SIGNAL[..., None])
    np.testing.assert_allclose(ours.merit(SIGNAL[..., None]), complete[N // 4 :])
    assert ours.merit_weight.shape == (N - N // 4,)


def test_with_few_outcomes_merit_is_what_is_explained():
    ours = judge(draw(shown=0.3))
    assert not ours.measurable
    shuffled = np.where(np.random.default_rng(0).random((N, 1)) < 0.5, SIGNAL, 0.0)
    right, half = (ours.merit(part[..., None]) for part in (SIGNAL, shuffled))
    assert right.mean() > half.mean() > 0


def test_a_prediction_as_it_is_explains_less_than_none_where_it_goes_too_far():
    ours = judge(draw(shown=0.3))
    assert not ours.measurable
    once, thrice = SIGNAL[..., None], 3 * SIGNAL[..., None]
    assert ours.explained(thrice).mean() == pytest.approx(ours.explained(once).mean())
    assert ours.explained(thrice, as_it_is=True).mean() < 0
    assert 0 < ours.merit(once, as_it_is=True).mean() <= ours.merit(once).mean()
    candidates = [("none", 0 * once), ("once", once), ("thrice", thrice)]
    assert ours.best_of(candidates, as_it_is=True) == "once"


def test_the_best_of_noise_is_doubted():
    ours, nothing = judge(draw()), np.zeros((N, 2, 1))
    noise = [(i, np.random.default_rng(i).normal(size=(N, 2, 1))) for i in range(10)]
    assert ours.best_of([("none", nothing), *noise], in_doubt="none") == "none"
    found = ours.best_of([*noise, ("signal", SIGNAL[..., None])], in_doubt="none")
    assert found == "signal"
    slight, drawn = nothing.copy(), draw()[..., 0]
    slight[np.flatnonzero(drawn[:, 0] > drawn[:, 1])[:2], 0] = 1.0  # right, but on two queries
    assert ours.best_of([("none", nothing), ("slight", slight)]) == "slight"
    assert ours.best_of([("none", nothing), ("slight", slight)], in_doubt="none") == "none"


def average(learners, outcomes, **options):
    ours = judge(outcomes, **options)
    return average_learners(learners, ours, np.nanmean(outcomes, axis=0))


def test_learners_that_chance_does_not_tell_apart_share():
    noise = 0.3 * np.random.default_rng(0).normal(size=(N, 2))
    learners = {
        "a": Expected(SIGNAL),
        "b": Expected(SIGNAL + 0.01 * noise),
        "worse": Expected(SIGNAL + 0.6 * noise),
        "wrong": Expected(-SIGNAL),
    }
    _, validation, _ = average(learners, draw())
    shares = validation.shares
    assert shares["a"] == pytest.approx(shares["b"], rel=0.1)
    assert shares["worse"] < shares["a"] / 2
    assert "wrong" not in shares
    assert sum(shares.values()) == pytest.approx(1)


def test_several_settings_weigh_as_much_as_the_best_of_them():
    class Twins(Expected):
        settings = (0, 1, 2)

        def out_of_fold(self, shares):
            return sum(shares) * self._deviations

    _, validation, _ = average({"one": Expected(SIGNAL), "three": Twins(SIGNAL)}, draw())
    assert validation.shares == pytest.approx({"one": 0.5, "three": 0.5})


def test_predictions_of_held_out_queries_are_those_of_the_average():
    weight = np.random.default_rng(0).uniform(0.5, 2.0, N)
    learners = {"a": Expected(SIGNAL), "b": Expected(0.2 * SIGNAL)}
    outcomes = draw()
    _, validation, predictions = average(learners, outcomes, weight=weight)
    a, b = (validation.shares.get(name, 0.0) for name in "ab")
    factor = validation.factors["performance"]
    expected = np.nanmean(outcomes, axis=0) + factor * (a + 0.2 * b) * SIGNAL[..., None]
    np.testing.assert_allclose(predictions, expected)


def test_the_fitted_average_is_the_sum_of_its_parts():
    X = np.column_stack([SIDE, rng.normal(size=(N, 3))])
    outcomes, weight, seed = draw(), np.ones(N), np.random.RandomState(0)
    mean = outcomes.mean(axis=0)
    known = X, (outcomes - mean).reshape(N, -1), weight, FOLDS, seed
    learners = {
        "network": Expected(SIGNAL),
        "linear": LinearLearners(*known),
        "clusters": ClusterLearners(*known),
    }
    fitted, validation, _ = average_learners(learners, judge(outcomes), mean)
    assert set(validation.shares) == set(learners)
    network = mean + SIGNAL[..., None]
    everything = outcomes_of(fitted, X, network)
    parts = [
        fitted._replace(linear=None, tables=[]),
        fitted._replace(network_factor=np.zeros(1), tables=[]),
        fitted._replace(network_factor=np.zeros(1), linear=None),
    ]
    total = sum(outcomes_of(part, X, network) - mean for part in parts)
    np.testing.assert_allclose(everything - mean, total)
    np.testing.assert_allclose(everything, mean + SIGNAL[..., None], atol=0.1)
    # In another unit of performance everything is a multiple.
    scaled = fitted.scaled(100.0)
    np.testing.assert_allclose(outcomes_of(scaled, X, 100 * network), 100 * everything)


def test_the_network_is_not_asked_where_it_has_no_part():
    mean = np.array([[0.1], [0.2]])
    average = FittedAverage(mean, np.zeros(1), None, [])
    np.testing.assert_array_equal(outcomes_of(average, np.zeros((3, 2)), None), [mean] * 3)


def outcomes_of(average, X, network_outcomes):
    """What the average predicts if the network expects this; None: it must not be asked."""

    class Network(torch.nn.Module):
        def outcomes(self, embeddings):
            return torch.tensor(network_outcomes)

    tensors = _as_tensors(tuple(average), {"dtype": torch.float64})
    return AveragedNetwork(Network(), *tensors).outcomes(torch.tensor(X)).numpy()


def test_without_learners_it_stays_at_the_mean():
    fitted, validation, predictions = average({}, draw())
    assert validation.stays_at_one_llm
    assert validation.shares == {}
    assert (predictions == predictions[0]).all()
    assert not fitted.network_factor.any()


def test_what_validation_says():
    says = Validation(
        {"network": 0.25, "linear": 0.75}, {"performance": 0.5}, [0.0], [0.01], [0.002], [0.4]
    )
    assert str(says).splitlines() == [
        "Learners: network 25%, linear 75%. What they expect is multiplied by: performance 0.50.",
        "cost_weight=0: 40% of held-out queries go to another than the best single LLM, gain "
        "+0.0100 ± 0.0020.",
    ]
    unknown = says._replace(gains=[np.nan], errors=[np.nan])
    assert str(unknown).endswith("than the best single LLM.")
    assert says.scaled(10.0).gains == [0.1] and says.scaled(10.0).cost_weights == [0.0]


def test_validation_says_why_a_router_stays_at_one_llm():
    says = Validation({"network": 1.0}, {"performance": 0.0}, [0.0], [0.0], [0.0], [0.0])
    assert says.stays_at_one_llm
    assert "nothing that was learnt from the others came true" in str(says)
    assert "More scored queries may help" in str(says)
    elsewhere = says._replace(factors={"performance": 0.5})
    assert "no other was expected to do better" in str(elsewhere)


@pytest.fixture(scope="module")
def problem():
    """Where the first LLM is good, the second is not; the third is neither good nor cheap."""
    random = np.random.default_rng(0)
    X = random.normal(size=(600, 6))
    success = np.column_stack([X[:, 0] > 0, X[:, 0] <= 0, np.full(600, False)]) * 0.6 + 0.2
    return X, (random.random((600, 3)) < success).astype(float), np.array([0.5, 1.0, 20.0])


@pytest.fixture(scope="module")
def fitted(problem):
    X, performance, cost = problem
    return RadialRouterClassifier(batch_size=64, random_state=0).fit(X, performance, cost=cost)


def test_a_router_says_what_it_is_made_of(fitted):
    validation = fitted.validation_
    assert set(validation.shares) <= {"network", "linear", "clusters"}
    assert not validation.stays_at_one_llm
    assert validation.gains[0] > 0.2 > 5 * validation.errors[0]
    # List prices do not vary: there is nothing to expect of them.
    assert validation.factors["cost"] == 0


def test_list_prices_are_predicted_as_they_are(problem, fitted):
    X, _, cost = problem
    predicted = fitted.predict_outcomes(X[:20]).cost
    np.testing.assert_allclose(predicted, np.tile(cost, (20, 1)), rtol=1e-6)


@pytest.mark.parametrize("learners", [("linear",), ["clusters"], ("clusters", "linear")])
def test_learners_of_choice(problem, learners):
    X, performance, cost = problem
    router = RadialRouterClassifier(expert_settings={"learners": learners}, random_state=0)
    router.fit(X[:300], performance[:300], cost=cost)
    assert router.n_iter_ == 0 and router.validation_gains_ == []
    assert set(router.validation_.shares) <= set(learners)
    best = performance[300:].mean(axis=0).max()
    assert router.set_params(cost_weight=0).score(X[300:], performance[300:], cost=cost) > best


@pytest.mark.parametrize("learners", [(), ("linear", "neighbors")])
def test_unknown_learners(problem, learners):
    X, performance, cost = problem
    router = RadialRouterClassifier(expert_settings={"learners": learners})
    with pytest.raises(ValueError, match="learners in expert_settings must be some of"):
        router.fit(X, performance, cost=cost)


@pytest.mark.parametrize("alone", [{"cv": None}, {"fit_intercept": False}])
def test_without_what_it_takes_it_is_the_network_alone(problem, alone):
    X, performance, cost = problem
    router = RadialRouterClassifier(max_iter=2, random_state=0, **alone)
    router.fit(X[:100], performance[:100], cost=cost)
    assert router.validation_ is None
    outcomes = router._network.outcomes(X[:5], "cpu")
    found = router.predict_outcomes(X[:5])
    np.testing.assert_allclose(found.performance, outcomes[..., 0], rtol=1e-6)
    np.testing.assert_allclose(found.cost, outcomes[..., 1], rtol=1e-6)


def test_where_nothing_can_be_learnt_it_says_so(problem, capsys):
    X, performance, cost = problem
    order = np.random.default_rng(5).permutation(600)
    router = RadialRouterClassifier(random_state=0, verbose=True)
    router.fit(X[:300], performance[order[:300]], cost=cost)
    assert router.validation_.stays_at_one_llm
    assert "The best single LLM was called for every held-out query" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:performance is from 0 to 100")
@pytest.mark.parametrize("unit", [100.0, 0.01])
def test_the_unit_of_performance_does_not_matter(problem, fitted, unit):
    X, performance, cost = problem
    other = RadialRouterClassifier(batch_size=64, random_state=0, cost_weight=0.02 * unit)
    other.fit(X, unit * performance, cost=cost)
    assert (other.predict(X) == fitted.predict(X)).mean() > 0.99
    assert other.validation_.shares == pytest.approx(fitted.validation_.shares, abs=0.02)
    assert other.validation_.gains == pytest.approx([unit * g for g in fitted.validation_.gains])


def test_all_learners_are_kept_by_saving(fitted, problem, tmp_path):
    import joblib

    X = problem[0]
    joblib.dump(fitted, tmp_path / "router.joblib")
    loaded = joblib.load(tmp_path / "router.joblib")
    np.testing.assert_array_equal(loaded.decision_function(X), fitted.decision_function(X))
    assert str(loaded.validation_) == str(fitted.validation_)


def test_with_few_outcomes_the_learners_are_averaged_too(problem):
    X, performance, cost = problem
    hidden = np.random.default_rng(0).random(performance.shape) < 0.6
    router = RadialRouterClassifier(cost_weight=0, random_state=0)
    hidden[hidden.all(axis=1), 0] = False
    router.fit(X[:400], np.where(hidden, np.nan, performance)[:400], cost=cost)
    assert np.isnan(router.validation_.gains).all()
    assert not router.validation_.stays_at_one_llm
    score = router.score(X[400:], performance[400:], cost=cost)
    assert score > performance[400:].mean(axis=0).max() + 0.1


def test_a_learner_that_is_far_better_has_all_shares():
    """Weights of the others may all be 0, which is no reason to trust none."""
    outcomes = np.zeros((N, 2, 1))
    outcomes[np.arange(N), (SIDE > 0).astype(int), 0] = 1.0
    right = 0.4 * np.column_stack([-SIDE, SIDE])

    class Twins(Expected):
        settings = (0, 1)

        def out_of_fold(self, shares):
            return sum(shares) * self._deviations

    _, validation, _ = average({"right": Expected(right), "wrong": Twins(-right)}, outcomes)
    assert validation.shares == {"right": 1.0}


def test_costs_that_were_never_observed_count_for_nothing(problem):
    X, performance, _ = problem
    unknown = np.full(performance.shape, np.nan)
    router = RadialRouterClassifier(batch_size=64, cost_weight=0, random_state=0)
    without = clone(router).fit(X, performance)
    router.fit(X, performance, unknown)
    assert router.validation_.factors["cost"] == 0
    agree = router.predict(X) == without.predict(X)
    assert agree.mean() > 0.9


def test_a_fixed_trade_off_is_named(problem):
    X, performance, cost = problem
    router = RadialRouterClassifier(trade_off="fixed", cost_weight=0.01, random_state=0)
    validation = router.fit(X[:200], performance[:200], cost).validation_
    assert validation.cost_weights == [0.01]
    assert list(validation.factors) == ["utility"]


def test_weights_may_be_very_unequal(problem):
    X, performance, cost = problem
    weight = np.ones(len(X))
    weight[0] = 1e20
    router = RadialRouterClassifier(max_iter=1, random_state=0)
    router.fit(X, performance, cost=cost, sample_weight=weight)
    assert np.isfinite(router.predict_proba(X)).all()


def test_few_distinct_queries_are_the_same_in_any_batch():
    """Of clusters with the same center rounding decided which was the nearest."""
    distinct = rng.normal(size=(5, 8))
    X, group = np.repeat(distinct, 60, axis=0), np.repeat(np.arange(5), 60)
    performance = np.eye(5)[group]
    router = RadialRouterClassifier(expert_settings={"learners": ("clusters",)}, random_state=0)
    router.fit(X, performance)
    together = router.predict_proba(X)
    alone = np.concatenate([router.predict_proba(x[None]) for x in X[::20]])
    np.testing.assert_allclose(alone, together[::20], rtol=1e-7)
