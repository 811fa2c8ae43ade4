"""How often the verdict of a report is right.

    python benchmarks/report_verdict.py
    python benchmarks/report_verdict.py --router LinearRouter --embeddings tfidf

fits a router with its default parameters on 400 queries, lets ``skrouter.routing_report`` judge it
on 400 others, and counts the verdicts "routing beats always calling X" over the seeds, with the
training rows given and without. On a problem of ``make_routing_problem`` the right answer is yes,
as far as there is a gain to be seen: the best possible router, which knows the success
probabilities (``--router best``), says how far that is. Where the outcomes are given to the wrong
queries, or are pure noise, the right answer is no. It prints Markdown.
"""

import argparse

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from skrouter import RadialRouterClassifier, SentenceEncoder, routing_report
from skrouter.baselines import KNNRouter, LinearRouter
from skrouter.datasets import make_routing_problem

N_TRAIN, N_TEST = 400, 400


class BestPossible(ClassifierMixin, BaseEstimator):
    """Its features are the success probabilities and the costs: all but the noise is known."""

    def __init__(self, cost_weight=0.02):
        self.cost_weight = cost_weight

    def fit(self, X, performance, cost):
        self.classes_ = np.arange(performance.shape[1])
        return self

    def predict(self, X):
        success, cost = np.hsplit(X, 2)
        return (success - self.cost_weight * cost).argmax(axis=1)


ROUTERS = {
    "RadialRouterClassifier": lambda seed: RadialRouterClassifier(random_state=seed),
    "LinearRouter": lambda seed: LinearRouter(10.0),
    "KNNRouter": lambda seed: KNNRouter(),
    "best": lambda seed: BestPossible(),
}


def default(seed):
    problem = make_routing_problem(N_TRAIN + N_TEST, random_state=seed)
    return problem.queries, problem.performance, problem.cost


def permuted(seed):
    """The outcomes of a problem that can be routed, given to the wrong queries."""
    queries, performance, cost = default(seed)
    order = np.random.default_rng(seed).permutation(N_TRAIN + N_TEST)
    return queries, performance[order], cost[order]


def nearly_equal(seed):
    """LLMs that are nearly equal, and outcomes that do not depend on the query."""
    problem = make_routing_problem(
        N_TRAIN + N_TEST, signal=0.0, skill_spread=0.0, random_state=seed
    )
    return problem.queries, problem.performance, problem.cost


PROBLEMS = {
    "make_routing_problem, default": default,
    "the same, outcomes permuted": permuted,
    "nearly equal LLMs, pure noise": nearly_equal,
}


def what_is_known(seed):
    problem = make_routing_problem(N_TRAIN + N_TEST, random_state=seed)
    return np.hstack([problem.success_probability, problem.cost])


def embed(queries, embeddings):
    """Both without a look at outcomes; what is fitted is fitted on the training queries."""
    if embeddings == "sentences":
        return SentenceEncoder().fit_transform(queries)
    pipeline = make_pipeline(TfidfVectorizer(), TruncatedSVD(48, random_state=0))
    return pipeline.fit(queries[:N_TRAIN]).transform(queries)


def judge(router, X, performance, cost, seed):
    """Report on one fitted router: with the training rows, and without."""
    train, test = slice(0, N_TRAIN), slice(N_TRAIN, None)
    rows = X[test], performance[test]
    settings = {"cost": cost[test], "n_resamples": 999, "random_state": seed}
    reports = [
        routing_report(
            router,
            *rows,
            X_train=X[train],
            y_train=performance[train],
            cost_train=cost[train],
            **settings,
        ),
        routing_report(router, *rows, **settings),
    ]
    gain = reports[0].differences["best single LLM"].difference
    return [gain, *(report.routing_pays for report in reports)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--router", choices=ROUTERS, default="RadialRouterClassifier")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--embeddings", choices=["sentences", "tfidf"], default="sentences")
    parser.add_argument("--cost-weights", type=float, nargs="+", default=[0.02, 0.05, 0.1])
    arguments = parser.parse_args()
    print(
        f"{arguments.router}, {arguments.embeddings} embeddings, {N_TRAIN} training and {N_TEST} "
        f"held-out queries, {arguments.seeds} seeds: verdicts that routing pays, in per cent of "
        "the seeds.\n"
    )
    print("| problem | α | mean gain | yes | yes, without training rows |")
    print("|---|---:|---:|---:|---:|")
    # In noise, the best possible router is the best single LLM.
    best = arguments.router == "best"
    problems = {name: make for name, make in PROBLEMS.items() if make is default or not best}
    results = {}
    for seed in range(arguments.seeds):
        for name, make in problems.items():
            queries, performance, cost = make(seed)
            X = what_is_known(seed) if best else embed(queries, arguments.embeddings)
            for cost_weight in arguments.cost_weights:
                router = ROUTERS[arguments.router](seed).set_params(cost_weight=cost_weight)
                router.fit(X[:N_TRAIN], performance[:N_TRAIN], cost=cost[:N_TRAIN])
                result = judge(router, X, performance, cost, seed)
                results.setdefault((name, cost_weight), []).append(result)
    for name in problems:
        for cost_weight in arguments.cost_weights:
            gain, *yes = np.mean(results[name, cost_weight], axis=0)
            cells = " | ".join(f"{100 * share:.0f}" for share in yes)
            print(f"| {name} | {cost_weight:g} | {gain:+.4f} | {cells} |")


if __name__ == "__main__":
    main()
