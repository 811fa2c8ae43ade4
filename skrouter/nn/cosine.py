"""Logits as cosine similarities of a query and the LLMs, and the losses to train them with."""

import torch
from torch import nn
from torch.nn import functional as F


class CosineNetwork(nn.Module):
    """``logits_j = cos(W x + b, k_j) / temperature``.

    Parameters
    ----------
    n_features : int
        Width of the embeddings.
    n_llms : int
        Size of the pool.
    dim : int
        Width of the query representation and of the LLM embeddings.
    temperature : float
    """

    def __init__(self, n_features, n_llms, dim, temperature):
        super().__init__()
        self.temperature = temperature
        self.projection = nn.Linear(n_features, dim)
        self.llm_embeddings = nn.Parameter(torch.randn(n_llms, dim))

    def forward(self, embeddings):
        """Logits and query representations.

        Parameters
        ----------
        embeddings : tensor of shape (n_queries, n_features)

        Returns
        -------
        logits : tensor of shape (n_queries, n_llms)
        states : tensor of shape (n_queries, dim)
        """
        states = self.projection(embeddings)
        cosine = F.normalize(states, dim=1) @ F.normalize(self.llm_embeddings, dim=1).T
        return cosine / self.temperature, states


def best_llm_loss(logits, utility):
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


def sample_llm_loss(logits, scores, n_best, n_worst, fail_at=0.5):
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


def draw_contrasts(clusters, n_negatives):
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


def sample_sample_loss(states, positive, negatives, usable, temperature):
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
