"""RouterBench's zero router: what mixing single LLMs at random achieves."""

from __future__ import annotations

from numbers import Real

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval

from skrouter._routers.base import BaseRouter
from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.stats import observed_mean
from skrouter._utils.types import NamesLike, Seed
from skrouter.metrics import mix_for_budget


@with_shared_parts
class ZeroRouter(BaseRouter):
    r"""Meet a budget by mixing two LLMs at random, without looking at the queries.

    Each LLM is a point of mean cost and mean performance. The best achievable without looking at
    the queries lies on the non-decreasing convex hull of these points: at a budget between two
    neighbours on it, each query goes to one of the two at random, in the shares whose mean cost
    is the budget [1]_. A router that is not above this line gains nothing from reading the
    queries.

    Parameters
    ----------
    budget : float, default=None
        Mean cost to spend, in US dollars per 1,000 queries. At or above the cost of the best LLM,
        that LLM is always called, and the rest is not spent. None calls the LLM of best utility
        at `cost_weight`, as :class:`BestSingleRouter` does: at one trade-off, mixing gains
        nothing.
    cost_weight : float, default=0.02
        The trade-off at which `score` judges, and at which the choice is made without a budget:
        performance given up for one US dollar per 1,000 queries. The default is the RadialRouter
        paper's "balance" scenario.
    %(llm_names)s
    %(seed_of_draws)s

    Attributes
    ----------
    %(classes_)s
    shares_ : ndarray of shape (n_llms,)
        Probability with which each LLM is called.
    mean_performance_, mean_cost_ : ndarray of shape (n_llms,)
        Weighted means over the training queries on which an LLM was observed, cost in US dollars
        per 1,000 queries; `mean_cost_` is None without costs.
    %(n_features_in_)s
    %(uses_cost_)s

    Notes
    -----
    To report the expectation instead of one draw, score the probabilities:
    ``routing_score(y, router.predict_proba(X), ...)``. Of several LLMs of equal cost, the one of
    best performance counts. Text is not encoded.

    References
    ----------
    %(routerbench)s

    Examples
    --------
    >>> from skrouter.baselines import ZeroRouter
    >>> router = ZeroRouter(budget=2.0, llm_names=["small", "large"])
    >>> router = router.fit(["2+2?", "Prove it."], [[1, 1], [0, 1]], cost=[1.0, 5.0])
    >>> router.predict_proba(["Why?"])
    array([[0.75, 0.25]])
    """

    _looks_at_queries = False
    _draws = True

    _parameter_constraints = {
        **BaseRouter._parameter_constraints,
        "budget": [Interval(Real, 0, None, closed="left"), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        budget: float | None = None,
        *,
        cost_weight: float = 0.02,
        llm_names: NamesLike | None = None,
        random_state: Seed = None,
    ) -> None:
        self.budget = budget
        self.cost_weight = cost_weight
        self.llm_names = llm_names
        self.random_state = random_state

    def _shares(self, values):
        """`shares_` for all queries; shares of LLMs that may not be called go to the others."""
        shares = np.where(np.isneginf(values), 0.0, self.shares_)
        return shares / shares.sum(axis=1, keepdims=True)

    def _check_parameters(self, X, text):
        if self.budget is not None and not self.uses_cost_:
            raise ValueError("budget was given, but no costs; pass cost=, or budget=None.")

    def _fit(self, data):
        target, weight = data.target, data.sample_weight
        self.mean_performance_ = observed_mean(target.performance, weight)
        self.mean_cost_ = None if target.cost is None else observed_mean(target.cost, weight)
        self.shares_ = np.zeros(len(self.classes_))
        if self.budget is None:
            self.shares_[observed_mean(data.utility, weight).argmax()] = 1.0
            return
        known = np.isfinite(self.mean_cost_)
        if not known.any():
            raise ValueError("cost is NaN for every LLM, but budget needs it; leave budget out.")
        self.shares_[known] = mix_for_budget(
            self.mean_cost_[known], self.mean_performance_[known], self.budget
        )

    def _utilities(self, embeddings, cost_weight):
        # With Gumbel noise on the logarithms of the shares, each LLM is the largest with the
        # probability of its share, also among those that are allowed.
        rng = check_random_state(self.random_state)
        noise = rng.gumbel(size=(len(embeddings), len(self.classes_)))
        with np.errstate(divide="ignore"):
            return np.log(self.shares_) + noise

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        tags.classifier_tags.poor_score = True
        return tags
