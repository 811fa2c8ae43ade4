"""Whether abstention pays: RouterBench rows of a task that the router has not seen.

    python benchmarks/abstention.py --data DIR

For each task in turn, routers learn from the ``*train*`` rows of the others and are scored, at a
trade-off of 0.02, on the fully scored ``*test*`` rows of those tasks (known) and of the one that
was left out (unknown). A router abstains where similarity is below the 5 % quantile of that between
train queries and their nearest other train query, or where the margin is below the 5 % quantile of
margins on train queries. The fallback is the best single LLM of the train rows at the trade-off, or
the strongest: of best mean performance there. It prints Markdown.
"""

import argparse

import numpy as np
from routerbench import load, load_scored

from skrouter import FallbackRouter, SentenceEncoder
from skrouter.baselines import BestSingleRouter, KNNRouter, LinearRouter
from skrouter.metrics import routing_score

COST_WEIGHT = 0.02
ROUTERS = {
    "kNN": lambda: KNNRouter(cost_weight=COST_WEIGHT),
    "ridge": lambda: LinearRouter(10.0, cost_weight=COST_WEIGHT),
}
QUANTILE = 0.05


def thresholds(router, X):
    """Settings to compare, by name."""
    similarity = 1 - router.neighbors_.kneighbors()[0][:, 0]
    values = np.sort(router.router_.decision_function(X), axis=1)
    margin = values[:, -1] - values[:, -2]
    off = {"min_similarity": None, "min_margin": None}
    return {
        "never": off,
        "low similarity": {**off, "min_similarity": float(np.quantile(similarity, QUANTILE))},
        "low margin": {**off, "min_margin": float(np.quantile(margin, QUANTILE))},
        "always": {**off, "min_margin": np.finfo(float).max},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder with RouterBench files")
    arguments = parser.parse_args()
    train, test = load(arguments.data, "train"), load_scored(arguments.data, "test")
    encoder = SentenceEncoder()
    X_train, X_test = encoder.fit_transform(train.queries), encoder.transform(test.queries)

    print("Share of queries on which the router abstains, mean performance, and score at")
    print(f"α = {COST_WEIGHT}, on known and on unknown tasks\n")
    print(
        "| left out | router | abstains | fallback | known | perf. | score "
        "| unknown | perf. | score |"
    )
    print("|---|---|---|---|---:|---:|---:|---:|---:|---:|")
    for left_out in np.unique(test.tasks):
        rows, unknown = train.tasks != left_out, test.tasks == left_out
        X, y, cost = X_train[rows], train.performance[rows], train.cost[rows]
        best = BestSingleRouter(cost_weight=COST_WEIGHT).fit(X, y, cost=cost).predict(X[:1])[0]
        fallbacks = {"best single": best, "strongest": None}
        for name, make in ROUTERS.items():
            for kind, fallback in fallbacks.items():
                router = FallbackRouter(make(), fallback=fallback, min_similarity=-1.0)
                router.fit(X, y, cost=cost)
                for setting, limits in thresholds(router, X).items():
                    if setting == "never" and kind != "best single":
                        continue
                    router.set_params(**limits)
                    cells = [left_out, name, setting, "" if setting == "never" else kind]
                    for part in (~unknown, unknown):
                        cells += measure(router, X_test, test, part)
                    print(f"| {' | '.join(cells)} |")


def measure(router, X, data, part):
    """Share of abstention, mean performance and score on a part of the test rows."""
    result = routing_score(
        data.performance[part],
        router.predict(X[part]),
        cost=data.cost[part],
        cost_weight=COST_WEIGHT,
    )
    share = router.abstains(X[part]).mean()
    return [f"{share:.1%}", f"{result.performance:.4f}", f"{result.utility:.4f}"]


if __name__ == "__main__":
    main()
