"""The optimisation loop, for ready embeddings and for an encoder that is trained along."""

import copy
import math
from contextlib import contextmanager
from typing import NamedTuple

import torch

from skrouter.nn.losses import contrastive_loss, kl_loss


class Objective(NamedTuple):
    """``L_KL + contrastive_weight * L_qq`` and its settings."""

    target_temperature: float
    kl_direction: str
    contrastive_weight: float
    contrastive_temperature: float

    def __call__(self, logits, states, utility, clusters):
        """Loss per query, shape (n_queries,)."""
        loss = kl_loss(logits, utility, self.target_temperature, self.kl_direction)
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
    utility : tensor of shape (n_queries, n_llms)
        NaN where not observed.
    weight : tensor of shape (n_queries,)
    clusters : tensor of shape (n_queries,) or None
        None without a contrastive loss.
    constant : tensor of shape (n_llms,)
        Logits of the best router that ignores the query.
    """

    utility: torch.Tensor
    weight: torch.Tensor
    clusters: torch.Tensor | None
    constant: torch.Tensor


class History(NamedTuple):
    """What happened during training."""

    loss: list
    validation_gains: list
    best_iter: int


@contextmanager
def seeded(seed, device):
    """Seed torch's generators for the block; their states outside are not touched."""
    device = torch.device(device)
    cuda = [device.index or 0] if device.type == "cuda" else []
    mps = torch.mps.get_rng_state() if device.type == "mps" else None
    with torch.random.fork_rng(devices=cuda):
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


def train(network, embed, encoder, queries, rows, held_out, objective, schedule, on_epoch):
    """Train a network in place.

    Parameters
    ----------
    network : RoutingNetwork
        In the device and precision to train with. Its present state is a candidate for the
        result when `held_out` is given.
    embed : callable
        From a tensor of row numbers to their embeddings, with gradients if `encoder` is
        trained.
    encoder : torch.nn.Module or None
        Trained along with the network.
    queries : Queries
    rows, held_out : tensor of int
        Rows to train on, and rows to choose the epoch on. With no row held out the last epoch
        is kept.
    objective : Objective
    schedule : Schedule
    on_epoch : callable
        Called with the epoch's number, mean loss and validation gain (None without
        validation); training stops when it returns True.

    Returns
    -------
    history : History
    """
    modules = torch.nn.ModuleList([network] if encoder is None else [network, encoder])
    groups = [{"params": list(network.parameters()), "lr": schedule.learning_rate}]
    if encoder is not None:
        groups.append({"params": list(encoder.parameters()), "lr": schedule.encoder_learning_rate})
    optimizer = torch.optim.AdamW(groups, weight_decay=schedule.weight_decay)
    batches_per_epoch = math.ceil(len(rows) / schedule.batch_size)
    n_steps = schedule.max_iter * batches_per_epoch
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, _Ramp(n_steps))
    mean_weight = queries.weight[rows].mean()
    watch = _Watch(modules, network, queries, held_out, schedule) if len(held_out) else None
    losses = []
    for epoch in range(schedule.max_iter):
        modules.train()
        order = rows
        if batches_per_epoch > 1:
            order = rows[torch.randperm(len(rows)).to(rows.device)]
        total = 0.0
        for batch in order.split(schedule.batch_size):
            logits, states = network(embed(batch))
            clusters = None if queries.clusters is None else queries.clusters[batch]
            loss = objective(logits, states, queries.utility[batch], clusters)
            loss = (queries.weight[batch] * loss).sum()
            optimizer.zero_grad(set_to_none=True)
            (loss / (mean_weight * len(batch))).backward()
            optimizer.step()
            rate.step()
            total += loss.item()
        losses.append(total / (mean_weight.item() * len(rows)))
        gain = watch.look(embed, epoch + 1) if watch else None
        if on_epoch(epoch, losses[-1], gain):
            break
        if watch and watch.n_without_gain >= schedule.n_iter_no_change:
            break
    modules.eval()
    if watch is None:
        return History(losses, [], len(losses))
    watch.restore()
    return History(losses, watch.gains, watch.best_iter)


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


class _Watch:
    """Chooses the epoch by the mean utility of what the router calls on the held-out rows.

    Gains are measured against the best constant choice, row by row. A network that started as
    that choice keeps its first state until a gain exceeds its own standard error: a router
    that has found nothing to route by stays at the best single LLM.
    """

    def __init__(self, modules, network, queries, held_out, schedule):
        self.modules, self.network, self.queries = modules, network, queries
        self.parts = held_out.split(max(schedule.batch_size, 256))
        self.utility, self.weight = queries.utility[held_out], queries.weight[held_out]
        self.by_constant = _received(self.utility, queries.constant.expand_as(self.utility))
        self.starts_constant = torch.equal(network.intercept, queries.constant)
        self.gains = []
        self.n_without_gain = 0
        self.best_gain = 0.0 if self.starts_constant else -math.inf
        self.best_iter = 0
        self.best_state = copy.deepcopy(modules.state_dict())

    @torch.no_grad()
    def look(self, embed, epoch):
        """Record the gain after an epoch, and keep the state if it is the best so far."""
        self.modules.eval()
        logits = torch.cat([self.network(embed(rows))[0] for rows in self.parts])
        difference = _received(self.utility, logits) - self.by_constant
        gain = (self.weight * difference).sum() / self.weight.sum()
        error = (self.weight * (difference - gain)).square().sum().sqrt() / self.weight.sum()
        gain = gain.item()
        least = error.item() if self.starts_constant else -math.inf
        self.gains.append(gain)
        self.n_without_gain += 1
        if gain > max(self.best_gain, least):
            self.best_gain, self.best_iter, self.n_without_gain = gain, epoch, 0
            self.best_state = copy.deepcopy(self.modules.state_dict())
        return gain

    def restore(self):
        """Put the best state back."""
        self.modules.load_state_dict(self.best_state)


def _received(utility, logits):
    """Utility of the LLM with the largest logit among those observed, per query."""
    lowest = torch.finfo(logits.dtype).min
    chosen = logits.masked_fill(utility.isnan(), lowest).argmax(dim=1, keepdim=True)
    return utility.gather(1, chosen).squeeze(1)
