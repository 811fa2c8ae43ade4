"""Reports on routers inside others, and what they make of names, chats and cascades."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrouter import (
    ExploringRouter,
    FallbackRouter,
    GuaranteedRouter,
    RadialRouterClassifier,
    make_routing_target,
    routing_report,
)
from skrouter.baselines import (
    BestSingleRouter,
    FrugalGPTRouter,
    LinearRouter,
)
from skrouter.datasets import make_routing_problem
from skrouter.metrics import routing_score
from skrouter.report._comparison import worst_loss
from skrouter.report._realized_outcomes import compare
from skrouter.report._router_adapter import RouterAdapter

NAMES = ["small", "large"]
COST = [0.5, 5.0]
FAST = {"n_resamples": 50, "random_state": 0}


@pytest.fixture(scope="module")
def problem():
    """The first feature tells whether "small" suffices."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    success = np.stack([0.9 - 0.8 * (X[:, 0] > 0), np.full(400, 0.9)], axis=1)
    return X, (rng.uniform(size=success.shape) < success).astype(float)


@pytest.fixture(scope="module")
def guaranteed(problem):
    """Held far from the trade-off of its router, 0.02."""
    router = GuaranteedRouter(
        LinearRouter(10.0, llm_names=NAMES), max_cost=3.0, max_query_cost=5.0, random_state=0
    )
    router.fit(*problem, cost=COST)
    assert router.cost_weight_ > 0.05
    return router


def expected_score(problem, llms, cost_weight):
    _, performance = problem
    return routing_score(performance, llms, cost=COST, cost_weight=cost_weight, llm_names=NAMES)


def trade_off_notes(report):
    return [note for note in report.notes if "its own trade-off" in note]


# Routers that hold a router


def fallback(router, problem):
    return FallbackRouter(router, min_margin=1e-9).fit(*problem, cost=COST)


@pytest.mark.filterwarnings("ignore:Performance cannot change a choice")
@pytest.mark.parametrize("frozen", [False, True])
def test_a_fallback_chooses_at_the_trade_off_of_the_report(problem, frozen):
    X, performance = problem
    inner = LinearRouter(10.0, cost_weight=0.0, llm_names=NAMES)
    if frozen:
        inner = FrozenEstimator(inner.fit(*problem, cost=COST))
    router = fallback(inner, problem)
    chosen = router.predict(X, cost_weight=5.0)
    assert (chosen != router.predict(X)).any()
    report = routing_report(router, X, performance, cost=COST, cost_weight=5.0, **FAST)
    assert report.scores["router"] == pytest.approx(expected_score(problem, chosen, 5.0))
    assert report.router_name == "FallbackRouter" and not trade_off_notes(report)
    own = routing_report(router, X, performance, cost=COST, **FAST)
    assert own.cost_weight == 0.0
    assert own.scores["router"] == pytest.approx(expected_score(problem, router.predict(X), 0.0))


@pytest.mark.filterwarnings("ignore:Performance cannot change a choice")
def test_a_fallback_of_one_trade_off_is_judged_at_another(problem):
    X, performance = problem
    router = fallback(BestSingleRouter(llm_names=NAMES), problem)
    report = routing_report(router, X, performance, cost=COST, cost_weight=0.5, **FAST)
    assert report.scores["router"] == pytest.approx(expected_score(problem, router.predict(X), 0.5))
    (note,) = trade_off_notes(report)
    assert "trade-off, 0.02, as it serves no other, and is judged at 0.5" in note


def test_a_fallback_without_costs(problem):
    X, performance = problem
    router = FallbackRouter(LinearRouter(10.0, llm_names=NAMES), min_margin=0.1).fit(X, performance)
    assert routing_report(router, X, performance, **FAST).cost_weight == 0
    report = routing_report(router, X, performance, cost=COST, **FAST)
    assert "The router was fitted without costs, and is judged with them." in report.notes


def test_an_exploring_router_is_reported_on_as_it_calls(problem):
    X, performance = problem
    router = ExploringRouter(LinearRouter(llm_names=NAMES), exploration=0.5, random_state=0)
    router.fit(*problem, cost=COST)
    chosen = router.predict(X, cost_weight=0.1)
    report = routing_report(router, X, performance, cost=COST, cost_weight=0.1, **FAST)
    assert report.router_name == "ExploringRouter" and not trade_off_notes(report)
    assert report.scores["router"] == pytest.approx(expected_score(problem, chosen, 0.1))
    inner = routing_report(router.router_, X, performance, cost=COST, cost_weight=0.1, **FAST)
    assert report.scores["router"].utility < inner.scores["router"].utility


def test_a_guaranteed_router_chooses_at_the_trade_off_that_it_holds(problem, guaranteed):
    X, performance = problem
    held, chosen = guaranteed.cost_weight_, guaranteed.predict(X)
    report = routing_report(guaranteed, X, performance, cost=COST, **FAST)
    assert report.cost_weight == held and not trade_off_notes(report)
    assert report.scores["router"] == pytest.approx(expected_score(problem, chosen, held))
    # Neither another trade-off nor that of the router inside is its own.
    report = routing_report(guaranteed, X, performance, cost=COST, cost_weight=0.02, **FAST)
    assert report.scores["router"] == pytest.approx(expected_score(problem, chosen, 0.02))
    (note,) = trade_off_notes(report)
    assert f"trade-off, {held:g}, as it serves no other, and is judged at 0.02" in note


def test_a_report_says_what_a_guarantee_rests_on(problem, guaranteed):
    X, performance = problem
    report = routing_report(guaranteed, X, performance, cost=COST, **FAST)
    assert guaranteed.guarantee_.endswith("if no query costs more than 5.")
    assert guaranteed.guarantee_ in report.notes
    assert guaranteed.guarantee_ in " ".join(str(report).split())
    unbounded = clone(guaranteed).set_params(max_query_cost=None)
    with pytest.warns(UserWarning, match="No guarantee"):
        unbounded.fit(X, performance, np.tile(COST, (len(X), 1)))
    report = routing_report(make_pipeline(unbounded), X, performance, cost=COST, **FAST)
    assert any(note.startswith("No guarantee that the mean cost") for note in report.notes)


def test_embeddings_are_those_of_the_router_inside(monkeypatch):
    data = make_routing_problem(200, random_state=0)
    encoder = make_pipeline(TfidfVectorizer(), TruncatedSVD(8, random_state=0))
    inner = LinearRouter(10.0, encoder=encoder, llm_names=data.llm_names)
    router = FallbackRouter(inner, min_margin=0.01).fit(data.queries, data.performance, data.cost)

    def embed(self, *_):
        raise AssertionError("another encoder was fitted")

    monkeypatch.setattr("skrouter.report._router_adapter.SentenceEncoder", embed)
    of_report, _ = RouterAdapter(router).embed(data.queries, data.queries, "all-MiniLM-L6-v2")
    np.testing.assert_array_equal(of_report, router.router_.encoder_.transform(data.queries))


# Names, chats, resamples


def test_class_names_of_object_dtype(problem):
    X, performance = problem
    labels = pd.Series(np.where(performance[:, 0] > 0, "small", "large"), dtype=object)
    model = LogisticRegression().fit(X, labels)
    assert model.classes_.dtype == object
    target = performance[:, ::-1]  # columns as in classes_, large first
    report = routing_report(model, X, target, cost=COST[::-1], cost_weight=0.02, **FAST)
    assert report.best_single_llm in NAMES
    assert {part.llm for part in report.savings.values()} <= set(NAMES)
    assert {type(name) for name in (report.best_single_llm, *report.llms)} == {str}


@pytest.mark.parametrize("looks", [True, False], ids=["linear", "best single"])
def test_chats_that_are_shared_are_counted(looks):
    data = make_routing_problem(120, random_state=0)
    texts = [f"{text} {number}" for number, text in enumerate(data.queries)]
    chats = [[{"role": "user", "content": text}] for text in texts]
    encoder = make_pipeline(TfidfVectorizer(), TruncatedSVD(4, random_state=0))
    kind = LinearRouter if looks else BestSingleRouter
    settings = {"encoder": encoder} if looks else {}
    router = kind(llm_names=data.llm_names, **settings)
    router.fit(chats[:80], data.performance[:80], data.cost[:80])
    test = slice(70, 120)
    # Each chat is an object of its own, as from a file that is read again.
    held_out = [[dict(message) for message in chat] for chat in chats[test]]
    report = routing_report(
        router,
        held_out,
        data.performance[test],
        cost=data.cost[test],
        X_train=chats[:80],
        y_train=data.performance[:80],
        cost_train=data.cost[:80],
        encoder=encoder,
        **FAST,
    )
    assert any(note.startswith("10 of the held-out queries") for note in report.notes)


def test_one_resample_makes_no_interval(problem):
    X, performance = problem
    router = LinearRouter(10.0, llm_names=NAMES).fit(X, performance, cost=COST)
    with pytest.raises(ValueError, match="'n_resamples' parameter of routing_report must be"):
        routing_report(router, X, performance, cost=COST, n_resamples=1)


# What a cascade can lose


def test_a_cascade_loses_what_it_pays_for_all_calls(monkeypatch):
    """Its answers are as good as those of "large", but it has paid for one of "small", too."""
    rng = np.random.default_rng(0)
    X = (rng.uniform(size=(300, 1)) < 0.2).astype(float)
    performance = np.column_stack([1 - 0.15 * X[:, 0], np.ones(300)])
    cost, hard = [10.0, 15.0], X[:, 0] > 0
    router = FrugalGPTRouter(
        order=NAMES, thresholds=[0.95], alpha=1e-6, llm_names=NAMES, random_state=0
    )
    router.fit(X, performance, cost)
    assert set(router.predict(X)) == set(NAMES)
    allowed = []

    def recorded(ours, theirs, largest_loss, **settings):
        allowed.append((largest_loss, (theirs - ours).max()))
        return compare(ours, theirs, largest_loss, **settings)

    monkeypatch.setattr("skrouter.report._comparison.compare", recorded)
    hard_only = {"X_train": X[hard], "y_train": performance[hard], "cost_train": cost}
    report = routing_report(router, X, performance, cost=cost, router_cost=1.0, **hard_only, **FAST)
    assert report.best_single_llm == "large"
    largest_loss, lost = allowed[0]
    # "small" for nothing, 0.02 x 10, and the router itself, 0.02 x 1. Alone "small" loses 0.05.
    assert largest_loss == pytest.approx(lost) == pytest.approx(0.22)


def test_the_worst_loss_is_of_a_called_llm_or_of_the_router():
    utility = np.array([[0.5, 0.2, -9.0], [0.1, np.nan, -9.0]])
    reference, called = np.array([0.5, 0.5]), np.array([True, True, False])
    assert worst_loss(utility, reference, called, np.array([0.5, 0.1])) == pytest.approx(0.4)
    assert worst_loss(utility, reference, called, np.array([-0.2, 0.1])) == pytest.approx(0.7)
    assert worst_loss(utility, reference - 9, called, np.array([0.5, np.nan])) == 0


# Routers trained for one trade-off


@pytest.fixture(scope="module")
def fixed(problem):
    X, performance = problem
    router = RadialRouterClassifier(
        trade_off="fixed", max_iter=2, cv=None, llm_names=NAMES, random_state=0
    )
    return router.fit(X[:200], performance[:200], cost=COST)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda router: router,
        lambda router: FrozenEstimator(router),
        lambda router: make_pipeline(FrozenEstimator(router)),
    ],
    ids=["bare", "frozen", "pipeline"],
)
def test_a_router_of_a_fixed_trade_off_has_a_report(problem, fixed, wrap):
    X, performance = problem
    held_out, outcomes = X[200:], performance[200:]
    report = routing_report(wrap(fixed), held_out, outcomes, cost=COST, **FAST)
    expected = routing_score(
        outcomes, fixed.predict(held_out), cost=COST, cost_weight=0.02, llm_names=NAMES
    )
    assert report.scores["router"] == pytest.approx(expected)
    assert report.router_name == "RadialRouterClassifier" and report.cost_weight == 0.02
    assert report.calibration is None
    assert any("has no predict_outcomes" in note for note in report.notes)
    other = routing_report(wrap(fixed), held_out, outcomes, cost=COST, cost_weight=0.05, **FAST)
    (note,) = trade_off_notes(other)
    assert "trade-off, 0.02, as it serves no other, and is judged at 0.05" in note


def test_a_fallback_around_a_router_of_a_fixed_trade_off_has_a_report(problem, fixed):
    X, performance = problem
    router = FallbackRouter(FrozenEstimator(fixed), min_margin=0.01)
    router.fit(X[:200], performance[:200], cost=COST)
    report = routing_report(router, X[200:], performance[200:], cost=COST, **FAST)
    expected = routing_score(
        performance[200:], router.predict(X[200:]), cost=COST, cost_weight=0.02, llm_names=NAMES
    )
    assert report.scores["router"] == pytest.approx(expected)
    assert report.router_name == "FallbackRouter" and report.calibration is None


# Routers inside searches and pipelines


@pytest.mark.parametrize("outer", ["search", "pipeline of a search", "frozen"])
def test_a_router_inside_others_chooses_at_the_trade_off_of_the_report(problem, outer):
    X, performance = problem
    y = make_routing_target(performance, COST)
    search = GridSearchCV(LinearRouter(10.0, llm_names=NAMES), {}, cv=2)
    scaled = make_pipeline(StandardScaler(), search)
    router = {"search": search, "pipeline of a search": scaled, "frozen": scaled}[outer].fit(X, y)
    if outer == "frozen":
        router = FrozenEstimator(router)
    bare = LinearRouter(10.0, llm_names=NAMES)
    if outer == "search":
        chosen = bare.fit(X, y).predict(X, cost_weight=0.15)
    else:
        chosen = bare.fit(StandardScaler().fit_transform(X), y).predict(
            StandardScaler().fit_transform(X), cost_weight=0.15
        )
    report = routing_report(router, X, y, cost_weight=0.15, **FAST)
    assert report.scores["router"] == pytest.approx(expected_score(problem, chosen, 0.15))
    assert report.router_name == "LinearRouter" and not trade_off_notes(report)
    assert report.calibration is not None
    assert routing_report(router, X, y, **FAST).cost_weight == 0.02
