"""Which of several routers to take, by cross-validation."""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrouter import compare_routers
from skrouter.baselines import (
    BestPerTaskRouter,
    HybridLLMRouter,
    KNNRouter,
    LinearRouter,
    RandomRouter,
)

rng = np.random.default_rng(0)
SIDE = rng.integers(2, size=300)
X = np.column_stack([SIDE, rng.normal(size=300)]).astype(float)
SUCCESS = np.where(SIDE[:, None] == [0, 1, 2], 0.9, 0.4)
PERFORMANCE = (rng.random((300, 3)) < SUCCESS).astype(float)
COST = np.array([0.1, 0.2, 0.3])
ROUTERS = [("random", RandomRouter(random_state=0)), ("ridge", LinearRouter(1.0, cost_weight=0.1))]


def test_the_first_that_cannot_be_told_apart_is_recommended():
    twins = [*ROUTERS, ("the same again", LinearRouter(1.0, cost_weight=0.1))]
    found = compare_routers(twins, X, PERFORMANCE, COST, cost_weight=0.1)
    assert found.recommended == "ridge"
    assert [row.name for row in found.rows][:2] == ["ridge", "the same again"]
    ridge, again, *others = found.rows
    assert ridge.score == again.score
    assert {row.name for row in others} == {"best single LLM", "random"}
    assert all(row.behind.low > 0 for row in others)
    assert ridge.gain.low > 0.1
    assert 0.3 < ridge.share < 1
    assert found.oracle > ridge.score


def test_scores_are_those_of_routers_that_did_not_know_the_query():
    folds = list(KFold(3).split(X))
    found = compare_routers(ROUTERS, X, PERFORMANCE, COST, cost_weight=0.1, cv=folds)
    utility = PERFORMANCE - 0.1 * COST
    by_hand = np.empty(300)
    for train, test in folds:
        router = LinearRouter(1.0, cost_weight=0.1).fit(X[train], PERFORMANCE[train], COST)
        by_hand[test] = utility[test, router.predict(X[test])]
    row = next(row for row in found.rows if row.name == "ridge")
    assert row.score == pytest.approx(by_hand.mean())
    assert found.n_queries == 300
    assert f"{row.score:.4f}" in str(found)


def test_where_nothing_is_gained_the_best_single_llm_is_recommended():
    shuffled = rng.permutation(PERFORMANCE)
    found = compare_routers([("kNN", KNNRouter())], X, shuffled, COST)
    assert found.recommended == found.rows[0].name == "best single LLM"


def test_pipelines_tasks_and_missing_scores():
    holes = np.where(rng.random(PERFORMANCE.shape) < 0.2, np.nan, PERFORMANCE)
    holes[np.isnan(holes).all(axis=1), 0] = 0.0
    routers = [
        ("table", BestPerTaskRouter()),
        ("scaled", make_pipeline(StandardScaler(), LinearRouter(1.0))),
    ]
    found = compare_routers(routers, X, holes, tasks=SIDE.tolist())
    assert found.cost_weight == 0
    assert found.recommended == "table"


@pytest.mark.parametrize(
    ("routers", "options", "message"),
    [
        ([], {}, "routers must be"),
        ([ROUTERS[0], ROUTERS[0]], {}, "unique names"),
        ([("oracle", LinearRouter())], {}, "other than"),
        ([("table", BestPerTaskRouter())], {}, "tasks is missing"),
        (ROUTERS, {"cv": 301}, "from 2 to the number"),
        (
            [("a", LinearRouter(llm_names=["x", "y", "z"])), ("b", KNNRouter(llm_names=[1, 2, 3]))],
            {},
            "agree on llm_names",
        ),
        (ROUTERS, {"cv": [(np.arange(200), np.arange(200, 300))]}, "hold out every query once"),
    ],
)
def test_bad_input(routers, options, message):
    with pytest.raises(ValueError, match=message):
        compare_routers(routers, X, PERFORMANCE, COST, **options)


def test_searches_and_names_of_the_routers():
    names = ["small", "large", "other"]
    search = GridSearchCV(LinearRouter(llm_names=names), {"alpha": [0.1, 1.0]}, cv=2)
    hybrid = HybridLLMRouter("small", "large", llm_names=names, random_state=0)
    found = compare_routers([("hybrid", hybrid), ("search", search)], X, PERFORMANCE, COST)
    assert {row.name for row in found.rows} == {"best single LLM", "hybrid", "search"}
    gain = {row.name: row.gain.difference for row in found.rows}
    assert gain["search"] > 0.05


def test_prices_by_name_and_folds_of_lists():
    names = ["small", "large", "other"]
    halves = [list(range(150)), list(range(150, 300))]
    found = compare_routers(
        [("ridge", LinearRouter(1.0, cost_weight=0.1, llm_names=names))],
        X,
        PERFORMANCE,
        dict(zip(names, COST, strict=True)),
        cost_weight=0.1,
        cv=[(halves[0], halves[1]), (halves[1], halves[0])],
    )
    assert found.recommended == "ridge"
    assert found.rows[0].behind[:3] == (0.0, 0.0, 0.0)
    assert found.rows[1].gain[:3] == (0.0, 0.0, 0.0)


def with_holes(share):
    """Some outcomes hidden, though not all of a query."""
    hidden = np.random.default_rng(1).random(PERFORMANCE.shape) < share
    hidden[hidden.all(axis=1), 0] = False
    return np.where(hidden, np.nan, PERFORMANCE)


def test_scores_over_holes_rest_on_the_same_queries():
    folds = list(KFold(3).split(X))
    holes = with_holes(0.3)
    found = compare_routers(ROUTERS[1:], X, holes, COST, cost_weight=0.1, cv=folds)
    assert found.comparable and found.n_scored < found.n_queries
    # Over the same queries nothing is above the oracle, and a score less another is the gain there.
    assert all(row.score <= found.oracle for row in found.rows)
    rows = {row.name: row for row in found.rows}
    assert rows["ridge"].gain.n_queries == found.n_scored  # the oracle is known wherever they are
    gain = rows["ridge"].score - rows["best single LLM"].score
    assert gain == pytest.approx(rows["ridge"].gain.difference)
    said = f"all scores are means over the {found.n_scored} of 300 queries on which all of them"
    assert said in str(found)
    assert "Outcomes are missing" not in str(compare_routers(ROUTERS[1:], X, PERFORMANCE, COST))


def test_scores_over_different_queries_are_said_to_be():
    found = compare_routers(ROUTERS, X, with_holes(0.75), COST, cost_weight=0.1)
    assert not found.comparable
    said = f"scores rest on different queries, as only {found.n_scored} of 300 have all"
    assert said in str(found) and "must not be subtracted" in str(found)
