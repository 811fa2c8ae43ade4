"""Whether abstention pays: RouterBench rows of a task that the router has not seen.

    python benchmarks/abstention.py --data DIR

For each task in turn, routers learn from the ``*train*`` rows of the others and are scored, at a
trade-off of 0.02, on the fully scored ``*test*`` rows of those tasks (known) and of the one that was
left out (unknown). The fallback is the best single LLM of the train rows. `min_similarity` is a
quantile of the similarities between train queries and their nearest other train query, `min_margin`
a quantile of the margins on the train queries. It prints Markdown.
"""

import argparse

import numpy as np
from routerbench import load, load_scored

from skrouter import FallbackRouter, SentenceEncoder
from skrouter.baselines import KNNRouter, LinearRouter

COST_WEIGHT = 0.02
ROUTERS = {"kNN": KNNRouter, "ridge": LinearRouter}
QUANTILES = (0.01, 0.05, 0.2)


def thresholds(router, X):
    """Settings to compare, by name."""
    similarity = 1 - router.neighbors_.kneighbors()[0][:, 0]
    values = np.sort(router.router_.decision_function(X), axis=1)
    margin = values[:, -1] - values[:, -2]
    settings = {"never": {"min_similarity": -1.0, "min_margin": None}}
    for q in QUANTILES:
        limit = {"min_similarity": float(np.quantile(similarity, q)), "min_margin": None}
        settings[f"similarity below {q:.0%} quantile"] = limit
    for q in QUANTILES:
        limit = {"min_similarity": None, "min_margin": float(np.quantile(margin, q))}
        settings[f"margin below {q:.0%} quantile"] = limit
    settings["always"] = {"min_similarity": 1.0, "min_margin": np.finfo(float).max}
    return settings


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder with RouterBench files")
    arguments = parser.parse_args()
    train, test = load(arguments.data, "train"), load_scored(arguments.data, "test")
    encoder = SentenceEncoder()
    X_train, X_test = encoder.fit_transform(train.queries), encoder.transform(test.queries)

    print(f"Share of queries on which the router abstains, and score, at α = {COST_WEIGHT}\n")
    print("| left out | router | abstains | known | score | unknown | score |")
    print("|---|---|---|---:|---:|---:|---:|")
    for left_out in np.unique(test.tasks):
        rows, unknown = train.tasks != left_out, test.tasks == left_out
        X, y, cost = X_train[rows], train.performance[rows], train.cost[rows]
        for name, make in ROUTERS.items():
            router = FallbackRouter(make(cost_weight=COST_WEIGHT), min_similarity=-1.0)
            router.fit(X, y, cost=cost)
            for setting, limits in thresholds(router, X).items():
                router.set_params(**limits)
                cells = []
                for part in (~unknown, unknown):
                    share = router.abstains(X_test[part]).mean()
                    outcomes = {"y": test.performance[part], "cost": test.cost[part]}
                    cells.append(f"{share:.1%} | {router.score(X_test[part], **outcomes):.4f}")
                print(f"| {left_out} | {name} | {setting} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
