"""One fit for every trade-off, beside a fit for each, on RouterBench rows.

    python benchmarks/one_fit.py --data DIR

trains on all ``*train*`` files of DIR and reports the fully scored rows of its ``*test*`` files.
One router has the default parameters and is asked at every trade-off; the others are fitted for
one each (``trade_off="fixed"``). Times are medians over fits in turn, embeddings given. It prints
Markdown.
"""

import argparse
import time

import numpy as np
from routerbench import load, load_scored, received

from skrouter import RadialRouterClassifier, SentenceEncoder
from skrouter.baselines import BestPerTaskRouter, BestSingleRouter, KNNRouter
from skrouter.metrics import oracle_llms, paired_bootstrap

COST_WEIGHTS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder with RouterBench files")
    parser.add_argument("--seeds", type=int, default=5, help="fits of each RadialRouter")
    arguments = parser.parse_args()

    train, test = load(arguments.data, "train"), load_scored(arguments.data, "test")
    encoder = SentenceEncoder()
    X_train, X_test = encoder.fit_transform(train.queries), encoder.transform(test.queries)
    target = {"y": train.performance, "cost": train.cost}
    seconds = {"any": [], "fixed": []}

    def fitted(**parameters):
        router = RadialRouterClassifier(**parameters)
        start = time.perf_counter()
        router.fit(X_train, **target)
        seconds[router.trade_off].append(time.perf_counter() - start)
        return router

    # In turn, so that a busy machine is busy for both.
    one_fit, first = [], []
    for seed in range(arguments.seeds):
        one_fit.append(fitted(random_state=seed))
        first.append(fitted(cost_weight=COST_WEIGHTS[0], trade_off="fixed", random_state=seed))
    one_time, each_time = np.median(seconds["any"]), np.median(seconds["fixed"])
    knn = KNNRouter().fit(X_train, **target)
    print(
        f"Score on {len(X_test)} test queries (micro), mean ± sd over {arguments.seeds} seeds; "
        "difference with 95 % paired bootstrap interval over queries.\n"
    )
    heads = ["α", "best single LLM", "best per task", "kNN", "a fit for each", "one fit for all"]
    print(f"| {' | '.join(heads)} | difference | oracle |")
    print("|" + "---:|" * (len(heads) + 2))
    for cost_weight in COST_WEIGHTS:

        def utility(llms, cost_weight=cost_weight):
            return received(test, llms, cost_weight)

        single = BestSingleRouter(cost_weight=cost_weight).fit(X_train, **target)
        table = BestPerTaskRouter(cost_weight=cost_weight)
        table.fit(X_train, **target, tasks=train.tasks)
        dedicated = (
            first
            if cost_weight == COST_WEIGHTS[0]
            else [
                fitted(cost_weight=cost_weight, trade_off="fixed", random_state=seed)
                for seed in range(arguments.seeds)
            ]
        )
        each = np.array([utility(router.predict(X_test)) for router in dedicated])
        one = np.array(
            [utility(router.predict(X_test, cost_weight=cost_weight)) for router in one_fit]
        )
        oracle = oracle_llms(test.performance, cost=test.cost, cost_weight=cost_weight)
        result = paired_bootstrap(one.mean(axis=0), each.mean(axis=0), random_state=0)
        cells = [f"{cost_weight:g}"]
        cells += [
            f"{utility(llms).mean():.4f}"
            for llms in (
                single.predict(X_test),
                table.predict(X_test, tasks=test.tasks),
                knn.predict(X_test, cost_weight=cost_weight),
            )
        ]
        cells += [
            f"{values.mean():.4f} ± {values.mean(axis=1).std(ddof=1):.4f}" for values in (each, one)
        ]
        cells.append(f"{result.difference:+.4f} [{result.low:+.4f}, {result.high:+.4f}]")
        cells.append(f"{utility(oracle).mean():.4f}")
        print(f"| {' | '.join(cells)} |", flush=True)
    print(
        f"\nOne fit takes {one_time:.1f} s, a fit for one trade-off {each_time:.1f} s: "
        f"{one_time / each_time:.2f} times as long."
    )


if __name__ == "__main__":
    main()
