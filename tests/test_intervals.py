"""Intervals that hold where few queries differ, and bounds that they rest on."""

import warnings

import numpy as np
import pytest
from scipy.stats import binomtest

from skrouter._utils.betting import betting_interval, betting_p_value, plug_in_bets
from skrouter.metrics import PairedDifference, off_policy_value, paired_bootstrap
from skrouter.metrics import _intervals as intervals
from skrouter.metrics._intervals import UnseenQuery, gaffke_interval, heavy_tail


def save_a_little(n_queries, rng):
    """A router that saves 0.02 on a fifth of the queries, and loses one in twenty of these."""
    theirs = (rng.random(n_queries) < 0.8).astype(float)
    cheap = rng.random(n_queries) < 0.2
    ours = np.where(cheap & (rng.random(n_queries) < 0.05), 0.0, theirs) + 0.02 * cheap
    return ours, theirs


def coverage(method, **options):
    truth, held = 0.2 * (0.02 - 0.8 * 0.05), []
    for seed in range(100):
        pair = save_a_little(50, np.random.default_rng(seed))
        result = paired_bootstrap(
            *pair, method=method, n_resamples=499, random_state=seed, **options
        )
        held.append(result.low - 1e-9 <= truth <= result.high + 1e-9)
    return np.mean(held)


@pytest.mark.filterwarnings("ignore:Some utilities lie so far")  # one data set in a hundred
def test_rare_losses_are_allowed_for():
    assert coverage("BCa") < 0.6
    assert coverage("gaffke") >= 0.9
    assert coverage("gaffke", max_difference=1.02) >= 0.9
    assert coverage("betting", max_difference=1.02) >= 0.9


# Gaffke's bound


@pytest.mark.parametrize("n_right", [0, 1, 13, 40])
def test_of_zeros_and_ones_it_is_the_limit_of_clopper_and_pearson(n_right):
    outcomes = np.repeat([1.0, 0.0], [n_right, 40 - n_right])
    sample = np.stack([outcomes, np.ones(40)], axis=1)
    exact = binomtest(n_right, 40).proportion_ci(0.9, method="exact")
    ends = gaffke_interval([sample], UnseenQuery(0.0, 1.0), 0.9, 200_000, 0)
    assert ends == pytest.approx(exact, abs=0.002)


def test_its_ends_do_not_depend_on_the_order_of_the_queries():
    rng = np.random.default_rng(0)
    ours, theirs = rng.random((2, 60)).round(1)
    order = rng.permutation(60)
    first = paired_bootstrap(ours, theirs, random_state=0)
    again = paired_bootstrap(ours[order], theirs[order], random_state=0)
    assert again[1:] == first[1:]
    assert again.difference == pytest.approx(first.difference)


def test_batches_change_nothing_but_the_noise(monkeypatch):
    ours, theirs = np.random.default_rng(0).random((2, 40))
    whole = paired_bootstrap(ours, theirs, random_state=0)
    monkeypatch.setattr(intervals, "_NUMBERS_AT_ONCE", 40 * 1000)  # ten batches, one of them short
    parts = paired_bootstrap(ours, theirs, random_state=0)
    assert parts[1:3] == pytest.approx(whole[1:3], abs=0.01)
    assert parts[1:3] != whole[1:3]


def test_a_query_of_weight_two_is_no_two_queries():
    """Fewer numbers tell less: the ratio with equal weights is the mean, whatever the weight."""
    outcomes = np.random.default_rng(0).random(30)
    settings = 0.95, 100_000, 0
    plain = np.stack([outcomes, np.ones(30)], axis=1)
    expected = gaffke_interval([plain], UnseenQuery(0.0, 1.0), *settings)
    ends = gaffke_interval([2 * plain], UnseenQuery(0.0, 2.0, 2.0), *settings)
    assert ends == pytest.approx(expected, abs=1e-12)
    twice = gaffke_interval([np.repeat(plain, 2, axis=0)], UnseenQuery(0.0, 1.0), *settings)
    assert np.ptp(twice) < 0.8 * np.ptp(expected)


def test_routers_that_did_the_same_may_differ_on_other_queries():
    outcomes = np.tile([1.0, 0.0], 50)
    result = paired_bootstrap(outcomes, outcomes, random_state=0)
    # Nothing was seen in 100: at most some 3.7 % for each direction, at 97.5 %.
    limit = binomtest(0, 100).proportion_ci(0.95, method="exact").high
    assert result == PairedDifference(
        0.0, pytest.approx(-limit, abs=0.002), pytest.approx(limit, abs=0.002), 100, 1.0
    )
    flat = paired_bootstrap([1.0] * 9, [1.0] * 9)
    assert flat == PairedDifference(0.0, 0.0, 0.0, 9, 0.0)  # nothing is known to be possible


def test_a_larger_possible_difference_is_a_wider_interval():
    ours, theirs = save_a_little(100, np.random.default_rng(0))
    results = [
        paired_bootstrap(ours, theirs, max_difference=most, random_state=0) for most in (1.02, 3, 9)
    ]
    widths = [result.high - result.low for result in results]
    assert widths == sorted(widths) and widths[0] < 0.5 * widths[-1]
    assert [result.max_difference for result in results] == [1.02, 3.0, 9.0]
    seen = paired_bootstrap(ours, theirs, random_state=0)
    assert seen.max_difference == pytest.approx(1.02)


def test_means_over_tasks_hold():
    chances, truth, held = np.array([[0.9, 0.99, 0.5], [0.85, 0.97, 0.6]]), -0.01, []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        groups = np.repeat([0, 1, 2], [40, 15, 5])
        pair = (rng.random((2, 60)) < chances[:, groups]).astype(float)
        result = paired_bootstrap(*pair, groups=groups, n_resamples=499, random_state=seed)
        held.append(result.low <= truth <= result.high)
    assert np.mean(held) >= 0.9


# Heavy tails


def test_a_heavy_tail_without_a_bound_is_said():
    rng = np.random.default_rng(0)
    costs = rng.lognormal(0, 2, size=200)
    with pytest.warns(UserWarning, match="tail index .* Give max_difference; of costs"):
        paired_bootstrap(costs, np.ones(200))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        paired_bootstrap(costs, np.ones(200), max_difference=5000.0)
        paired_bootstrap(costs, np.ones(200), method="BCa")  # it assumes a large sample anyway


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(0).normal(size=400),
        np.random.default_rng(0).exponential(size=400),
        np.repeat([1.0, 0.0], [390, 10]),
        # Answers that are rarely wrong, at costs that are small beside that.
        np.repeat([1.0, 0.0], [390, 10]) - 0.02 * np.random.default_rng(0).lognormal(size=400),
        np.ones(50),
        np.array([0.0, 1.0]),
    ],
    ids=["normal", "exponential", "answers", "utilities", "equal", "two"],
)
def test_other_outcomes_have_no_heavy_tail(values):
    assert heavy_tail(values[:, None]) is None


def test_the_tail_index_is_that_of_a_pareto_distribution():
    values = np.random.default_rng(0).pareto(1.0, size=(20_000, 1))
    assert heavy_tail(values) == pytest.approx(1.0, abs=0.15)


# Betting


@pytest.mark.parametrize("chance", [0.02, 0.5])
def test_betting_holds_and_is_not_absurdly_wide(chance):
    held, widths = [], []
    for seed in range(100):
        values = np.random.default_rng(seed).random(200) < chance
        low, high = betting_interval(values.astype(float) * 4 - 1, -1.0, 3.0, 0.9)
        assert -1 <= low <= high <= 3
        held.append(low <= 4 * chance - 1 <= high)
        widths.append(high - low)
    assert np.mean(held) >= 0.9
    normal = 2 * 1.645 * 4 * np.sqrt(chance * (1 - chance) / 200)
    assert np.median(widths) < (2.5 if chance < 0.1 else 1.6) * normal


def test_the_ends_of_a_betting_interval_are_where_tests_pass():
    values = np.random.default_rng(0).beta(2, 5, size=80)
    low, high = betting_interval(values, 0.0, 1.0, 0.9)
    bets = plug_in_bets(values, 0.05, 1.0)
    below, above = (betting_p_value(values - mean, bets, mean) for mean in (low - 1e-6, low + 1e-6))
    assert below <= 0.05 < above
    mirrored = betting_interval(1 - values, 0.0, 1.0, 0.9)
    assert mirrored == pytest.approx((1 - high, 1 - low))


def test_betting_is_seeded():
    ours, theirs = np.random.default_rng(0).random((2, 50))
    options = {"method": "betting", "max_difference": 1.0}
    first, again, other = (
        paired_bootstrap(ours, theirs, random_state=seed, **options) for seed in (0, 0, 1)
    )
    assert first == again != other
    assert first.low < first.difference < first.high


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "betting"}, "max_difference is missing: method='betting' proves"),
        (
            {"max_difference": 0.5},
            "max_difference=0.5 is no upper bound: the two differ by up to 1",
        ),
        ({"max_difference": 0.0}, "'max_difference' parameter of paired_bootstrap must be"),
        ({"max_difference": np.inf}, r"in the range \(0.0, inf\) or None. Got inf instead"),
        ({"max_difference": "1"}, "'max_difference' parameter of paired_bootstrap must be"),
        ({"max_difference": 1.0, "method": "BCa"}, "method='BCa' has no use for it"),
        (
            {"max_difference": 1.0, "method": "betting", "groups": ["a", "a", "b", "b"]},
            "groups was given, but method='betting'",
        ),
    ],
)
def test_bounds_that_are_none_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        paired_bootstrap([1.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0], **options)


def test_warnings_name_the_line_of_the_caller():
    """Checks of parameters stand between a caller and the function."""
    costs = np.append(np.geomspace(1, 2, 60), [1e3, 1e5])
    with pytest.warns(UserWarning, match="tail index") as caught:
        paired_bootstrap(costs, np.zeros_like(costs), n_resamples=99, random_state=0)
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning) as caught:
        off_policy_value(
            ["a", "b", "a"],
            ["a", "a", "a"],
            performance=[1.0, 0.0, 1.0],
            propensity=[1.0, 1.0, 0.5],
            llm_names=["a", "b"],
            method="ips",
            n_resamples=99,
            random_state=0,
        )
    assert len(caught) == 3 and {warning.filename for warning in caught} == {__file__}
