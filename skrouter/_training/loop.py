"""The optimisation loop, for ready embeddings and for an encoder that is trained along."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch

from skrouter._targets.utility import scalarization_weights, utility
from skrouter.nn.dropout import draw_from
from skrouter.nn.losses import contrastive_loss, kl_loss, outcome_loss
from skrouter.nn.network import RoutingNetwork


class Objective(NamedTuple):
    """``L_KL + contrastive_weight * L_qq``, and with `outcome_weight` a loss of the outcomes.

    Attributes
    ----------
    typical_cost_weight : float or None
        Trade-offs are drawn around it, one per query and batch. None where the only outcome is
        a utility or a performance, and there is no trade-off to draw.
    outcome_weight : float
        Weight of the squared error of the outcomes, each over its scale.
    """

    target_temperature: float
    kl_direction: str
    contrastive_weight: float
    contrastive_temperature: float
    typical_cost_weight: float | None
    outcome_weight: float

    def __call__(self, network, embeddings, target, clusters, generator):
        """Loss per query, shape (n_queries,); trade-offs are drawn from the generator."""
        outcomes, states = network(embeddings)
        cost_weight, loss_weight = 0.0, 1.0
        if self.typical_cost_weight is not None:
            share = torch.rand(
                len(target), 1, dtype=target.dtype, device=target.device, generator=generator
            )
            cost_weight, loss_weight = scalarization_weights(share, self.typical_cost_weight)
            loss_weight = loss_weight.squeeze(1)
        loss = loss_weight * kl_loss(
            utility(outcomes, cost_weight) / self.target_temperature,
            utility(target, cost_weight),
            self.target_temperature,
            self.kl_direction,
        )
        if self.outcome_weight > 0:
            error = outcome_loss(outcomes, target, network.outcome_scale)
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


class TrainingTensors(NamedTuple):
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
    generator : torch.Generator or None
        What chance is drawn from, on the device of the network. None is that of the process,
        which learners cannot share side by side.
    """

    network: RoutingNetwork
    encoder: torch.nn.Module | None
    embed: Callable
    rows: torch.Tensor
    target: torch.Tensor
    generator: torch.Generator | None

    @property
    def modules(self):
        """All that is trained."""
        return torch.nn.ModuleList([self.network, self.encoder] if self.encoder else [self.network])

    def distilled(self, out_of_fold_predictions, share):
        """The learner with a share of what others expect in its target; gaps stay."""
        return self._replace(target=torch.lerp(self.target, out_of_fold_predictions, share))


def epochs(learner, queries, objective, schedule):
    """Train a learner in place; yields the mean loss after each of `max_iter` epochs.

    Parameters
    ----------
    learner : Learner
    queries : TrainingTensors
    objective : Objective
    schedule : Schedule

    Yields
    ------
    loss : float
        The learner is in evaluation mode meanwhile.
    """
    optimizer = _optimizer(learner, schedule)
    generator = learner.generator
    if generator is not None:
        draw_from(learner.network, generator)
    n_rows, device = len(learner.rows), learner.rows.device
    batches_per_epoch = math.ceil(n_rows / schedule.batch_size)
    n_steps, step = schedule.max_iter * batches_per_epoch, 0
    mean_weight = queries.weight[learner.rows].mean()
    for _ in range(schedule.max_iter):
        learner.modules.train()
        order = torch.arange(n_rows, device=device)
        if batches_per_epoch > 1:
            order = torch.randperm(n_rows, generator=generator, device=device)
        total = 0.0
        for part in order.split(schedule.batch_size):
            batch = learner.rows[part]
            clusters = None if queries.clusters is None else queries.clusters[batch]
            embeddings, target = learner.embed(batch), learner.target[part]
            loss = objective(learner.network, embeddings, target, clusters, generator)
            loss = (queries.weight[batch] * loss).sum()
            optimizer.zero_grad(set_to_none=True)
            (loss / (mean_weight * len(batch))).backward()
            for group in optimizer.param_groups:
                group["lr"] = group["largest_lr"] * _share_of_learning_rate(step, n_steps)
            optimizer.step()
            step += 1
            # Not a number yet: on a GPU that would wait for every step.
            total += loss.detach()
        learner.modules.eval()
        total = float(total)
        if not math.isfinite(total):
            raise ValueError(
                f"Training diverged: the loss is {total}. Bring performance and costs to a scale "
                "near 1 or raise target_temperature, lower learning_rate, or look for extreme "
                "values in X."
            )
        yield total / (mean_weight.item() * n_rows)


def _optimizer(learner, schedule):
    rates = [(learner.network, schedule.learning_rate)]
    if learner.encoder is not None:
        rates.append((learner.encoder, schedule.encoder_learning_rate))
    groups = [{"params": list(each.parameters()), "largest_lr": rate} for each, rate in rates]
    # One pass over all weights instead of some for each tensor; MPS has it in newer versions only.
    fused = learner.rows.device.type in ("cpu", "cuda")
    return torch.optim.AdamW(groups, weight_decay=schedule.weight_decay, fused=fused)


def _share_of_learning_rate(step, n_steps):
    """Up over the first tenth of the steps, then down a cosine to zero."""
    n_warm_up = max(1, n_steps // 10)
    if step < n_warm_up:
        return (step + 1) / n_warm_up
    return (1 + math.cos(math.pi * (step - n_warm_up) / (n_steps - n_warm_up))) / 2
