"""Data of which the truth is known, for coverage.py."""

import numpy as np
from scipy.stats import norm

# Paired differences: each case makes the utilities of two routers, the true mean difference, and
# the most that they can differ by.


def save_a_little(called, lost):
    """A router that calls a cheap LLM on a share of queries: it saves 0.02, or loses an answer."""

    def draw(n_queries, rng):
        theirs = (rng.random(n_queries) < 0.8).astype(float)
        cheap = rng.random(n_queries) < called
        ours = np.where(cheap & (rng.random(n_queries) < lost), 0.0, theirs) + 0.02 * cheap
        return ours, theirs, called * (0.02 - 0.8 * lost), 1.02

    return draw


def few_differ(n_queries, rng):
    """On 1 % of queries an answer more, on 1 % one less."""
    chance, theirs = rng.random(n_queries), (rng.random(n_queries) < 0.5).astype(float)
    ours = np.where(chance < 0.02, 1 - theirs, theirs)
    return ours, theirs, 0.0, 1.0


def right_or_wrong(n_queries, rng):
    """Answers of two LLMs that have little in common."""
    ours, theirs = rng.random((2, n_queries)) < [[0.75], [0.65]]
    return ours.astype(float), theirs.astype(float), 0.1, 1.0


def graded(n_queries, rng):
    """Grades between 0 and 1 that differ a little."""
    theirs = rng.beta(2, 2, n_queries)
    return np.clip(theirs + rng.normal(0, 0.05, n_queries), 0, 1), theirs, 0.0, 1.0


def lognormal_costs(sigma):
    """Costs of two LLMs, up to a limit that one query in 10,000 reaches."""
    limit = np.exp(3.7 * sigma)

    def mean(shift):
        z = 3.7 - shift / sigma
        return np.exp(shift + sigma**2 / 2) * norm.cdf(z - sigma) + limit * norm.sf(z)

    def draw(n_queries, rng):
        ours, theirs = (np.minimum(rng.lognormal(m, sigma, n_queries), limit) for m in (0.3, 0.0))
        return ours, theirs, mean(0.3) - mean(0.0), limit

    return draw


def one_sided_costs(n_queries, rng):
    """Lognormal costs (sigma 2) against a flat rate."""
    costs, _, _, limit = lognormal_costs(2.0)(n_queries, rng)
    return costs, np.ones(n_queries), lognormal_costs(2.0)(2, rng)[2] + _FLAT - 1, limit


# Mean of the costs of the second LLM above.
_FLAT = np.exp(2.0) * norm.cdf(3.7 - 2.0) + np.exp(3.7 * 2.0) * norm.sf(3.7)


def rare_huge_costs(n_queries, rng):
    """One query in 200 costs 500 times as much."""
    costs = rng.gamma(4.0, 0.25, n_queries) * np.where(rng.random(n_queries) < 0.005, 500.0, 1.0)
    return np.minimum(costs, 1500.0), np.ones(n_queries), 0.995 + 2.5 - 1, 1500.0


PAIRED = {
    "save 0.02 on 20 %, lose 5 % of these": save_a_little(0.2, 0.05),
    "save 0.02 on 30 %, lose 1 % of these": save_a_little(0.3, 0.01),
    "save 0.02 on 10 %, lose 10 % of these": save_a_little(0.1, 0.1),
    "answers differ on 2 %": few_differ,
    "right or wrong": right_or_wrong,
    "grades": graded,
    "lognormal costs, σ = 1": lognormal_costs(1.0),
    "lognormal costs, σ = 1.5": lognormal_costs(1.5),
    "lognormal costs, σ = 2": lognormal_costs(2.0),
    "lognormal costs, σ = 2, against a flat rate": one_sided_costs,
    "one query in 200 costs 500 times as much": rare_huge_costs,
}
# Success probabilities of two routers in five tasks.
TASKS = np.array([[0.9, 0.5, 0.7, 0.99, 0.2], [0.85, 0.6, 0.7, 0.98, 0.1]])
# Where nothing that was seen tells how large a difference can be.
UNSEEN = {"one query in 200 costs 500 times as much"}
# Logs: each case makes success probabilities and costs of three LLMs, the router's choice, and the
# propensities of the logger.


def rare_calls(share):
    """A logger that calls another LLM on a few queries, and a router that calls the best."""

    def draw(n_queries, rng):
        x = rng.normal(size=n_queries)
        chance = np.stack([np.full(n_queries, 0.6), 0.5 + 0.4 * (x > 0), np.full(n_queries, 0.85)])
        propensity = np.full((n_queries, 3), share)
        propensity[:, 0] = 1 - 2 * share
        return chance.T, np.ones((n_queries, 1)), np.full(n_queries, 2), propensity

    return draw


def against_the_logger(n_queries, rng):
    """A logger that goes by the query, and a router that mostly would not do as it does."""
    x = rng.normal(size=n_queries)
    chance = np.stack(
        [0.5 + 0.3 * np.tanh(x), 0.6 - 0.2 * np.tanh(x), np.full(n_queries, 0.8)], axis=1
    )
    weight = np.exp(np.stack([2 * x, -2 * x, np.full(n_queries, -1.0)], axis=1))
    propensity = 0.97 * weight / weight.sum(axis=1, keepdims=True) + 0.01
    cost = rng.gamma(4.0, 0.25, size=(n_queries, 1))
    return chance, cost, np.where(x > 0.5, 0, 2), propensity


def rare_kind(n_queries, rng):
    """A tenth of the queries is hard for the LLM that the router calls, which hardly is tried."""
    rare = rng.random(n_queries) < 0.1
    chance = np.stack([np.full(n_queries, 0.6), np.where(rare, 0.1, 0.9)], axis=1)
    chance = np.column_stack([chance, np.full(n_queries, 0.8)])
    propensity = np.where(rare[:, None], [[0.98, 0.01, 0.01]], [[0.3, 0.4, 0.3]])
    return chance, np.ones((n_queries, 1)), np.full(n_queries, 1), propensity


def even_calls(n_queries, rng):
    """A logger that draws lots."""
    x = rng.normal(size=n_queries)
    chance = np.stack([np.full(n_queries, 0.6), 0.5 + 0.4 * (x > 0), np.full(n_queries, 0.85)])
    cost = rng.gamma(4.0, 0.25, size=(n_queries, 1))
    return chance.T, cost, np.where(x > 0, 1, 2), np.full((n_queries, 3), 1 / 3)


LOGS = {
    "2 % of calls agree": (rare_calls(0.02), 0.02),
    "5 % of calls agree": (rare_calls(0.05), 0.05),
    "logger by the query": (against_the_logger, 0.01),
    "a rare kind of query": (rare_kind, 0.01),
    "every LLM alike": (even_calls, 1 / 3),
}
PRICES, COST_WEIGHT = np.array([0.2, 1.0, 5.0]), 0.02


def called_outcomes(draw, n_queries, rng):
    """Logs of one data set, and the arguments of `off_policy_value`."""
    chance, factor, choice, propensity = draw(n_queries, rng)
    rows, cost = np.arange(n_queries), factor * PRICES
    called = (rng.random((n_queries, 1)) > propensity.cumsum(axis=1)).sum(axis=1).clip(max=2)
    log = {
        "logged_llms": called,
        "performance": (rng.random(n_queries) < chance[rows, called]).astype(float),
        "cost": cost[rows, called],
        "propensity": propensity[rows, called],
    }
    # Predictions that are too high, as they mostly are of LLMs that were chosen by them.
    model = np.clip(chance + 0.1, 0, 1), np.broadcast_to(PRICES, chance.shape)
    return choice, log, model


def true_value(draw):
    chance, factor, choice, _ = draw(400_000, np.random.default_rng(1))
    rows = np.arange(len(choice))
    return (chance - COST_WEIGHT * factor * PRICES)[rows, choice].mean()


# Guarantees


def chances(X):
    """Success probabilities of the two."""
    return np.stack([1 / (1 + np.exp(-2 * X[:, 0])), np.full(len(X), 0.9)], axis=1)


def priced(n_queries, rng, chance, factor):
    """A cheap LLM and an expensive one; rarely an answer of the latter costs far more."""
    X = rng.normal(size=(n_queries, 2))
    performance = (rng.random((n_queries, 2)) < chances(X)).astype(float)
    cost = np.array([0.2, 2.0]) * rng.gamma(4.0, 0.25, size=(n_queries, 1))
    cost[rng.random(n_queries) < chance, 1] = factor
    return X, performance, cost


# Probability and size of the huge cost, the budget, and a bound as from prices and token limits.
BUDGETS = {
    "1 in 500 costs 1,000": (0.002, 1000.0, 2.5, 1000.0),
    "1 in 200 costs 500": (0.005, 500.0, 3.0, 500.0),
    "1 in 100 costs 50": (0.01, 50.0, 2.0, 50.0),
    "none is huge": (0.0, 0.0, 1.5, 12.0),
}
QUALITY = {"performance ≥ 0.85": {"min_performance": 0.85}}
QUALITY["performance ≥ 95 % of the expensive LLM's"] = {
    "min_performance": 0.95,
    "relative": True,
    "reference": "expensive",
}
CANDIDATES = np.append(0.0, np.logspace(-3, 3, 300))
