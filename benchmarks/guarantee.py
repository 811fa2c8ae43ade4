"""How often budgets and quality targets are broken on RouterBench rows, and what stays unused.

    python benchmarks/guarantee.py --data DIR

fits a router on one half of the rows of the ``*train*`` files of DIR. The fully scored rows among
the others and of the ``*test*`` files are pooled and split at random into two halves, again and
again: GuaranteedRouter chooses the trade-off on one half. Counted are the splits in which its
target is broken by the mean over all pooled rows, the population that a half is drawn from, and by
the mean over the other half, which has a sampling error of its own that the guarantee does not
speak of. Beside it stands a plug-in choice: the last trade-off before the calibration mean itself
breaks the target. It prints Markdown.
"""

import argparse

import numpy as np
from routerbench import load, load_scored
from scipy.stats import binomtest
from sklearn.frozen import FrozenEstimator

from skrouter import (
    GuaranteedRouter,
    RadialRouterClassifier,
    SentenceEncoder,
    make_routing_target,
)
from skrouter._targets.utility import PredictedOutcomes
from skrouter.baselines import BestSingleRouter, KNNRouter, LinearRouter

ROUTERS = {
    "knn": KNNRouter(),
    "linear": LinearRouter(10.0),
    "radial": RadialRouterClassifier(random_state=0),
}
BUDGETS = (0.15, 0.3, 0.5, 1.0, 2.0, 3.0)
TARGETS = [
    *[({"max_cost": budget}, f"cost ≤ {budget:g}") for budget in BUDGETS],
    ({"min_performance": 0.7}, "performance ≥ 0.7"),
    ({"min_performance": 0.8}, "performance ≥ 0.8"),
    ({"min_performance": 0.95, "relative": True}, "performance ≥ 95 % of the best single LLM's"),
    ({"max_cost": 0.25, "relative": True}, "cost ≤ 25 % of the best single LLM's"),
]
CONFIDENCE = 0.9


class Remembered(KNNRouter):
    """A fitted router whose predictions are looked up by the number of the query, not repeated."""

    def remember(self, router, X):
        vars(self).update(vars(router))
        self.outcomes_, self.n_features_in_ = router.predict_outcomes(X), 1
        return self

    def _predict_outcomes(self, embeddings):
        rows = embeddings[:, 0].astype(int)
        return PredictedOutcomes(self.outcomes_.performance[rows], self.outcomes_.cost[rows])


def share(events):
    low, high = binomtest(int(np.sum(events)), len(events)).proportion_ci(method="wilson")
    return f"{np.mean(events):.3f} [{low:.3f}, {high:.3f}]"


def is_broken(options, received, reference):
    """Whether the mean of what was received, (performance, cost) per query, breaks the target."""
    performance, cost = received.mean(axis=0)
    reference = reference.mean(axis=0) if options.get("relative") else np.ones(2)
    if "max_cost" in options:
        return cost > options["max_cost"] * reference[1]
    return performance < options["min_performance"] * reference[0]


def plug_in(options, received, reference):
    """What is received at the last trade-off before the means themselves break the target."""
    order = received[::-1] if "max_cost" in options else received
    for number, rows in enumerate(order):
        if is_broken(options, rows, reference):
            return number - 1
    return len(order) - 1


def run(options, router, outcomes, best, n_splits):
    """One row of the table."""
    names, n_queries = router.classes_, len(outcomes)
    ids, rows = np.arange(float(n_queries))[:, None], np.arange(n_queries)
    reference = outcomes[:, names.tolist().index(best)]
    if options.get("relative"):
        options = {**options, "reference": best}
    # For the plug-in choice: what is received at trade-offs 0.8 % apart, cheapest last.
    predicted, received = router.outcomes_, []
    for cost_weight in np.append(0.0, np.logspace(-6, 6, 3601)):
        chosen = (predicted.performance - cost_weight * predicted.cost).argmax(axis=1)
        if not received or (outcomes[rows, chosen] != received[-1]).any():
            received.append(outcomes[rows, chosen])
    received = np.array(received)

    infeasible, of_all, of_rest, naive_all, naive_rest, means = 0, [], [], [], [], []
    for split in range(n_splits):
        order = np.random.default_rng(split).permutation(n_queries)
        half, rest = order[: n_queries // 2], order[n_queries // 2 :]
        number = plug_in(options, received[:, half], reference[half])
        if number >= 0:
            naive = (received[::-1] if "max_cost" in options else received)[number]
            naive_all.append(is_broken(options, naive, reference))
            naive_rest.append(is_broken(options, naive[rest], reference[rest]))
        guaranteed = GuaranteedRouter(
            FrozenEstimator(router), confidence=CONFIDENCE, random_state=split, **options
        )
        y = make_routing_target(outcomes[half, :, 0], outcomes[half, :, 1])
        try:
            llms = guaranteed.fit(ids[half], y).predict(ids)
        except ValueError as error:
            if "cannot be promised" not in str(error):
                raise
            infeasible += 1
            continue
        column = {name: number for number, name in enumerate(names.tolist())}
        mine = outcomes[rows, [column[llm] for llm in llms.tolist()]]
        of_all.append(is_broken(options, mine, reference))
        of_rest.append(is_broken(options, mine[rest], reference[rest]))
        means.append(mine.mean(axis=0))
    refused = f"{infeasible / n_splits:.3f}"
    plug_in_shares = f"{np.mean(naive_all):.3f} / {np.mean(naive_rest):.3f}"
    if not means:
        return f"{refused} | | | | | | {plug_in_shares}"
    performance, cost = np.mean(means, axis=0)
    used = ""
    if "max_cost" in options:
        limit = options["max_cost"] * (reference[:, 1].mean() if options.get("relative") else 1)
        used = f"{cost / limit:.0%}"
    # A refused target breaks no promise: the shares are of all splits.
    kept = [False] * infeasible
    return (
        f"{refused} | {share(of_all + kept)} | {share(of_rest + kept)} | {performance:.4f} | "
        f"{cost:.3f} | {used} | {plug_in_shares}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder with RouterBench files")
    parser.add_argument("--router", choices=sorted(ROUTERS), default="knn")
    parser.add_argument("--splits", type=int, default=500)
    arguments = parser.parse_args()

    train, test = load(arguments.data, "train"), load_scored(arguments.data, "test")
    encoder = SentenceEncoder()
    X_train, X_test = encoder.fit_transform(train.queries), encoder.transform(test.queries)
    y_train = np.stack([train.performance, train.cost], axis=-1)
    y_test = np.stack([test.performance, test.cost], axis=-1)
    order = np.random.default_rng(0).permutation(len(y_train))
    fit, others = order[: len(order) // 2], order[len(order) // 2 :]
    others = others[~np.isnan(y_train[others]).any(axis=(1, 2))]

    router = ROUTERS[arguments.router].set_params(llm_names=train.performance.columns)
    router.fit(X_train[fit], y_train[fit])
    single = BestSingleRouter(cost_weight=0.0, llm_names=train.performance.columns)
    best = single.fit(X_train[fit], y_train[fit]).predict(X_train[:1])[0]
    X = np.concatenate([X_train[others], X_test])
    outcomes = np.concatenate([y_train[others], y_test])
    remembered = Remembered().remember(router, X)
    print(
        f"{type(router).__name__} fitted on {len(fit)} queries; {len(X)} others, of which random "
        f"halves calibrate; {arguments.splits} splits, confidence {CONFIDENCE}. Best single LLM of "
        f"the training queries: {best}. Cost in US dollars per 1,000 queries. [95 % Wilson "
        "interval over the splits]\n"
    )
    print(
        "| target | refused | broken by the mean of all | broken by the mean of the other half | "
        "mean perf. | mean cost | budget used | plug-in: broken by all / other half |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for options, name in TARGETS:
        row = run(options, remembered, outcomes, best, arguments.splits)
        print(f"| {name} | {row} |", flush=True)


if __name__ == "__main__":
    main()
