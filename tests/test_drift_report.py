"""Whether queries, performance or costs have moved since the fit."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from skrouter import FallbackRouter, RadialRouterClassifier, drift_report, make_routing_target
from skrouter.baselines import BestPerTaskRouter, BestSingleRouter, LinearRouter

LLMS = ["small", "large"]


def draw(seed, n=300, shift=0.0):
    """Embeddings, performance and measured costs; `shift` moves the third direction."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4)) + np.array([0.0, 0.0, shift, 0.0])
    success = np.column_stack([0.5 + 0.4 * np.tanh(X[:, 0]), np.full(n, 0.8)])
    performance = (rng.random((n, 2)) < success).astype(float)
    cost = np.array([0.2, 2.0]) * rng.lognormal(0, 0.3, size=(n, 2))
    return X, performance, cost


TRAIN, HELD_OUT = draw(0), draw(1)
ROUTER = LinearRouter(1.0, llm_names=LLMS, cost_weight=0.1).fit(*TRAIN)
RADIAL = RadialRouterClassifier(llm_names=LLMS, max_iter=2, random_state=0).fit(*TRAIN)


def against_held_out(X, performance, cost, router=ROUTER, **options):
    X_reference, y_reference, cost_reference = HELD_OUT
    return drift_report(
        router,
        X,
        performance,
        cost_recent=cost,
        X_reference=X_reference,
        y_reference=y_reference,
        cost_reference=cost_reference,
        **options,
    )


def test_false_alarms_are_as_rare_as_was_asked():
    alarms = 0
    for seed in range(200):
        before, now = draw([2, seed], 100), draw([3, seed], 150)
        found = drift_report(
            ROUTER,
            now[0],
            now[1],
            cost_recent=now[2],
            X_reference=before[0],
            y_reference=before[1],
            cost_reference=before[2],
            significance_level=0.2,
        )
        alarms += bool(found.moved)
    # Holm is conservative where tests depend on each other, here two LLMs' calls; 200 * 0.2 = 40,
    # and three standard deviations are 17.
    assert 15 <= alarms <= 57


def test_nor_do_many_more_directions_than_queries_alarm_more_often():
    alarms = 0
    router = BestSingleRouter().fit(np.zeros((2, 300)), [[1.0, 0.0], [1.0, 0.0]])
    for seed in range(40):
        reference, recent = np.random.default_rng(seed).normal(size=(2, 60, 300))
        alarms += bool(drift_report(router, recent, X_reference=reference).moved)
    # 2 are expected. Along the main directions of the reference alone nearly all would alarm.
    assert alarms <= 7


def test_nothing_moved():
    found = against_held_out(*draw(4))
    assert (found.moved, found.action, found.notes) == ((), "nothing", [])
    assert (found.n_reference, found.n_recent) == (300, 300)
    assert [row.kind for row in found.rows] == (
        ["queries"] * 4 + ["calls"] * 2 + ["performance"] * 2 + ["cost"] * 2
    )
    assert str(found).startswith("Moved: nothing that these queries show. Nothing needs")


def test_queries_moved():
    found = against_held_out(*draw(4, shift=1.0))
    assert found.moved == ("queries",)
    assert found.action == "fit again"
    largest = max(found.rows, key=lambda row: row.distance)
    assert (largest.kind, largest.name) == ("queries", 1)
    assert 0.25 < largest.distance < 0.5
    assert "| queries | direction 1 |" in str(found)
    assert "Directions are those along which the embeddings" in str(found)


def test_a_page_and_a_piece_for_notebooks():
    name = "<b>large</b>"
    router = LinearRouter(llm_names=["small", name]).fit(TRAIN[0], TRAIN[1], cost=TRAIN[2])
    found = drift_report(
        router, *draw(4, shift=1.0)[:2], X_reference=TRAIN[0], y_reference=TRAIN[1]
    )
    page, piece = found.to_html(), found._repr_html_()
    assert page.startswith("<!doctype html>") and '<meta charset="utf-8">' in page
    assert piece.startswith("<div") and f"\n{piece}\n" in page
    assert page.count("<tr>") == 1 + len(found.rows) and "direction 1" in page
    assert name not in page and "&lt;b&gt;large&lt;/b&gt;" in page
    assert "Moved: queries" in page and 'class="verdict"' in page


def test_costs_need_no_keyword():
    X, performance, cost = draw(4)
    reference = {"X_reference": TRAIN[0], "y_reference": TRAIN[1], "cost_reference": TRAIN[2]}
    by_place = drift_report(ROUTER, X, performance, cost, **reference)
    assert by_place == drift_report(ROUTER, X, performance, cost_recent=cost, **reference)
    assert {row.kind for row in by_place.rows} == {"queries", "calls", "performance", "cost"}


def test_calls_moved_with_the_queries():
    X, performance, cost = draw(4)
    easier = X + np.array([1.0, 0.0, 0.0, 0.0])
    found = against_held_out(easier, performance, cost)
    assert found.moved == ("queries", "calls")
    small = next(row for row in found.rows if (row.kind, row.name) == ("calls", "small"))
    assert small.recent == pytest.approx((ROUTER.predict(easier) == "small").mean())
    assert small.reference == pytest.approx((ROUTER.predict(HELD_OUT[0]) == "small").mean())
    assert small.distance == pytest.approx(small.recent - small.reference)


def test_performance_moved():
    X, performance, cost = draw(4)
    performance[:, 1] *= np.random.default_rng(0).random(300) < 0.75
    found = against_held_out(X, performance, cost)
    assert (found.moved, found.action) == (("performance",), "fit again")
    assert [row.name for row in found.rows if row.moved] == ["large"]


@pytest.mark.parametrize("reference", ["held out", "kept"])
def test_cost_moved_and_the_advice_is_the_call_that_ends_it(reference):
    X, performance, cost = draw(4)
    cost = cost * [1.0, 2.0]
    router = RadialRouterClassifier(llm_names=LLMS, max_iter=2, random_state=0).fit(*TRAIN)
    if reference == "held out":
        found = against_held_out(X, performance, cost, router)
    else:
        found = drift_report(router, X, performance, cost_recent=cost)
    assert (found.moved, found.action) == (("cost",), "update_cost")
    mean = float(f"{cost[:, 1].mean():.4g}")
    assert found.advice == f"Tell the router: update_cost({{'large': {mean}}})."
    if reference == "kept":
        router.update_cost({"large": mean})
        assert drift_report(router, X, performance, cost_recent=cost).moved == ()


def test_cost_moved_and_the_router_cannot_be_told():
    X, performance, cost = draw(4)
    assert against_held_out(X, performance, 2 * cost).action == "fit again"
    without = LinearRouter(1.0, llm_names=LLMS).fit(*TRAIN[:2])
    found = against_held_out(X, performance, 2 * cost, without)
    assert (found.moved, found.action) == (("cost",), "nothing")


def test_list_prices():
    X, performance, _ = draw(4)
    reference = {"X_reference": HELD_OUT[0], "y_reference": HELD_OUT[1]}
    same, other = (
        drift_report(
            ROUTER, X, performance, cost_recent=cost, cost_reference=[0.2, 2.0], **reference
        )
        for cost in ([0.2, 2.0], {"small": 0.2, "large": 1.0})
    )
    assert [row.p_value for row in same.rows if row.kind == "cost"] == [1.0, 1.0]
    assert [(row.name, row.distance) for row in other.rows if row.moved] == [("large", 1.0)]


def test_training_queries_that_the_router_keeps_are_the_reference():
    found = drift_report(RADIAL, draw(4, shift=1.0)[0])
    assert found.moved == ("queries",)
    assert found.n_reference == 300
    assert found.notes == ["Calls were not compared, which needs X_reference: held-out queries."]
    again = drift_report(RADIAL, TRAIN[0], TRAIN[1])
    assert {row.distance for row in again.rows} == {0.0}
    assert "Costs were not compared: cost_recent was not given." in again.notes
    inside = FallbackRouter(RADIAL, min_margin=0.1).fit(*TRAIN)
    assert drift_report(inside, draw(4, shift=1.0)[0]).moved == ("queries",)


def test_a_target_with_costs_and_an_llm_that_was_not_observed():
    X, performance, cost = draw(4, 30)
    performance[1:, 1] = np.nan
    found = against_held_out(X, make_routing_target(performance, cost), None)
    assert {row.name for row in found.rows if row.kind == "performance"} == {"small"}
    assert {row.name for row in found.rows if row.kind == "cost"} == {"small", "large"}
    unknown, holes, few = found.notes
    assert unknown == "Observed less than twice on a side, and not compared: ['large']."
    assert holes.startswith("Not observed are 0% of the reference and 48% of the recent")
    assert few.startswith("One side has fewer than 50 queries")
    assert few in str(found)


class _Dense(TfidfVectorizer):
    """Embeddings of text that need no download."""

    def fit_transform(self, raw_documents, y=None):
        return super().fit_transform(raw_documents).toarray()

    def transform(self, raw_documents):
        return super().transform(raw_documents).toarray()


def test_text_in_a_pipeline_and_tasks():
    easy, hard = ["two plus two", "a prime number"] * 40, ["write a long poem", "an essay"] * 40
    y = np.tile([[1.0, 0.0], [0.0, 1.0]], (40, 1))
    router = make_pipeline(_Dense(), LinearRouter(1.0)).fit(easy, y)
    assert "queries" in drift_report(router, hard, X_reference=easy).moved
    table = BestPerTaskRouter().fit(TRAIN[0], TRAIN[1], tasks=["a"] * 300)
    found = drift_report(table, draw(4)[0], X_reference=HELD_OUT[0])
    assert found.notes == ["Calls were not compared: BestPerTaskRouter wants tasks."]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "X_reference is missing: this LinearRouter keeps no training queries"),
        ({"y_reference": TRAIN[1]}, "y_reference was given without X_reference"),
        ({"X_reference": TRAIN[0], "y_reference": TRAIN[1]}, "y_recent is missing"),
        ({"X_reference": TRAIN[0], "y_recent": TRAIN[1]}, "y_reference is missing"),
        ({"cost_recent": [1, 2]}, "cost_recent was given without y_recent"),
        ({"cost_reference": [1, 2]}, "cost_reference was given without y_reference"),
        (
            dict(
                X_reference=TRAIN[0], y_reference=TRAIN[1], y_recent=TRAIN[1], cost_recent=TRAIN[2]
            ),
            "cost_reference is missing",
        ),
        ({"X_reference": TRAIN[0][:1]}, "the reference has 1 queries"),
        (
            {"X_reference": TRAIN[0], "y_reference": TRAIN[1], "y_recent": TRAIN[1][:5]},
            "X_recent has 300, and y_recent has 5",
        ),
        ({"X_reference": TRAIN[0][:, :2]}, "features"),
        ({"X_reference": TRAIN[0], "significance_level": 1.5}, "significance_level"),
        ({"X_reference": TRAIN[0], "n_directions": 0}, "n_directions"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ValueError, match=message):
        drift_report(ROUTER, TRAIN[0], **options)


def test_costs_for_a_router_that_was_fitted_without():
    router = RadialRouterClassifier(max_iter=1).fit(*TRAIN[:2])
    with pytest.raises(ValueError, match="cost_recent was given, but the router was fitted withou"):
        drift_report(router, *TRAIN[:2], cost_recent=TRAIN[2])
