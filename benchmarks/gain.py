"""What routers gain over the best single LLM, for every data set and trade-off in one table.

    python benchmarks/gain.py --routerbench DIR --mmlu-pro DIR

prints, per set, trade-off and router, the score on test rows less that of the LLM that is best on
the train rows, a mean over seeds, and for the default RadialRouter a 95 % interval over the test
queries. A summary follows: the mean gain over all cells, the share of what the best LLM per task
gains (which is told the task), the worst cell, the number of cells that are more than 0.001 below
the best simple learner, and the mean time of a fit. The simple learners are the best single LLM,
kNN, ridge and the cluster table. It prints Markdown. Sets that are not at hand are named and left
out: paretobandit comes with the extra of that name, the synthetic problems with the package.
"""

import argparse
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from skrouter import RadialRouterClassifier, SentenceEncoder
from skrouter.baselines import (
    BestPerTaskRouter,
    BestSingleRouter,
    ClusterRouter,
    KNNRouter,
    LinearRouter,
    StackedRouter,
)
from skrouter.datasets import load_paretobandit, load_routerbench, make_routing_problem
from skrouter.metrics import oracle_llms, paired_bootstrap

TOLD = "best LLM per task (told the task)"
OURS = "RadialRouter"
ROUTERS = {
    "best single LLM": lambda seed: BestSingleRouter(),
    TOLD: lambda seed: BestPerTaskRouter(),
    "kNN": lambda seed: KNNRouter(),
    "kNN of 100": lambda seed: KNNRouter(100),
    "ridge": lambda seed: LinearRouter(),
    "cluster table": lambda seed: ClusterRouter(random_state=seed),
    "stack of kNN of 100, ridge, table": lambda seed: stack(seed),
    "network alone": lambda seed: of_learners(seed, "network"),
    "without network": lambda seed: of_learners(seed, "linear", "clusters"),
    OURS: lambda seed: RadialRouterClassifier(random_state=seed),
}
SIMPLE = ("best single LLM", "kNN", "ridge", "cluster table")


def stack(seed):
    names = ("kNN of 100", "ridge", "cluster table")
    return StackedRouter([(name, ROUTERS[name](seed)) for name in names], random_state=seed)


def of_learners(seed, *names):
    return RadialRouterClassifier(expert_settings={"learners": names}, random_state=seed)


class Rows(NamedTuple):
    """Queries with their outcomes; `cost` may be None."""

    X: np.ndarray
    performance: np.ndarray
    cost: np.ndarray | None
    tasks: np.ndarray

    def take(self, rows):
        return Rows(*(None if part is None else part[rows] for part in self))


def routerbench(folder, encode):
    def read(part):
        data = load_routerbench(sorted(Path(folder).glob(f"*{part}*")))
        rows = Rows(
            encode(data.queries), data.performance.to_numpy(), data.cost.to_numpy(), data.tasks
        )
        return rows.take(~np.isnan(rows.performance).any(axis=1)) if part == "test" else rows

    train, test = read("train"), read("test")
    return lambda seed: (train, test), (0.0, 0.02, 0.1)


def paretobandit(encode):
    def read(subset):
        data = load_paretobandit(subset=subset)
        return Rows(encode(data.queries), data.performance, data.cost, data.tasks)

    train, test = read("train"), read("test")
    return lambda seed: (train, test), (0.0, 0.0005, 0.001, 0.002, 0.1)


def mmlu_pro(folder, encode):
    queries = pd.read_csv(Path(folder) / "queries.csv.gz")
    outcomes = pd.read_csv(Path(folder) / "performance.csv.gz")
    table = queries.merge(outcomes, on="id")
    rows = Rows(
        encode(table["prompt"].to_numpy()),
        table[outcomes.columns[1:]].to_numpy(dtype=float),
        None,
        table["task"].to_numpy(),
    )

    def halves(seed):
        order = np.random.default_rng(seed).permutation(len(rows.X))
        return rows.take(order[: len(order) // 2]), rows.take(order[len(order) // 2 :])

    return halves, (0.0,)


def synthetic(encode, **options):
    def draw(seed):
        problem = make_routing_problem(2000, random_state=seed, **options)
        cost = np.broadcast_to(problem.cost, problem.performance.shape)
        rows = Rows(encode(problem.queries), problem.performance, cost, problem.tasks)
        return rows.take(slice(800)), rows.take(slice(800, None))

    return draw, (0.0, 0.02, 0.1)


def gains(router, train, test, cost_weights):
    """Utility on each test query less that of the best single LLM, by trade-off; time of fit."""
    tasks = isinstance(router, BestPerTaskRouter)
    each, seconds = {}, 0.0
    for cost_weight in cost_weights:
        if not (each and router._any_trade_off):
            start = time.process_time()
            told = {"tasks": train.tasks} if tasks else {}
            router.set_params(cost_weight=cost_weight)
            router.fit(train.X, train.performance, cost=train.cost, **told)
            seconds += time.process_time() - start
        told = {"tasks": test.tasks} if tasks else {}
        if router._any_trade_off and train.cost is not None:
            told["cost_weight"] = cost_weight
        each[cost_weight] = less_single(router.predict(test.X, **told), train, test, cost_weight)
    return each, seconds


def less_single(llms, train, test, cost_weight):
    def utility(rows):
        return rows.performance - (0 if rows.cost is None else cost_weight * rows.cost)

    single = np.nanmean(utility(train), axis=0).argmax()
    received = utility(test)
    return received[np.arange(len(received)), np.asarray(llms, dtype=int)] - received[:, single]


def measure(name, draw, cost_weights, n_seeds):
    """Print the table of a set; returns the mean gains and the times by router."""
    each, seconds = defaultdict(lambda: defaultdict(list)), defaultdict(list)
    for seed in range(n_seeds):
        train, test = draw(seed)
        for router, make in ROUTERS.items():
            found, time_of_fit = gains(make(seed), train, test, cost_weights)
            seconds[router].append(time_of_fit)
            for cost_weight in cost_weights:
                each[router][cost_weight].append(found[cost_weight])
        for cost_weight in cost_weights:
            best = oracle_llms(test.performance, cost=test.cost, cost_weight=cost_weight)
            each["oracle"][cost_weight].append(less_single(best, train, test, cost_weight))
    print(f"\n## {name}: {len(train.X)} train queries, {train.performance.shape[1]} LLMs\n")
    print("| router | " + " | ".join(f"α={a:g}" for a in cost_weights) + " |")
    print("|---|" + "---:|" * len(cost_weights))
    for router in each:
        cells = []
        for cost_weight in cost_weights:
            runs = each[router][cost_weight]
            text = f"{np.mean([run.mean() for run in runs]):+.4f}"
            if router == OURS:
                joined = np.concatenate(runs) if name != "RouterBench" else np.mean(runs, axis=0)
                interval = paired_bootstrap(joined, np.zeros(len(joined)), random_state=0)
                text += f" [{interval.low:+.4f}, {interval.high:+.4f}]"
            cells.append(text)
        print(f"| {router} | " + " | ".join(cells) + " |")
    means = {
        router: [np.mean([run.mean() for run in runs]) for runs in by_weight.values()]
        for router, by_weight in each.items()
    }
    return means, {router: np.mean(times) for router, times in seconds.items()}


def print_summary(means, seconds):
    cells = {
        router: np.concatenate([by_router[router] for by_router in means]) for router in means[0]
    }
    best_simple = np.max([cells[router] for router in SIMPLE], axis=0)
    told = cells[TOLD].mean()
    print(f"\n## All {len(best_simple)} cells\n")
    print(
        "| router | mean gain | of what is gained per task | worst | cells > 0.001 below the best "
        "simple learner | seconds of processor per fit |"
    )
    print("|---|" + "---:|" * 5)
    for router, gain in cells.items():
        if router in ROUTERS:
            below = int((gain < best_simple - 0.001).sum())
            share = gain.mean() / told if told > 0 else np.nan
            each = np.mean([times[router] for times in seconds])
            print(
                f"| {router} | {gain.mean():+.4f} | {share:.0%} | {gain.min():+.4f} | {below} | "
                f"{each:.1f} |"
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--routerbench", help="folder with RouterBench files")
    parser.add_argument("--mmlu-pro", help="folder with queries.csv.gz and performance.csv.gz")
    parser.add_argument("--seeds", type=int, default=3, help="seeds, or splits, per set")
    arguments = parser.parse_args()
    encode = SentenceEncoder().fit_transform
    sets = {
        "synthetic": lambda: synthetic(encode),
        "synthetic, weak signal": lambda: synthetic(encode, signal=0.3),
        "synthetic, no signal": lambda: synthetic(encode, signal=0.0),
        "paretobandit": lambda: paretobandit(encode),
    }
    if arguments.routerbench:
        sets["RouterBench"] = lambda: routerbench(arguments.routerbench, encode)
    if arguments.mmlu_pro:
        sets["MMLU-Pro"] = lambda: mmlu_pro(arguments.mmlu_pro, encode)
    means, seconds = [], []
    for name, read in sets.items():
        try:
            draw, cost_weights = read()
        except ImportError as error:
            print(f"\n{name} is left out: {error}")
            continue
        by_router, times = measure(name, draw, cost_weights, arguments.seeds)
        means.append(by_router)
        seconds.append(times)
    print_summary(means, seconds)


if __name__ == "__main__":
    main()
