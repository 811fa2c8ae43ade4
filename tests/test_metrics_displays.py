"""The pictures of shares, trade-offs and training, and the hull in that of quality and cost."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrouter import make_routing_target
from skrouter.metrics import (
    CostQualityDisplay,
    LossCurveDisplay,
    RoutingShareDisplay,
    TradeOffDisplay,
)

nan = np.nan
NAMES = ["large", "small"]
PERFORMANCE = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.5], [1.0, 0.25]])
COST = np.array([[4.0, 1.0], [6.0, 1.0], [5.0, 2.0], [5.0, 0.0]])
CHOSEN = ["large", "small", "small", "large"]  # performance 1, 1, .5, 1; cost 4, 1, 2, 5
X = np.ones((4, 1))


class Constant(ClassifierMixin, BaseEstimator):
    """A router from outside the package: a few lines, not one of our classes."""

    def __init__(self, choice=0):
        self.choice = choice

    def fit(self, X, y):
        self.classes_ = np.array(NAMES)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[self.choice])


@pytest.fixture(autouse=True)
def pyplot():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


def points(line):
    return line.get_xydata().tolist()


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def text_extents(figure):
    """Where all written texts stand, in pixels."""
    from matplotlib.text import Text

    figure.canvas.draw()
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
    return [text.get_window_extent().extents for text in texts]


def overlaps(extents):
    return [
        (a, b)
        for i, a in enumerate(extents)
        for b in extents[:i]
        if a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
    ]


# RoutingShareDisplay


def test_shares_are_drawn_as_bars():
    display = RoutingShareDisplay.from_predictions(
        {"ours": CHOSEN, "random": np.full((4, 2), 0.5), "large": ["large"] * 4}, llm_names=NAMES
    )
    widths = {key: [bar.get_width() for bar in bars] for key, bars in display.bars_.items()}
    assert widths == {"ours": [50.0, 50.0], "random": [50.0, 50.0], "large": [100.0, 0.0]}
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == NAMES
    assert display.ax_.get_xlabel() == "share of queries (per cent)"
    assert legend(display.ax_) == ["ours", "random", "large"]
    assert not overlaps(text_extents(display.figure_))
    # bars of one LLM side by side, those of the first router on top
    tops = [bars[0].get_y() for bars in display.bars_.values()]
    assert tops == sorted(tops) and display.ax_.yaxis_inverted()


def test_shares_of_one_router_and_of_different_llms():
    one = RoutingShareDisplay.from_predictions(CHOSEN, name="mine")
    assert one.shares == {"mine": {"large": 0.5, "small": 0.5}}
    two = RoutingShareDisplay.from_predictions({"a": ["x", "x"], "b": ["x", "y"]})
    assert two.shares == {"a": {"x": 1.0, "y": 0.0}, "b": {"x": 0.5, "y": 0.5}}
    weighted = RoutingShareDisplay.from_predictions(CHOSEN, sample_weight=[1, 0, 0, 0])
    assert weighted.shares == {"router": {"large": 1.0, "small": 0.0}}


def test_shares_of_estimators(pyplot):
    routers = {"a": Constant(0).fit(X, None), "b": Constant(1).fit(X, None)}
    figure, (left, right) = pyplot.subplots(ncols=2)
    display = RoutingShareDisplay.from_estimator(routers, X, ax=left, label_bars=False)
    assert display.shares["b"] == {"large": 0.0, "small": 1.0}
    assert display.ax_ is left and display.figure_ is figure
    assert not left.texts and not right.patches
    assert display.plot(ax=right) is display and display.ax_ is right
    assert len(right.texts) == 4
    assert list(RoutingShareDisplay.from_estimator(routers["a"], X).shares) == ["Constant"]
    assert list(RoutingShareDisplay.from_estimator(routers["a"], X, name="m").shares) == ["m"]
    model = DummyClassifier(strategy="constant", constant="small").fit(X, CHOSEN)
    assert RoutingShareDisplay.from_estimator(model, X).shares == {
        "DummyClassifier": {"large": 0.0, "small": 1.0}
    }


def test_shares_of_nobody_are_refused():
    with pytest.raises(ValueError, match="at least one router is needed"):
        RoutingShareDisplay.from_predictions({})


# TradeOffDisplay


def test_utilities_over_the_trade_off_by_hand():
    display = TradeOffDisplay.from_predictions(
        PERFORMANCE,
        {"ours": {0.1: ["small"] * 4, 0.0: CHOSEN}, "large": ["large"] * 4},
        cost=COST,
        llm_names=NAMES,
    )
    np.testing.assert_allclose(points(display.routers_["ours"]), [[0, 0.875], [0.1, 0.3375]])
    np.testing.assert_allclose(points(display.routers_["large"]), [[0, 0.75], [0.1, 0.25]])
    # At .1 the best are .6, .9, .3 and .5.
    np.testing.assert_allclose(points(display.references_["oracle"]), [[0, 0.875], [0.1, 0.575]])
    np.testing.assert_allclose(
        points(display.references_["best single LLM"]), [[0, 0.75], [0.1, 0.3375]]
    )
    assert legend(display.ax_) == ["oracle", "best single LLM", "ours", "large"]
    assert "US dollar per 1,000 queries" in display.ax_.get_xlabel()
    assert "utility" in display.ax_.get_ylabel()


def test_one_choice_is_judged_at_the_scenarios_of_the_paper_or_at_those_given():
    y = make_routing_target(PERFORMANCE, COST)
    display = TradeOffDisplay.from_predictions(y, [0] * 4, name="mine", hindsight=False)
    np.testing.assert_allclose(
        points(display.routers_["mine"]), [[0, 0.75], [0.02, 0.65], [0.1, 0.25]]
    )
    assert display.references_ == {}
    display = TradeOffDisplay.from_predictions(y, [0] * 4, cost_weights=[0.05])
    np.testing.assert_allclose(points(display.routers_["router"]), [[0.05, 0.5]])


def test_utilities_of_estimators():
    routers = {choice: Constant(choice).fit(X, None) for choice in (0, 1)}
    y = make_routing_target(PERFORMANCE, COST)
    display = TradeOffDisplay.from_estimator(
        {"curve": {0.0: routers[0], 0.1: routers[1]}, "large": routers[0]}, X, y
    )
    np.testing.assert_allclose(points(display.routers_["curve"]), [[0, 0.75], [0.1, 0.3375]])
    np.testing.assert_allclose(points(display.routers_["large"]), [[0, 0.75], [0.1, 0.25]])
    alone = TradeOffDisplay.from_estimator(routers[0], X, PERFORMANCE, cost=COST)
    assert list(alone.routers_) == ["Constant"]


def test_utilities_over_holes_rest_on_the_same_queries():
    performance = PERFORMANCE.copy()
    performance[0, 1] = nan
    display = TradeOffDisplay.from_predictions(
        performance, {"large": [0] * 4, "small": [1] * 4}, cost=COST, cost_weights=[0.0]
    )
    assert display.routers["large"][0.0] == pytest.approx(PERFORMANCE[1:, 0].mean())
    assert "means over the 3 of 4 queries" in " ".join(display.ax_.get_xlabel().split())
    best = display.references["best single LLM"][0.0]
    assert best == max(display.routers[name][0.0] for name in display.routers)


def test_unobserved_outcomes_are_left_out_of_the_utilities():
    performance = np.column_stack([PERFORMANCE, np.full(4, nan)])
    performance[0, 0] = nan
    display = TradeOffDisplay.from_predictions(
        performance, [0] * 4, cost=[4.0, 1.0, 0.0], cost_weights=[0.0]
    )
    np.testing.assert_allclose(points(display.routers_["router"]), [[0, 2 / 3]])
    np.testing.assert_allclose(points(display.references_["best single LLM"]), [[0, 2 / 3]])


@pytest.mark.parametrize(
    "weights, log_trade_off, scale",
    [
        ([0.0, 0.02, 0.1], "auto", "linear"),
        ([0.0, 0.001, 0.1], "auto", "symlog"),
        ([0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5], "auto", "symlog"),
        ([0.0, 0.001, 0.1], False, "linear"),
        ([0.0, 0.02, 0.1], True, "symlog"),
        ([0.0], "auto", "linear"),
        ([0.0], True, "linear"),
        (np.append(0, np.geomspace(0.001, 1, 12)), "auto", "symlog"),
    ],
)
def test_axis_of_the_trade_off_is_logarithmic_over_wide_ranges(weights, log_trade_off, scale):
    display = TradeOffDisplay.from_predictions(
        PERFORMANCE, [0] * 4, cost=COST, cost_weights=weights, log_trade_off=log_trade_off
    )
    assert display.ax_.get_xscale() == scale
    if len(weights) > 1:
        assert not overlaps(text_extents(display.figure_))
    if scale == "symlog" and len(weights) < 9:
        assert display.ax_.get_xticks().tolist() == list(weights)


@pytest.mark.parametrize(
    "options, message",
    [
        ({}, "cost is missing, but cost_weight=0.02"),
        ({"cost": COST, "cost_weights": [-1]}, "'cost_weights' parameter of TradeOffDisplay must"),
        ({"cost": COST, "cost_weights": ["0.1"]}, "'cost_weights' parameter of TradeOffDisplay"),
        ({"cost": COST, "log_trade_off": "yes"}, "'log_trade_off' parameter of TradeOffDisplay"),
    ],
)
def test_bad_trade_offs_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        TradeOffDisplay.from_predictions(PERFORMANCE, [0] * 4, **options)


def test_estimators_over_different_pools_are_refused():
    first, second = Constant().fit(X, None), Constant().fit(X, None)
    second.classes_ = second.classes_[::-1]
    y = make_routing_target(PERFORMANCE, COST)
    for draw in (
        lambda routers: TradeOffDisplay.from_estimator(routers, X, y),
        lambda routers: RoutingShareDisplay.from_estimator(routers, X),
    ):
        with pytest.raises(ValueError, match="different classes_"):
            draw({"a": first, "b": second})


# LossCurveDisplay


def fitted(loss_curve, gains):
    router = Constant().fit(X, None)
    router.loss_curve_, router.validation_gains_ = loss_curve, gains
    return router


def test_loss_and_gain_are_drawn_by_epoch():
    router = fitted([0.9, 0.7], [0.01, 0.03, 0.02])
    display = LossCurveDisplay.from_estimator(router)
    assert points(display.loss_) == [[1, 0.9], [2, 0.7]]
    assert points(display.gain_) == [[1, 0.01], [2, 0.03], [3, 0.02]]
    assert len(display.axes_) == 2 and display.ax_ is display.axes_[0]
    assert display.ax_.get_title() == "Constant"
    assert display.ax_.get_ylabel() == "mean training loss"
    assert display.axes_[1].get_xlabel() == "epoch"
    assert legend(display.axes_[1]) == ["best single LLM", "epochs trained"]
    piped = make_pipeline(StandardScaler(), router)
    assert points(LossCurveDisplay.from_estimator(piped, name="mine").loss_) == [[1, 0.9], [2, 0.7]]


def test_without_early_stopping_only_the_loss_is_drawn():
    display = LossCurveDisplay.from_estimator(fitted([0.9, 0.7], []))
    assert len(display.axes_) == 1 and display.gain_ is None
    assert display.ax_.get_xlabel() == "epoch"


def test_a_router_that_stayed_untrained_says_so():
    display = LossCurveDisplay.from_estimator(fitted([], [-0.01, -0.02]))
    assert "not trained" in display.ax_.texts[0].get_text()
    assert points(display.gain_) == [[1, -0.01], [2, -0.02]]
    assert legend(display.axes_[1]) == ["best single LLM"]


def test_loss_on_given_axes(pyplot):
    figure, axes = pyplot.subplots(ncols=2)
    router = fitted([0.9, 0.7], [0.01, 0.03])
    display = LossCurveDisplay.from_estimator(router, ax=axes)
    assert display.axes_ == list(axes) and display.figure_ is figure
    figure, ax = pyplot.subplots()
    assert display.plot(ax=ax) is display
    assert display.axes_ == [ax] and display.gain_ is None


def test_loss_of_a_network_of_scikit_learn():
    model = MLPClassifier((2,), solver="sgd", max_iter=3, tol=0.0, random_state=0)
    with pytest.warns(match="Maximum iterations"):
        model.fit(np.arange(8.0).reshape(4, 2), [0, 1, 0, 1])
    display = LossCurveDisplay.from_estimator(model)
    assert [height for _, height in points(display.loss_)] == model.loss_curve_


def test_estimators_without_a_loss_curve_are_refused():
    with pytest.raises(ValueError, match="Constant has no loss_curve_"):
        LossCurveDisplay.from_estimator(Constant().fit(X, None))
    with pytest.raises(NotFittedError):
        LossCurveDisplay.from_estimator(Constant())


# CostQualityDisplay with hulls

HULL = {"cost": [4.0, 1.0], "llm_names": NAMES}  # (4, .75) and (1, .4375)


def test_hulls_of_the_pool_and_of_routers_with_several_trade_offs():
    display = CostQualityDisplay.from_predictions(
        PERFORMANCE,
        {"curve": {0.0: ["large"] * 4, 0.1: CHOSEN}, "point": CHOSEN},
        hull=True,
        **HULL,
    )
    assert list(display.hulls_) == ["mix of single LLMs", "curve"]
    mix = display.hulls_["mix of single LLMs"].get_xydata()
    assert mix[0].tolist() == [1.0, 0.4375] and mix[-1].tolist() == [4.0, 0.75]
    np.testing.assert_allclose(mix[:, 1], 0.4375 + (mix[:, 0] - 1) / 3 * 0.3125)
    # Always large is worse than CHOSEN, at 2.5, and more expensive: flat from there.
    assert (display.hulls_["curve"].get_xydata()[:, 1] == 0.875).all()
    assert display.hulls_["curve"].get_xdata()[[0, -1]].tolist() == [2.5, 4.0]
    assert legend(display.ax_)[-1] == "mix of single LLMs"
    # the hull stands for the line between the settings
    assert display.routers_["curve"].get_linestyle() == "None"


def test_hulls_are_straight_in_cost_also_on_a_logarithmic_axis():
    display = CostQualityDisplay.from_predictions(
        PERFORMANCE, [0] * 4, cost=[100.0, 0.1], hull=True
    )
    assert display.ax_.get_xscale() == "log"
    cost, performance = display.hulls_["mix of single LLMs"].get_xydata().T
    assert len(cost) > 100 and np.diff(np.log(cost)).max() < 0.1
    np.testing.assert_allclose(performance, 0.4375 + (cost - 0.1) / 99.9 * 0.3125)


def test_hulls_from_a_zero_cost_llm_and_by_default_none():
    zero_cost = CostQualityDisplay.from_predictions(
        PERFORMANCE, [0] * 4, cost=[1.0, 0.0], hull=True
    )
    assert points(zero_cost.hulls_["mix of single LLMs"])[0] == [0.0, 0.4375]
    assert CostQualityDisplay.from_predictions(PERFORMANCE, [0] * 4, cost=COST).hulls_ == {}


def test_hull_leaves_out_llms_of_unknown_cost():
    cost = np.column_stack([COST, np.full(4, nan)])
    performance = np.column_stack([PERFORMANCE, np.ones(4)])
    display = CostQualityDisplay.from_predictions(
        performance, [0] * 4, cost=cost, hull=True, oracle_cost_weights=()
    )
    assert points(display.hulls_["mix of single LLMs"])[-1] == [5.0, 0.75]


def test_displays_need_matplotlib_only_to_draw():
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from skrouter.metrics import LossCurveDisplay, RoutingShareDisplay, TradeOffDisplay\n"
        "for display, draw in {\n"
        "    'LossCurveDisplay': lambda: LossCurveDisplay([1.0]).plot(),\n"
        "    'RoutingShareDisplay': lambda: RoutingShareDisplay.from_predictions(['a']),\n"
        "    'TradeOffDisplay': lambda: TradeOffDisplay.from_predictions([[1.0]], [0], cost=[1]),\n"
        "}.items():\n"
        "    try:\n"
        "        draw()\n"
        "    except ImportError as error:\n"
        "        wanted = f'{display} needs matplotlib: pip install \"skrouter[plot]\"'\n"
        "        assert str(error) == wanted, error\n"
        "    else:\n"
        "        raise SystemExit(f'no ImportError from {display}')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
