"""The objective of RadialRouter (arXiv 2506.03880, section 3), ``L_KL + lambda * L_qq``.

Beyond the paper, the error of expected outcomes; and the losses of the routers to compare with.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch.nn import functional as F


def kl_loss(
    logits: torch.Tensor,
    utility: torch.Tensor,
    temperature: float,
    direction: Literal["forward", "reverse"],
) -> torch.Tensor:
    """Divergence between the router and the target distribution, per query.

    The target is ``q = softmax(utility / temperature)`` over the LLMs. ``"forward"`` is
    ``KL(q || p)``. ``"reverse"`` is ``KL(p || q)``, which is, but for a constant,
    ``-E_p[utility] / temperature - entropy(p)``: minimised, it maximises the expected utility
    of what the router calls, with an entropy bonus.

    Parameters
    ----------
    logits : tensor of shape (n_queries, n_llms)
        Their softmax is the router's distribution, ``p``.
    utility : tensor of shape (n_queries, n_llms)
        NaN where not observed; both distributions are then taken over the observed LLMs.
    temperature : float
        The difference of utility at which the target prefers one LLM to another by a factor of e.
    direction : {"forward", "reverse"}
        Which divergence.

    Returns
    -------
    loss : tensor of shape (n_queries,)
        Zero where both distributions are equal.

    Examples
    --------
    >>> import torch
    >>> from skrouter.nn import kl_loss
    >>> utility = torch.tensor([[0.9, 0.5]])
    >>> kl_loss(utility / 0.1, utility, temperature=0.1, direction="forward")
    tensor([0.])
    """
    # Finite stand-ins for -inf: 0 * -inf would make the gradients NaN. Of a hidden LLM both
    # logarithms are this number, and their difference is 0.
    lowest = torch.finfo(logits.dtype).min / 4
    both = torch.stack(torch.broadcast_tensors(utility / temperature, logits))
    both = both.masked_fill(utility.isnan(), lowest)
    log_q, log_p = F.log_softmax(both, dim=-1).unbind(0)
    if direction == "forward":
        terms = log_q.exp() * (log_q - log_p)
    else:
        terms = log_p.exp() * (log_p - log_q)
    return terms.sum(dim=1)


def outcome_loss(
    expected: torch.Tensor, observed: torch.Tensor, scale: torch.Tensor
) -> torch.Tensor:
    """Half the squared error of expected outcomes, each over its scale, per query.

    Near its minimum this is of the size of :func:`kl_loss`, if the scale of the performance is
    the temperature.

    Parameters
    ----------
    expected, observed : tensor of shape (n_queries, n_llms, n_outcomes)
        NaN in `observed` where not observed; the mean is over what was.
    scale : tensor of shape (n_llms, n_outcomes)
        Where it is 0 the outcome does not vary, and there is nothing to learn.

    Returns
    -------
    loss : tensor of shape (n_queries,)
    """
    known = ~(observed.isnan() | expected.isnan()) & (scale > 0)
    error = torch.where(known, expected - observed, 0.0) / torch.where(scale > 0, scale, 1.0)
    per_outcome = error.square().sum(dim=1) / known.sum(dim=1).clamp(min=1)
    return 0.5 * per_outcome.sum(dim=1)


def contrastive_loss(
    states: torch.Tensor, clusters: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Query-query contrastive loss L_qq, per query.

    ``-log(e^{sim(h, h+)} / (e^{sim(h, h+)} + sum e^{sim(h, h-)}))`` with cosine similarity
    over `temperature`, averaged over all positives ``h+`` of the same cluster in the batch;
    the negatives ``h-`` are all queries of other clusters in the batch.

    Parameters
    ----------
    states : tensor of shape (n_queries, dim)
        Query representations.
    clusters : tensor of shape (n_queries,)
        Cluster of each query.
    temperature : float
        What similarities are divided by: the smaller, the more the most similar negatives count.

    Returns
    -------
    loss : tensor of shape (n_queries,)
        Zero for a query with no positive or no negative in the batch.

    Examples
    --------
    >>> import torch
    >>> from skrouter.nn import contrastive_loss
    >>> states = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    >>> contrastive_loss(states, torch.tensor([0, 0, 1]), temperature=0.1)
    tensor([2.0612e-09, 2.0612e-09, 0.0000e+00])
    """
    states = F.normalize(states, dim=1)
    similarity = states @ states.T / temperature
    same = clusters[:, None] == clusters[None, :]
    positive = same & ~torch.eye(len(states), dtype=torch.bool, device=states.device)
    lowest = torch.finfo(states.dtype).min / 4
    negatives = similarity.masked_fill(same, lowest).logsumexp(dim=1, keepdim=True)
    terms = F.softplus(negatives - similarity) * positive
    return terms.sum(dim=1) / positive.sum(dim=1).clamp(min=1)


def best_llm_loss(logits: torch.Tensor, utility: torch.Tensor) -> torch.Tensor:
    """Cross-entropy on the best LLM, per query.

    LLMs of equal, largest utility share the target equally, so that the order of the pool does
    not matter.

    Parameters
    ----------
    logits : tensor of shape (n_queries, n_llms)
    utility : tensor of shape (n_queries, n_llms)
        NaN where not observed; those LLMs take no part.

    Returns
    -------
    loss : tensor of shape (n_queries,)
    """
    hidden = utility.isnan()
    known = utility.masked_fill(hidden, -torch.inf)
    best = (known == known.amax(dim=1, keepdim=True)).to(logits.dtype)
    log_p = F.log_softmax(logits.masked_fill(hidden, torch.finfo(logits.dtype).min / 4), dim=1)
    return -(best * log_p).sum(dim=1) / best.sum(dim=1)


def sample_llm_loss(
    logits: torch.Tensor,
    scores: torch.Tensor,
    n_best: int,
    n_worst: int,
    fail_at: float = 0.5,
) -> torch.Tensor:
    """Sample-LLM contrastive loss of RouterDC (arXiv 2409.19886), per query.

    The sum, over the `n_best` LLMs of largest score (those above 0 only), of minus the log of
    their softmax against the worst LLMs: those of the `n_worst` smallest scores that fail, with
    a score of at most `fail_at`. An LLM that scores no less than the positive one is no negative
    to it.

    Parameters
    ----------
    logits : tensor of shape (n_queries, n_llms)
    scores : tensor of shape (n_queries, n_llms)
        NaN where not observed; those LLMs take no part.
    n_best, n_worst : int
        At most all LLMs are taken.
    fail_at : float

    Returns
    -------
    loss : tensor of shape (n_queries,)
    """
    n_llms = logits.shape[1]
    best, i_best = scores.nan_to_num(-torch.inf).topk(min(n_best, n_llms), dim=1)
    worst, i_worst = scores.nan_to_num(torch.inf).topk(min(n_worst, n_llms), dim=1, largest=False)
    positive, negative = logits.gather(1, i_best), logits.gather(1, i_worst)
    is_negative = (worst <= fail_at)[:, None, :] & (worst[:, None, :] < best[:, :, None])
    lowest = torch.finfo(logits.dtype).min / 4
    against = negative[:, None, :].masked_fill(~is_negative, lowest).logsumexp(dim=2)
    return (F.softplus(against - positive) * (best > 0)).sum(dim=1)


def draw_contrasts(
    clusters: torch.Tensor, n_negatives: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Draw one query of the same cluster and some of other clusters for each query of a batch.

    Parameters
    ----------
    clusters : tensor of shape (n_queries,)
    n_negatives : int

    Returns
    -------
    positive : tensor of shape (n_queries,)
        Rows in the batch.
    negatives : tensor of shape (n_queries, n_negatives)
    usable : tensor of shape (n_queries,), bool
        Whether there are such queries in the batch, and enough of them.
    """
    n = len(clusters)
    same = clusters[:, None] == clusters[None, :]
    others = ~torch.eye(n, dtype=torch.bool)
    # The largest of independent uniform draws are a sample without replacement.
    draws = torch.rand(n, n)
    positive = draws.masked_fill(~(same & others), -1.0).argmax(dim=1)
    n_taken = min(n_negatives, n)
    negatives = draws.masked_fill(same, -1.0).topk(n_taken, dim=1).indices
    usable = (same & others).any(dim=1) & ((~same).sum(dim=1) >= n_negatives)
    return positive, negatives, usable


def sample_sample_loss(
    states: torch.Tensor,
    positive: torch.Tensor,
    negatives: torch.Tensor,
    usable: torch.Tensor,
    temperature: float,
) -> torch.Tensor:
    """Sample-sample contrastive loss of RouterDC (arXiv 2409.19886), per query.

    Minus the log of the softmax, over cosine similarities, of the positive query against the
    negative ones.

    Parameters
    ----------
    states : tensor of shape (n_queries, dim)
        Query representations.
    positive, negatives, usable
        From :func:`draw_contrasts`.
    temperature : float

    Returns
    -------
    loss : tensor of shape (n_queries,)
        Zero for a query that is not usable.
    """
    states = F.normalize(states, dim=1)
    similarity = states @ states.T / temperature
    against = similarity.gather(1, negatives).logsumexp(dim=1)
    return F.softplus(against - similarity.gather(1, positive[:, None])[:, 0]) * usable
