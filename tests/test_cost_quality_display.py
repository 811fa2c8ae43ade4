"""The picture of quality against cost."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier

from skrouter import make_routing_target
from skrouter.metrics import CostQualityDisplay

nan = np.nan
NAMES = ["large", "small"]
PERFORMANCE = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.5], [1.0, 0.25]])
COST = np.array([[4.0, 1.0], [6.0, 1.0], [5.0, 2.0], [5.0, 0.0]])
CHOSEN = ["large", "small", "small", "large"]  # performance 1, 1, .5, 1; cost 4, 1, 2, 5


class Constant(ClassifierMixin, BaseEstimator):
    """A router from outside the package: a few lines, not one of our classes."""

    def __init__(self, choice=0):
        self.choice = choice

    def fit(self, X, y):
        self.classes_ = np.array(NAMES)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[self.choice])


@pytest.fixture
def pyplot():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


def points(line):
    return line.get_xydata().tolist()


def test_display_draws_llms_routers_and_oracle_where_they_belong(pyplot):
    display = CostQualityDisplay.from_predictions(
        PERFORMANCE,
        {"ours": {0.0: ["large"] * 4, 0.1: CHOSEN}, "random": np.full((4, 2), 0.5)},
        cost=COST,
        llm_names=NAMES,
    )
    assert points(display.singles_) == [[5.0, 0.75], [1.0, 0.4375]]
    assert points(display.routers_["ours"]) == [[3.0, 0.875], [5.0, 0.75]]  # cheapest first
    assert points(display.routers_["random"]) == [[3.0, 0.59375]]
    assert points(display.references_["oracle"])[0] == [3.0, 0.875]
    assert len(points(display.references_["oracle"])) == 3
    assert set(display.labels_) == set(NAMES)
    assert display.ax_.get_xlabel() == "mean cost (US dollars per 1,000 queries)"
    assert display.ax_.get_ylabel() == "mean performance"
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend == ["single LLM", "oracle", "ours", "random"]


def test_display_of_one_router_and_references_without_oracle(pyplot):
    display = CostQualityDisplay.from_predictions(
        make_routing_target(PERFORMANCE, COST),
        [0, 1, 1, 0],
        name="mine",
        references={"best per task": [1, 1, 1, 1]},
        oracle_cost_weights=(),
    )
    assert list(display.routers_) == ["mine"]
    assert list(display.references_) == ["best per task"]
    assert points(display.references_["best per task"]) == [[1.0, 0.4375]]


def test_display_from_estimators(pyplot):
    routers = {key: Constant(choice).fit(None, None) for key, choice in (("a", 0), ("b", 1))}
    y = make_routing_target(PERFORMANCE, COST)
    one = CostQualityDisplay.from_estimator(routers["a"], [0] * 4, y)
    assert list(one.routers_) == ["Constant"]
    named = CostQualityDisplay.from_estimator(routers["a"], [0] * 4, y, name="mine")
    assert list(named.routers_) == ["mine"]
    several = CostQualityDisplay.from_estimator(
        {"curve": {0.0: routers["a"], 0.1: routers["b"]}, "b": routers["b"]},
        [0] * 4,
        PERFORMANCE,
        cost=COST,
    )
    assert points(several.routers_["curve"]) == [[1.0, 0.4375], [5.0, 0.75]]
    assert points(several.routers_["b"]) == [[1.0, 0.4375]]


def test_display_of_a_scikit_learn_classifier(pyplot):
    labels = ["large", "small", "small", "large"]
    model = DummyClassifier(strategy="constant", constant="small").fit(np.ones((4, 1)), labels)
    display = CostQualityDisplay.from_estimator(model, np.ones((4, 1)), PERFORMANCE, cost=COST)
    assert points(display.routers_["DummyClassifier"]) == [[1.0, 0.4375]]


def test_display_refuses_routers_over_different_pools(pyplot):
    first, second = Constant().fit(None, None), Constant().fit(None, None)
    second.classes_ = second.classes_[::-1]
    y = make_routing_target(PERFORMANCE, COST)
    with pytest.raises(ValueError, match="different classes_"):
        CostQualityDisplay.from_estimator({"a": first, "b": second}, [0] * 4, y)


def test_display_needs_costs(pyplot):
    with pytest.raises(ValueError, match="cost is missing"):
        CostQualityDisplay.from_predictions(PERFORMANCE, [0] * 4)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"oracle_cost_weights": [0.1, -1]}, "'oracle_cost_weights' parameter of CostQuality"),
        ({"log_cost": "yes"}, "'log_cost' parameter of CostQualityDisplay.plot must be"),
        ({"hull": "yes"}, "'hull' parameter of CostQualityDisplay.plot must be"),
        ({"label_llms": None}, "'label_llms' parameter of CostQualityDisplay.plot must be"),
        ({"label_trade_offs": 2}, "'label_trade_offs' parameter of CostQualityDisplay.plot"),
    ],
)
def test_display_refuses_bad_options(pyplot, options, message):
    with pytest.raises(ValueError, match=message):
        CostQualityDisplay.from_predictions(PERFORMANCE, [0] * 4, cost=COST, **options)


def test_display_draws_on_given_axes_and_plot_returns_itself(pyplot):
    figure, (left, right) = pyplot.subplots(ncols=2, figsize=(12, 5))
    y = make_routing_target(PERFORMANCE, COST)
    display = CostQualityDisplay.from_predictions(y, [0] * 4, ax=left, label_llms=False)
    assert display.ax_ is left and display.figure_ is figure
    assert display.labels_ == {} and not left.texts
    assert not right.lines
    assert display.plot(ax=right) is display
    assert display.ax_ is right and len(right.texts) == 2


@pytest.mark.parametrize(
    "cost, log_cost, scale",
    [
        ([9.0, 1.0], "auto", "linear"),
        ([11.0, 1.0], "auto", "log"),
        ([11.0, 0.0], "auto", "linear"),
        ([11.0, 1.0], False, "linear"),
        ([9.0, 1.0], True, "log"),
    ],
)
def test_cost_axis_is_logarithmic_over_more_than_a_factor_of_ten(pyplot, cost, log_cost, scale):
    display = CostQualityDisplay.from_predictions(
        PERFORMANCE, [0] * 4, cost=cost, log_cost=log_cost
    )
    assert display.ax_.get_xscale() == scale


def test_labels_overlap_neither_each_other_nor_points(pyplot):
    from matplotlib.text import Text

    rng = np.random.default_rng(0)
    n_llms = 14
    performance = np.clip(rng.normal(0.6, 0.05, size=n_llms), 0, 1)[None].repeat(2, axis=0)
    display = CostQualityDisplay.from_predictions(
        performance,
        [0, 1],
        cost=rng.uniform(0.5, 1.5, size=n_llms),
    )
    display.figure_.canvas.draw()
    # of the text alone, without the thin line that leads to its point
    extents = [Text.get_window_extent(label).extents for label in display.labels_.values()]
    assert len(extents) >= 12
    for i, a in enumerate(extents):
        for b in extents[:i]:
            apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
            assert apart
    for x, y in display.ax_.transData.transform(display.singles_.get_xydata()):
        assert not any(a[0] < x < a[2] and a[1] < y < a[3] for a in extents)


def test_llm_never_observed_is_not_drawn(pyplot):
    performance = np.column_stack([PERFORMANCE, np.full(4, nan)])
    display = CostQualityDisplay.from_predictions(performance, [0] * 4, cost=[3.0, 1.0, 2.0])
    assert list(display.singles) == ["0", "1"]


def test_metrics_need_matplotlib_only_to_draw():
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from skrouter.metrics import CostQualityDisplay, routing_score\n"
        "assert routing_score([[1.0, 0.0]], [0]).performance == 1\n"
        "try:\n"
        "    CostQualityDisplay.from_predictions([[1.0, 0.0]], [0], cost=[1.0, 2.0])\n"
        "except ImportError as error:\n"
        "    assert 'pip install \"skrouter[plot]\"' in str(error), error\n"
        "else:\n"
        "    raise SystemExit('no ImportError')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def label_below(display):
    return " ".join(display.ax_.get_xlabel().split())


def test_points_over_holes_rest_on_the_same_queries(pyplot):
    performance = PERFORMANCE.copy()
    performance[0, 1] = nan  # the oracle had 0.75 here, a router that never asks for it 1
    display = CostQualityDisplay.from_predictions(
        performance, {"ours": CHOSEN}, cost=COST, llm_names=NAMES, oracle_cost_weights=[0.0]
    )
    scores = [*display.singles.values(), *display.routers["ours"], *display.references["oracle"]]
    assert {score.n_observed for score in scores} == {3}
    assert points(display.routers_["ours"]) == [[pytest.approx(8 / 3), pytest.approx(2.5 / 3)]]
    assert points(display.references_["oracle"]) == points(display.routers_["ours"])
    assert "all points are means over the 3 of 4 queries" in label_below(display)
    again = CostQualityDisplay(display.singles, display.routers).plot()
    assert again.note == "" and "missing" not in label_below(again)
    # Queries without weight are no loss.
    weighted = CostQualityDisplay.from_predictions(
        performance, [1, 1, 0, 0], cost=COST, sample_weight=[0, 1, 1, 1]
    )
    assert weighted.note == ""


def test_points_over_different_queries_are_said_to_be(pyplot):
    performance = np.where(
        np.eye(4, 2, dtype=bool) | np.eye(4, 2, -2, dtype=bool), PERFORMANCE, nan
    )
    display = CostQualityDisplay.from_predictions(performance, [0, 1, 0, 1], cost=COST)
    assert "points rest on different queries, as only 0 of 4 have all" in label_below(display)
    assert display.routers["router"][0].n_observed == 4
    display.figure_.canvas.draw()
    box = display.ax_.xaxis.label.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= display.figure_.bbox.x1 and box.y0 >= 0


def test_weights_of_other_queries_are_refused(pyplot):
    with pytest.raises(ValueError, match="sample_weight"):
        CostQualityDisplay.from_predictions(PERFORMANCE, [0] * 4, cost=COST, sample_weight=[1, 1])


def test_a_cost_that_nobody_knows_is_no_hole(pyplot):
    cost = np.column_stack([COST[:, 0], np.full(4, nan)])
    display = CostQualityDisplay.from_predictions(PERFORMANCE, [0, 0, 0, 1], cost=cost)
    assert display.note == "" and display.singles["1"].n_observed == 4


def curve_display(n_trade_offs=4, **options):
    """A curve from always "large" to always "small", four queries a step."""
    performance = np.column_stack([np.ones(40), np.linspace(0, 1, 40)])
    choices = {
        weight: np.where(np.arange(40) < 40 * weight, "large", "small")
        for weight in np.linspace(0, 1, n_trade_offs).round(2).tolist()
    }
    choices[2.0] = choices[1.0]
    return CostQualityDisplay.from_predictions(
        performance, {"ours": choices}, cost=[5.0, 1.0], llm_names=NAMES, **options
    )


def test_points_of_a_curve_are_labelled_with_their_trade_offs(pyplot):
    from matplotlib.text import Text

    display = curve_display()
    labels = display.trade_off_labels_["ours"]
    # What chooses the same is one point, with one label.
    assert list(labels) == ["α=0", "α=1–2", "α=0.67", "α=0.33"]
    where = dict(zip(display.trade_offs["ours"], display.routers["ours"], strict=True))
    assert labels["α=0.33"].xy == (where[0.33].cost, where[0.33].performance)
    assert display.trade_offs == {"ours": [0.0, 0.33, 0.67, 1.0, 2.0]}
    display.figure_.canvas.draw()
    path = display.routers_["ours"].get_path().transformed(display.ax_.transData)
    texts = [*labels.values(), *display.labels_.values()]
    assert len(texts) == 6
    assert not any(
        path.intersects_bbox(Text.get_window_extent(text), filled=False) for text in texts
    )
    assert curve_display(label_trade_offs=False).trade_off_labels_ == {}
    one = CostQualityDisplay.from_predictions(PERFORMANCE, [0] * 4, cost=COST)
    assert one.trade_off_labels_ == {}


def test_of_many_points_some_are_labelled(pyplot):
    labels = curve_display(n_trade_offs=21).trade_off_labels_["ours"]
    assert 3 <= len(labels) <= 6 and list(labels)[:2] == ["α=0", "α=1–2"]


def test_trade_offs_of_fitted_routers_are_labelled(pyplot):
    routers = {key: Constant(choice).fit(None, None) for key, choice in ((0.0, 0), (0.1, 1))}
    display = CostQualityDisplay.from_estimator(
        {"curve": routers, "b": routers[0.1]}, [0] * 4, PERFORMANCE, cost=COST
    )
    assert list(display.trade_off_labels_) == ["curve"]
    assert list(display.trade_off_labels_["curve"]) == ["α=0", "α=0.1"]


def test_names_of_llms_are_not_crossed_by_lines_where_there_is_room(pyplot):
    from matplotlib.text import Text

    # Beside "large" runs a curve: to the right and to the left of it.
    performance = [[0.8, 0.2, 0.8, 0.8]] * 2
    display = CostQualityDisplay.from_predictions(
        performance,
        {"ours": {0.0: [2, 2], 1.0: [3, 3]}},
        cost=[2.0, 0.5, 1.0, 3.0],
        oracle_cost_weights=(),
    )
    display.figure_.canvas.draw()
    path = display.routers_["ours"].get_path().transformed(display.ax_.transData)
    assert set(display.labels_) == {"0", "1", "2", "3"}
    for label in display.labels_.values():
        assert not path.intersects_bbox(Text.get_window_extent(label), filled=False)
