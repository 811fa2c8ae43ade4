"""The report of a fitted router: numbers, verdict, forms; and the picture of reliability."""

import pickle
import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.decomposition import TruncatedSVD
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.metrics import brier_score_loss
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrouter import FewOutcomesWarning, RoutingReport, make_routing_target, routing_report
from skrouter.baselines import (
    BestPerTaskRouter,
    BestSingleRouter,
    FrugalGPTRouter,
    KNNRouter,
    LinearRouter,
    RandomRouter,
)
from skrouter.datasets import make_routing_problem
from skrouter.metrics import (
    PairedDifference,
    ReliabilityDisplay,
    make_routing_scorer,
    oracle_llms,
    paired_bootstrap,
    routing_score,
    routing_share,
)
from skrouter.report._predictability import interaction, per_query_signal
from skrouter.report._verdict import write_verdict

nan = np.nan
NAMES = ["small", "large", "math"]
REFERENCES = ["best single LLM", "best LLM per task", "kNN", "ridge", "random", "oracle"]
FAST = {"n_resamples": 499, "random_state": 0}
TRAIN, TEST = slice(0, 200), slice(200, 400)


@pytest.fixture(scope="module")
def problem():
    """The first feature tells whether "small" suffices; the second, by its sign, is the task."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 4))
    hard, sums = X[:, 0] > 0, X[:, 1] > 1
    success = np.stack([0.9 - 0.8 * hard, np.full(400, 0.9), 0.1 + 0.9 * sums], axis=1)
    performance = (rng.uniform(size=success.shape) < success).astype(float)
    cost = np.tile([0.5, 15.0, 1.0], (400, 1)) * rng.uniform(0.9, 1.1, size=(400, 1))
    return X, performance, cost, np.where(sums, "sums", "rest")


@pytest.fixture(scope="module")
def linear(problem):
    X, performance, cost, _ = problem
    return LinearRouter(llm_names=NAMES).fit(X[TRAIN], performance[TRAIN], cost[TRAIN])


@pytest.fixture(scope="module")
def report(problem, linear):
    X, performance, cost, tasks = problem
    return routing_report(
        linear,
        X[TEST],
        performance[TEST],
        cost=cost[TEST],
        tasks=tasks[TEST],
        router_cost=0.25,
        **training(problem, tasks=True),
        **FAST,
    )


def training(problem, tasks=False):
    X, performance, cost, labels = problem
    rows = {"X_train": X[TRAIN], "y_train": performance[TRAIN], "cost_train": cost[TRAIN]}
    return rows | ({"tasks_train": labels[TRAIN]} if tasks else {})


def on_test(router, problem, **settings):
    X, performance, cost, _ = problem
    return routing_report(router, X[TEST], performance[TEST], cost=cost[TEST], **FAST, **settings)


def test_scores_are_those_of_the_metrics(report, problem, linear):
    X, performance, cost, tasks = problem
    y = {"y_true": performance[TEST], "cost": cost[TEST], "llm_names": NAMES}
    rows = X[TRAIN], performance[TRAIN], cost[TRAIN]
    single = BestSingleRouter(llm_names=NAMES).fit(*rows).predict(X[TEST])
    table = BestPerTaskRouter(llm_names=NAMES).fit(*rows, tasks=tasks[TRAIN])
    choices = {
        "router": linear.predict(X[TEST]),
        "best single LLM": single,
        "best LLM per task": table.predict(X[TEST], tasks=tasks[TEST]),
        "kNN": KNNRouter(llm_names=NAMES).fit(*rows).predict(X[TEST]),
        "ridge": LinearRouter(llm_names=NAMES).fit(*rows).predict(X[TEST]),
        "random": np.full((200, 3), 1 / 3),
        "oracle": oracle_llms(**y, cost_weight=0.02),
    }
    assert list(report.scores) == ["router", *REFERENCES]
    for name, llms in choices.items():
        expected = routing_score(llms=llms, cost_weight=0.02, **y)
        extra = 0.25 if name in ("router", "kNN", "ridge") else 0.0
        got = report.scores[name]
        assert got.performance == pytest.approx(expected.performance)
        assert got.cost == pytest.approx(expected.cost + extra)
        assert got.utility == pytest.approx(expected.utility - 0.02 * extra)
        assert got.n_observed == 200
    assert report.best_single_llm == single[0]


def test_differences_are_paired_intervals(report, problem, linear):
    X, performance, cost, _ = problem
    utility = (performance - 0.02 * cost)[TEST]
    ours = utility[linear.predict(X[TEST])[:, None] == NAMES] - 0.02 * 0.25
    single = utility[:, NAMES.index(report.best_single_llm)]
    got = report.differences["best single LLM"]
    assert list(report.differences) == REFERENCES
    assert got.difference == pytest.approx((ours - single).mean())
    expected = paired_bootstrap(ours, single, n_resamples=499, random_state=1)
    assert got.low == pytest.approx(expected.low, abs=0.01)
    assert got.high == pytest.approx(expected.high, abs=0.01)
    wide = on_test(linear, problem, confidence_level=0.99).differences["best single LLM"]
    narrow = on_test(linear, problem, confidence_level=0.5).differences["best single LLM"]
    assert wide.low < narrow.low < narrow.high < wide.high


def test_realised_share_of_the_oracles_gain(report):
    scores = {name: score.utility for name, score in report.scores.items()}
    most = scores["oracle"] - scores["best single LLM"]
    for name, share in report.realised.items():
        assert share == pytest.approx((scores[name] - scores["best single LLM"]) / most)
    assert list(report.realised) == ["router", "best LLM per task", "kNN", "ridge"]


def test_savings_contain_the_cost_of_the_router(report, problem):
    _, performance, cost, _ = problem
    router = report.scores["router"]
    for by, part in report.savings.items():
        column = NAMES.index(part.llm)
        assert part.cost == pytest.approx(cost[TEST, column].mean())
        assert part.saved.difference == pytest.approx(part.cost - router.cost)
        assert part.saved.low < part.saved.difference < part.saved.high
        assert part.share == pytest.approx(1 - router.cost / part.cost)
        gained = router.performance - performance[TEST, column].mean()
        assert part.performance.difference == pytest.approx(gained)
        weight = {"performance": 0.0, "utility": 0.02}[by]
        assert column == (performance - weight * cost)[TRAIN].mean(axis=0).argmax()


def test_what_is_called(report, problem, linear):
    X, performance, cost, _ = problem
    chosen = linear.predict(X[TEST])
    assert {name: use.share for name, use in report.llms.items()} == pytest.approx(
        routing_share(chosen, llm_names=NAMES)
    )
    for column, (name, use) in enumerate(report.llms.items()):
        rows = chosen == name
        assert use.n_calls == rows.sum()
        assert use.performance == pytest.approx(performance[TEST][rows, column].mean())
        assert use.cost == pytest.approx(cost[TEST][rows, column].mean())
        assert use.overall == pytest.approx(performance[TEST, column].mean())


def test_calibration_is_that_of_scikit_learn(report, problem, linear):
    X, performance, _, _ = problem
    observed, predicted = performance[TEST], linear.predict_outcomes(X[TEST]).performance
    part = report.calibration
    assert part.brier == pytest.approx(np.square(observed - predicted).mean())
    constant = np.broadcast_to(performance[TRAIN].mean(axis=0), observed.shape)
    assert part.constant == pytest.approx(brier_score_loss(observed.ravel(), constant.ravel()))
    assert part.skill == pytest.approx(1 - part.brier / part.constant)
    assert 0.1 < part.skill < 1 and part.n_outcomes == 600
    clipped = np.clip(predicted, 0, 1)
    curve = ReliabilityDisplay.from_predictions(observed, clipped, strategy="quantile").curves
    expected = calibration_curve(observed.ravel(), clipped.ravel(), n_bins=10, strategy="quantile")
    np.testing.assert_allclose(curve["router"].mean_observed, expected[0])
    np.testing.assert_allclose(curve["router"].mean_predicted, expected[1])
    assert part.bins.count.sum() == 600


def test_without_train_rows_the_best_single_llm_is_chosen_in_hindsight(linear, problem):
    _, performance, cost, tasks = problem
    report = on_test(linear, problem, tasks=tasks[TEST])
    means = (performance - 0.02 * cost)[TEST].mean(axis=0)
    assert report.best_single_llm == NAMES[means.argmax()]
    assert report.scores["best single LLM"].utility == pytest.approx(means.max())
    assert "chosen in hindsight" in report.notes[0]
    assert "the best LLM per task, kNN and ridge were cross-fitted" in report.notes[0]
    assert report.scores["kNN"].utility > means.max()
    # Constant predictions are those of these rows.
    expected = performance[TEST].var(axis=0).mean()
    assert report.calibration.constant == pytest.approx(expected)


def test_crossfitted_references_do_not_see_the_row_that_they_serve(problem):
    """Outcomes are coin flips: who saw them could be right on all, who did not is right on half."""
    rng = np.random.default_rng(0)
    X, performance = rng.normal(size=(300, 3)), np.eye(2)[rng.integers(2, size=300)]
    router = LinearRouter(10.0, cost_weight=0.0).fit(X, performance)  # has seen them
    report = routing_report(router, X, performance, tasks=np.arange(300), **FAST)
    assert report.scores["oracle"].performance == 1.0
    assert report.scores["kNN"].performance < 0.58
    assert report.scores["ridge"].performance < 0.58
    assert report.scores["best LLM per task"].performance < 0.58
    assert max(report.signal) < 0.03


# The verdict


def test_the_verdict_where_routing_pays(report):
    assert report.routing_pays is True
    against = report.differences["best single LLM"]
    assert report.verdict.startswith(
        f"On this data routing beats always calling {report.best_single_llm} by "
        f"{against.difference:+.4f} [{against.low:+.4f}, {against.high:+.4f}]."
    )
    assert "It also beats the best LLM per task, by" in report.verdict
    assert report.signal.ridge > 0.2 and report.signal.knn > 0.05


def test_the_verdict_where_there_is_nothing_to_route_by(problem):
    X, performance, cost, tasks = problem
    order = np.random.default_rng(0).permutation(len(X))
    noise = X, performance[order], cost[order], tasks
    router = KNNRouter(1, llm_names=NAMES).fit(X[TRAIN], noise[1][TRAIN], noise[2][TRAIN])
    report = on_test(router, noise, tasks=tasks[TEST], **training(noise, tasks=True))
    assert report.routing_pays is False
    assert report.verdict.startswith(
        f"On this data routing does not beat always calling {report.best_single_llm}: it is worse"
    )
    assert "worse than the best LLM per task" in report.verdict
    assert "kNN on the same embeddings is better" in report.verdict
    assert max(report.signal) < 0.03
    assert report.calibration.skill < 0.03


def test_the_signal_is_that_of_a_ridge_with_a_penalty_of_ten(problem):
    X, performance, _, _ = problem
    observed, predicted = interaction(performance), np.empty(performance.shape)
    for train, test in KFold(3, shuffle=True, random_state=0).split(X):
        predicted[test] = Ridge(10.0).fit(X[train], observed[train]).predict(X[test])
    expected = 1 - np.square(observed - predicted).sum() / np.square(observed).sum()
    found = per_query_signal(X, performance, 3, 0)
    assert found.ridge == pytest.approx(expected) and found.ridge > 0.1


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    "router", [KNNRouter(20, metric="euclidean"), LinearRouter()], ids=["knn", "linear"]
)
@pytest.mark.parametrize("signal", [True, False], ids=["signal", "permuted"])
def test_the_verdict_on_synthetic_problems(router, seed, signal):
    data = make_routing_problem(800, random_state=seed)
    order = np.arange(800) if signal else np.random.default_rng(seed).permutation(800)
    performance, cost = data.performance[order], data.cost[order]
    # As an ideal encoder would see it.
    X = np.column_stack([data.difficulty, *(data.tasks == task for task in set(data.tasks))])
    router.set_params(cost_weight=0.05)
    router.fit(X[:400], performance[:400], cost[:400])
    report = routing_report(
        router, X[400:], performance[400:], cost=cost[400:], n_resamples=199, random_state=seed
    )
    assert report.routing_pays is signal


def test_a_table_of_tasks_is_not_beaten_by_telling_tasks_apart(problem):
    X, performance, cost, _ = problem
    sums = X[:, 1] > 0
    tasks = np.where(sums, "sums", "rest")
    told = (
        np.column_stack([sums, ~sums]).astype(float),
        np.column_stack([performance[:, 0], sums * performance[:, 1]]),
        cost[:, :2],
    )
    router = LinearRouter(alpha=0.1, cost_weight=0.0).fit(*(part[TRAIN] for part in told))
    report = on_test(router, (*told, tasks), tasks=tasks[TEST], **training((*told, tasks), True))
    assert report.routing_pays
    assert "It does not beat the best LLM per task (difference +0.0000" in report.verdict
    assert "kNN on the same embeddings is as good" in report.verdict


def test_few_queries_that_differ_decide_nothing():
    """Six small gains, and no loss: one lost answer, which may well come, would undo them."""
    rng = np.random.default_rng(0)
    X = np.zeros((300, 1))
    X[:6] = 1
    performance = np.ones((300, 2))
    performance[6:, 1] = rng.uniform(size=294) < 0.5  # what the second LLM does elsewhere
    cost = [5.0, 1.0]
    router = LinearRouter(alpha=1e-6, llm_names=["expensive", "cheap"]).fit(X, performance, cost)
    report = routing_report(router, X, performance, cost=cost, **FAST)
    assert report.llms["cheap"].n_calls == 6
    against = report.differences["best single LLM"]
    assert against.low < 0 < against.difference
    assert not report.routing_pays
    resampled = paired_bootstrap([0.08] * 6 + [0.0] * 294, [0.0] * 300, method="BCa", **FAST)
    assert resampled.low > 0  # what happened does not tell


def test_a_router_that_calls_one_llm_does_not_route(problem):
    X, performance, cost, _ = problem
    same = BestSingleRouter(llm_names=NAMES).fit(X[TRAIN], performance[TRAIN], cost[TRAIN])
    assert on_test(same, problem).verdict.startswith(
        "On this data routing does not beat always calling large: the router does the same."
    )
    # The training rows misled the reference, not the router: better, but still no routing.
    wrong = training(problem) | {"y_train": performance[TRAIN][:, [1, 0, 2]]}
    report = on_test(same, problem, **wrong)
    assert report.differences["best single LLM"].low > 0
    assert not report.routing_pays
    assert "calls large on every query, so it does not route" in report.verdict


@pytest.mark.parametrize(
    ("single", "table", "knn", "ridge", "pays", "sentences"),
    [
        (1, 1, 1, 1, True, ["beats always", "It also beats the best LLM per task"]),
        (1, 1, 1, 0, True, ["beats always", "Ridge on the same embeddings is as good"]),
        (1, 1, 0, -1, True, ["kNN on the same", "as good", "Ridge on the same", "is better"]),
        (
            1,
            1,
            0,
            1,
            True,
            ["beats always", "It also beats the best LLM per task", "kNN", "as good"],
        ),
        (1, 0, -1, 1, True, ["It does not beat the best LLM per task", "is better"]),
        (1, -1, 1, 1, True, ["beats always", "It is worse than the best LLM per task"]),
        # No second claim without the first, however large the difference.
        (0, 1, 0, 0, False, ["does not beat always", "per task is worse still"]),
        (-1, nan, nan, nan, False, ["does not beat always calling LLM 0: it is worse"]),
    ],
)
def test_what_the_sentences_say(single, table, knn, ridge, pays, sentences):
    def interval(place):
        return PairedDifference(place * 0.1, place * 0.1 - 0.05, place * 0.1 + 0.05, 100)

    names = ["best single LLM", "best LLM per task", "kNN", "ridge"]
    got, verdict = write_verdict(
        single=0,
        called=[0, 1],
        differences=dict(zip(names, map(interval, (single, table, knn, ridge)), strict=True)),
        better_in_hindsight=None,
    )
    assert got is pays
    assert all(sentence in verdict for sentence in sentences)
    assert "nan" not in verdict
    assert ("kNN" in verdict) is (knn < 0 or (knn == 0 and pays))
    assert ("Ridge" in verdict) is (ridge < 0 or (ridge == 0 and pays))


def test_better_in_hindsight_is_said(problem):
    X, performance, cost, _ = problem
    shifted = performance.copy()
    shifted[TRAIN] = performance[TRAIN][:, [1, 0, 2]]  # "small" is best in training only
    half = RandomRouter(llm_names=NAMES[:2], cost_weight=0.0, random_state=0)
    half.fit(X[TRAIN], shifted[TRAIN, :2], cost[TRAIN, :2])
    two = X, shifted[:, :2], cost[:, :2], None
    report = on_test(half, two, **training((*two[:3], np.empty(400))))
    assert report.routing_pays
    assert "But always calling large would have scored more" in report.verdict


def test_the_routers_own_cost_can_turn_the_verdict(linear, problem):
    assert on_test(linear, problem).routing_pays
    charged = on_test(linear, problem, router_cost=10.0)
    assert not charged.routing_pays
    assert charged.scores["router"].cost > 10
    assert any("contain 10 US dollars" in note for note in charged.notes)


# Which routers, which trade-offs, which outcomes


def test_a_router_of_any_trade_off_chooses_at_that_of_the_report(linear, problem):
    X, performance, cost, _ = problem
    report = on_test(linear, problem, cost_weight=0.1)
    chosen = linear.predict(X[TEST], cost_weight=0.1)
    expected = routing_score(
        performance[TEST], chosen, cost=cost[TEST], cost_weight=0.1, llm_names=NAMES
    )
    assert report.scores["router"].utility == pytest.approx(expected.utility)
    assert report.cost_weight == 0.1 and linear.cost_weight == 0.02


def test_a_router_of_one_trade_off_is_judged_at_another(problem):
    X, performance, cost, tasks = problem
    router = BestPerTaskRouter(llm_names=NAMES)
    router.fit(X[TRAIN], performance[TRAIN], cost[TRAIN], tasks=tasks[TRAIN])
    report = on_test(router, problem, cost_weight=0.5, tasks=tasks[TEST])
    expected = routing_score(
        performance[TEST],
        router.predict(X[TEST], tasks=tasks[TEST]),
        cost=cost[TEST],
        cost_weight=0.5,
        llm_names=NAMES,
    )
    assert report.scores["router"] == pytest.approx(expected)
    assert any("its own trade-off, 0.02, as it serves no other" in note for note in report.notes)
    assert report.calibration is None
    assert any("no predict_outcomes" in note for note in report.notes)
    assert "Brier" not in str(report)


def test_costs_need_no_keyword(linear, problem):
    X, performance, cost, _ = problem
    report = routing_report(linear, X[TEST], performance[TEST], cost[TEST], **FAST)
    assert report.scores == on_test(linear, problem).scores
    assert report.savings


def test_without_costs(problem):
    X, performance, _, _ = problem
    router = LinearRouter(10.0, llm_names=NAMES).fit(X[TRAIN], performance[TRAIN])
    report = routing_report(router, X[TEST], performance[TEST], **FAST)
    assert report.cost_weight == 0 and report.savings == {}
    assert np.isnan(report.scores["router"].cost)
    assert "No costs were given" in str(report)
    assert report.to_frame("savings").empty
    assert not any("trade-off" in note or "without costs" in note for note in report.notes)
    judged = on_test(router, problem)
    assert judged.cost_weight == 0.02 and len(judged.savings) == 2
    assert "The router was fitted without costs, and is judged with them." in judged.notes


def test_classifiers_from_outside_the_package(problem):
    X, performance, cost, _ = problem
    labels = np.array(NAMES)[(performance - 0.02 * cost).argmax(axis=1)]
    model = DummyClassifier(strategy="stratified", random_state=0).fit(X[TRAIN], labels[TRAIN])
    order = model.classes_.tolist()
    columns = [NAMES.index(name) for name in order]
    outside = X, performance[:, columns], cost[:, columns], None
    report = on_test(model, outside, cost_weight=0.02)
    assert list(report.llms) == order
    assert report.calibration is None and not report.routing_pays
    assert "kNN on the same embeddings is better" in report.verdict
    with pytest.raises(ValueError, match="cost_weight is None, and this DummyClassifier has none"):
        on_test(model, outside)


def test_labels_are_a_target_too(problem):
    X, performance, _, _ = problem
    labels = np.array(NAMES)[performance.argmax(axis=1)]
    router = LinearRouter(cost_weight=0.0).fit(X[TRAIN], labels[TRAIN])
    report = routing_report(router, X[TEST], labels[TEST], **FAST)
    accuracy = (router.predict(X[TEST]) == labels[TEST]).mean()
    assert report.scores["router"].performance == pytest.approx(accuracy)


@pytest.fixture(scope="module")
def texts():
    data = make_routing_problem(300, random_state=0)
    y = make_routing_target(data.performance, data.cost)
    return data.queries, y, data.llm_names


def embedding():
    return make_pipeline(TfidfVectorizer(), TruncatedSVD(8, random_state=0))


def test_pipelines_and_searches(texts):
    queries, y, names = texts
    rows = {"X_train": queries[:150], "y_train": y[:150]}
    router = LinearRouter(10.0, encoder=embedding(), llm_names=names).fit(queries[:150], y[:150])
    pipeline = make_pipeline(*embedding(), LinearRouter(10.0, llm_names=names))
    search = GridSearchCV(
        pipeline, {"linearrouter__alpha": [10.0]}, scoring=make_routing_scorer(0.02), cv=2
    )
    reports = [
        routing_report(model, queries[150:], y[150:], cost_weight=0.1, **rows, **FAST)
        for model in (
            router,
            pipeline.fit(queries[:150], y[:150]),
            search.fit(queries[:150], y[:150]),
        )
    ]
    for other in reports[1:]:
        assert other.router_name == "LinearRouter"
        assert other.scores == reports[0].scores
        assert other.calibration.brier == pytest.approx(reports[0].calibration.brier)
        assert other.signal == pytest.approx(reports[0].signal)


def test_text_of_which_the_router_has_no_embedding(texts, tiny_encoder_path):
    queries, y, names = texts
    router = BestSingleRouter(llm_names=names).fit(queries[:150], y[:150])
    expected = LinearRouter(encoder=embedding(), llm_names=names).fit(queries[:150], y[:150])
    rows = {"X_train": queries[:150], "y_train": y[:150]}
    report = routing_report(
        router, list(queries[150:]), y[150:], encoder=embedding(), **rows, **FAST
    )
    other = routing_report(expected, queries[150:], y[150:], **rows, **FAST)
    assert report.scores["kNN"] == other.scores["kNN"]
    words = make_pipeline(TfidfVectorizer(), DummyClassifier(strategy="prior"))
    words.fit(queries[:150], np.array(names)[y[:150, :, 0].argmax(axis=1)])
    y = y[..., np.argsort(names)[: len(words.classes_)], :] if len(words.classes_) < 6 else y
    outcomes = make_routing_target(
        y[150:, [names.index(name) for name in words.classes_], 0],
        y[150:, [names.index(name) for name in words.classes_], 1],
    )
    report = routing_report(
        words, queries[150:], outcomes, cost_weight=0.0, encoder=tiny_encoder_path, **FAST
    )
    assert report.signal.ridge > -0.2


def test_shared_queries_are_counted(texts, linear, problem):
    queries, y, names = texts
    router = LinearRouter(encoder=embedding(), llm_names=names).fit(queries[:150], y[:150])
    report = routing_report(
        router, queries[:100], y[:100], X_train=queries[50:200], y_train=y[50:200], **FAST
    )
    shared = np.isin(queries[:100].astype(str), queries[50:200].astype(str)).sum()
    assert any(note.startswith(f"{shared} of the held-out queries") for note in report.notes)
    X, performance, cost, _ = problem
    rows = {"X_train": X[:150], "y_train": performance[:150], "cost_train": cost[:150]}
    report = routing_report(linear, X[100:200], performance[100:200], cost=cost[100:200], **rows)
    assert any(note.startswith("50 of the held-out queries") for note in report.notes)


def test_a_table_of_tasks_is_told_the_tasks(problem):
    X, performance, cost, tasks = problem
    table = BestPerTaskRouter(llm_names=NAMES)
    table.fit(X[TRAIN], performance[TRAIN], cost[TRAIN], tasks=tasks[TRAIN])
    report = on_test(table, problem, tasks=tasks[TEST], **training(problem, tasks=True))
    assert report.scores["router"] == report.scores["best LLM per task"]
    with pytest.raises(ValueError, match="tasks is missing"):
        on_test(table, problem)


def test_a_cascade_pays_for_every_call(problem):
    X, performance, cost, _ = problem
    cascade = FrugalGPTRouter(llm_names=NAMES, random_state=0)
    cascade.fit(X[TRAIN], performance[TRAIN], cost[TRAIN])
    assert len(cascade.order_) > 1
    report = on_test(cascade, problem, router_cost=1.0)
    outcomes = cascade.cascade_outcomes(X[TEST], performance[TEST], cost[TEST])
    assert report.scores["router"].cost == pytest.approx(outcomes.cost.mean() + 1)
    assert report.scores["router"].utility == pytest.approx(outcomes.utility.mean() - 0.02)
    assert any("is a cascade" in note for note in report.notes)


def test_outcomes_that_were_not_observed_are_left_out(linear, problem):
    X, performance, cost, tasks = problem
    rng = np.random.default_rng(1)
    holes = performance.copy()
    holes[rng.uniform(size=holes.shape) < 0.3] = nan
    holes[TEST][:5] = nan  # not observed at all
    empty = int(np.isnan(holes[TEST]).all(axis=1).sum())
    train = np.flatnonzero(~np.isnan(holes[TRAIN]).all(axis=1))
    rows = {
        "X_train": X[train],
        "y_train": holes[train],
        "cost_train": cost[train],
        "tasks_train": tasks[train],
    }
    for train_rows in (rows, {}):
        report = routing_report(
            linear, X[TEST], holes[TEST], cost=cost[TEST], tasks=tasks[TEST], **train_rows, **FAST
        )
        assert empty >= 5 and report.n_queries == 200 - empty
        assert any(note.startswith(f"{empty} queries without") for note in report.notes)
        expected = routing_score(
            holes[TEST],
            linear.predict(X[TEST]),
            cost=cost[TEST],
            cost_weight=0.02,
            llm_names=NAMES,
        )
        assert report.scores["router"].n_observed <= expected.n_observed
        assert report.differences["best single LLM"].n_queries < expected.n_observed
        assert report.calibration.n_outcomes == (~np.isnan(holes[TEST])).sum()
        assert report.routing_pays and report.signal.ridge > 0.1 and report.signal.knn > 0.03
        assert np.isfinite([*report.realised.values()]).all()


def with_holes(share, n_queries=200, seed=2):
    """A problem of three LLMs, the outcomes of which are partly missing."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_queries, 3))
    success = np.stack([X[:, 0] > 0.5, X[:, 0] > -2.5, X[:, 1] > 0], axis=1)
    performance = success.astype(float)
    performance[rng.uniform(size=performance.shape) < share] = nan
    kept = ~np.isnan(performance).all(axis=1)
    return X[kept], performance[kept]


def test_scores_of_a_table_with_holes_rest_on_the_same_queries():
    X, performance = with_holes(0.3)
    router = LinearRouter(llm_names=NAMES).fit(X, performance, [1.0, 5.0, 2.0])
    report = routing_report(router, X, performance, cost=[1.0, 5.0, 2.0], **FAST)
    assert report.comparable
    counts = {score.n_observed for score in report.scores.values()}
    assert counts == {report.n_common} and 0 < report.n_common < report.n_queries
    # Nobody is above the oracle, nor can rows that are subtracted contradict it.
    assert all(score.utility <= report.scores["oracle"].utility for score in report.scores.values())
    called = np.asarray([NAMES.index(name) for name in router.predict(X)])
    single = NAMES.index(report.best_single_llm)
    both = ~np.isnan(performance[np.arange(len(X)), called]) & ~np.isnan(performance[:, single])
    assert report.differences["best single LLM"].n_queries == both.sum() >= report.n_common
    text = " ".join(str(report).split())
    assert (
        f"all rows are means over the {report.n_common} of {report.n_queries} queries on which "
        "all of them were observed"
    ) in text
    assert f"(best single LLM {both.sum()}, " in text
    assert f"this one were observed ({report.best_single_llm} {both.sum()}), its cost, too" in text
    observed = (~np.isnan(performance)).sum(axis=0)
    assert [use.n_observed for use in report.llms.values()] == observed.tolist()
    assert f"small {observed[0]}, large {observed[1]}, math {observed[2]} were observed" in text
    assert "must not be subtracted" not in text
    assert "all rows are means over" in report.to_html()


def test_too_few_common_queries_are_said():
    prices = [1.0, 2.0, 1.5]
    X, performance = with_holes(0.0, n_queries=800)
    train = {"X_train": X, "y_train": performance, "cost_train": prices}
    router = LinearRouter(llm_names=NAMES, cost_weight=0.05).fit(X, performance, prices)
    # As in the log of another router: mostly one outcome, and seldom those of both.
    called = np.asarray([NAMES.index(name) for name in router.predict(X)])
    rows = np.flatnonzero(called != 1)[:200]
    X, performance, called = X[rows], performance[rows].copy(), called[rows]
    single = np.arange(len(rows)) % 5 > 2
    performance[np.arange(3) != np.where(single, 1, called)[:, None]] = nan
    performance[:10] = train["y_train"][rows[:10]]
    report = routing_report(router, X, performance, cost=prices, **train, **FAST)
    assert report.best_single_llm == "large"
    assert not report.comparable and report.n_common < report.n_queries / 4
    assert len({score.n_observed for score in report.scores.values()}) > 1
    text = " ".join(str(report).split())
    assert f"rest on different queries, as only {report.n_common} of {report.n_queries}" in text
    assert "must not be subtracted from one another" in text
    assert "need not be the difference of two rows" in text


def test_nothing_is_said_of_holes_where_there_are_none(report):
    assert report.comparable and report.n_common == report.n_queries
    assert "Outcomes are missing" not in str(report)


def test_an_llm_that_was_not_observed_here(linear, problem):
    X, performance, cost, _ = problem
    unseen = performance.copy()
    unseen[:, 2] = nan
    report = on_test(linear, (X, unseen, cost, None))
    assert np.isnan(report.llms["math"].performance) and np.isnan(report.llms["math"].overall)
    assert report.llms["math"].n_calls > 0
    assert report.scores["router"].n_observed == 200 - report.llms["math"].n_calls
    assert re.search(r"math +\d+ +[\d.]+% +- +- +-\n", str(report))
    # Seen in training, not by the references' own target of one fold: still no failure.
    unseen[200:203, 2] = 1.0
    with pytest.warns(FewOutcomesWarning) as caught:
        report = on_test(linear, (X, unseen, cost, None), cv=2)
    (warning,) = caught  # not one for each reference and fold
    assert "observed on very few of 200 queries: 'math' on 3." in str(warning.message)
    assert report.n_queries == 200


def test_one_llm_is_no_choice(problem):
    X, performance, cost, _ = problem
    router = LinearRouter(llm_names=["only"])
    router.fit(X[TRAIN], performance[TRAIN, :1], cost[TRAIN, :1])
    report = on_test(router, (X, performance[:, :1], cost[:, :1], None))
    assert not report.routing_pays and "the router does the same" in report.verdict
    assert np.isnan(report.signal).all() and np.isnan(report.realised["router"])
    assert "- (ridge, penalty 10) and - (kNN)" in str(report)


# Its forms


def test_text_is_aligned(report):
    text = report.to_text()
    assert str(report) == text
    assert repr(report) == "RoutingReport(router=LinearRouter, n_queries=200, routing_pays=True)"
    assert " ".join(text.split()).count(report.verdict) == 1
    lines = text.splitlines()
    (start,) = [i for i, line in enumerate(lines) if line.startswith("router  ")]
    rows = lines[start : start + 7]
    assert [row.split("  ")[0] for row in rows] == ["router", *REFERENCES]
    # Performance, the first number, has its decimal point in one place.
    assert len({row.index(".") for row in rows}) == 1
    assert max(map(len, lines)) <= 100 and not any(line.endswith(" ") for line in lines)
    for head in ("Scores", "Savings, US dollars per 1,000 queries", "LLMs", "Signal", "Notes"):
        assert head in lines
    assert "charged 0.25 US dollars per 1,000 queries of its own" in " ".join(text.split())


class Checker(HTMLParser):
    """All tags closed in order, and what they were."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag != "meta":  # which has no end
            self.open.append(tag)
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_html_stands_alone_and_is_escaped(problem):
    X, performance, cost, _ = problem
    bad = ["<script>alert(1)</script>", 'b"&c', "large"]
    router = LinearRouter(llm_names=bad).fit(X[TRAIN], performance[TRAIN], cost[TRAIN])
    report = on_test(router, problem)
    html = report.to_html()
    # A file is a page that says its encoding; a notebook is one, and shows the piece in it.
    assert html.startswith("<!doctype html>") and '<meta charset="utf-8">' in html
    piece = report._repr_html_()
    assert piece.startswith("<div") and piece.endswith("</div>") and f"\n{piece}\n" in html
    assert "<title>Routing report: LinearRouter</title>" in html
    checker = Checker()
    checker.feed(html)
    assert not checker.open
    assert checker.seen.count("table") == 4
    assert {"script", "img", "link"}.isdisjoint(checker.seen) and "http" not in html
    assert bad[0] in checker.text and bad[1] in checker.text
    assert report.verdict in checker.text
    assert 'class="verdict yes"' in html


def test_frames(report):
    pytest.importorskip("pandas")
    scores = report.to_frame()
    assert scores.index.tolist() == ["router", *REFERENCES]
    assert scores.loc["oracle", "score"] == report.scores["oracle"].utility
    assert scores.loc["kNN", "low"] == report.differences["kNN"].low
    llms = report.to_frame("llms")
    assert llms.index.tolist() == NAMES and llms.index.name == "LLM"
    assert llms["share"].sum() == pytest.approx(1)
    savings = report.to_frame("savings")
    # One LLM is the best by performance and by utility: it stands there once.
    assert savings.index.tolist() == ["large"] and savings["best by"].tolist() == ["both"]
    assert savings.shape == (1, 9)
    assert report.to_frame("reliability")["outcomes"].sum() == 600
    with pytest.raises(ValueError, match="'part' parameter of RoutingReport.to_frame must be"):
        report.to_frame("score")


def test_frames_need_pandas(report, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r'pip install "skrouter\[data\]"'):
        report.to_frame()


def test_reports_are_reproducible_and_can_be_pickled(linear, problem):
    before = np.random.get_state()[1].copy()
    first, second = on_test(linear, problem), on_test(linear, problem)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    assert first.differences == second.differences and first.scores == second.scores
    assert first.ms_per_query > 0
    again = pickle.loads(pickle.dumps(first))
    assert isinstance(again, RoutingReport) and str(again) == str(first)
    with pytest.raises(AttributeError):
        first.verdict = "yes"


# Errors


def test_what_is_not_a_fitted_router(problem):
    with pytest.raises(TypeError, match="router must be a fitted classifier"):
        on_test("LinearRouter", problem)
    with pytest.raises(NotFittedError, match="This LinearRouter has no classes_"):
        on_test(LinearRouter(), problem)
    with pytest.raises(NotFittedError):
        on_test(make_pipeline(StandardScaler(), LinearRouter()), problem)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cost": None}, "cost is missing, but cost_weight=0.02 charges it"),
        ({"cost": None, "cost_weight": 0.0, "router_cost": 1.0}, "router_cost=1.0 was given, but"),
        ({"cost_weight": -1.0}, "'cost_weight' parameter of routing_report must be"),
        ({"router_cost": -1.0}, "'router_cost' parameter of routing_report must be"),
        ({"confidence_level": 1.0}, "'confidence_level' parameter of routing_report must be"),
        ({"cv": 1}, "'cv' parameter of routing_report must be"),
        ({"y_train": None}, "y_train is missing; pass X_train and y_train together"),
        ({"X_train": None}, "X_train is missing; pass X_train and y_train together"),
        ({"X_train": None, "y_train": None}, "cost_train was given without X_train"),
        ({"cost_train": None}, "cost_train is missing, but cost_weight=0.02"),
        ({"tasks": None}, "tasks_train was given without tasks"),
        ({"tasks_train": None}, "tasks was given with X_train, but without tasks_train"),
        ({"tasks": ["a"] * 3}, "tasks has 3 entries for 200 queries"),
        ({"tasks_train": ["a"] * 3}, "tasks_train has 3 entries for 200 queries"),
        ({"X": np.zeros((3, 4))}, "X has 3, and y has 200"),
        ({"X_train": np.zeros((3, 4))}, "X_train has 3, and y_train has"),
        ({"y": np.full((200, 3), nan)}, "y has 0 queries with an observed outcome"),
        ({"y_train": np.full((200, 3), nan)}, "y_train holds no observed outcome"),
        ({"y": np.zeros((200, 2))}, "y has 2 column"),
    ],
)
def test_bad_input_is_refused(linear, problem, change, message):
    X, performance, cost, tasks = problem
    given = {"X": X[TEST], "y": performance[TEST], "cost": cost[TEST], "tasks": tasks[TEST]}
    given |= training(problem, tasks=True) | change
    with pytest.raises(ValueError, match=message):
        routing_report(linear, **given, **FAST)


def test_too_few_common_outcomes(linear, problem):
    X, performance, cost, _ = problem
    chosen = linear.predict(X[TEST])
    own = np.where(chosen[:, None] == np.array(NAMES), performance[TEST], nan)
    alone = own.copy()
    alone[chosen == "large"] = nan
    with pytest.raises(ValueError, match="were observed; at least 2 are needed"):
        routing_report(linear, X[TEST], alone, cost=cost[TEST], **training(problem), **FAST)


# The picture


@pytest.fixture
def pyplot():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


def test_reliability_display(pyplot, linear, problem):
    X, performance, cost, _ = problem
    y = make_routing_target(performance[TEST], cost[TEST])
    figure, ax = pyplot.subplots()
    display = ReliabilityDisplay.from_estimator(linear, X[TEST], y, n_bins=5, ax=ax)
    assert display.ax_ is ax and display.figure_ is figure
    assert display.plot() is display and display.ax_ is not ax
    (curve,) = display.curves.values()
    np.testing.assert_allclose(
        display.lines_["LinearRouter"].get_xydata(),
        np.column_stack([curve.mean_predicted, curve.mean_observed]),
    )
    assert curve.count.tolist() == [120] * 5
    assert display.ax_.get_xlabel() == "mean predicted performance"
    assert display.ax_.get_ylabel() == "mean observed performance"
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == ["perfectly reliable", "LinearRouter"]
    assert abs(curve.mean_observed - curve.mean_predicted).max() < 0.2


def test_reliability_of_several_and_of_pipelines(pyplot, linear, problem):
    X, performance, _, _ = problem
    pipeline = make_pipeline(StandardScaler(), KNNRouter(20, llm_names=NAMES))
    pipeline.fit(X[TRAIN], performance[TRAIN])
    display = ReliabilityDisplay.from_estimator(
        {"ridge": linear, "kNN": pipeline}, X[TEST], performance[TEST], strategy="uniform"
    )
    assert list(display.lines_) == ["ridge", "kNN"]
    widths = np.ptp(display.curves["ridge"].mean_predicted)
    assert widths > 0.5 and len(set(display.curves["ridge"].count)) > 1


def test_reliability_of_graded_and_missing_outcomes(pyplot):
    graded = np.array([[0.2, nan], [0.4, 0.9], [nan, 0.7]])
    predicted = np.array([[0.3, 0.5], [0.3, 1.2], [0.1, nan]])
    display = ReliabilityDisplay.from_predictions(graded, predicted, n_bins=2, name="mine")
    curve = display.curves["mine"]
    np.testing.assert_allclose(curve.mean_predicted, [0.3, 1.2])
    np.testing.assert_allclose(curve.mean_observed, [0.3, 0.9])
    assert curve.count.tolist() == [2, 1]


def test_reliability_errors(pyplot, linear, problem):
    X, performance, cost, _ = problem
    with pytest.raises(ValueError, match="BestSingleRouter has no predict_outcomes"):
        router = BestSingleRouter(llm_names=NAMES).fit(X, performance, cost)
        ReliabilityDisplay.from_estimator(router, X, performance)
    for change, message in [
        ({"n_bins": 0}, "'n_bins' parameter of ReliabilityDisplay.from_predictions must be an int"),
        ({"strategy": "equal"}, "'strategy' parameter of ReliabilityDisplay.from_predictions must"),
        ({"performance": {}}, "performance is empty"),
        ({"performance": performance[:, :2]}, r"has shape \(400, 2\), the observed one \(400, 3\)"),
        ({"performance": np.full((400, 3), nan)}, "No outcome was both observed and predicted"),
    ]:
        given = {"y_true": performance, "performance": performance} | change
        with pytest.raises(ValueError, match=message):
            ReliabilityDisplay.from_predictions(**given)
    with pytest.raises(ValueError, match="estimator is empty"):
        ReliabilityDisplay.from_estimator({}, X, performance)


def test_reliability_needs_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'pip install "skrouter\[plot\]"'):
        ReliabilityDisplay({}).plot()
