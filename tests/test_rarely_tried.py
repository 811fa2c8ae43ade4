"""An LLM that was tried on few queries does not win by luck."""

import warnings

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, KFold

from skrouter import (
    ExploringRouter,
    FallbackRouter,
    FewOutcomesWarning,
    GuaranteedRouter,
    RadialRouterClassifier,
    compare_routers,
    make_logged_target,
    make_routing_target,
    routing_report,
)
from skrouter._targets.rarely_tried import shrink_rarely_tried
from skrouter._targets.routing_target import RoutingTarget, check_routing_target
from skrouter.baselines import (
    BestPerTaskRouter,
    BestSingleRouter,
    FrugalGPTRouter,
    KNNRouter,
    LinearRouter,
    SVRRouter,
    ZeroRouter,
)

pytestmark = pytest.mark.filterwarnings("ignore::skrouter.FewOutcomesWarning")
NAMES = ["a", "b", "c", "new"]


def lucky_log(n_lucky, seed=0):
    """A log of 1,000 calls, `n_lucky` of them of the new LLM, all right; queries to come."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(1000, 4))
    called = np.append(np.full(n_lucky, 3), rng.integers(3, size=1000 - n_lucky))
    chance = 1 / (1 + np.exp(-(0.8 + X[:, :3] + 0.5 * X[:, 3:])))
    right = rng.random(1000) < chance[np.arange(1000), called.clip(max=2)]
    right[:n_lucky] = True
    target = make_logged_target(np.array(NAMES)[called], right, llm_names=NAMES)
    return X, target.performance, rng.normal(size=(1000, 4))


ROUTERS = [
    BestSingleRouter(llm_names=NAMES),
    ZeroRouter(llm_names=NAMES),
    LinearRouter(llm_names=NAMES),
    KNNRouter(llm_names=NAMES),
    SVRRouter(llm_names=NAMES),
    FrugalGPTRouter(max_length=1, llm_names=NAMES, random_state=0),
    RadialRouterClassifier(llm_names=NAMES, cv=None, device="cpu", random_state=0),
]


@pytest.mark.parametrize("router", ROUTERS, ids=lambda router: type(router).__name__)
def test_two_lucky_calls_of_a_thousand(router):
    X, performance, future = lucky_log(2)
    assert np.mean(router.fit(X, performance).predict(future) == "new") < 0.05


def test_two_lucky_calls_and_tasks():
    X, performance, _ = lucky_log(2)
    tasks = np.arange(1000) % 5
    router = BestPerTaskRouter(llm_names=NAMES).fit(X, performance, tasks=tasks)
    assert "new" not in router.predict(X, tasks=tasks)


def test_two_lucky_calls_do_not_make_a_fallback():
    X, performance, _ = lucky_log(2)
    for router in (
        LinearRouter(llm_names=NAMES),
        LinearRouter(llm_names=NAMES).fit(X, performance),
    ):
        careful = FallbackRouter(router, min_margin=0.1).fit(X, performance)
        assert careful.fallback_ != "new"


def test_a_good_llm_is_called_once_it_was_tried_often():
    """The price: it takes some calls to convince."""
    X, performance, future = lucky_log(100)
    router = LinearRouter(llm_names=NAMES).fit(X, performance)
    assert np.mean(router.predict(future) == "new") > 0.6


def shrunk(performance, weight=None):
    target = check_routing_target(performance)
    return shrink_rarely_tried(target, np.ones(len(performance)) if weight is None else weight)


def test_what_is_observed_half_as_often_as_the_best_known_is_untouched():
    rng = np.random.default_rng(0)
    performance = rng.random((40, 3))
    target, weight = check_routing_target(performance), rng.random(40)
    assert shrink_rarely_tried(target, weight) is target
    performance[20:, 0] = np.nan
    target = check_routing_target(performance)
    assert shrink_rarely_tried(target, np.ones(40)) is target
    only = RoutingTarget(performance[:20, :1], None, np.array(["only"]))
    assert shrink_rarely_tried(only, np.ones(20)) is only


def test_by_hand():
    performance = np.full((20, 2), np.nan)
    performance[:, 0], performance[:2, 1] = np.arange(20) % 2, 1.0
    result = shrunk(performance).performance
    np.testing.assert_array_equal(result[:, 0], performance[:, 0])
    # k = 5 (1 - 2 / 10) = 4 calls at 0, as two deviations below the mean is below 0.
    np.testing.assert_allclose(result[:2, 1], 2 / 6)
    assert np.isnan(result[2:, 1]).all() and (performance[:2, 1] == 1).all()


def test_unit_weights_and_range():
    rng = np.random.default_rng(0)
    performance = rng.normal(size=(60, 3))
    performance[3:, 2] = np.nan
    result = shrunk(performance).performance
    np.testing.assert_allclose(shrunk(10 * performance - 7).performance, 10 * result - 7)
    np.testing.assert_allclose(shrunk(performance, np.full(60, 1e300)).performance, result)
    # A query of weight 0 is as if it were not there.
    extreme = np.vstack([performance, [1e6, -1e6, 1e6]])
    weighted = shrunk(extreme, np.append(np.ones(60), 0.0)).performance
    np.testing.assert_allclose(weighted[:60], result)
    assert np.nanmin(result) >= np.nanmin(performance)
    assert np.nanmax(result) <= np.nanmax(performance)


def test_what_is_shown_is_what_was_observed():
    X, performance, _ = lucky_log(2)
    router = RadialRouterClassifier(llm_names=NAMES, cv=None, max_iter=1, device="cpu")
    router.fit(X, performance)
    (decision,) = router.explain(X[:1])
    shown = next(n for n in decision.neighbors if n.row == 0)
    assert shown.performance == {"new": 1.0}


def test_an_llm_that_did_very_badly_is_not_taken_to_be_better():
    performance = np.full((1000, 2), np.nan)
    performance[:, 0] = np.random.default_rng(0).uniform(0.6, 0.8, 1000)
    performance[:3, 1] = -5.0
    target = check_routing_target(performance, None)
    shrunk = shrink_rarely_tried(target, np.ones(1000)).performance
    np.testing.assert_array_equal(shrunk[:3, 1], -5.0)


def scored_table():
    """Outcomes of four LLMs on 200 queries, of which one was tried on six only."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    performance = (rng.random((200, 4)) < 1 / (1 + np.exp(-X))).astype(float)
    performance[rng.permutation(200)[6:], 3] = np.nan
    return X, performance


def test_one_warning_a_call():
    """Not one for every fold, reference, and router that is fitted on the way."""
    X, performance = scored_table()
    router = LinearRouter(llm_names=NAMES).fit(X, performance)
    two = [("ridge", LinearRouter()), ("kNN", KNNRouter())]
    guarded = GuaranteedRouter(LinearRouter(), max_cost=2.0, max_query_cost=4.0, random_state=0)
    calls = {
        "report": lambda: routing_report(router, X, performance, n_resamples=20),
        "report with training rows": lambda: routing_report(
            router, X, performance, X_train=X, y_train=performance, n_resamples=20
        ),
        "comparison": lambda: compare_routers(two, X, performance),
        "fallback": lambda: FallbackRouter(LinearRouter(), min_margin=0.1).fit(X, performance),
        "exploration": lambda: ExploringRouter(LinearRouter()).fit(X, performance),
        "guarantee": lambda: guarded.fit(X, performance, cost=np.ones(4)),
    }
    for name, call in calls.items():
        with pytest.warns(FewOutcomesWarning) as caught:
            call()
        assert [warning.category for warning in caught] == [FewOutcomesWarning], name


@pytest.mark.filterwarnings("error")
def test_a_search_is_silenced_by_the_class():
    X, performance = scored_table()
    target = make_routing_target(performance, np.ones(4))
    folds = KFold(3, shuffle=True, random_state=0)
    search = GridSearchCV(LinearRouter(), {"alpha": [1.0, 10.0]}, cv=folds)
    with pytest.warns(FewOutcomesWarning):
        search.fit(X, target)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewOutcomesWarning)
        search.fit(X, target)


def test_a_report_takes_no_lucky_llm_for_the_best_single_one():
    X, performance = scored_table()
    performance[:, 3] = np.nan
    performance[:2, 3] = 1.0
    router = LinearRouter(llm_names=NAMES).fit(X, performance)
    report = routing_report(router, X, performance, n_resamples=20)
    assert report.best_single_llm != "new"
