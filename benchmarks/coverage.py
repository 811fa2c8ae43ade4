"""How often intervals hold the truth, and how often a guarantee is broken.

    python benchmarks/coverage.py
    python benchmarks/coverage.py --quick
    python benchmarks/coverage.py --sections paired logs

draws data sets of which the truth is known, again and again, and counts how often the interval
holds it: ``paired_bootstrap`` (paired, tasks), ``off_policy_value`` (logs), and how often the mean
of future queries breaks what ``GuaranteedRouter`` says (guarantee). Nominal is 95 % for intervals
and at most 10 % for guarantees. "Said" is the share of data sets for which a warning says that the
result may not hold. It prints Markdown, and ends with an error unless every method that claims to
hold does: in at least 90 % of the data sets the interval holds or is said not to, and budgets are
broken unsaid in at most 10 % and two standard errors.
"""

import argparse
import sys
import warnings

import numpy as np
from scipy.stats import norm
from sklearn.frozen import FrozenEstimator

from skrouter import GuaranteedRouter
from skrouter.baselines import LinearRouter
from skrouter.metrics import off_policy_value, paired_bootstrap

NOMINAL, LEAST = 0.95, 0.90
DELTA = 0.1
N_RESAMPLES = 1999


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
# Where nothing that was seen tells how large a difference can be.
UNSEEN = {"one query in 200 costs 500 times as much"}
METHODS = {
    "BCa": {"method": "BCa"},
    "percentile": {"method": "percentile"},
    "gaffke, bound as seen": {"method": "gaffke"},
    "gaffke": {"method": "gaffke", "max_difference": True},
    "betting": {"method": "betting", "max_difference": True},
}


class Tally:
    """Counts of one kind of interval on one kind of data."""

    def __init__(self):
        self.held, self.width, self.said = [], [], []

    def add(self, truth, function, *arguments, **settings):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = function(*arguments, **settings)
        self.said.append(bool(caught))
        # Rounding: an interval that is a point may be the truth.
        self.held.append(result.low - 1e-9 <= truth <= result.high + 1e-9)
        self.width.append(result.high - result.low)
        return result

    def cell(self):
        said = f", said {np.mean(self.said):.0%}" if any(self.said) else ""
        return f"{np.mean(self.held):.0%} ({np.median(self.width):.3g}{said})"

    @property
    def holds(self):
        """In enough of all data sets: the interval holds, or it was said that it may not."""
        return np.mean(np.logical_or(self.held, self.said)) >= LEAST


def table(title, columns, rows):
    print(f"\n{title}\n")
    print("| data | n | " + " | ".join(columns) + " |")
    print("|---|---:|" + "---:|" * len(columns))
    for cells in rows:
        print("| " + " | ".join(cells) + " |", flush=True)


def add_intervals(tallies, ours, theirs, truth, most, seed, **settings):
    """One interval of each method."""
    for method, tally in tallies.items():
        options = METHODS[method] | settings
        if "max_difference" in options:
            options["max_difference"] = most
        options |= {"n_resamples": N_RESAMPLES, "random_state": seed}
        tally.add(truth, paired_bootstrap, ours, theirs, **options)


def paired_rows(n_runs, sizes, failures):
    for name, draw in PAIRED.items():
        for n_queries in sizes:
            tallies = {method: Tally() for method in METHODS}
            for seed in range(n_runs):
                data = draw(n_queries, np.random.default_rng(seed))
                add_intervals(tallies, *data, seed)
            for method in list(METHODS)[2:]:
                excused = name in UNSEEN and method.endswith("as seen")
                if not tallies[method].holds and not excused:
                    failures.append(f"{name}, n = {n_queries}, {method}")
            yield name, str(n_queries), *(tally.cell() for tally in tallies.values())


def paired(*arguments):
    title = "Difference between two routers: coverage (median width)"
    table(title, METHODS, paired_rows(*arguments))


def task_rows(n_runs, sizes, failures):
    """Means over five tasks, of which each router is better on some."""
    chances = np.array([[0.9, 0.5, 0.7, 0.99, 0.2], [0.85, 0.6, 0.7, 0.98, 0.1]])
    truth = (chances[0] - chances[1]).mean()
    for n_queries in sizes:
        tallies = {method: Tally() for method in METHODS if method != "betting"}
        for seed in range(n_runs):
            rng = np.random.default_rng(seed)
            # Tasks of unequal size, 5 queries at least.
            groups = np.append(np.repeat(range(5), 5), rng.integers(10, size=n_queries - 25) // 3)
            ours, theirs = (rng.random((2, n_queries)) < chances[:, groups]).astype(float)
            add_intervals(tallies, ours, theirs, truth, 1.0, seed, groups=groups)
        for method in ("gaffke, bound as seen", "gaffke"):
            if not tallies[method].holds:
                failures.append(f"tasks, n = {n_queries}, {method}")
        yield "five tasks", str(n_queries), *(tally.cell() for tally in tallies.values())


def tasks(*arguments):
    methods = [method for method in METHODS if method != "betting"]
    table("Mean over tasks: coverage (median width)", methods, task_rows(*arguments))


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
INTERVALS = {
    "BCa": {"bootstrap_method": "BCa"},
    "gaffke": {},
    "gaffke, propensity bound": {"min_propensity": True},
}


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


def log_row(draw, least, truth, n_queries, method, n_runs):
    """Tallies of each kind of interval, and the mean effective sample size."""
    tallies, effective = {kind: Tally() for kind in INTERVALS}, []
    for seed in range(n_runs):
        choice, log, model = called_outcomes(draw, n_queries, np.random.default_rng(seed))
        if not (choice == log["logged_llms"]).any():
            continue  # refused, whatever the interval
        settings = log | {
            "predicted": model if method == "dr" else None,
            "cost_weight": COST_WEIGHT,
            "llm_names": range(3),
            "method": method,
            "n_resamples": N_RESAMPLES,
            "random_state": seed,
        }
        for kind, tally in tallies.items():
            options = settings | INTERVALS[kind]
            if "min_propensity" in options:
                options["min_propensity"] = least
            value = tally.add(truth, off_policy_value, choice, **options)
        effective.append(value.effective_sample_size)
    return tallies, np.mean(effective)


def log_rows(n_runs, sizes, failures):
    for name, (draw, least) in LOGS.items():
        truth = true_value(draw)
        for n_queries in sizes:
            for method in ("ips", "snips", "dr"):
                tallies, effective = log_row(draw, least, truth, n_queries, method, n_runs)
                for kind in ("gaffke", "gaffke, propensity bound"):
                    if not tallies[kind].holds:
                        failures.append(f"{name}, n = {n_queries}, {method}, {kind}")
                cells = (tally.cell() for tally in tallies.values())
                yield name, str(n_queries), f"{effective:.0f}", method, *cells


def logs(*arguments):
    columns = ["effective n", "method", *INTERVALS]
    table("Value of a router from logs: coverage (median width)", columns, log_rows(*arguments))


# Guarantees


def priced(n_queries, rng, chance, factor):
    """A cheap LLM and an expensive one; rarely an answer of the latter costs far more."""
    X = rng.normal(size=(n_queries, 2))
    performance = (rng.random((n_queries, 2)) < [0.6, 0.9]).astype(float)
    cost = np.array([0.2, 2.0]) * rng.gamma(4.0, 0.25, size=(n_queries, 1))
    huge = rng.random(n_queries) < chance
    cost[huge, 1] = factor
    return X, performance, cost


# Probability and size of the huge cost, the budget, and a bound from prices and token limits.
BUDGETS = {
    "1 in 500 costs 1,000": (0.002, 1000.0, 2.5, 1000.0),
    "1 in 200 costs 500": (0.005, 500.0, 3.0, 500.0),
    "1 in 100 costs 50": (0.01, 50.0, 2.3, 50.0),
    "none is huge": (0.0, 0.0, 1.5, 12.0),
}


def guarantee(n_runs, sizes, failures):
    inner = LinearRouter(llm_names=["cheap", "expensive"])
    inner.fit(*priced(2000, np.random.default_rng(10**6), 0.0, 0.0))
    candidates = np.append(0.0, np.logspace(-3, 3, 300))

    def broken(options, X, performance, cost, budget, future):
        """Whether the true mean cost is above the budget, and whether it is said that it may be."""
        router = GuaranteedRouter(
            FrozenEstimator(inner),
            max_cost=budget,
            confidence=1 - DELTA,
            cost_weights=candidates,
            random_state=0,
            **options,
        )
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                router.fit(X, performance, cost)
            except ValueError:
                return None, True
        expected_X, expected_cost = future
        columns = (router.predict(expected_X) == "expensive").astype(int)
        return expected_cost[np.arange(len(columns)), columns].mean() > budget, bool(caught)

    def rows():
        for name, (chance, factor, budget, bound) in BUDGETS.items():
            # Expected costs, without the chance of a huge one.
            X, _, cost = priced(20_000, np.random.default_rng(10**6 + 1), 0.0, 0.0)
            cost[:, 1] = (1 - chance) * cost[:, 1] + chance * factor
            for n_queries in sizes:
                cells = []
                for options in ({}, {"max_query_cost": bound}):
                    results = []
                    for seed in range(n_runs):
                        data = priced(n_queries, np.random.default_rng(seed), chance, factor)
                        results.append(broken(options, *data, budget, (X, cost)))
                    wrong = np.mean([bool(result) for result, _ in results])
                    refused = np.mean([result is None for result, _ in results])
                    said = np.mean([said for _, said in results])
                    error = 2 * np.sqrt(DELTA * (1 - DELTA) / n_runs)
                    if wrong > DELTA + error and said < 1:
                        failures.append(f"{name}, n = {n_queries}, {options}")
                    cells.append(f"{wrong:.0%} (refused {refused:.0%}, says so {said:.0%})")
                yield name, str(n_queries), *cells

    columns = ["without max_query_cost", "with max_query_cost"]
    table("Budgets: share of data sets in which the budget is broken", columns, rows())


SECTIONS = {"paired": paired, "tasks": tasks, "logs": logs, "guarantee": guarantee}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--runs", type=int, default=300, help="data sets of each kind")
    parser.add_argument("--quick", action="store_true", help="40 data sets, small ones only")
    arguments = parser.parse_args()
    n_runs = 40 if arguments.quick else arguments.runs
    sizes = {
        "paired": (50, 200, 1000),
        "tasks": (50, 200, 1000),
        "logs": (100, 300, 1000),
        "guarantee": (50, 200, 1000),
    }
    failures = []
    print(f"{n_runs} data sets each; nominal {NOMINAL:.0%} for intervals, {DELTA:.0%} for budgets.")
    for name in arguments.sections:
        SECTIONS[name](n_runs, sizes[name][:2] if arguments.quick else sizes[name], failures)
    if failures:
        sys.exit("\nDoes not hold:\n" + "\n".join(failures))
    print("\nEvery interval and guarantee holds, or says that it may not.")


if __name__ == "__main__":
    main()
