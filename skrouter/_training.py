"""The optimisation loop, for ready embeddings and for an encoder that is trained along."""

import math
import threading
from collections.abc import Callable
from contextlib import contextmanager
from typing import NamedTuple

import torch

from skrouter._trade_offs import at_share, utility
from skrouter._validation import validated_gain
from skrouter.nn.losses import contrastive_loss, kl_loss, outcome_loss
from skrouter.nn.network import RoutingNetwork

_ONE_SIDED_95 = 1.645  # standard errors

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

    def distilled(self, foretold, share):
        """The learner with a share of what others expect in its target; gaps stay."""
        return self._replace(target=torch.lerp(self.target, foretold, share))


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
        with 95 % confidence.
    on_epoch : callable
        Called with the number of the epoch, its mean loss and its gain.

    Returns
    -------
    n_epochs : int
        The most epochs whose gain is within one standard error of the largest: differences
        below that are chance, and the learning rate has come further down. 0 if no gain is
        above zero with 95 % confidence (normal approximation, one-sided), so that nothing shows
        that the router is better than the best constant choice.
    gains : list of float
    foretold : tensor of shape (n_queries, n_llms, n_outcomes) or None
        What the learners that were not trained on a query expected of it after that many
        epochs. None if that is 0.
    """
    runs = [epochs(learner, queries, objective, schedule) for learner in learners]
    judged = torch.cat(held_out)
    fold = torch.repeat_interleave(torch.tensor([len(rows) for rows in held_out])).to(judged.device)
    batch_size = max(schedule.batch_size, 256)
    gains, best_epoch, best_gain, least = [], 0, 0.0, math.inf
    n_epochs, foretold = 0, None
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
            queries.outcomes[judged],
            expected,
            queries.mean,
            queries.weight[judged],
            fold,
            objective.typical_cost_weight,
        )
        gains.append(gain)
        on_epoch(epoch, sum(losses) / len(losses), gain)
        if gain > max(best_gain, _ONE_SIDED_95 * error):
            best_epoch, best_gain, least = epoch, gain, gain - error
        if gain >= least:
            n_epochs, foretold = epoch, expected
        if epoch - best_epoch >= schedule.n_iter_no_change:
            break
    return n_epochs, gains, None if foretold is None else foretold[judged.argsort()]


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
