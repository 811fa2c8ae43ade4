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
broken unsaid in at most 10 % and two standard errors. Excused is a bound as seen where nothing that
was seen tells.
"""

import argparse
import sys
import warnings

import numpy as np
from coverage_cases import (
    BUDGETS,
    CANDIDATES,
    COST_WEIGHT,
    LOGS,
    PAIRED,
    QUALITY,
    TASKS,
    UNSEEN,
    called_outcomes,
    chances,
    priced,
    true_value,
)
from sklearn.frozen import FrozenEstimator

from skrouter import GuaranteedRouter
from skrouter.baselines import LinearRouter
from skrouter.metrics import off_policy_value, paired_bootstrap

NOMINAL, LEAST = 0.95, 0.90
DELTA = 0.1
N_RESAMPLES = 999


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
        said = f", said {np.mean(self.said):.0%}" if np.mean(self.said) >= 0.005 else ""
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
    truth = (TASKS[0] - TASKS[1]).mean()
    for n_queries in sizes:
        tallies = {method: Tally() for method in METHODS if method != "betting"}
        for seed in range(n_runs):
            rng = np.random.default_rng(seed)
            # Tasks of unequal size, 5 queries at least.
            groups = np.append(np.repeat(range(5), 5), rng.integers(10, size=n_queries - 25) // 3)
            ours, theirs = (rng.random((2, n_queries)) < TASKS[:, groups]).astype(float)
            add_intervals(tallies, ours, theirs, truth, 1.0, seed, groups=groups)
        for method in ("gaffke, bound as seen", "gaffke"):
            if not tallies[method].holds:
                failures.append(f"tasks, n = {n_queries}, {method}")
        yield "five tasks", str(n_queries), *(tally.cell() for tally in tallies.values())


def tasks(*arguments):
    methods = [method for method in METHODS if method != "betting"]
    table("Mean over tasks: coverage (median width)", methods, task_rows(*arguments))


INTERVALS = {
    "BCa": {"bootstrap_method": "BCa"},
    "gaffke": {},
    "gaffke, propensity bound": {"min_propensity": True},
}


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


class Broken:
    """Counts of fits that break their target, that say that they may, and that are refused."""

    def __init__(self, inner, request, future, kept):
        self.router = GuaranteedRouter(
            FrozenEstimator(inner),
            confidence=1 - DELTA,
            cost_weights=CANDIDATES,
            random_state=0,
            **request,
        )
        self.future, self.kept = future, kept
        self.broken, self.said, self.refused = [], [], []

    def add(self, X, performance, cost):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                self.router.fit(X, performance, cost)
            except ValueError:
                self.refused.append(True)
                return
        self.refused.append(False)
        columns = (self.router.predict(self.future) == "expensive").astype(int)
        self.broken.append(not self.kept(columns))
        self.said.append(bool(caught))

    def cell(self):
        if all(self.refused):
            return "all refused"
        share = np.sum(self.broken) / len(self.refused)
        said = ", said" if all(self.said) else ""
        return f"{share:.0%} (refused {np.mean(self.refused):.0%}{said})"

    @property
    def holds(self):
        unsaid = np.sum(np.greater(self.broken, self.said)) / len(self.refused)
        return unsaid <= DELTA + 2 * np.sqrt(DELTA * (1 - DELTA) / len(self.refused))


def fitted():
    router = LinearRouter(10.0, llm_names=["cheap", "expensive"])
    return router.fit(*priced(2000, np.random.default_rng(10**6), 0.0, 0.0))


def budget_rows(n_runs, sizes, failures):
    inner = fitted()
    for name, (chance, factor, budget, bound) in BUDGETS.items():
        # Expected costs: every query may cost as much as the few that do.
        X, _, cost = priced(20_000, np.random.default_rng(10**6 + 1), 0.0, 0.0)
        cost[:, 1] = (1 - chance) * cost[:, 1] + chance * factor

        def kept(columns, cost=cost, budget=budget):
            return cost[np.arange(len(columns)), columns].mean() <= budget

        for n_queries in sizes:
            counts = [
                Broken(inner, {"max_cost": budget, "max_query_cost": most}, X, kept)
                for most in (None, bound)
            ]
            for seed in range(n_runs):
                data = priced(n_queries, np.random.default_rng(seed), chance, factor)
                for count in counts:
                    count.add(*data)
            if not all(count.holds for count in counts):
                failures.append(f"budget, {name}, n = {n_queries}")
            yield name, str(n_queries), *(count.cell() for count in counts)


def quality_rows(n_runs, sizes, failures):
    inner = fitted()
    X, _, _ = priced(20_000, np.random.default_rng(10**6 + 1), 0.0, 0.0)
    solved = chances(X)
    for name, request in QUALITY.items():
        target = request["min_performance"] * (0.9 if "relative" in request else 1)

        def kept(columns, target=target):
            return solved[np.arange(len(columns)), columns].mean() >= target

        for n_queries in sizes:
            count = Broken(inner, request, X, kept)
            for seed in range(n_runs):
                count.add(*priced(n_queries, np.random.default_rng(seed), 0.0, 0.0))
            if not count.holds:
                failures.append(f"{name}, n = {n_queries}")
            yield name, str(n_queries), count.cell()


def guarantee(*arguments):
    columns = ["without max_query_cost", "with max_query_cost"]
    table("Budgets: data sets in which the budget is broken", columns, budget_rows(*arguments))
    title = "Quality targets: data sets in which the target is missed"
    table(title, ["missed"], quality_rows(*arguments))


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
