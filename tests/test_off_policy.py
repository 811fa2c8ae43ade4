"""The value of a router from logs with one LLM per query, and targets made of such logs."""

import numpy as np
import pandas as pd
import pytest

from skrouter import make_logged_target
from skrouter.baselines import LinearRouter
from skrouter.metrics import off_policy_value, routing_score
from skrouter.metrics._off_policy import _bounded_sample
from skrouter.metrics._off_policy_log import read_calls

NAMES = np.array(["a", "b", "c"])
COST_WEIGHT = 0.05


@pytest.fixture(scope="module")
def world():
    """Expected performance and costs of 3 LLMs on 100 queries, a router, and a logger."""
    rng = np.random.default_rng(0)
    chance = rng.uniform(0.1, 0.9, size=(100, 3))
    cost = rng.uniform(0.5, 2.0, size=(100, 3)) * [1, 2, 4]
    policy = rng.dirichlet([1, 1, 1], size=100)
    # The logger prefers LLMs that succeed: unweighted means are far off.
    propensity = 0.7 * chance**3 / (chance**3).sum(axis=1, keepdims=True) + 0.1
    return chance, cost, policy, propensity


def draw(world, rng, copies=1):
    """Logs of the world: called columns, performance, cost and propensity of each query."""
    chance, cost, _, propensity = (np.tile(part, (copies, 1)) for part in world)
    rows = np.arange(len(chance))
    called = (rng.random((len(chance), 1)) > propensity.cumsum(axis=1)).sum(axis=1).clip(max=2)
    performance = chance[rows, called] + rng.uniform(-0.1, 0.1, size=len(chance))
    return called, performance, cost[rows, called], propensity[rows, called]


def truth(world):
    chance, cost, policy, _ = world
    utility = chance - COST_WEIGHT * cost
    return [(policy * table).sum(axis=1).mean() for table in (chance, cost, utility)]


def estimates(world, method, model=None, change=None, n_logs=200):
    """Performance, cost and utility, estimated from many logs; shape (n_logs, 3)."""
    rng = np.random.default_rng(1)
    values = []
    for _ in range(n_logs):
        called, performance, cost, propensity = draw(world, rng)
        if change is not None:
            propensity = change(propensity)
        value = off_policy_value(
            world[2],
            NAMES[called],
            performance=performance,
            cost=cost,
            propensity=propensity,
            predicted=model,
            cost_weight=COST_WEIGHT,
            llm_names=NAMES,
            method=method,
            n_resamples=2,
            min_propensity=0.1,
            random_state=0,
        )
        values.append(value[:3])
    return np.array(values)


def within_error(values, expected, errors=4.0):
    error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    # 1e-9: with an exact model nothing but rounding is left of the cost.
    return np.abs(values.mean(axis=0) - expected) < errors * error + 1e-9


def wrong(propensity):
    """Propensities of another logger, which likes all LLMs alike."""
    return np.full(len(propensity), 1 / 3)


@pytest.fixture(scope="module")
def by_ips(world):
    return estimates(world, "ips")


@pytest.fixture(scope="module")
def by_dr(world):
    return estimates(world, "dr", model=world[:2])


def test_ips_and_dr_are_unbiased(world, by_ips, by_dr):
    assert within_error(by_ips, truth(world)).all()
    assert within_error(by_dr, truth(world)).all()


def test_dr_is_unbiased_with_any_model(world):
    nonsense = (1 - world[0], np.full(world[1].shape, 3.0))
    assert within_error(estimates(world, "dr", model=nonsense), truth(world)).all()


def test_a_good_model_lowers_the_variance(by_ips, by_dr):
    assert (by_dr.std(axis=0) < 0.5 * by_ips.std(axis=0)).all()


def test_self_normalising_lowers_the_variance_at_little_bias(world, by_ips):
    by_snips = estimates(world, "snips")
    np.testing.assert_allclose(by_snips.mean(axis=0), truth(world), rtol=0.02)
    assert (by_snips.std(axis=0) < by_ips.std(axis=0))[:2].all()


def test_with_wrong_propensities_only_a_right_model_helps(world):
    expected = truth(world)
    biased = estimates(world, "ips", change=wrong).mean(axis=0)
    assert biased[0] > expected[0] + 0.1
    assert biased[2] > expected[2] + 0.1
    right = estimates(world, "dr", model=world[:2], change=wrong)
    assert within_error(right, expected).all()


@pytest.mark.parametrize("method", ["ips", "snips", "dr"])
@pytest.mark.parametrize("bootstrap_method", ["gaffke", "BCa", "percentile"])
def test_the_interval_covers(world, method, bootstrap_method):
    # The queries are drawn, too: an interval over queries must cover the value over all of them.
    rng = np.random.default_rng(2)
    *_, expected = truth(world)
    chance, cost, policy, _ = world
    covered, n_logs = 0, 100
    for _ in range(n_logs):
        rows = rng.integers(len(chance), size=300)
        sample = tuple(part[rows] for part in world)
        called, performance, paid, probability = draw(sample, rng)
        value = off_policy_value(
            policy[rows],
            called,
            performance=performance,
            cost=paid,
            propensity=probability,
            predicted=(chance[rows], cost[rows]) if method == "dr" else None,
            cost_weight=COST_WEIGHT,
            method=method,
            n_resamples=199,
            bootstrap_method=bootstrap_method,
            random_state=0,
        )
        assert value.low <= value.utility <= value.high
        covered += value.low <= expected <= value.high
    # 95 % of 100 less three standard errors.
    assert covered >= 88


def rare_agreement(n_queries, seed):
    """Logs with few calls of the LLM that is judged, right on 85 % of the queries."""
    rng = np.random.default_rng(seed)
    called = np.where(rng.random(n_queries) < 0.05, "b", "a")
    chance, propensity = np.where(called == "b", [[0.85], [0.05]], [[0.6], [0.95]])
    performance = (rng.random(n_queries) < chance).astype(float)
    return {"logged_llms": called, "performance": performance, "propensity": propensity}


@pytest.mark.parametrize("method", ["ips", "snips", "dr"])
def test_the_interval_covers_where_few_calls_agree(method):
    held, resampled = [], []
    for seed in range(60):
        log = rare_agreement(100, seed)
        if not (log["logged_llms"] == "b").any():
            continue
        settings = {"llm_names": ["a", "b"], "method": method, "n_resamples": 499}
        if method == "dr":
            settings["predicted"] = np.tile([0.6, 0.9], (100, 1))
        settings |= log | {"llms": ["b"] * 100, "random_state": seed}
        value = off_policy_value(**settings, min_propensity=0.05)
        held.append(value.low <= 0.85 <= value.high)
        with pytest.warns(UserWarning, match="the interval is too narrow; take bootstrap_method="):
            value = off_policy_value(**settings, bootstrap_method="percentile")
        resampled.append(value.low <= 0.85 <= value.high)
    assert np.mean(held) >= 0.9
    if method != "ips":
        assert np.mean(resampled) < 0.7


def test_what_the_interval_rests_on_is_said():
    log = rare_agreement(100, 0) | {"llms": ["b"] * 100, "method": "snips", "random_state": 0}
    with pytest.warns(UserWarning, match="no weight is above 20, which is a guess; give min_prop"):
        guess = off_policy_value(**log)
    known = off_policy_value(**log, min_propensity=0.04)
    assert (guess.max_weight, known.max_weight) == (pytest.approx(20), pytest.approx(25))
    assert known.high - known.low > guess.high - guess.low


def test_the_bound_that_is_missing_is_named_with_its_value():
    log = rare_agreement(100, 0) | {"llms": ["b"] * 100, "method": "snips", "random_state": 0}
    log["llm_names"] = ["a", "b", "c", "d"]
    with pytest.warns(UserWarning, match=r"min_propensity, which is exploration / 4 where a share"):
        off_policy_value(**log)


def test_costs_that_are_not_charged_are_warned_of():
    log = {"logged_llms": ["a"] * 100, "performance": np.ones(100), "propensity": 1.0}
    log |= {"cost": np.full(100, 5.0), "method": "ips", "random_state": 0}
    with pytest.warns(UserWarning, match=r"costs are not charged.* Pass cost_weight=") as caught:
        free = off_policy_value(["a"] * 100, **log)
    assert len(caught) == 1 and caught[0].filename == __file__
    assert (free.utility, free.cost, free.cost_weight) == (1.0, 5.0, 0.0)
    charged = off_policy_value(["a"] * 100, **log, cost_weight=0.02)
    assert (charged.utility, charged.cost_weight) == (pytest.approx(0.9), 0.02)
    # Who says 0 means it; and without costs there is nothing to charge.
    assert off_policy_value(["a"] * 100, **log, cost_weight=0).cost_weight == 0.0
    assert off_policy_value(["a"] * 100, **log | {"cost": None}).cost_weight == 0.0


def test_weights_that_were_not_seen_are_guessed_from_what_is_left():
    """The logger called "a" nearly always: had it called another LLM, the weight would be large."""
    log = {"performance": [1.0] * 300, "propensity": [0.98] + [0.5] * 299}
    log |= {"logged_llms": ["a"] + ["b"] * 299, "llm_names": ["a", "b", "c"]}
    value = off_policy_value(["b"] * 300, **log, method="snips", random_state=0)
    assert value.max_weight == pytest.approx(2 / 0.02)


def test_where_no_other_call_was_possible_is_said():
    log = {"logged_llms": ["a"] * 100 + ["b"] * 100, "performance": [1.0] * 200}
    log["propensity"] = [1.0] * 50 + [0.5] * 150
    with pytest.warns(UserWarning, match=r"propensity is 1 on 25.0% of the queries although"):
        value = off_policy_value(["b"] * 200, **log, method="snips", random_state=0)
    assert value.max_weight == 2.0


def test_a_heavy_tail_of_costs_is_said():
    rng = np.random.default_rng(0)
    log = {"logged_llms": ["a"] * 200, "performance": np.ones(200), "propensity": 1.0}
    log |= {"cost": rng.lognormal(0, 3, 200), "cost_weight": 0.1, "method": "ips"}
    with pytest.warns(UserWarning, match="Some costs lie so far .* Give max_query_cost"):
        seen = off_policy_value(["a"] * 200, **log, random_state=0)
    known = off_policy_value(["a"] * 200, **log, max_query_cost=5e4, random_state=0)
    assert known.low < seen.low and known.high == pytest.approx(seen.high, abs=0.01)


@pytest.mark.parametrize("method", ["ips", "dr"])
def test_no_query_contributes_more_than_the_one_that_is_added(method):
    rng = np.random.default_rng(0)
    for _ in range(20):
        n, pure = 400, rng.random() < 0.5
        shares = np.eye(3)[rng.integers(3, size=n)] if pure else rng.dirichlet([0.3] * 3, size=n)
        propensity = rng.uniform(0.1, 0.2, size=n)
        model = rng.choice([0.05, 0.3, 0.98], size=(n, 3))
        performance = rng.integers(2, size=n).astype(float)
        log = {"performance": performance, "cost": None, "propensity": propensity}
        log |= {"predicted": model if method == "dr" else None, "cost_weight": 0.0}
        calls = read_calls(shares, rng.integers(3, size=n), **log, names=np.arange(3))
        most = calls.largest_weight(0.1)
        sample, unseen = _bounded_sample(calls, 0.0, method, most, (0.0, 1.0))
        assert unseen.low <= sample[:, 0].min() and sample[:, 0].max() <= unseen.high
        assert calls.weight.max() <= most
        # And not by far: such a query could come.
        assert np.ptp(sample[:, 0]) > 0.4 * (unseen.high - unseen.low)


def test_by_hand():
    value = off_policy_value(
        ["a", "b", "b", "a"],
        ["a", "b", "a", "b"],
        performance=[1.0, 0.5, 0.0, 1.0],
        cost=[1.0, 2.0, 1.0, 2.0],
        propensity=[0.5, 0.25, 0.5, 0.75],
        cost_weight=0.1,
        method="snips",
        min_propensity=0.25,
        random_state=0,
    )
    assert value.performance == pytest.approx((2 * 1.0 + 4 * 0.5) / 6)
    assert value.cost == pytest.approx((2 * 1.0 + 4 * 2.0) / 6)
    assert value.utility == pytest.approx(value.performance - 0.1 * value.cost)
    assert value.n_agreeing == 2
    assert value.effective_sample_size == pytest.approx(36 / 20)
    assert value.mean_weight == pytest.approx(6 / 4)
    assert value.max_weight == 4.0


def test_doubly_robust_by_hand():
    value = off_policy_value(
        [[0.5, 0.5], [0.0, 1.0]],
        [1, 0],
        performance=[1.0, 0.0],
        propensity=0.5,
        predicted=[[0.2, 0.6], [0.1, 0.7]],
        min_propensity=0.5,
    )
    first = 0.5 * 0.2 + 0.5 * 0.6 + 1.0 * (1.0 - 0.6)
    assert value.performance == value.utility == pytest.approx((first + 0.7) / 2)
    assert np.isnan(value.cost)
    assert value.n_agreeing == 1


def test_the_logger_itself_has_the_mean_of_its_log(world):
    called, performance, cost, propensity = draw(world, np.random.default_rng(0))
    value = off_policy_value(
        world[3],
        called,
        performance=performance,
        cost=cost,
        propensity=propensity,
        method="ips",
        cost_weight=COST_WEIGHT,
        random_state=0,
    )
    assert value.performance == pytest.approx(performance.mean())
    assert value.cost == pytest.approx(cost.mean())
    assert value.mean_weight == pytest.approx(1.0)
    assert value.effective_sample_size == pytest.approx(len(called))


def test_a_router_that_predicts_outcomes_is_a_model(world):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 3))
    performance = np.stack([X[:, 0] > 0, X[:, 0] <= 0, X[:, 1] > 1], axis=1).astype(float)
    router = LinearRouter(llm_names=NAMES, cost_weight=0.0)
    router.fit(X[:1000], performance[:1000])
    X, performance = X[1000:], performance[1000:]
    called = rng.integers(3, size=1000)
    value = off_policy_value(
        router.predict(X),
        NAMES[called],
        performance=performance[np.arange(1000), called],
        propensity=1 / 3,
        predicted=router.predict_outcomes(X),
        llm_names=router.classes_,
        n_resamples=199,
        random_state=0,
    )
    true = routing_score(performance, router.predict(X), llm_names=router.classes_)
    assert value.low < true.utility < value.high
    assert value.utility == pytest.approx(true.utility, abs=0.06)


def test_data_frames_are_read_by_name():
    log = {"performance": [1.0, 0.0, 1.0], "propensity": 0.5, "llm_names": ["a", "b"]}
    log["min_propensity"] = 0.5
    llms, logged = pd.Series(["a", "b", "b"]), pd.Series(["a", "b", "a"])
    predicted = pd.DataFrame({"b": [0.1, 0.2, 0.3], "a": [0.9, 0.8, 0.7]})
    by_frame = off_policy_value(llms, logged, predicted=predicted, **log, random_state=0)
    array = predicted[["a", "b"]].to_numpy()
    by_array = off_policy_value(llms, logged, predicted=array, **log, random_state=0)
    np.testing.assert_equal(by_frame._asdict(), by_array._asdict())
    log["llm_names"] = pd.Index(["a", "b"])
    by_index = off_policy_value(llms, logged, predicted=predicted, **log, random_state=0)
    np.testing.assert_equal(by_index._asdict(), by_array._asdict())


def test_where_nothing_varies_something_else_may_come():
    log = {"performance": [0.3] * 60, "propensity": 1.0, "method": "snips"}
    resampled = off_policy_value(["a"] * 60, ["a"] * 60, **log, bootstrap_method="BCa")
    assert resampled.low == resampled.high == resampled.utility == pytest.approx(0.3)
    assert resampled.max_weight is None
    value = off_policy_value(["a"] * 60, ["a"] * 60, **log, random_state=0)
    assert value.low < 0.29 < value.utility < 0.31 < value.high
    assert value.max_weight == 1.0


def test_an_interval_that_is_not_defined_is_no_nan():
    # With a single call that agrees, both of two resamples are on one side of the estimate.
    llms, logged = ["a"] * 20, ["a"] + ["b"] * 19
    log = {"performance": [1.0] * 20, "propensity": 0.9, "method": "ips", "n_resamples": 2}
    with (
        pytest.raises(ValueError, match="BCa interval is not defined"),
        pytest.warns(UserWarning, match="effective_sample_size is 1.0, below 50: the interval is"),
    ):
        off_policy_value(llms, logged, **log, bootstrap_method="BCa", random_state=2)
    value = off_policy_value(llms, logged, **log | {"n_resamples": 999}, min_propensity=0.1)
    assert 0 <= value.low < value.utility < value.high


def test_seeds():
    rng = np.random.default_rng(0)
    log = {"performance": rng.random(60), "propensity": 0.9, "method": "ips", "n_resamples": 99}
    llms = ["a"] * 60
    before = np.random.get_state()[1].copy()
    first, again, other = (off_policy_value(llms, llms, **log, random_state=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    np.testing.assert_equal(first._asdict(), again._asdict())
    assert first.low != other.low


def test_an_llm_that_was_never_logged_is_warned_of():
    log = {"performance": [1.0, 1.0, 0.0], "propensity": 0.5, "min_propensity": 0.5}
    with pytest.warns(UserWarning, match=r"calls \['c'\] in a share of 33.3%"):
        off_policy_value(["a", "b", "c"], ["a", "b", "a"], **log, llm_names=NAMES, method="ips")


GOOD = {
    "llms": ["a", "b", "b"],
    "logged_llms": ["a", "b", "b"],
    "performance": [1.0, 0.0, 1.0],
    "propensity": [0.5, 0.5, 0.2],
    "method": "ips",
}
TABLE = np.zeros((3, 2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"propensity": [0.5, 0.0, 0.2]}, r"propensity must be in \(0, 1\], but holds 0.0 at 1"),
        ({"propensity": [0.5, 0.5, 1.2]}, r"propensity must be in \(0, 1\], but holds 1.2 at 2"),
        ({"propensity": [0.5, np.nan, 1]}, r"propensity must be in \(0, 1\], but holds nan at 1"),
        ({"propensity": 0}, r"propensity must be in \(0, 1\]"),
        ({"propensity": [0.5, 0.5]}, r"propensity has shape \(2,\)"),
        ({"propensity": TABLE}, r"propensity has shape \(3, 2\)"),
        ({"propensity": "0.5"}, r"propensity has shape \(\) and dtype"),
        ({"performance": [1.0, 0.0]}, "performance has 2 entries for 3 logged_llms"),
        ({"performance": [1.0, np.nan, 1.0]}, r"performance is NaN or infinite in 1 row.s., first"),
        ({"performance": TABLE}, "1d array"),
        ({"cost": [1.0]}, "cost has 1 entries for 3 logged_llms"),
        ({"cost": [1.0, np.inf, 1.0]}, "cost is NaN or infinite in 1 row"),
        ({"cost": [1.0, -1.0, 1.0]}, "cost is negative in 1 row"),
        ({"cost_weight": 0.1}, "cost is missing, but cost_weight=0.1 charges it"),
        ({"cost_weight": -1}, "'cost_weight' parameter of off_policy_value must be"),
        ({"llms": ["a", "b", "d"]}, r"llms holds \['d'\], which are not in the pool \['a', 'b'\]"),
        ({"llms": ["a", "b"]}, "outcomes has 3, and llms has 2"),
        ({"llms": TABLE, "llm_names": ["a", "b"]}, "rows that are not probabilities"),
        ({"llm_names": ["a", "d"]}, r"logged_llms holds \['b'\], which are not in the pool"),
        ({"llm_names": ["a", "b", "a"]}, "llm_names must be distinct"),
        ({"logged_llms": ["a", None, "b"]}, "logged_llms holds a missing name at 1"),
        ({"llms": ["b", "a", "a"]}, "No logged call agrees with the router, in 3 queries"),
        ({"method": "dm"}, "'method' parameter of off_policy_value must be a str among"),
        ({"method": "dr"}, "predicted is missing: method='dr' needs"),
        ({"predicted": TABLE}, "predicted was given, but method='ips' has no use for it"),
        ({"confidence_level": 95}, "'confidence_level' parameter of off_policy_value must be"),
        ({"n_resamples": 0}, "'n_resamples' parameter of off_policy_value must be an int"),
        ({"bootstrap_method": "basic"}, "'bootstrap_method' parameter of off_policy_value must"),
        (
            {"min_propensity": 0.3},
            "min_propensity=0.3 is no lower bound: propensity holds 0.2 where",
        ),
        ({"min_propensity": 0.0}, r"'min_propensity' .* in the range \(0.0, 1.0\] or None"),
        ({"min_propensity": "x"}, "'min_propensity' parameter of off_policy_value must be"),
        ({"max_query_cost": 5.0}, "max_query_cost=5.0 was given, but no cost"),
        ({"cost": [1.0, 2.0, 3.0], "max_query_cost": 2.5}, "max_query_cost=2.5 is no upper bound"),
        ({"cost": [1.0, 2.0, 3.0], "max_query_cost": -1}, "'max_query_cost' parameter of off"),
        ({"min_propensity": 0.1, "bootstrap_method": "BCa"}, "min_propensity=0.1 was given, but"),
        ({"max_query_cost": 1.0, "bootstrap_method": "BCa"}, "max_query_cost=1.0 was given, but"),
    ],
)
def test_bad_input_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        off_policy_value(**{**GOOD, **change})


@pytest.mark.parametrize(
    ("predicted", "cost", "message"),
    [
        (TABLE[:, :1], None, r"predicted performance has shape \(3, 1\); wanted \(3, 2\)"),
        (TABLE + np.nan, None, "predicted performance contains NaN"),
        ((TABLE, TABLE, TABLE), None, "predicted is a tuple of 3"),
        ((TABLE, TABLE), None, "predicted holds costs, but cost holds none"),
        (TABLE, [1.0, 1.0, 1.0], "cost holds costs, but predicted holds none"),
        ((TABLE, TABLE[:2]), [1.0] * 3, r"predicted cost has shape \(2, 2\)"),
        (pd.DataFrame(TABLE, columns=["a", "c"]), None, "The columns of predicted are"),
    ],
)
def test_bad_predictions_are_refused(predicted, cost, message):
    arguments = {**GOOD, "method": "dr", "cost": cost, "predicted": predicted}
    with pytest.raises(ValueError, match=message):
        off_policy_value(**arguments, llm_names=["a", "b"])


def test_one_query_tells_of_no_spread():
    with pytest.raises(ValueError, match="1 logged query; at least 2"):
        off_policy_value(["a"], ["a"], performance=[1.0], propensity=1.0, method="ips")


# Targets


def test_logs_become_matrices():
    target = make_logged_target(["b", "a", "b"], [1.0, 0.5, 0.0], [2.0, 1.0, 3.0])
    assert target.llm_names.tolist() == ["a", "b"]
    nan = np.nan
    np.testing.assert_array_equal(target.performance, [[nan, 1], [0.5, nan], [nan, 0]])
    np.testing.assert_array_equal(target.cost, [[nan, 2], [1, nan], [nan, 3]])
    wider = make_logged_target(pd.Series([3, 1]), [1.0, 0.5], llm_names=[1, 2, 3])
    assert wider.cost is None
    np.testing.assert_array_equal(wider.performance, [[nan, nan, 1], [0.5, nan, nan]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["a", "b"], [1.0]), "performance has 1 entries for 2 logged_llms"),
        ((["a", "b"], [1.0, 1.0], [1.0]), "cost has 1 entries for 2 logged_llms"),
        ((["a", np.nan], [1.0, 1.0]), "logged_llms holds a missing name at 1"),
        ((["a", None], [1.0, 1.0]), "logged_llms holds a missing name at 1"),
        ((["a", "b"], [1.0, np.inf]), "infinite"),
        ((["a", "b"], [1.0, 1.0], [1.0, -1.0]), "negative"),
    ],
)
def test_bad_logs_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_logged_target(*arguments)


def test_a_called_llm_outside_the_pool_is_refused():
    with pytest.raises(ValueError, match=r"logged_llms holds \['b'\], which are not in the pool"):
        make_logged_target(["a", "b"], [1.0, 1.0], llm_names=["a", "c"])


def test_routers_learn_from_logs_and_weights_undo_the_logger():
    # "a" is right where x > 0. The logger sends it such queries mostly, so that its mean in the
    # log is higher than that of "b", which is better on average.
    rng = np.random.default_rng(0)
    x = rng.choice([-1.0, 1.0], size=4000)
    chance = np.stack([np.where(x > 0, 0.9, 0.1), np.full(4000, 0.6)], axis=1)
    propensity = np.where(x > 0, 0.9, 0.1)
    called = np.where(rng.random(4000) < propensity, 0, 1)
    performance = (rng.random(4000) < chance[np.arange(4000), called]).astype(float)
    target = make_logged_target(np.array(["a", "b"])[called], performance)
    probability = np.where(called == 0, propensity, 1 - propensity)
    blind = np.ones((4000, 1))  # all that this router can learn is the mean of each LLM
    router = LinearRouter(alpha=0.0, llm_names=target.llm_names)
    plain = router.fit(blind, target.performance).predict_outcomes(blind[:1]).performance
    weight = 1 / probability
    router.fit(blind, target.performance, sample_weight=weight / weight.mean())
    weighted = router.predict_outcomes(blind[:1]).performance
    assert plain[0, 0] > 0.75
    np.testing.assert_allclose(weighted, [[0.5, 0.6]], atol=0.05)
    # One that sees what the logger saw needs no weights.
    router = LinearRouter(llm_names=target.llm_names).fit(x[:, None], target.performance)
    assert router.predict([[1.0], [-1.0]]).tolist() == ["a", "b"]
