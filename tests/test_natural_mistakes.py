"""Input that is not what was meant: an error or a warning that names the fix."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.model_selection import GridSearchCV, cross_val_predict

from skrouter import RadialRouterClassifier, make_routing_target
from skrouter.baselines import BestSingleRouter, KNNRouter, LinearRouter
from skrouter.metrics import make_routing_scorer

NAMES = ["small", "large"]


@pytest.fixture
def log():
    """Queries, performance and cost as data frames of the same row labels."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(40, 3)), columns=list("uvw"))
    performance = pd.DataFrame({"small": (X["u"] > 0) * 1.0, "large": np.ones(40)})
    cost = pd.DataFrame({"small": np.full(40, 0.1), "large": rng.gamma(3.0, size=40)})
    return X, performance, cost


# Rows in another order


@pytest.mark.parametrize("shuffled", ["X", "y", "cost"])
def test_row_labels_in_another_order_are_refused(log, shuffled):
    X, performance, cost = log
    order = np.random.default_rng(1).permutation(40)
    X, performance, cost = (
        table.iloc[order] if name == shuffled else table
        for name, table in zip(["X", "y", "cost"], log, strict=True)
    )
    with pytest.raises(ValueError, match=r"another order, but rows are matched by place"):
        LinearRouter().fit(X, performance, cost=cost)
    if shuffled == "cost":
        with pytest.raises(ValueError, match=r"rows of cost have the labels of those of y"):
            make_routing_target(performance, cost)


def test_row_labels_that_say_nothing_about_the_order_are_taken_by_place(log):
    X, performance, cost = log
    wanted = LinearRouter().fit(X, performance, cost=cost).predict(X)
    same = np.random.default_rng(1).permutation(40)
    for labels in (same, np.zeros(40, dtype=int)):  # in one order, not unique
        tables = (table.set_axis(labels) for table in log)
        x, y, c = tables
        np.testing.assert_array_equal(LinearRouter().fit(x, y, cost=c).predict(x), wanted)
    other = performance.set_axis(np.arange(100, 140))  # other rows by their labels
    np.testing.assert_array_equal(LinearRouter().fit(X, other, cost=cost).predict(X), wanted)


# Queries


@pytest.mark.parametrize("as_frame", [True, False])
def test_a_table_of_text_is_asked_for_one_column(as_frame):
    queries = ["prove it", "say hello", "count to ten", "prove that"]
    table = pd.DataFrame({"query": queries, "task": "chat"})
    table = table if as_frame else table.to_numpy()
    router = LinearRouter(encoder=FitThenTransform())
    for call in (
        lambda: router.fit(table, np.eye(4)[:, :2]),
        lambda: router.fit(queries, np.eye(4)[:, :2]).predict(table),
    ):
        with pytest.raises(ValueError, match=r"X has shape \(4, 2\).* Pass one column"):
            call()


def test_inputs_of_different_length_are_named(log):
    X, performance, cost = log
    with pytest.raises(ValueError, match="X has 30, and y has 40"):
        LinearRouter().fit(X[:30], performance)
    with pytest.raises(ValueError, match="performance has 40, and cost has 10"):
        LinearRouter().fit(X, performance, cost=cost[:10])


# Prices


def test_prices_by_name(log):
    X, performance, _ = log
    by_name = LinearRouter().fit(X, performance, cost={"large": 5.0, "small": 0.1})
    by_place = LinearRouter().fit(X, performance, cost=[0.1, 5.0])
    np.testing.assert_array_equal(by_name.predict_proba(X), by_place.predict_proba(X))
    target = make_routing_target(performance, {"large": 5.0, "small": 0.1})
    np.testing.assert_array_equal(target[0, :, 1], [0.1, 5.0])


@pytest.mark.parametrize(
    ("prices", "message"),
    [
        ({"small": 1.0}, r"missing \['large'\], unknown \[\]"),
        ({"small": 1.0, "large": 2.0, "huge": 3.0}, r"missing \[\], unknown \['huge'\]"),
        ({"small": 1.0, "large": "2"}, "one number for each LLM"),
        ({"small": 1.0, "large": -2.0}, "negative"),
        ({"small": 1.0, "large": np.nan}, r"cost of \['large'\] is missing \(NaN\) on every query"),
    ],
)
def test_prices_that_do_not_fit(log, prices, message):
    X, performance, _ = log
    with pytest.raises(ValueError, match=message):
        LinearRouter().fit(X, performance, cost=prices)


def test_a_row_without_any_cost_is_named(log):
    X, performance, cost = log
    cost.iloc[3] = np.nan
    with pytest.raises(ValueError, match=r"cost is NaN for every LLM .* first \[3\]"):
        LinearRouter().fit(X, performance, cost=cost)
    LinearRouter(cost_weight=0.0).fit(X, performance, cost=cost)


# Scales


def test_ratings_as_labels(log):
    X, _, _ = log
    ratings = pd.Series(np.arange(40) % 5 + 1.0)
    with pytest.warns(UserWarning, match="If they are ratings of answers, pass the performance"):
        LinearRouter().fit(X, ratings)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LinearRouter().fit(X, ratings.astype(int))


@pytest.mark.parametrize("router", [LinearRouter(), KNNRouter(), BestSingleRouter()])
def test_performance_on_another_scale_than_the_trade_off(log, router):
    X, performance, cost = log
    with pytest.warns(UserWarning, match=r"performance is from 0 to 100, .* Map it to \[0, 1\]"):
        router.fit(X, 100 * performance, cost=cost)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        router.fit(X, 100 * performance)


@pytest.mark.parametrize(
    ("factor", "message"),
    [(1e-5, "Costs can hardly change a choice"), (1e5, "Performance cannot change a choice")],
)
def test_costs_in_another_unit(log, factor, message):
    X, performance, cost = log
    with pytest.warns(UserWarning, match=f"{message}.*are these dollars per query"):
        LinearRouter().fit(X, performance, cost=factor * cost.assign(large=cost["large"] + 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LinearRouter().fit(X, performance, cost=cost)
        LinearRouter(cost_weight=0.0).fit(X, performance, cost=factor * cost)


def test_an_llm_that_was_tried_twice(log):
    rng = np.random.default_rng(0)
    X, performance = rng.normal(size=(200, 3)), (rng.random((200, 3)) < 0.6).astype(float)
    performance[2:, 2] = np.nan
    performance[:2, 2] = 1.0
    for router in (BestSingleRouter(), LinearRouter(), KNNRouter()):
        with pytest.warns(UserWarning, match="very few of 200 queries: 2 on 2"):
            router.fit(X, performance)


# Missing entries and names


def test_masked_entries_are_missing(log):
    X, performance, cost = (table.to_numpy() for table in log)
    mask = np.zeros((40, 2), dtype=bool)
    mask[::3, 0] = True
    holes, masked = np.where(mask, np.nan, performance), np.ma.array(performance, mask=mask)
    wanted = LinearRouter().fit(X, holes, cost=np.where(mask, np.nan, cost))
    found = LinearRouter().fit(X, masked, cost=np.ma.array(cost, mask=mask))
    np.testing.assert_array_equal(found.predict_proba(X), wanted.predict_proba(X))
    with pytest.raises(ValueError, match="X is a masked array with 1 masked"):
        LinearRouter().fit(np.ma.array(X, mask=np.arange(120).reshape(40, 3) == 7), performance)


def test_names_of_a_frame_survive_a_target_of_both_and_a_search(log):
    X, performance, cost = log
    target = make_routing_target(performance, cost)
    assert LinearRouter().fit(X, target).classes_.tolist() == NAMES
    for part in (target[::2], target[np.arange(5)], target[np.arange(40) < 7, ...]):
        assert part.llm_names == NAMES
    some = np.arange(40), np.zeros(40, dtype=int)
    for array in (target[:, ::-1], target[..., 0], target[some], target + 1, target[3]):
        assert getattr(array, "llm_names", None) is None
    search = GridSearchCV(
        LinearRouter(), {"alpha": [1.0, 2.0]}, scoring=make_routing_scorer(0.02), n_jobs=2
    )
    assert search.fit(X, target).classes_.tolist() == NAMES
    # Names that are given are checked against those of the frame.
    with pytest.raises(ValueError, match="but the pool is"):
        LinearRouter(llm_names=["a", "b"]).fit(X, target)


def test_performance_as_an_arrow_table(log):
    arrow = pytest.importorskip("pyarrow")
    X, performance, cost = log
    performance.iloc[::4, 0] = np.nan
    tables = (arrow.Table.from_pandas(table, preserve_index=False) for table in (performance, cost))
    found = LinearRouter().fit(X, *tables)
    wanted = LinearRouter().fit(X, performance, cost)
    assert found.classes_.tolist() == NAMES
    np.testing.assert_allclose(found.predict_proba(X), wanted.predict_proba(X))


# scikit-learn around routers


def test_meta_estimators_that_turn_labels_into_numbers(log):
    X, performance, _ = log
    labels = np.where(performance["small"] == 1, "small", "large")
    plain, named = LinearRouter(), LinearRouter(llm_names=NAMES)
    for wrap in (
        lambda router: VotingClassifier([("a", router), ("b", KNNRouter())]).fit(X, labels),
        lambda router: StackingClassifier([("a", router)], cv=2).fit(X, labels),
        lambda router: cross_val_predict(router, X, labels, cv=2, method="predict_proba"),
    ):
        wrap(plain)
        with pytest.raises(ValueError, match="turn labels into numbers: leave llm_names out there"):
            wrap(named)


class FitThenTransform(BaseEstimator):
    """An encoder as a Pipeline takes it, without `fit_transform`."""

    def fit(self, X, y=None):
        self.n_seen_ = len(X)
        return self

    def transform(self, X):
        return HashingVectorizer(n_features=8).transform(X).toarray()


def test_an_encoder_without_fit_transform():
    queries = ["prove it", "say hello", "count to ten", "prove that"]
    router = LinearRouter(encoder=FitThenTransform()).fit(queries, np.eye(4)[:, :2])
    assert router.encoder_.n_seen_ == 4
    assert router.predict(queries).shape == (4,)
    assert not hasattr(router, "n_features_in_")


@pytest.mark.parametrize("scale", [0.01, 100.0])
def test_the_unit_of_performance_changes_nothing(scale):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 6))
    performance = np.stack([X[:, 0] > 0, X[:, 0] <= 0], axis=1) * 1.0
    cost = rng.gamma(2.0, size=(200, 2))
    settings = {"device": "cpu", "random_state": 0, "max_iter": 5, "learning_rate": 1e-2}
    router = RadialRouterClassifier(cost_weight=0.02, **settings).fit(X, performance, cost=cost)
    assert (router.predict(X) == (X[:, 0] <= 0)).mean() > 0.85
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        scaled = RadialRouterClassifier(cost_weight=0.02 * scale, **settings)
        scaled.fit(X, scale * performance, cost=cost)
    np.testing.assert_array_equal(scaled.predict(X), router.predict(X))
    np.testing.assert_allclose(scaled.predict_proba(X), router.predict_proba(X), atol=1e-3)
