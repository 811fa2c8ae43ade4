"""Metrics that are one number of one router, by hand, and as scorers."""

import itertools

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV, cross_val_score

from skrouter import make_routing_target
from skrouter.metrics import (
    apgr,
    cpt,
    make_routing_scorer,
    oracle_llms,
    oracle_regret,
    pgr,
    router_arena_score,
    routing_score,
    routing_share,
)

nan = np.nan
NAMES = ["large", "small"]
PERFORMANCE = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.5], [1.0, 0.25]])
COST = np.array([[4.0, 1.0], [6.0, 1.0], [5.0, 2.0], [5.0, 0.0]])
CHOSEN = ["large", "small", "small", "large"]  # performance 1, 1, .5, 1; cost 4, 1, 2, 5

# The strong LLM gains 1, 0, 1, -1: one in all, from .5 to .75 on the mean.
PAIR = np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
WHICH = {"weak": 0, "strong": 1}
RISING = [0.9, 0.8, 0.3, 0.1]  # PGR 0, 1, 1, 2, 1 over the share of strong calls
FALLING = [0.1, 0.8, 0.3, 0.9]  # PGR 0, -1, -1, 0, 1


class Constant(ClassifierMixin, BaseEstimator):
    """A router from outside the package: a few lines, not one of our classes."""

    def __init__(self, choice=0):
        self.choice = choice

    def fit(self, X, y):
        self.classes_ = np.array(NAMES)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[self.choice])


# pgr


def test_pgr_by_hand():
    assert pgr(PAIR, [0] * 4, **WHICH) == 0
    assert pgr(PAIR, [1] * 4, **WHICH) == 1
    assert pgr(PAIR, [1, 0, 1, 0], **WHICH) == 2
    assert pgr(PAIR, [0, 0, 0, 1], **WHICH) == -1
    assert pgr(PAIR, np.full((4, 2), 0.5), **WHICH) == 0.5


def test_pgr_is_the_formula_of_the_means():
    rng = np.random.default_rng(0)
    performance = rng.uniform(size=(50, 3))
    performance[:, 2] += 0.2
    weights = rng.uniform(size=50)
    llms = rng.choice(["a", "c"], size=50)
    options = {"llm_names": ["a", "b", "c"], "sample_weight": weights}

    def mean(llms):
        return routing_score(performance, llms, **options).performance

    low, high = mean(["a"] * 50), mean(["c"] * 50)
    expected = (mean(llms) - low) / (high - low)
    assert pgr(performance, llms, weak="a", strong="c", **options) == pytest.approx(expected)


def test_metrics_of_a_pair_leave_out_queries_without_both_outcomes():
    performance = np.vstack([PAIR, [[nan, 1.0], [0.0, nan], [nan, nan]]])
    assert pgr(performance, [1, 0, 1, 0, 0, 1, 1], **WHICH) == pgr(PAIR, [1, 0, 1, 0], **WHICH)
    score = [*RISING, 0.95, 0.5, -7.0]
    assert apgr(performance, score, **WHICH) == apgr(PAIR, RISING, **WHICH)
    assert cpt(performance, score, **WHICH) == cpt(PAIR, RISING, **WHICH)


@pytest.mark.parametrize(
    "llms, options, message",
    [
        ([0, 1, 1, 0], {"weak": 0, "strong": 2}, "strong=2 is not in the pool [0, 1]"),
        ([0, 1, 1, 0], {"weak": "0", "strong": 1}, "weak='0' is not in the pool"),
        ([0, 1, 1, 0], {"weak": 1, "strong": 0}, "strong=0 is not better than weak=1: the diff"),
        ([0, 1, 1, 0], {"weak": 1, "strong": 1}, "is 0, and there is no gap to recover"),
        ([0, 1, 1, 2], WHICH, "llms holds [2], which are not in the pool"),
        ([0, 1, 1], WHICH, "outcomes has 4, and llms has 3"),
    ],
)
def test_bad_input_of_pgr_is_refused(llms, options, message):
    with pytest.raises(ValueError) as error:
        pgr(PAIR, llms, **options)
    assert message in str(error.value)


def test_pgr_refuses_a_third_llm():
    with pytest.raises(ValueError, match=r"llms holds \[2\]; only weak=0 and strong=1 may"):
        pgr(np.column_stack([PAIR, PAIR[:, 0]]), [0, 1, 1, 2], **WHICH)


def test_pgr_refuses_a_pair_never_seen_together():
    with pytest.raises(ValueError, match="No query has an observed outcome of both 0 and 1"):
        pgr([[nan, 1.0], [0.0, nan]], [0, 1], **WHICH)


# apgr


def test_apgr_by_hand():
    assert apgr(PAIR, RISING, **WHICH) == pytest.approx((0.5 + 1 + 1.5 + 1.5) / 4)
    assert apgr(PAIR, FALLING, **WHICH) == pytest.approx((-0.5 - 1 - 0.5 + 0.5) / 4)


def test_apgr_of_the_order_of_the_oracle_by_hand():
    # By the gain of the strong LLM, 1, 0, 1, -1: PGR 0, then straight to 2 at a half, 2, 1.
    gain = PAIR[:, 1] - PAIR[:, 0]
    best = apgr(PAIR, gain, **WHICH)
    assert best == pytest.approx(0.5 * 1 + 0.25 * 2 + 0.25 * 1.5)
    others = [apgr(PAIR, order, **WHICH) for order in itertools.permutations(range(4))]
    assert max(others) == pytest.approx(best)


def test_apgr_of_a_random_order_is_a_half():
    assert apgr(PAIR, [3.0] * 4, **WHICH) == 0.5
    orders = itertools.permutations(range(4))
    assert np.mean([apgr(PAIR, order, **WHICH) for order in orders]) == pytest.approx(0.5)


def test_apgr_among_equal_scores_is_the_expectation():
    ties = [1.0, 0.0, 0.0, 0.0]
    orders = itertools.permutations([0.1, 0.2, 0.3])
    untied = [apgr(PAIR, [1.0, *order], **WHICH) for order in orders]
    assert apgr(PAIR, ties, **WHICH) == pytest.approx(np.mean(untied))


def test_apgr_of_weights_is_that_of_repetitions():
    rows = [0, 0, 2, 3]
    weighted = apgr(PAIR, RISING, **WHICH, sample_weight=[2, 0, 1, 1])
    # Repetitions are equal in score, so all at once.
    assert weighted == pytest.approx(apgr(PAIR[rows], np.array(RISING)[rows], **WHICH))


@pytest.mark.parametrize(
    "score, message",
    [
        ([0.1, nan, 0.2, 0.3], "strong_score contains NaN"),
        ([0.1, np.inf, 0.2, 0.3], "strong_score contains infinity"),
        ([0.1, 0.2], "y_true has 4, and strong_score has 2"),
        (np.ones((4, 2)), "1d array"),
    ],
)
@pytest.mark.parametrize("metric", [apgr, cpt])
def test_bad_scores_are_refused(metric, score, message):
    with pytest.raises(ValueError) as error:
        metric(PAIR, score, **WHICH)
    assert message in str(error.value)


# cpt


@pytest.mark.parametrize(
    "level, share", [(0, 0), (-1, 0), (0.5, 0.125), (1, 0.25), (1.5, 0.625), (2, 0.75)]
)
def test_cpt_by_hand(level, share):
    assert cpt(PAIR, RISING, **WHICH, level=level) == share


def test_cpt_of_a_curve_that_falls_first():
    # PGR 0, -1, -1, 0, 1: a half is first reached half way along the last quarter.
    assert cpt(PAIR, FALLING, **WHICH, level=0.5) == 0.875
    assert cpt(PAIR, FALLING, **WHICH, level=1.0) == 1.0
    # PGR 0, 1, 1, 2, 1 has 1.5 twice: the smaller share counts.
    assert cpt(PAIR, RISING, **WHICH, level=1.5) == 0.625


def test_cpt_never_reached_is_nan():
    assert np.isnan(cpt(PAIR, RISING, **WHICH, level=2.5))
    assert np.isnan(cpt(PAIR, FALLING, **WHICH, level=1.1))


def test_cpt_is_not_moved_by_rounding():
    # .1 + .2 is not quite .3 in floating point, and then nothing is gained until the end.
    performance = np.column_stack([np.zeros(5), [0.1, 0.2, 0.0, 0.0, 0.3]])
    assert cpt(performance, [5, 4, 3, 2, 1], **WHICH, level=0.5) == 0.4


@pytest.mark.parametrize("level", [nan, np.inf, "0.5", None])
def test_cpt_refuses_a_bad_level(level):
    with pytest.raises(ValueError, match="'level' parameter of cpt must be a float"):
        cpt(PAIR, RISING, **WHICH, level=level)


# router_arena_score


def test_arena_score_by_hand():
    # Cost 2 is half way between 1 and 4 in halvings, so C is .5; the performance is .75.
    options = {"cost": [2.0, 9.0], "c_min": 1, "c_max": 4}
    score = router_arena_score(PERFORMANCE, [0] * 4, **options)
    assert score == pytest.approx(1.1 * 0.75 * 0.5 / (0.1 * 0.75 + 0.5))
    even = router_arena_score(PERFORMANCE, [0] * 4, **options, beta=1)
    assert even == pytest.approx(2 * 0.75 * 0.5 / (0.75 + 0.5))


def test_arena_score_with_its_own_bounds():
    perfect = np.ones((2, 1))
    assert router_arena_score(perfect, [0, 0], cost=[0.0044]) == pytest.approx(1)
    assert router_arena_score(perfect, [0, 0], cost=[200.0]) == 0
    assert router_arena_score(0 * perfect, [0, 0], cost=[200.0]) == 0
    # beyond the bounds: as at the bounds
    assert router_arena_score(perfect, [0, 0], cost=[0.0]) == pytest.approx(1)
    assert router_arena_score(perfect, [0, 0], cost=[1000.0]) == 0


def test_arena_score_leaves_out_the_unobserved():
    performance = np.vstack([PERFORMANCE, [[nan, 1.0]]])
    options = {"cost": [2.0, 1.0]}
    left_out = router_arena_score(performance, [0] * 5, **options)
    assert left_out == router_arena_score(PERFORMANCE, [0] * 4, **options)


@pytest.mark.parametrize(
    "options, message",
    [
        ({}, "cost is missing for the chosen LLMs"),
        ({"cost": [nan, 1.0]}, "cost is missing for the chosen LLMs"),
        ({"beta": 0}, "'beta' parameter of router_arena_score must be a float in the range"),
        ({"c_min": 0}, "'c_min' parameter of router_arena_score must be"),
        ({"c_max": nan}, "'c_max' parameter of router_arena_score must be"),
        ({"c_max": np.inf}, "'c_max' parameter of router_arena_score must be"),
        ({"c_min": 5.0, "c_max": 5.0}, "c_max=5.0 must be above c_min=5.0"),
    ],
)
def test_bad_input_of_arena_score_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        router_arena_score(PERFORMANCE, [0] * 4, **options)


def test_arena_score_refuses_performance_that_is_no_share():
    with pytest.raises(ValueError, match=r"must be in \[0, 1\], got 75"):
        router_arena_score(100 * PERFORMANCE, [0] * 4, cost=[1.0, 2.0])


# routing_share


def test_share_by_hand():
    pool = ["tiny", *NAMES]
    assert routing_share(CHOSEN, llm_names=pool) == {"tiny": 0.0, "large": 0.5, "small": 0.5}
    assert routing_share(["b", "a", "b", "b"]) == {"a": 0.25, "b": 0.75}
    weighted = routing_share(CHOSEN, llm_names=NAMES, sample_weight=[1, 2, 1, 0])
    assert weighted == {"large": 0.25, "small": 0.75}


def test_share_of_probabilities_is_their_mean():
    shares = routing_share([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    assert shares == {0: 0.75, 1: 0.25, 2: 0.0}
    assert list(routing_share([[0.5, 0.5]], llm_names=NAMES)) == NAMES


@pytest.mark.parametrize(
    "llms, options, message",
    [
        ([], {}, "llms is empty"),
        ("large", {}, "llms has shape ()"),
        (["huge"], {"llm_names": NAMES}, "llms holds ['huge'], which are not in the pool"),
        ([[0.5, 0.5]], {"llm_names": ["large"]}, "llms has shape (1, 2)"),
        ([[0.5, 0.6]], {}, "not probabilities"),
        (["a", "b"], {"sample_weight": [1]}, "sample_weight.shape == (1,), expected (2,)"),
    ],
)
def test_bad_input_of_share_is_refused(llms, options, message):
    with pytest.raises(ValueError) as error:
        routing_share(llms, **options)
    assert message in str(error.value)


# oracle_regret


def test_regret_by_hand():
    # The oracle has 1, 1, .5 and 1; always the large one has 1, 1, 0 and 1.
    assert oracle_regret(PERFORMANCE, [0] * 4) == 0.125
    # At .1 the utilities are .6, -.1; .4, .9; -.5, .3; .5, .25.
    options = {"cost": COST, "cost_weight": 0.1}
    assert oracle_regret(PERFORMANCE, [0] * 4, **options) == pytest.approx(1.3 / 4)
    assert oracle_regret(PERFORMANCE, np.full((4, 2), 0.5), **options) == pytest.approx(
        (0.35 + 0.25 + 0.4 + 0.125) / 4
    )


def test_regret_is_the_utility_of_the_oracle_less_that_of_the_router():
    rng = np.random.default_rng(0)
    performance, cost = rng.uniform(size=(2, 40, 3))
    weights, llms = rng.uniform(size=40), rng.integers(3, size=40)
    options = {"cost": cost, "cost_weight": 0.3, "sample_weight": weights}
    best = oracle_llms(performance, cost=cost, cost_weight=0.3)
    expected = (
        routing_score(performance, best, **options).utility
        - routing_score(performance, llms, **options).utility
    )
    assert oracle_regret(performance, llms, **options) == pytest.approx(expected)
    assert oracle_regret(performance, best, **options) == 0


def test_regret_leaves_queries_out_for_router_and_oracle_alike():
    rows = [[nan, 1.0], [nan, nan]]  # the chosen one is not observed; nothing is
    assert oracle_regret(np.vstack([PERFORMANCE, rows]), [0] * 6) == 0.125
    # the oracle cannot choose what was not observed
    assert oracle_regret([[0.5, nan], [0.5, 1.0]], [0, 0]) == 0.25


def test_bad_input_of_regret_is_refused():
    with pytest.raises(ValueError, match="cost is missing, but cost_weight=0.1"):
        oracle_regret(PERFORMANCE, [0] * 4, cost_weight=0.1)
    with pytest.raises(ValueError, match="no observed outcome for the chosen"):
        oracle_regret([[nan, 1.0]], [0])


# as scorers of scikit-learn


def test_metrics_of_one_router_are_scorers_by_make_scorer():
    y, X = make_routing_target(PERFORMANCE, COST), np.ones((4, 1))
    router = Constant(1).fit(X, y)
    regret = make_scorer(oracle_regret, greater_is_better=False, cost_weight=0.1, llm_names=NAMES)
    assert regret(router, X, y) == pytest.approx(-(0.7 + 0.25) / 4)
    arena = make_scorer(router_arena_score, llm_names=NAMES)
    assert arena(router, X, y) == router_arena_score(y, [1] * 4)
    recovered = make_scorer(pgr, weak="small", strong="large", llm_names=NAMES)
    assert recovered(router, X, y) == 0


def test_regret_chooses_in_a_search_as_the_utility_does():
    y = make_routing_target(np.tile(PERFORMANCE, (3, 1)), np.tile(COST, (3, 1)))
    regret = make_scorer(oracle_regret, greater_is_better=False, cost_weight=0.5, llm_names=NAMES)
    best = [
        GridSearchCV(Constant(), {"choice": [0, 1]}, scoring=scoring, cv=3, error_score="raise")
        .fit(np.ones((12, 1)), y)
        .best_params_
        for scoring in (regret, make_routing_scorer(0.5))
    ]
    assert best == [{"choice": 1}, {"choice": 1}]


class Probable(LogisticRegression):
    """A classifier of scikit-learn on the better LLM of each query."""

    def fit(self, X, y):
        return super().fit(X, (y[:, 1] > y[:, 0]).astype(int))


def test_apgr_is_a_scorer_of_probabilities():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 2))
    y = (rng.uniform(size=(80, 2)) < np.column_stack([X[:, 0] < 0, X[:, 0] > -1])).astype(float)
    scorer = make_scorer(apgr, response_method="predict_proba", weak=0, strong=1)
    router = Probable().fit(X, y)
    expected = apgr(y, router.predict_proba(X)[:, 1], weak=0, strong=1)
    assert scorer(router, X, y) == pytest.approx(expected)
    assert (cross_val_score(Probable(), X, y, scoring=scorer, cv=3) > 0.5).all()
