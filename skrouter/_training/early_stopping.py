"""How many epochs help: what routing gains over the best constant choice, out of fold."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import torch

from skrouter._targets.utility import scalarization_weights, utility
from skrouter._training.loop import epochs
from skrouter._training.outcomes import VALIDATED_SHARES

# Held-out queries in a forward pass, and satellites: a bound on the memory where LLMs are many.
_JUDGED_AT_ONCE, _SATELLITES_AT_ONCE = 256, 2**15


def validated_gain(observed, expected, mean, weight, fold, typical_cost_weight):
    """Utility of what is called by expected outcomes, less that of the best constant choice.

    Parameters
    ----------
    observed, expected : tensor of shape (n_queries, n_llms, n_outcomes)
        NaN in `observed` where not observed.
    mean : tensor of shape (n_llms, n_outcomes)
        What the constant choice rests on.
    weight : tensor of shape (n_queries,)
    fold : tensor of int, shape (n_queries,)
        TrainingTensors of the same fold have their expectations from the same network.
    typical_cost_weight : float or None
        The gain is the mean over several trade-offs around it, unless None.

    Returns
    -------
    gain, error : float
        The mean over the queries, and its standard error.
    """
    shares = torch.zeros(1)
    cost_weights, loss_weights = shares, torch.ones(1)
    if typical_cost_weight is not None:
        shares = torch.tensor(VALIDATED_SHARES)
        cost_weights, loss_weights = scalarization_weights(shares, typical_cost_weight)
    ever = observed[:, mean[:, 0].isfinite()]  # of LLMs that were
    complete = ~ever.isnan().flatten(1).any(dim=1)
    # Some gaps do not matter: the other queries are enough, and nothing has to be assumed.
    measurable = weight[complete].sum() >= weight.sum() / 2
    if measurable:
        observed, expected = observed[complete], expected[complete]
        weight, fold = weight[complete], fold[complete]
    parts = []
    for cost_weight, loss_weight in zip(cost_weights.tolist(), loss_weights.tolist(), strict=True):
        utilities = (utility(part, cost_weight) for part in (observed, expected, mean))
        if measurable:
            part = _measured_gains(*utilities)
        else:
            part = torch.stack(_modelled_gain(*utilities, weight, fold))
        parts.append(loss_weight * part)
    mean_part = torch.stack(parts).mean(dim=0)
    if not measurable:
        # The errors at several trade-offs are those of the same queries: at worst they add up.
        return tuple(mean_part.tolist())
    gain = (weight * mean_part).sum() / weight.sum()
    error = (weight * (mean_part - gain)).square().sum().sqrt() / weight.sum()
    return gain.item(), error.item()


def _measured_gains(observed, expected, mean):
    """Gain on each query where all is observed."""
    chosen = _largest(expected)[:, None]
    constant = _largest(mean).expand_as(chosen)
    return (observed.gather(1, chosen) - observed.gather(1, constant)).squeeze(1)


def _modelled_gain(observed, expected, mean, weight, fold):
    """Gain and error where outcomes are missing, by a regression on all that was observed.

    The chosen LLM was then observed on few queries only. But if an expectation that an LLM does
    better on a query than on others, and than other LLMs do there, comes true by a share, then so
    do the gains that it promises. The share is the slope of the observed deviations on the
    expected ones; where outcomes do not depend on the query it is 0. The gain is taken for as
    sure as the slope is positive: that of a gain itself cannot be had from so few outcomes.

    Deviations are from the mean of the LLM in the fold. An LLM that did well there by chance did
    worse in the rest, which the network has learnt from: against the mean of all folds its
    expectations would seem to fail.
    """
    level = mean.nan_to_num(nan=-torch.inf, neginf=-torch.inf)
    possible = level.isfinite()
    level = torch.where(possible, level, 0.0)
    deviation = torch.where(possible, expected - level, 0.0)
    # What all LLMs find hard or easy alike is no reason to choose.
    deviation = deviation - deviation.sum(dim=1, keepdim=True) / possible.sum().clamp(min=1)
    known = ~observed.isnan() & possible
    cells = weight[:, None] * known
    x = torch.where(known, deviation, 0.0)
    y = torch.where(known, observed - level, 0.0)
    # The level of a query is taken out of the observed deviations as well, where there are several.
    x, y = (_less_fold_mean(part - _known_mean(part, known), cells, fold) for part in (x, y))
    square = (cells * x.square()).sum().clamp(min=torch.finfo(x.dtype).tiny)
    slope = (cells * x * y).sum() / square
    slope_error = (cells * x * (y - slope * x)).square().sum().sqrt() / square
    deviation = _less_fold_mean(deviation, weight[:, None].expand_as(deviation), fold)
    chosen = torch.where(possible, level + deviation, -torch.inf).argmax(dim=1)
    constant = torch.where(possible, level, -torch.inf).argmax()
    rows = torch.arange(len(weight), device=weight.device)

    def average(values):
        return (weight * values).sum() / weight.sum()

    between = average(level[chosen] - level[constant])
    within = average(deviation[rows, chosen] - deviation[:, constant])
    gain = between + slope * within
    return gain, gain.abs() * slope_error / slope.clamp(min=torch.finfo(x.dtype).tiny)


def _less_fold_mean(values, cells, fold):
    """Values less the mean, weighted by `cells`, of their column in their fold."""
    member = torch.nn.functional.one_hot(fold).to(values.dtype)
    mean = (member.T @ (cells * values)) / (member.T @ cells).clamp(
        min=torch.finfo(cells.dtype).tiny
    )
    return values - mean[fold]


def _known_mean(values, known):
    """Mean over the observed LLMs of queries that have several, else 0."""
    count = known.sum(dim=1, keepdim=True)
    return torch.where(count > 1, values.sum(dim=1, keepdim=True) / count.clamp(min=1), 0.0) * known


def _largest(utility):
    """The first of the largest; what is NaN is never called."""
    return utility.nan_to_num(nan=-torch.inf, neginf=-torch.inf).argmax(dim=-1)


def cross_validate_epochs(learners, queries, held_out, objective, schedule, n_threads, on_epoch):
    """Find out how many epochs help, on queries held out in turn.

    All learners are trained side by side, each without its fold. After every epoch the gain is
    the mean utility of what they call on the held-out queries, less that of the best constant
    choice, query by query; with a trade-off to draw, the mean over several.

    Parameters
    ----------
    learners : list of Learner
        One per fold.
    queries : TrainingTensors
    held_out : list of tensor of int
        The rows that each learner is judged on.
    objective : Objective
    schedule : Schedule
    n_threads : int
        At most so many learners are trained at the same time, if each has a generator of its own.
    on_epoch : callable
        Called with the number of the epoch, its mean loss and its gain.

    Returns
    -------
    n_epochs : int
        The most epochs whose gain is within one standard error of the largest: differences
        below that are chance, and the learning rate has come further down.
    gains : list of float
    out_of_fold_predictions : tensor of shape (n_queries, n_llms, n_outcomes)
        What the learners that were not trained on a query expected of it after that many
        epochs.
    """
    judged = torch.cat(held_out)
    fold = torch.repeat_interleave(torch.tensor([len(rows) for rows in held_out])).to(judged.device)
    if any(learner.generator is None for learner in learners):
        n_threads = 1
    runs = [
        _expectations(learner, rows, queries, objective, schedule)
        for learner, rows in zip(learners, held_out, strict=True)
    ]
    gains, best_gain, least = [], -math.inf, -math.inf
    with ThreadPoolExecutor(n_threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        step = pool.map if n_threads > 1 else map
        for epoch in range(1, schedule.max_iter + 1):
            losses, expected = zip(*step(next, runs), strict=True)
            expected = torch.cat(expected)
            gain, error = validated_gain(
                queries.outcomes[judged],
                expected,
                queries.mean,
                queries.weight[judged],
                fold,
                objective.typical_cost_weight,
            )
            gains.append(gain)
            on_epoch(epoch, sum(losses) / len(losses), gain)
            if gain > best_gain:
                best_gain, least = gain, gain - error
            if gain >= least:
                n_epochs, out_of_fold_predictions = epoch, expected
    return n_epochs, gains, out_of_fold_predictions[judged.argsort()]


def _expectations(learner, held_out, queries, objective, schedule):
    """Train a learner; yields its loss and what it expects of other rows after each epoch."""
    n_llms = learner.target.shape[1]
    batch_size = max(schedule.batch_size, min(_JUDGED_AT_ONCE, _SATELLITES_AT_ONCE // n_llms))
    for loss in epochs(learner, queries, objective, schedule):
        with torch.no_grad():
            parts = [learner.network(learner.embed(part))[0] for part in held_out.split(batch_size)]
        yield loss, torch.cat(parts)
