"""Abstention: when the fallback is called, and that a query is encoded once."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skrouter import (
    ExploringRouter,
    FallbackRouter,
    GuaranteedRouter,
    RadialRouterClassifier,
    SentenceEncoder,
    make_routing_target,
)
from skrouter.baselines import (
    BestPerTaskRouter,
    BestSingleRouter,
    CosineClassifierRouter,
    KNNRouter,
    LinearRouter,
    RandomRouter,
    ZeroRouter,
)
from skrouter.metrics import make_routing_scorer

NAMES = ["a", "b", "c"]
COST = [0.5, 1.0, 20.0]


def expected_failures(estimator):
    if isinstance(estimator.router, KNNRouter):
        reason = "neighbours have no weights, and the router says so"
        return {
            "check_sample_weights_not_overwritten": reason,
            "check_sample_weight_equivalence_on_dense_data": reason,
        }
    return {}


@parametrize_with_checks(
    [
        FallbackRouter(LinearRouter(10.0), min_margin=0.01, min_similarity=0.0),
        FallbackRouter(KNNRouter(), min_margin=0.01),
        FallbackRouter(BestSingleRouter(), min_margin=0.01),
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
    return LinearRouter(10.0, llm_names=NAMES).fit(X, performance, cost=COST)


def careful(linear, numbers, **parameters):
    """A fallback router around the fitted one."""
    parameters = {"fallback": "c", **parameters}
    return FallbackRouter(FrozenEstimator(linear), **parameters).fit(*numbers, cost=COST)


def test_it_fits_the_router_that_it_is_given(linear, numbers):
    router = FallbackRouter(LinearRouter(10.0, llm_names=NAMES), fallback="c", min_margin=0.3)
    router.fit(*numbers, cost=COST)
    frozen = careful(linear, numbers, min_margin=0.3)
    np.testing.assert_array_equal(router.predict(numbers[0]), frozen.predict(numbers[0]))
    assert not hasattr(router.router, "classes_")
    assert frozen.router_ is linear
    assert not hasattr(router, "neighbors_")
    assert router.n_features_in_ == 4


@pytest.mark.parametrize("weight", [None, 0.1])
def test_small_margins_of_expected_utility(linear, numbers, weight):
    X = numbers[0]
    router = careful(linear, numbers, min_margin=0.2)
    values = np.sort(linear.decision_function(X, cost_weight=weight), axis=1)
    unsure = values[:, -1] - values[:, -2] < 0.2
    assert 0 < unsure.sum() < len(X)
    np.testing.assert_array_equal(router.abstains(X, cost_weight=weight), unsure)
    expected = np.where(unsure, "c", linear.predict(X, cost_weight=weight))
    np.testing.assert_array_equal(router.predict(X, cost_weight=weight), expected)


def test_every_query_has_its_own_trade_off(linear, numbers):
    X = numbers[0]
    router = careful(linear, numbers, min_margin=0.2)
    weights = np.where(np.arange(len(X)) % 2, 0.0, 0.1)
    expected = np.where(weights == 0, *(router.predict(X, cost_weight=w) for w in (0.0, 0.1)))
    np.testing.assert_array_equal(router.predict(X, cost_weight=weights), expected)


def test_unknown_queries(linear, numbers):
    X = numbers[0]
    router = careful(linear, numbers, min_similarity=0.9)
    rng = np.random.default_rng(1)
    new = rng.normal(size=(100, 4))
    lengths = np.linalg.norm(new, axis=1)[:, None] * np.linalg.norm(X, axis=1)
    similarity = (new @ X.T / lengths).max(axis=1)
    assert 0 < (similarity < 0.9).sum() < 100
    np.testing.assert_array_equal(router.abstains(new), similarity < 0.9)
    assert not router.abstains(X).any()
    assert router.neighbors_._fit_X.dtype == np.float32
    # Its trade-off does not matter to similarity.
    np.testing.assert_array_equal(router.abstains(new, cost_weight=1.0), similarity < 0.9)


def test_either_criterion_is_enough(linear, numbers):
    new = np.random.default_rng(1).normal(size=(100, 4))
    margin = careful(linear, numbers, min_margin=0.2).abstains(new)
    similarity = careful(linear, numbers, min_similarity=0.9).abstains(new)
    both = careful(linear, numbers, min_margin=0.2, min_similarity=0.9).abstains(new)
    np.testing.assert_array_equal(both, margin | similarity)
    assert both.sum() > max(margin.sum(), similarity.sum())


def test_values_and_shares_follow_the_choice(linear, numbers):
    X = numbers[0]
    router = careful(linear, numbers, min_margin=0.2)
    abstained = router.abstains(X)
    values, shares = router.decision_function(X), router.predict_proba(X)
    np.testing.assert_allclose(values[~abstained], linear.decision_function(X[~abstained]))
    np.testing.assert_allclose(shares[~abstained], linear.predict_proba(X[~abstained]))
    np.testing.assert_array_equal(shares[abstained], [[0.0, 0.0, 1.0]] * abstained.sum())
    np.testing.assert_array_equal(np.isneginf(values[abstained]).sum(axis=1), 2)
    for outputs in (values, shares):
        np.testing.assert_array_equal(router.classes_[outputs.argmax(axis=1)], router.predict(X))
    np.testing.assert_array_equal(
        router.predict_outcomes(X).performance, linear.predict_outcomes(X).performance
    )


@pytest.fixture(scope="module")
def radial(numbers):
    inner = RadialRouterClassifier(
        llm_names=NAMES, cv=None, max_iter=1, device="cpu", random_state=0
    )
    return inner.fit(*numbers, cost=COST)


def test_shares_are_those_of_the_router(linear, radial, numbers):
    X = numbers[0]
    free = ZeroRouter(budget=3.0, llm_names=NAMES).fit(*numbers, cost=COST)
    drawn = RandomRouter(llm_names=NAMES).fit(*numbers, cost=COST)
    assert radial.target_temperature != 1
    for inner in (linear, radial, free, drawn):
        router = careful(inner, numbers, min_margin=0.0)
        for allowed in (None, ["a", "c"]):
            np.testing.assert_allclose(
                router.predict_proba(X, allowed=allowed), inner.predict_proba(X, allowed=allowed)
            )
        router.set_params(min_margin=1e6)
        np.testing.assert_array_equal(router.predict_proba(X), [[0.0, 0.0, 1.0]] * len(X))
    router = careful(radial, numbers, min_margin=0.0)
    np.testing.assert_allclose(
        router.predict_proba(X, cost_weight=0.1), radial.predict_proba(X, cost_weight=0.1)
    )


def test_it_follows_the_pool_of_the_router(radial, numbers):
    X = numbers[0]
    inner = pickle.loads(pickle.dumps(radial))
    frozen = careful(inner, numbers, fallback="b", min_margin=0.0)
    router = FallbackRouter(clone(radial), fallback="b", min_margin=0.0).fit(*numbers, cost=COST)
    assert clone(router).set_params(min_margin=0.1).min_margin == 0.1
    assert not hasattr(clone(router), "classes_")
    for changed in (inner, router.router_):
        changed.remove_llm("a")
    for each in (frozen, router):
        assert each.classes_.tolist() == ["b", "c"]
        np.testing.assert_array_equal(each.predict(X), each.router_.predict(X))
        assert set(each.set_params(min_margin=1e6).predict(X)) == {"b"}
    inner.add_llm("d", np.ones(50), cost=0.0, X=X[:50])
    np.testing.assert_array_equal(frozen.set_params(min_margin=0.0).predict(X), inner.predict(X))
    inner.remove_llm("b")
    for method in (frozen.predict, frozen.abstains, frozen.predict_proba):
        with pytest.raises(ValueError, match=r"'b' is no longer in the pool \['c', 'd'\]"):
            method(X)


def test_two_llms_have_one_column(numbers):
    X, performance = numbers
    inner = LinearRouter(10.0, llm_names=["a", "b"]).fit(X, performance[:, :2])
    router = FallbackRouter(FrozenEstimator(inner), fallback="a", min_margin=0.2)
    router.fit(X, performance[:, :2])
    difference = inner.decision_function(X)
    unsure = np.abs(difference) < 0.2
    np.testing.assert_array_equal(router.abstains(X), unsure)
    np.testing.assert_array_equal(router.decision_function(X)[unsure], -np.inf)
    np.testing.assert_allclose(router.decision_function(X)[~unsure], difference[~unsure])
    np.testing.assert_array_equal(
        router.predict(X), np.where(router.decision_function(X) > 0, "b", "a")
    )


def test_one_llm_is_never_unsure(numbers):
    X, performance = numbers
    router = FallbackRouter(LinearRouter(10.0, llm_names=["a"]), fallback="a", min_margin=1e6)
    router.fit(X, performance[:, :1], cost=COST[:1])
    assert not router.abstains(X).any()


def test_only_allowed_llms_make_a_margin(linear, numbers):
    X = numbers[0]
    router = careful(linear, numbers, min_margin=0.2)
    values = linear.decision_function(X)
    unsure = np.abs(values[:, 0] - values[:, 2]) < 0.2
    np.testing.assert_array_equal(router.abstains(X, allowed=["a", "c"]), unsure)
    assert not router.abstains(X, allowed=["c"]).any()
    assert set(router.predict(X, allowed=["c"])) == {"c"}


def test_the_fallback_must_be_allowed(linear, numbers):
    X = numbers[0]
    router = careful(linear, numbers, min_margin=0.2)
    with pytest.raises(ValueError, match="allowed leaves out the fallback 'c' in 1 of 1 row"):
        router.predict(X, allowed=["a", "b"])
    lists = [["a", "c"]] * 199 + [["a", "b"]]
    with pytest.raises(ValueError, match="allowed leaves out the fallback 'c' in 1 of 200 row"):
        router.predict(X, allowed=lists)
    with pytest.raises(ValueError, match=r"allowed names \['d'\]"):
        router.predict(X, allowed=["d", "c"])


def test_score_is_that_of_the_called_llms(linear, numbers):
    X, performance = numbers
    router = careful(linear, numbers, min_margin=0.2)
    column = [NAMES.index(llm) for llm in router.predict(X)]
    utility = performance - 0.02 * np.array(COST)
    expected = utility[np.arange(len(X)), column]
    assert router.score(X, performance, cost=COST) == pytest.approx(expected.mean())
    weight = np.arange(len(X))
    assert router.score(X, performance, COST, weight) == pytest.approx(
        np.average(expected, weights=weight)
    )
    with pytest.raises(ValueError, match="cost is missing"):
        router.score(X, performance)


def test_without_a_name_the_strongest_llm_is_the_fallback(numbers):
    X, performance = numbers
    performance = performance - [0.0, 0.0, 0.45]  # now which is best depends on the weights
    positive = (X[:, 0] > 0).astype(float)
    for sample_weight, expected in ((None, "c"), (positive, "a"), (1 - positive, "b")):
        router = FallbackRouter(
            LinearRouter(10.0, cost_weight=0.5, llm_names=NAMES), min_margin=100.0
        )
        router.fit(X, performance, COST, sample_weight)
        assert router.fallback is None
        assert router.fallback_ == expected
        assert set(router.predict(X)) == {expected}


def test_the_fallback_is_called_even_where_the_router_never_would(numbers):
    X, performance = numbers
    never = ZeroRouter(cost_weight=0.0, llm_names=NAMES).fit(X, performance)
    router = FallbackRouter(FrozenEstimator(never), fallback="a", min_margin=np.finfo(float).max)
    # Only one LLM has a share, so its margin is infinite, and nothing is to be doubted.
    assert set(router.fit(X, performance).predict(X)) == {"c"}
    cost = np.tile(COST, (len(X), 1))
    cost[:, 0] = np.nan
    inner = LinearRouter(10.0, cost_weight=0.0, llm_names=NAMES).fit(X, performance, cost)
    router = FallbackRouter(FrozenEstimator(inner), fallback="a", min_margin=100.0)
    router.fit(X, performance, cost)
    assert set(router.predict(X, cost_weight=0.1)) == {"a"}
    np.testing.assert_array_equal(router.predict_proba(X, cost_weight=0.1)[0], [1.0, 0.0, 0.0])


def test_queries_without_weight_are_not_known(numbers):
    X, performance = numbers
    weight = np.ones(len(X))
    weight[0] = 0.0
    router = FallbackRouter(LinearRouter(10.0, llm_names=NAMES), min_similarity=0.9999)
    router.fit(X, performance, COST, weight)
    assert router.abstains(X)[0]
    assert not router.abstains(X)[1:].any()


def test_the_margin_of_other_routers_is_in_their_own_unit(numbers):
    X, performance = numbers
    inner = CosineClassifierRouter(16, max_iter=2, llm_names=NAMES, random_state=0)
    router = FallbackRouter(inner, fallback="c", min_margin=0.05).fit(X, performance, COST)
    values = np.sort(router.router_.decision_function(X), axis=1)
    np.testing.assert_array_equal(router.abstains(X), values[:, -1] - values[:, -2] < 0.05)
    assert not hasattr(FallbackRouter(BestSingleRouter(), min_margin=0.1), "predict_outcomes")
    with pytest.raises(ValueError, match="was trained for its own cost_weight"):
        router.predict(X, cost_weight=0.5)


def test_thresholds_move_without_a_new_fit(linear, numbers):
    new = np.random.default_rng(1).normal(size=(100, 4))
    moved = careful(linear, numbers, min_margin=0.5, min_similarity=-1.0)
    moved.set_params(min_margin=None, min_similarity=0.9)
    fresh = careful(linear, numbers, min_similarity=0.9)
    np.testing.assert_array_equal(moved.abstains(new), fresh.abstains(new))
    late = careful(linear, numbers, min_margin=0.5).set_params(min_similarity=0.9)
    with pytest.raises(ValueError, match="min_similarity=0.9 was set after fit"):
        late.predict(new)


# Text


class Counting(TransformerMixin, BaseEstimator):
    """An encoder without a memory that counts the texts it encodes."""

    encoded = 0

    def fit(self, X, y=None):
        self.n_features_ = 64
        return self

    def transform(self, X):
        type(self).encoded += len(X)
        return HashingVectorizer(n_features=64).transform(X).toarray()


@pytest.fixture(scope="module")
def texts():
    queries = [f"{what} number {i}" for i in range(30) for what in ("sum the list", "write a poem")]
    performance = np.tile([[1.0, 0.0], [0.0, 1.0]], (30, 1))
    return queries, performance


def test_each_text_is_encoded_once(texts):
    queries, performance = texts
    router = FallbackRouter(
        LinearRouter(10.0, encoder=Counting(), llm_names=["a", "b"]),
        fallback="b",
        min_margin=0.05,
        min_similarity=0.5,
    )
    Counting.encoded = 0
    router.fit(queries, performance)
    assert Counting.encoded == len(queries)
    for method in (router.predict, router.abstains, router.predict_proba, router.decision_function):
        Counting.encoded = 0
        method(queries[:10])
        assert Counting.encoded == 10
    assert not router.abstains(queries).any()
    assert router.abstains(["translate this to French"]).all()
    left = [name for name in vars(router.router_) if "embeddings" in name]
    assert left == []


def test_an_encoder_that_is_trained_along(texts, tiny_bert_path):
    queries, performance = texts
    inner = RadialRouterClassifier(
        encoder=SentenceEncoder(tiny_bert_path, cache=None),
        fine_tune_encoder=True,
        cv=None,
        expert_settings={"encoder_learning_rate": 1e-2},
        max_iter=1,
        random_state=0,
    )
    router = FallbackRouter(inner, min_similarity=0.99999).fit(queries, performance)
    # Kept are the embeddings after training, so that training queries are known.
    assert not router.abstains(queries).any()


def test_failures_leave_the_fitted_state(linear, numbers):
    X, performance = numbers
    router = FallbackRouter(LinearRouter(10.0, llm_names=NAMES), fallback="c", min_similarity=0.9)
    router.fit(X, performance, COST)
    before = router.predict(X)
    with pytest.raises(ValueError, match="NaN"):
        router.fit(np.where(X > 2, np.nan, X), performance, COST)
    with pytest.raises(ValueError, match="fallback='d' is not in the pool"):
        router.set_params(fallback="d").fit(X[:, :2], performance, COST)
    np.testing.assert_array_equal(router.predict(X), before)


BAD = [
    ({"min_margin": None}, "min_margin and min_similarity are both None"),
    ({"fallback": "d"}, r"fallback='d' is not in the pool \['a', 'b', 'c'\]"),
    ({"fallback": 2}, "fallback=2 is not in the pool"),
    ({"fallback": ["a"]}, "'fallback' parameter of FallbackRouter must be"),
    ({"min_margin": -0.1}, "'min_margin' parameter of FallbackRouter must be"),
    ({"min_similarity": 1.1}, "'min_similarity' parameter of FallbackRouter must be"),
    ({"router": StandardScaler()}, "'router' parameter of FallbackRouter must be"),
    (
        {"router": BestSingleRouter(llm_names=NAMES), "min_similarity": 0.5},
        "min_similarity=0.5 needs embeddings, but BestSingleRouter",
    ),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_parameters_are_refused_before_any_work(texts, change, message):
    queries = texts[0][:3]
    Counting.encoded = 0
    router = FallbackRouter(LinearRouter(10.0, encoder=Counting(), llm_names=NAMES), min_margin=0.1)
    with pytest.raises(ValueError, match=message):
        router.set_params(**change).fit(queries, np.eye(3), COST)
    assert Counting.encoded == 0
    with pytest.raises(NotFittedError):
        router.predict(queries)


def test_a_frozen_router_must_be_fitted(numbers):
    router = FallbackRouter(FrozenEstimator(LinearRouter(10.0)), min_margin=0.1)
    with pytest.raises(NotFittedError):
        router.fit(*numbers)


@pytest.mark.parametrize("fallback", [None, "c"])
def test_a_frozen_router_does_not_hide_that_lengths_differ(linear, numbers, fallback):
    X, performance = numbers
    router = FallbackRouter(FrozenEstimator(linear), fallback=fallback, min_margin=0.1)
    with pytest.raises(ValueError, match=r"X has 200, and y has 50"):
        router.fit(X, performance[:50], COST)
    with pytest.raises(ValueError, match=r"X has 200, y has 200, and sample_weight has 50"):
        router.fit(X, performance, COST, sample_weight=np.ones(50))


def test_it_can_be_searched_over_put_in_a_pipeline_and_pickled(numbers):
    X, performance = numbers
    y = make_routing_target(performance, COST)
    router = FallbackRouter(LinearRouter(10.0, llm_names=NAMES), fallback="c", min_margin=0.1)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), router),
        {"fallbackrouter__min_margin": [0.0, 0.3], "fallbackrouter__router__alpha": [1.0]},
        scoring=make_routing_scorer(0.02),
        cv=2,
    ).fit(X, y)
    best = search.best_estimator_
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(best)).predict(X), best.predict(X))
    assert clone(router).get_params()["router__llm_names"] == NAMES


def test_names_of_data_frames(numbers):
    X, performance = numbers
    table = pd.DataFrame(X, columns=list("wxyz"))
    target = pd.DataFrame(performance, columns=NAMES)
    router = FallbackRouter(LinearRouter(10.0), fallback="c", min_similarity=0.5)
    router.fit(table, target, cost=pd.Series(COST, index=NAMES))
    assert router.feature_names_in_.tolist() == list("wxyz")
    assert set(router.predict(table)) <= set(NAMES)


def test_a_refit_forgets_the_neighbours(numbers):
    router = FallbackRouter(LinearRouter(10.0), min_similarity=0.5).fit(*numbers)
    router.set_params(min_similarity=None, min_margin=0.1).fit(*numbers)
    assert not hasattr(router, "neighbors_")


@pytest.mark.parametrize(
    "router",
    [
        make_pipeline(LinearRouter(10.0)),
        GuaranteedRouter(LinearRouter(10.0), max_cost=1.0),
        ExploringRouter(LinearRouter(10.0)),
        FallbackRouter(LinearRouter(10.0), min_margin=0.1),
        FrozenEstimator(FallbackRouter(LinearRouter(10.0), min_margin=0.1)),
    ],
)
@pytest.mark.parametrize("around", ["fallback", "guarantee"])
def test_only_a_router_itself_can_be_inside(router, around, numbers):
    X, performance = numbers
    meta = FallbackRouter(router, min_margin=0.1)
    if around == "guarantee":
        meta = GuaranteedRouter(router, max_cost=1.0)
    with pytest.raises(TypeError, match="router must be a router of skrouter that is none around"):
        meta.fit(X, performance, cost=COST)


@pytest.mark.parametrize("frozen", [False, True])
def test_a_router_that_must_be_told_the_task_is_refused(frozen, numbers):
    X, performance = numbers
    router = BestPerTaskRouter(llm_names=NAMES).fit(X, performance, tasks=np.arange(len(X)) % 2)
    if frozen:
        router = FrozenEstimator(router)
    with pytest.raises(ValueError, match="BestPerTaskRouter, which must be told the task"):
        FallbackRouter(router, min_margin=0.1).fit(X, performance, cost=COST)


def test_similarity_is_not_measured_to_embeddings_of_another_fit(numbers):
    X, performance = numbers
    inner = LinearRouter(10.0, llm_names=NAMES).fit(X, performance, cost=COST)
    router = FallbackRouter(FrozenEstimator(inner), fallback="c", min_similarity=0.5)
    router.fit(X, performance)
    inner.fit(X, performance, cost=COST)
    with pytest.raises(ValueError, match="The router was fitted again since"):
        router.predict(X)
    router.set_params(min_similarity=None, min_margin=0.1).predict(X)
