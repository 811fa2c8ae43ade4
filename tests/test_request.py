"""What may be asked of one prediction: another trade-off, and the LLMs that may be called."""

import numpy as np
import pandas as pd
import pytest

from skrouter.baselines import (
    BestPerTaskRouter,
    BestSingleRouter,
    CosineClassifierRouter,
    FrugalGPTRouter,
    KNNRouter,
    LinearRouter,
    RandomRouter,
    ZeroRouter,
)

NAMES = ["a", "b", "c"]
COST = [0.5, 1.0, 20.0]


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
    return LinearRouter(10.0, llm_names=NAMES).fit(X, performance, cost=COST)


@pytest.mark.filterwarnings("ignore:Performance cannot change a choice")
def test_one_fit_serves_every_trade_off(linear, numbers):
    X, performance = numbers
    for weight in (0.0, 0.01, 0.1, 10.0):
        dedicated = LinearRouter(10.0, cost_weight=weight, llm_names=NAMES).fit(
            X, performance, COST
        )
        asked = linear.predict(X, cost_weight=weight)
        np.testing.assert_array_equal(asked, dedicated.predict(X))
        np.testing.assert_allclose(
            linear.predict_proba(X, cost_weight=weight), dedicated.predict_proba(X)
        )
    assert set(linear.predict(X, cost_weight=10.0)) == {"a"}


def test_every_query_has_its_own_trade_off(linear, numbers):
    X, _ = numbers
    weights = np.where(np.arange(len(X)) % 2, 0.0, 10.0)
    mixed = linear.predict(X, cost_weight=weights)
    expected = np.where(
        weights == 0, linear.predict(X, cost_weight=0.0), linear.predict(X, cost_weight=10.0)
    )
    np.testing.assert_array_equal(mixed, expected)


def test_unknown_costs_do_not_matter_where_they_are_not_charged(numbers):
    X, performance = numbers
    cost = np.tile(COST, (len(X), 1))
    cost[:, 2] = np.nan
    router = LinearRouter(10.0, cost_weight=0.0, llm_names=NAMES).fit(X, performance, cost)
    chosen = router.predict(X[:2], cost_weight=[0.0, 0.1])
    assert chosen[0] == router.predict(X[:1])[0] == "c"
    assert chosen[1] != "c"


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (-0.1, "cost_weight must be a finite number >= 0"),
        (np.nan, "cost_weight must be a finite number >= 0"),
        ("0.1", "cost_weight must be a finite number >= 0"),
        ([0.1, 0.2], r"cost_weight has shape \(2,\)"),
    ],
)
def test_bad_trade_offs_are_refused(linear, numbers, weight, message):
    with pytest.raises(ValueError, match=message):
        linear.predict(numbers[0], cost_weight=weight)


def test_a_router_trained_for_one_trade_off_knows_no_other(numbers):
    X, performance = numbers
    router = CosineClassifierRouter(16, max_iter=1, random_state=0).fit(X, performance, COST)
    np.testing.assert_array_equal(router.predict(X, cost_weight=0.02), router.predict(X))
    with pytest.raises(ValueError, match="was trained for its own cost_weight=0.02"):
        router.predict(X, cost_weight=0.1)


def test_without_costs_there_is_nothing_to_charge(numbers):
    X, performance = numbers
    router = LinearRouter(10.0).fit(X, performance)
    np.testing.assert_array_equal(router.predict(X, cost_weight=0.0), router.predict(X))
    with pytest.raises(ValueError, match="fitted without costs"):
        router.predict(X, cost_weight=0.1)


@pytest.mark.parametrize("form", ["names", "lists", "booleans", "boolean lists"])
def test_only_allowed_llms_are_called(linear, numbers, form):
    X, _ = numbers
    allowed = {
        "names": ["a", "c"],
        "lists": [["a", "c"]] * len(X),
        "booleans": np.tile([True, False, True], (len(X), 1)),
        "boolean lists": [[True, False, True]] * len(X),
    }[form]
    values = linear.decision_function(X)
    expected = np.where(values[:, 0] >= values[:, 2], "a", "c")
    np.testing.assert_array_equal(linear.predict(X, allowed=allowed), expected)
    shares = linear.predict_proba(X, allowed=allowed)
    assert (shares[:, 1] == 0).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1)


def test_every_query_has_its_own_pool(linear, numbers):
    X, _ = numbers
    allowed = [["a"], ["b", "c"]] * (len(X) // 2)
    chosen = linear.predict(X, allowed=allowed)
    assert (chosen[::2] == "a").all()
    assert "a" not in chosen[1::2]


@pytest.mark.parametrize(
    ("allowed", "message"),
    [
        ("a", "allowed is one string, 'a'"),
        (["a", "d"], r"allowed names \['d'\], which are not in the pool"),
        ([], "allowed holds no LLM"),
        ([["a"]] * 3, "allowed has 3 lists for 200 queries"),
        ([["a"]] * 199 + [[]], "allowed holds no LLM for query 199"),
        (["a", ["b"]], "allowed mixes names and lists of names|allowed has 2 lists"),
        (np.ones((2, 3), dtype=bool), r"allowed has shape \(2, 3\)"),
    ],
)
def test_bad_pools_are_refused_before_the_queries_are_encoded(linear, numbers, allowed, message):
    with pytest.raises(ValueError, match=message):
        linear.predict(numbers[0], allowed=allowed)


def test_references_call_allowed_llms_only(numbers):
    X, performance = numbers
    pool = {"allowed": ["a", "b"]}
    best = BestSingleRouter(cost_weight=0.0, llm_names=NAMES).fit(X, performance, COST)
    assert set(best.predict(X)) == {"c"}
    assert set(best.predict(X, **pool)) <= {"a", "b"}

    tasks = (X[:, 0] > 0).tolist()
    table = BestPerTaskRouter(llm_names=NAMES).fit(X, performance, COST, tasks=tasks)
    np.testing.assert_array_equal(table.predict(X, tasks=tasks, **pool), np.where(tasks, "a", "b"))

    lots = RandomRouter(llm_names=NAMES, random_state=0).fit(X, performance)
    np.testing.assert_allclose(lots.predict_proba(X[:1], **pool), [[0.5, 0.5, 0.0]])
    assert set(lots.predict(X, **pool)) == {"a", "b"}


def test_a_mixture_keeps_its_proportions_among_the_allowed(numbers):
    X, performance = numbers
    mixture = ZeroRouter(budget=10.0, llm_names=NAMES, random_state=0).fit(X, performance, COST)
    shares = mixture.predict_proba(X[:1])[0]
    mixed = [name for name, share in zip(NAMES, shares, strict=True) if share > 0]
    assert mixed[-1] == "c"
    assert np.mean(mixture.predict(np.tile(X, (20, 1))) == "c") == pytest.approx(
        shares[2], abs=0.03
    )
    np.testing.assert_array_equal(mixture.predict(X, allowed=["c"]), "c")
    (rest,) = set(NAMES) - set(mixed)
    with pytest.raises(ValueError, match="leaves none of the LLMs that this router can call"):
        mixture.predict(X, allowed=[rest])


def test_a_cascade_cannot_leave_out_an_llm(numbers):
    X, performance = numbers
    cascade = FrugalGPTRouter(llm_names=NAMES, random_state=0).fit(X, performance, COST)
    with pytest.raises(ValueError, match="a cascade calls its LLMs in a fixed order"):
        cascade.predict(X, allowed=["a"])


def test_pipelines_pass_it_on(numbers):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, performance = numbers
    pipeline = make_pipeline(StandardScaler(), KNNRouter(llm_names=NAMES)).fit(X, performance)
    assert set(pipeline.predict(X, allowed=["b"])) == {"b"}


def only(name, n, dtype):
    """Booleans that allow one LLM, by column name, the columns in another order."""
    frame = pd.DataFrame([[other == name for other in NAMES[::-1]]] * n, columns=NAMES[::-1])
    return frame.astype(dtype)


@pytest.mark.parametrize("dtype", ["bool", "boolean", object])
def test_booleans_in_a_frame_are_matched_by_name(linear, numbers, dtype):
    X, _ = numbers
    assert set(linear.predict(X, allowed=only("a", len(X), dtype))) == {"a"}


def test_booleans_as_objects_are_booleans(numbers):
    X, performance = numbers
    router = LinearRouter(10.0).fit(X, performance, cost=COST)
    allowed = np.array([[True, False, False]] * len(X), dtype=object)
    assert set(router.predict(X, cost_weight=0, allowed=allowed)) == {0}


def test_a_frame_of_other_llms_or_of_more_than_booleans_is_refused(linear, numbers):
    X, _ = numbers
    frame = only("a", len(X), "boolean")
    with pytest.raises(ValueError, match="columns of allowed"):
        linear.predict(X, allowed=frame.rename(columns={"a": "z"}))
    frame.iloc[0, 0] = pd.NA
    with pytest.raises(ValueError, match="True and False"):
        linear.predict(X, allowed=frame)


def test_a_boolean_is_no_name(numbers):
    X, performance = numbers
    router = LinearRouter(10.0).fit(X, performance, cost=COST)
    with pytest.raises(ValueError, match="allowed"):
        router.predict(X[:1], allowed=[[True, 2]])


def test_where_no_cost_is_known_no_cost_can_be_charged(numbers):
    X, performance = numbers
    router = LinearRouter(10.0, cost_weight=0.0).fit(
        X, performance, cost=np.full((len(X), 3), np.nan)
    )
    assert set(router.predict(X)) <= {0, 1, 2}
    for method in (router.predict, router.predict_proba):
        with pytest.raises(ValueError, match="cost_weight=0"):
            method(X, cost_weight=0.1)
