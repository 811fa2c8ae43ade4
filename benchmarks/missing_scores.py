"""What routers lose where most outcomes are missing, down to logs with one LLM per query.

    python benchmarks/missing_scores.py --data DIR

trains on the ``*train*`` files of DIR (RouterBench rows) with ever fewer of their outcomes, and
scores on the fully scored rows of the ``*test*`` files at a trade-off of 0.02. A hidden cell hides
performance and cost. Each seed hides other cells, and is the seed of routers that have one. It
prints Markdown.

In the logs with unequal propensities the LLM of each query is drawn from a softmax of random
linear functions of the query's embedding, mixed with one tenth of equal shares: like a router that
knows nothing of quality, it sends each LLM another mix of queries. Weighted, every query counts by
one over its propensity, divided by the mean of these.
"""

import argparse

import numpy as np
from routerbench import load, load_scored
from scipy.special import softmax

from skrouter import RadialRouterClassifier, SentenceEncoder
from skrouter.baselines import (
    BestPerTaskRouter,
    BestSingleRouter,
    KNNRouter,
    LinearRouter,
    MLPRouter,
)
from skrouter.metrics import routing_score

COST_WEIGHT = 0.02
ROUTERS = {
    "radial": lambda seed: RadialRouterClassifier(random_state=seed),
    "knn": lambda seed: KNNRouter(),
    "ridge": lambda seed: LinearRouter(10.0),
    "mlp": lambda seed: MLPRouter(random_state=seed),
}
TAKES_NO_WEIGHTS = {"knn"}
# The fall from complete data that is accepted.
MUST_HOLD = {"50 % of cells hidden": 0.01, "90 % of cells hidden": 0.03}
ONE_PER_QUERY = "one LLM per query"
WEIGHTED = f"{ONE_PER_QUERY}, unequal propensities, weighted"


def hidden_at_random(share):
    def observe(X, known, rng):
        return known & (rng.random(known.shape) >= share), None

    return observe


def drawn(propensities):
    """One LLM per query, with the given probabilities among those with an outcome."""

    def observe(X, known, rng):
        probability = np.where(known, propensities(X, known.shape[1], rng), 0.0)
        probability /= probability.sum(axis=1, keepdims=True)
        # The largest of log-probability plus Gumbel noise is each with its probability.
        with np.errstate(divide="ignore"):
            called = (np.log(probability) + rng.gumbel(size=known.shape)).argmax(axis=1)
        observed = np.zeros(known.shape, dtype=bool)
        observed[np.arange(len(known)), called] = True
        return observed, 1.0 / probability[observed]

    return observe


def equal(X, n_llms, rng):
    return np.full((len(X), n_llms), 1 / n_llms)


def unequal(X, n_llms, rng):
    score = X @ rng.standard_normal((X.shape[1], n_llms))
    score = (score - score.mean(axis=0)) / score.std(axis=0)
    return 0.9 * softmax(2 * score, axis=1) + 0.1 / n_llms


SETTINGS = {
    "complete": lambda X, known, rng: (known, None),
    "50 % of cells hidden": hidden_at_random(0.5),
    "90 % of cells hidden": hidden_at_random(0.9),
    f"{ONE_PER_QUERY}, equal propensities": drawn(equal),
    f"{ONE_PER_QUERY}, unequal propensities": drawn(unequal),
    WEIGHTED: drawn(unequal),
}


def score(router, X, data):
    chosen = router.predict(X, cost_weight=COST_WEIGHT)
    return score_of(chosen, data)


def score_of(chosen, data):
    outcomes = {"cost": data.cost, "cost_weight": COST_WEIGHT}
    return routing_score(data.performance, chosen, **outcomes).utility


def run(names, settings, n_seeds, train, test, X_train, X_test):
    """Scores by setting and router, observed share of cells, queries that weighted logs are worth.

    Lists with one entry per seed.
    """
    known = (train.performance.notna() & train.cost.notna()).to_numpy()
    scores, shares, worth = {}, {}, []
    for setting in settings:
        observe = SETTINGS[setting]
        for seed in range(n_seeds):
            observed, weight = observe(X_train, known, np.random.default_rng(seed))
            rows = observed.any(axis=1)
            shares.setdefault(setting, []).append(observed.mean())
            target = {
                "y": train.performance.where(observed)[rows],
                "cost": train.cost.where(observed)[rows],
            }
            if setting == WEIGHTED:
                target["sample_weight"] = weight / weight.mean()
                worth.append(weight.sum() ** 2 / (weight**2).sum())
            routers = {name: ROUTERS[name](seed) for name in names}
            for name, router in {"best single LLM": BestSingleRouter(), **routers}.items():
                if setting == WEIGHTED and name in TAKES_NO_WEIGHTS:
                    continue
                router.fit(X_train[rows], **target)
                scores.setdefault((setting, name), []).append(score(router, X_test, test))
    return scores, shares, worth


def verdict(setting, fall, above_single):
    if setting in MUST_HOLD:
        limit = MUST_HOLD[setting]
        return f"{'yes' if fall < limit else 'NO'}: falls by less than {limit:g}"
    if setting.startswith(ONE_PER_QUERY):
        return f"{'yes' if above_single > 0 else 'NO'}: above the best single LLM"
    return ""


def print_tables(names, settings, scores, shares, worth):
    if worth:
        print(
            f"\nThe weighted logs are worth {np.mean(worth):.0f} equally weighted queries "
            "(effective sample size)."
        )
    for name in names:
        print(f"\n{name}\n")
        print(
            "| train rows | cells | score | less complete | best single LLM, same rows | "
            "less best single LLM | holds |"
        )
        print("|---|---:|---:|---:|---:|---:|---|")
        complete = np.mean(scores["complete", name])
        for setting in settings:
            cells = f"| {setting} | {np.mean(shares[setting]):.1%}"
            single = np.mean(scores[setting, "best single LLM"])
            if (setting, name) not in scores:
                print(f"{cells} | takes no weights | – | {single:.4f} | – | |")
                continue
            each = np.array(scores[setting, name])
            mean = each.mean()
            # Rounded, and + 0.0, so that nothing prints as "-0.0000".
            fall, gain = (complete - mean).round(4), (mean - single).round(4)
            spread = f" ± {each.std(ddof=1):.4f}" if len(each) > 1 else ""
            print(
                f"{cells} | {mean:.4f}{spread} | {-fall + 0.0:+.4f} | {single:.4f} | "
                f"{gain + 0.0:+.4f} | {verdict(setting, fall, gain)} |"
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder with RouterBench files")
    parser.add_argument("--routers", nargs="+", choices=ROUTERS, default=["radial", "knn", "ridge"])
    parser.add_argument("--seeds", type=int, default=3, help="draws of the cells that are hidden")
    parser.add_argument(
        "--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS), help="rows of the tables"
    )
    arguments = parser.parse_args()

    train, test = load(arguments.data, "train"), load_scored(arguments.data, "test")
    encoder = SentenceEncoder()
    X_train, X_test = encoder.fit_transform(train.queries), encoder.transform(test.queries)
    everything = {"y": train.performance, "cost": train.cost}
    single = BestSingleRouter().fit(X_train, **everything)
    per_task = BestPerTaskRouter().fit(X_train, **everything, tasks=train.tasks)
    print(
        f"{len(X_train)} train and {len(X_test)} test queries, {train.performance.shape[1]} LLMs, "
        f"α = {COST_WEIGHT}; mean and standard deviation over {arguments.seeds} draws. From "
        f"complete data: best single LLM {score(single, X_test, test):.4f}, best LLM per task "
        f"(told the task) {score_of(per_task.predict(X_test, tasks=test.tasks), test):.4f}."
    )
    settings = list(dict.fromkeys(["complete", *arguments.settings]))
    print_tables(
        arguments.routers,
        settings,
        *run(arguments.routers, settings, arguments.seeds, train, test, X_train, X_test),
    )


if __name__ == "__main__":
    main()
