"""How the gain over the best single LLM is judged on held-out queries."""

import numpy as np
import pytest
import torch

from skrouter._targets.utility import scalarization_weights
from skrouter._training.early_stopping import validated_gain
from skrouter._training.outcomes import VALIDATED_SHARES

rng = np.random.default_rng(0)
N = 4000
SIDE = rng.choice([-1.0, 1.0], N)
LEVEL = torch.tensor([0.5, 0.6], dtype=torch.float64)[:, None]
# The first LLM is better on one side by 0.3 than on average, the second on the other.
TRUTH = torch.tensor(LEVEL.T.numpy() + 0.3 * SIDE[:, None] * [1, -1])
WEIGHT = torch.ones(N, dtype=torch.float64)
FOLD = torch.arange(N) % 4


def outcomes(seed=0, shown=1.0, one=False):
    random = np.random.default_rng(seed)
    drawn = (random.random((N, 2)) < TRUTH.numpy()).astype(float)
    hidden = random.random((N, 2)) > shown
    if one:
        hidden = random.integers(2, size=N)[:, None] == np.arange(2)
    return torch.tensor(np.where(hidden, np.nan, drawn))[..., None]


def judge(observed, expected):
    n = len(observed)
    return validated_gain(observed, expected[..., None], LEVEL, WEIGHT[:n], FOLD[:n], None)


def test_with_all_outcomes_it_is_the_mean_difference():
    observed = outcomes()
    gain, error = judge(observed, TRUTH)
    values = observed[..., 0].numpy()
    difference = values[np.arange(N), TRUTH.argmax(1)] - values[:, 1]
    assert gain == pytest.approx(difference.mean())
    assert error == pytest.approx(difference.std() / np.sqrt(N), rel=1e-6)


def test_queries_with_gaps_are_left_out_where_most_have_none():
    observed = outcomes()
    gain, _ = judge(observed[: N // 2], TRUTH[: N // 2])
    observed[N // 2 :, 0] = torch.nan
    assert judge(observed, TRUTH)[0] == pytest.approx(gain)


@pytest.mark.parametrize("hidden", [{"shown": 0.5}, {"shown": 0.1}, {"one": True}])
def test_with_few_outcomes_it_is_nearly_the_same(hidden):
    """The chosen LLM was seen on half of the queries or less; the true gain is 0.25."""
    results = np.array([judge(outcomes(seed, **hidden), TRUTH) for seed in range(30)])
    assert results[:, 0].mean() == pytest.approx(0.25, abs=0.01)
    assert (results[:, 0] > 2.4 * results[:, 1]).all()


@pytest.mark.parametrize("hidden", [{"shown": 0.5}, {"one": True}])
def test_expectations_that_do_not_come_true_promise_nothing(hidden):
    """Expected outcomes given to the wrong queries: choosing by them loses."""
    strange = TRUTH[torch.tensor(np.random.default_rng(1).permutation(N))]
    results = np.array([judge(outcomes(seed, **hidden), strange) for seed in range(30)])
    assert np.mean(results[:, 0] > 2.4 * results[:, 1]) < 0.1
    assert results[:, 0].mean() < 0


def test_how_well_an_llm_did_in_the_other_folds_does_not_matter_where_outcomes_are_missing():
    """A network learns it from the rest, where an LLM that did well in a fold did worse."""
    observed = outcomes(shown=0.1)
    shift = torch.tensor([[0.1, -0.1], [-0.2, 0.1], [0.0, 0.3], [0.1, 0.0]])[FOLD]
    assert judge(observed, TRUTH + shift) == pytest.approx(judge(observed, TRUTH))


def test_llms_of_unequal_level_with_few_outcomes():
    """The last is best on average, the first by 0.1 on every other query."""
    mean = torch.tensor([0.5, 0.3, 0.7], dtype=torch.float64)
    truth = mean + 0.15 * torch.tensor(SIDE)[:, None] * torch.tensor([1.0, 0.0, -1.0])
    random = np.random.default_rng(0)
    drawn = (random.random((N, 3)) < truth.numpy()).astype(float)
    drawn[random.random((N, 3)) < 0.5] = np.nan
    observed = torch.tensor(drawn)[..., None]
    gain, error = validated_gain(observed, truth[..., None], mean[:, None], WEIGHT, FOLD, None)
    assert gain == pytest.approx(0.05, abs=0.01)
    assert gain > 5 * error


def test_difficulty_that_all_llms_share_is_no_reason_to_choose():
    shared = LEVEL.T + torch.tensor(0.3 * SIDE)[:, None]
    random = np.random.default_rng(0)
    drawn = (random.random((N, 2)) < shared.numpy()).astype(float)
    drawn[random.random((N, 2)) < 0.5] = np.nan
    noisy = shared + 0.1 * torch.tensor(random.normal(size=(N, 2)))
    gain, error = judge(torch.tensor(drawn)[..., None], noisy)
    assert gain < 2.4 * error


def test_several_trade_offs_are_judged_together():
    cost = torch.tensor([1.0, 3.0], dtype=torch.float64).expand(N, 2)
    observed = torch.stack([outcomes()[..., 0], cost], dim=-1)
    expected = torch.stack([TRUTH, cost], dim=-1)
    mean = torch.stack([LEVEL[:, 0], cost[0]], dim=-1)
    total, typical = 0.0, 0.4
    for share in VALIDATED_SHARES:
        weight, importance = (float(x) for x in scalarization_weights(torch.tensor(share), typical))
        utilities = (part[..., 0] - weight * part[..., 1] for part in (observed, expected, mean))
        values, promised, level = utilities
        chosen = values[torch.arange(N), promised.argmax(1)]
        total = total + importance * (chosen - values[:, level.argmax()])
    gain, error = validated_gain(observed, expected, mean, WEIGHT, FOLD, typical)
    total = total / len(VALIDATED_SHARES)
    assert gain == pytest.approx(total.mean().item())
    assert error == pytest.approx(total.std().item() / N**0.5, rel=1e-3)


def test_an_llm_that_was_never_observed_is_left_out():
    level = torch.cat([LEVEL, torch.full((1, 1), -torch.inf, dtype=torch.float64)])
    observed = torch.cat([outcomes(), torch.full((N, 1, 1), torch.nan, dtype=torch.float64)], 1)
    expected = torch.cat([TRUTH, torch.full((N, 1), -torch.inf, dtype=torch.float64)], 1)
    gain, error = validated_gain(observed, expected[..., None], level, WEIGHT, FOLD, None)
    assert gain == pytest.approx(0.25, abs=4 * error)
