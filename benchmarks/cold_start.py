"""How much of a new LLM's worth a few scored queries recover, on RouterBench rows.

    python benchmarks/cold_start.py --data DIR

leaves out each LLM in turn, fits RadialRouter without it on the ``*train*`` files of DIR, adds it
back from k train queries drawn at random, and compares on the fully scored rows of the ``*test*``
files with a new fit on all outcomes. Only LLMs whose absence costs more than `--least` are worth
adding and reported. The share recovered is the gain of adding over the gain of the new fit.

Beside it stand the mean performance per task of the same k queries, from one who is told the tasks
and has all other outcomes: what the scores themselves can tell. It prints Markdown.
"""

import argparse
import time
from copy import deepcopy

import numpy as np
from routerbench import load, load_scored

from skrouter import RadialRouterClassifier, SentenceEncoder

COST_WEIGHT = 0.02


def utility_of(chosen, utility):
    return utility[np.arange(len(utility)), chosen].mean()


class Setting:
    """One LLM left out: routers without and with it, and what they receive on the test rows."""

    def __init__(self, left_out, train, test, seeds):
        (self.X, self.P, self.C, self.tasks), (self.X_test, self.U_test, self.tasks_test) = (
            train,
            test,
        )
        self.left_out = left_out
        self.others = [j for j in range(self.P.shape[1]) if j != left_out]
        scored = ~np.isnan(self.P[:, self.others]).all(axis=1)
        self.without = [
            RadialRouterClassifier(llm_names=list(map(str, self.others)), random_state=seed).fit(
                self.X[scored], self.P[scored][:, self.others], self.C[scored][:, self.others]
            )
            for seed in seeds
        ]
        self.base = np.mean([self.received(router) for router in self.without])

    def received(self, router):
        return utility_of(router.predict(self.X_test).astype(int), self.U_test)

    def added(self, rows, router):
        """What the router receives with the LLM added from these rows, and the seconds it took."""
        router, j = deepcopy(router), self.left_out
        start = time.perf_counter()
        router.add_llm(str(j), self.P[rows, j], self.C[rows, j], self.X[rows])
        return self.received(router), time.perf_counter() - start

    def told_the_tasks(self, rows):
        """The same, from means per task."""
        utility = self.P - COST_WEIGHT * self.C
        chosen = np.empty(len(self.tasks_test), dtype=int)
        for task in np.unique(self.tasks_test):
            mean = np.nanmean(utility[self.tasks == task], axis=0)
            mine = utility[rows, self.left_out][self.tasks[rows] == task]
            mean[self.left_out] = mine.mean() if len(mine) else -np.inf
            chosen[self.tasks_test == task] = mean.argmax()
        return utility_of(chosen, self.U_test)

    def table_without(self):
        utility = (self.P - COST_WEIGHT * self.C)[:, self.others]
        chosen = [
            self.others[np.nanmean(utility[self.tasks == task], axis=0).argmax()]
            for task in self.tasks_test
        ]
        return utility_of(np.array(chosen), self.U_test)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder with RouterBench files")
    parser.add_argument("--seeds", type=int, default=2, help="fits of each router")
    parser.add_argument("--draws", type=int, default=20, help="draws of the scored queries")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 25, 50, 100, 200, 500, 1000])
    parser.add_argument("--least", type=float, default=0.005, help="least worth of an LLM")
    arguments = parser.parse_args()

    train, test = load(arguments.data, "train"), load_scored(arguments.data, "test")
    names = list(train.performance.columns)
    encoder = SentenceEncoder()
    P, C = train.performance.to_numpy(), train.cost.to_numpy()
    tasks = np.array(train.tasks.tolist())
    data = (encoder.fit_transform(train.queries), P, C, tasks)
    U_test = (test.performance[names] - COST_WEIGHT * test.cost[names]).to_numpy()
    held_out = (encoder.transform(test.queries), U_test, np.array(test.tasks.tolist()))
    seeds = range(arguments.seeds)
    full = np.mean(
        [
            utility_of(
                RadialRouterClassifier(random_state=seed).fit(data[0], P, C).predict(held_out[0]),
                U_test,
            )
            for seed in seeds
        ]
    )
    print(
        f"{len(P)} train and {len(U_test)} test queries, {len(names)} LLMs, α = {COST_WEIGHT}; "
        f"{arguments.seeds} seeds, {arguments.draws} draws. Score of the whole pool: {full:.4f}.\n"
    )
    print("| LLM left out | score without it | worth |\n|---|---:|---:|")
    worthy = []
    for j, name in enumerate(names):
        setting = Setting(j, data, held_out, seeds)
        print(f"| {name} | {setting.base:.4f} | {full - setting.base:+.4f} |", flush=True)
        if full - setting.base > arguments.least:
            worthy.append(setting)
    table = utility_of(
        np.array(
            [np.nanmean((P - COST_WEIGHT * C)[tasks == t], axis=0).argmax() for t in held_out[2]]
        ),
        U_test,
    )
    shown = [names[setting.left_out] for setting in worthy]
    heads = ["scored queries", *shown, "mean", "told the tasks, mean", "seconds to add"]
    print(f"\nShare of the worth that is recovered.\n\n| {' | '.join(heads)} |")
    print("|" + "---:|" * len(heads))
    for size in arguments.sizes:
        shares, told, seconds = [], [], []
        for setting in worthy:
            scored = np.flatnonzero(~np.isnan(P[:, setting.left_out]))
            draws = [
                np.random.default_rng(draw).choice(scored, size, replace=False)
                for draw in range(arguments.draws)
            ]
            results = np.array([setting.added(rows, r) for rows in draws for r in setting.without])
            shares.append((results[:, 0].mean() - setting.base) / (full - setting.base))
            seconds.extend(results[:, 1])
            start = setting.table_without()
            gains = np.mean([setting.told_the_tasks(rows) for rows in draws]) - start
            told.append(gains / (table - start) if table > start else np.nan)
        cells = [f"{share:.0%}" for share in (*shares, np.mean(shares), np.nanmean(told))]
        print(f"| {size} | {' | '.join(cells)} | {np.max(seconds):.2f} |", flush=True)


if __name__ == "__main__":
    main()
