"""The optimisation loop, for ready embeddings and for an encoder that is trained along."""

import math
import threading
from collections.abc import Callable
from contextlib import contextmanager
from typing import NamedTuple

import torch

from skrouter.nn.losses import contrastive_loss, kl_loss, outcome_loss
from skrouter.nn.network import RoutingNetwork

_ONE_SIDED_99 = 2.326  # standard errors

# Trade-offs at which the choice is validated, as shares: see `at_share`.
VALIDATED_SHARES = (0.0, 0.1, 0.25, 0.5, 0.75)

# torch's generators and its number of threads are those of the whole process.
_GLOBAL_STATE = threading.RLock()


class Objective(NamedTuple):
    """``L_KL + contrastive_weight * L_qq``, and with `outcome_weight` a loss of the outcomes.

    Attributes
    ----------
    typical_cost_weight : float or None
        Trade-offs are drawn around it, one per query and batch. None where the only outcome is
        a utility or a performance, and there is no trade-off to draw.
    outcome_weight : float
        Weight of the squared error of the outcomes, in their units.
    """

    target_temperature: float
    kl_direction: str
    contrastive_weight: float
    contrastive_temperature: float
    typical_cost_weight: float | None
    outcome_weight: float

    def __call__(self, network, embeddings, target, clusters):
        """Loss per query, shape (n_queries,)."""
        outcomes, states = network(embeddings)
        cost_weight, loss_weight = 0.0, 1.0
        if self.typical_cost_weight is not None:
            share = torch.rand(len(target), 1, dtype=target.dtype).to(target.device)
            cost_weight, loss_weight = at_share(share, self.typical_cost_weight)
            loss_weight = loss_weight.squeeze(1)
        loss = loss_weight * kl_loss(
            utility(outcomes, cost_weight) / self.target_temperature,
            utility(target, cost_weight),
            self.target_temperature,
            self.kl_direction,
        )
        if self.outcome_weight > 0:
            error = outcome_loss(outcomes, target, network.unit)
            loss = loss + self.outcome_weight * error
        if clusters is not None:
            contrast = contrastive_loss(states, clusters, self.contrastive_temperature)
            loss = loss + self.contrastive_weight * contrast
        return loss


def at_share(share, typical_cost_weight):
    """The trade-off at which costs count for a share of the utility, and the weight of its loss.

    With ``alpha = typical * share / (1 - share)`` and the weight ``2 (1 - share)`` utilities weigh
    as if they were ``2 ((1 - share) performance - share * typical * cost)``: all trade-offs, from
    performance alone to cost alone, have losses of one scale, and a mean weight of 1.
    """
    rest = (1 - share).clip(min=0.05)
    return typical_cost_weight * share / rest, 2 * rest


def utility(outcomes, cost_weight):
    """Utility of outcomes (n_queries, n_llms, 1 or 2): of performance alone, or less the cost."""
    if outcomes.shape[-1] == 1:
        return outcomes[..., 0]
    return outcomes[..., 0] - cost_weight * outcomes[..., 1]


class Schedule(NamedTuple):
    """How long and how fast to train."""

    learning_rate: float
    encoder_learning_rate: float
    weight_decay: float
    batch_size: int
    max_iter: int
    n_iter_no_change: int


class Queries(NamedTuple):
    """What is known of the queries, as tensors.

    Attributes
    ----------
    outcomes : tensor of shape (n_queries, n_llms, n_outcomes)
        Utility, or performance, or performance and cost. NaN where not observed.
    weight : tensor of shape (n_queries,)
    clusters : tensor of shape (n_queries,) or None
        None without a contrastive loss.
    mean : tensor of shape (n_llms, n_outcomes)
        Mean outcomes: all that a router knows which ignores the query.
    """

    outcomes: torch.Tensor
    weight: torch.Tensor
    clusters: torch.Tensor | None
    mean: torch.Tensor


@contextmanager
def seeded(seed, device):
    """Seed torch's generators for the block; their states outside are not touched.

    Other threads of the process wait meanwhile: they would draw from the same generators.
    """
    device = torch.device(device)
    cuda = [device.index or 0] if device.type == "cuda" else []
    mps = torch.mps.get_rng_state() if device.type == "mps" else None
    with _GLOBAL_STATE, torch.random.fork_rng(devices=cuda):
        # Not torch.manual_seed: it reseeds every device there is.
        torch.default_generator.manual_seed(seed)
        for index in cuda:
            torch.cuda.default_generators[index].manual_seed(seed)
        if mps is not None:
            torch.mps.manual_seed(seed)
        try:
            yield
        finally:
            if mps is not None:
                torch.mps.set_rng_state(mps)


@contextmanager
def one_thread():
    """Let torch compute in one thread for the block.

    How sums are shared out among threads changes their last digits, and training makes more of
    them. The matrices of a small network gain nothing from more threads.
    """
    with _GLOBAL_STATE:
        n_threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(n_threads)


class Learner(NamedTuple):
    """A network to train, and where its input comes from.

    Attributes
    ----------
    network : RoutingNetwork
        In the device and precision to train with.
    encoder : torch.nn.Module or None
        Trained along with the network.
    embed : callable
        From a tensor of row numbers to their embeddings, with gradients if `encoder` is
        trained.
    rows : tensor of int, shape (n_rows,)
        Rows to train on.
    target : tensor of shape (n_rows, n_llms, n_outcomes)
        Outcomes to train towards on these rows. NaN where not observed.
    """

    network: RoutingNetwork
    encoder: torch.nn.Module | None
    embed: Callable
    rows: torch.Tensor
    target: torch.Tensor

    @property
    def modules(self):
        """All that is trained."""
        return torch.nn.ModuleList([self.network, self.encoder] if self.encoder else [self.network])


def epochs(learner, queries, objective, schedule):
    """Train a learner in place; yields the mean loss after each of `max_iter` epochs.

    Parameters
    ----------
    learner : Learner
    queries : Queries
    objective : Objective
    schedule : Schedule

    Yields
    ------
    loss : float
        The learner is in evaluation mode meanwhile.
    """
    groups = [{"params": list(learner.network.parameters()), "lr": schedule.learning_rate}]
    if learner.encoder is not None:
        parameters = list(learner.encoder.parameters())
        groups.append({"params": parameters, "lr": schedule.encoder_learning_rate})
    optimizer = torch.optim.AdamW(groups, weight_decay=schedule.weight_decay)
    n_rows = len(learner.rows)
    batches_per_epoch = math.ceil(n_rows / schedule.batch_size)
    n_steps = schedule.max_iter * batches_per_epoch
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, _Ramp(n_steps))
    mean_weight = queries.weight[learner.rows].mean()
    for _ in range(schedule.max_iter):
        learner.modules.train()
        order = torch.arange(n_rows)
        if batches_per_epoch > 1:
            order = torch.randperm(n_rows)
        order = order.to(learner.rows.device)
        total = 0.0
        for part in order.split(schedule.batch_size):
            batch = learner.rows[part]
            clusters = None if queries.clusters is None else queries.clusters[batch]
            loss = objective(learner.network, learner.embed(batch), learner.target[part], clusters)
            loss = (queries.weight[batch] * loss).sum()
            optimizer.zero_grad(set_to_none=True)
            (loss / (mean_weight * len(batch))).backward()
            optimizer.step()
            rate.step()
            total += loss.item()
        learner.modules.eval()
        if not math.isfinite(total):
            raise ValueError(
                f"Training diverged: the loss is {total}. Bring performance and costs to a scale "
                "near 1 or raise target_temperature, lower learning_rate, or look for extreme "
                "values in X."
            )
        yield total / (mean_weight.item() * n_rows)


def cross_validate_epochs(learners, queries, held_out, objective, schedule, on_epoch):
    """Find out how many epochs help, on queries held out in turn.

    All learners are trained side by side, each without its fold. After every epoch the gain is
    the mean utility of what they call on the held-out queries, less that of the best constant
    choice, query by query; with a trade-off to draw, the mean over several.

    Parameters
    ----------
    learners : list of Learner
        One per fold.
    queries : Queries
    held_out : list of tensor of int
        The rows that each learner is judged on.
    objective : Objective
    schedule : Schedule
        Training ends after `n_iter_no_change` epochs without a larger gain that is above zero
        with 99 % confidence.
    on_epoch : callable
        Called with the number of the epoch, its mean loss and its gain.

    Returns
    -------
    n_epochs : int
        The most epochs whose gain is within one standard error of the largest: differences
        below that are chance, and the learning rate has come further down. 0 if no gain is
        above zero with 99 % confidence (normal approximation, one-sided), so that nothing shows
        that the router is better than the best constant choice.
    gains : list of float
    """
    runs = [epochs(learner, queries, objective, schedule) for learner in learners]
    judged = torch.cat(held_out)
    weight = queries.weight[judged]
    batch_size = max(schedule.batch_size, 256)
    gains, best_epoch, best_gain, least = [], 0, 0.0, math.inf
    for epoch, losses in enumerate(zip(*runs, strict=True), start=1):
        with torch.no_grad():
            expected = torch.cat(
                [
                    learner.network(learner.embed(part))[0]
                    for learner, rows in zip(learners, held_out, strict=True)
                    for part in rows.split(batch_size)
                ]
            )
        gain, error = validated_gain(
            queries.outcomes[judged], expected, queries.mean, weight, objective.typical_cost_weight
        )
        gains.append(gain)
        on_epoch(epoch, sum(losses) / len(losses), gain)
        if gain > max(best_gain, _ONE_SIDED_99 * error):
            best_epoch, best_gain, least = epoch, gain, gain - error
        if epoch - best_epoch >= schedule.n_iter_no_change:
            break
    good = [epoch for epoch, gain in enumerate(gains, start=1) if gain >= least]
    return max(good, default=0), gains


class _Ramp:
    """Share of the learning rate at a step: up over the first tenth, then down a cosine."""

    def __init__(self, n_steps):
        self.n_steps = n_steps
        self.n_warm_up = max(1, n_steps // 10)

    def __call__(self, step):
        if step < self.n_warm_up:
            return (step + 1) / self.n_warm_up
        done = (step - self.n_warm_up) / max(1, self.n_steps - self.n_warm_up)
        return 0.5 * (1.0 + math.cos(math.pi * done))


def validated_gain(observed, expected, mean, weight, typical_cost_weight):
    """Utility of what is called by expected outcomes, less that of the best constant choice.

    Parameters
    ----------
    observed, expected : tensor of shape (n_queries, n_llms, n_outcomes)
        NaN in `observed` where not observed.
    mean : tensor of shape (n_llms, n_outcomes)
        What the constant choice rests on.
    weight : tensor of shape (n_queries,)
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
        cost_weights, loss_weights = at_share(shares, typical_cost_weight)
    complete = ~observed.isnan().flatten(1).any(dim=1)
    measure = _modelled_gain
    if weight[complete].sum() >= weight.sum() / 2:
        # Some gaps do not matter: the other queries are enough, and nothing has to be assumed.
        measure = _measured_gain
        observed, expected, weight = observed[complete], expected[complete], weight[complete]
    total = torch.zeros(2, dtype=weight.dtype, device=weight.device)
    for cost_weight, loss_weight in zip(cost_weights.tolist(), loss_weights.tolist(), strict=True):
        utilities = (utility(part, cost_weight) for part in (observed, expected, mean))
        total += loss_weight * torch.stack(measure(*utilities, weight))
    # The errors at several trade-offs are those of the same queries: they add up.
    return tuple((total / len(cost_weights)).tolist())


def _measured_gain(observed, expected, mean, weight):
    """Gain and error where all is observed."""
    chosen = _largest(expected)[:, None]
    constant = _largest(mean).expand_as(chosen)
    difference = (observed.gather(1, chosen) - observed.gather(1, constant)).squeeze(1)
    gain = (weight * difference).sum() / weight.sum()
    error = (weight * (difference - gain)).square().sum().sqrt() / weight.sum()
    return gain, error


def _modelled_gain(observed, expected, mean, weight):
    """Gain and error where outcomes are missing, by a regression on all that was observed.

    The chosen LLM was then observed on few queries only. But if an expectation that an LLM does
    better on a query than on average, and than others do there, comes true by a share, then so
    do the gains that it promises. The share is the slope of the observed deviations on the
    expected ones; where outcomes do not depend on the query it is 0. The gain is taken for as
    sure as the slope is positive: that of a gain itself cannot be had from so few outcomes.
    """
    level = mean.nan_to_num(nan=-torch.inf, neginf=-torch.inf)
    possible = level.isfinite()
    deviation = torch.where(
        possible, expected - level.where(possible, torch.zeros_like(level)), 0.0
    )
    # What all LLMs find hard or easy alike is no reason to choose.
    deviation = deviation - deviation.sum(dim=1, keepdim=True) / possible.sum().clamp(min=1)
    known = ~observed.isnan() & possible
    x = torch.where(known, deviation, 0.0)
    y = torch.where(known, observed - level.where(possible, torch.zeros_like(level)), 0.0)
    cells = weight[:, None] * known
    # The level of a query is taken out of the observed deviations as well, where there are several.
    x = x - _known_mean(x, known)
    y = y - _known_mean(y, known)
    square = (cells * x.square()).sum().clamp(min=torch.finfo(x.dtype).tiny)
    slope = (cells * x * y).sum() / square
    slope_error = (cells * x * (y - slope * x)).square().sum().sqrt() / square
    chosen = _largest(torch.where(possible, expected, -torch.inf))
    constant = _largest(level)
    rows = torch.arange(len(weight), device=weight.device)

    def average(values):
        return (weight * values).sum() / weight.sum()

    between = average(level[chosen] - level[constant])
    within = average(deviation[rows, chosen] - deviation[:, constant])
    gain = between + slope * within
    return gain, gain.abs() * slope_error / slope.clamp(min=torch.finfo(x.dtype).tiny)


def _known_mean(values, known):
    """Mean over the observed LLMs of queries that have several, else 0."""
    count = known.sum(dim=1, keepdim=True)
    return torch.where(count > 1, values.sum(dim=1, keepdim=True) / count.clamp(min=1), 0.0) * known


def _largest(utility):
    """The first of the largest; what is NaN is never called."""
    return utility.nan_to_num(nan=-torch.inf, neginf=-torch.inf).argmax(dim=-1)
