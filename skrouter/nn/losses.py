"""The objective of RadialRouter (arXiv 2506.03880, section 3), ``L_KL + lambda * L_qq``.

And, beyond the paper, the error of expected outcomes.
"""

import torch
from torch.nn import functional as F


def kl_loss(logits, utility, temperature, direction):
    """Divergence between the router and the target distribution, per query.

    The target is ``q = softmax(utility / temperature)`` over the LLMs. ``"forward"`` is
    ``KL(q || p)``. ``"reverse"`` is ``KL(p || q)``, which is, but for a constant,
    ``-E_p[utility] / temperature - entropy(p)``: minimised, it maximises the expected utility
    of what the router calls, with an entropy bonus.

    Parameters
    ----------
    logits : tensor of shape (n_queries, n_llms)
    utility : tensor of shape (n_queries, n_llms)
        NaN where not observed; both distributions are then taken over the observed LLMs.
    temperature : float
    direction : {"forward", "reverse"}

    Returns
    -------
    loss : tensor of shape (n_queries,)
    """
    hidden = utility.isnan()
    # Finite stand-ins for -inf: 0 * -inf would make the gradients NaN.
    lowest = torch.finfo(logits.dtype).min / 4
    log_q = F.log_softmax((utility / temperature).masked_fill(hidden, lowest), dim=1)
    log_p = F.log_softmax(logits.masked_fill(hidden, lowest), dim=1)
    if direction == "forward":
        terms = log_q.exp() * (log_q - log_p)
    else:
        terms = log_p.exp() * (log_p - log_q)
    return terms.masked_fill(hidden, 0.0).sum(dim=1)


def outcome_loss(expected, observed, unit):
    """Half the squared error of expected outcomes in their units, per query.

    Near its minimum this is of the scale of :func:`kl_loss`, if the unit of the performance is
    the temperature.

    Parameters
    ----------
    expected, observed : tensor of shape (n_queries, n_llms, n_outcomes)
        NaN in `observed` where not observed; the mean is over what was.
    unit : tensor of shape (n_llms, n_outcomes)
        Where it is 0 the outcome does not vary, and there is nothing to learn.

    Returns
    -------
    loss : tensor of shape (n_queries,)
    """
    known = ~(observed.isnan() | expected.isnan()) & (unit > 0)
    error = torch.where(known, expected - observed, 0.0) / torch.where(unit > 0, unit, 1.0)
    per_outcome = error.square().sum(dim=1) / known.sum(dim=1).clamp(min=1)
    return 0.5 * per_outcome.sum(dim=1)


def contrastive_loss(states, clusters, temperature):
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

    Returns
    -------
    loss : tensor of shape (n_queries,)
        Zero for a query with no positive or no negative in the batch.
    """
    states = F.normalize(states, dim=1)
    similarity = states @ states.T / temperature
    same = clusters[:, None] == clusters[None, :]
    positive = same & ~torch.eye(len(states), dtype=torch.bool, device=states.device)
    lowest = torch.finfo(states.dtype).min / 4
    negatives = similarity.masked_fill(same, lowest).logsumexp(dim=1, keepdim=True)
    terms = F.softplus(negatives - similarity) * positive
    return terms.sum(dim=1) / positive.sum(dim=1).clamp(min=1)
