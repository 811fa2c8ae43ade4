"""What RadialRouter loses where there is nothing to route by.

    python benchmarks/do_no_harm.py

trains on 800 queries and reports, on 1,200 others, the score of RadialRouter with its default
parameters less that of the best single LLM: the one that is best on the train rows, which is what
a user without a router would call, and the one that is best on the test rows themselves, which
nobody can know. It prints Markdown.
"""

import argparse

import numpy as np

from skrouter import RadialRouterClassifier, SentenceEncoder
from skrouter.baselines import BestSingleRouter
from skrouter.datasets import make_routing_problem

N_TRAIN, N_TEST = 800, 1200


def pure_noise(n_llms, skill_spread):
    def make(seed):
        problem = make_routing_problem(
            N_TRAIN + N_TEST,
            n_llms=n_llms,
            signal=0.0,
            skill_spread=skill_spread,
            random_state=seed,
        )
        return problem.queries, problem.performance, problem.cost

    return make


def nearly_equal(seed):
    """49 LLMs whose queries have topics and difficulties, which no LLM takes better than others."""
    problem = make_routing_problem(N_TRAIN + N_TEST, random_state=seed)
    rng = np.random.default_rng(seed)
    skill = 0.02 * rng.standard_normal(49)
    ease = problem.success_probability.mean(axis=1, keepdims=True)
    success = np.clip(ease + skill, 0, 1)
    performance = (rng.random(success.shape) < success).astype(float)
    return problem.queries, performance, np.ones(49)


def permuted(seed):
    """The outcomes of a problem that can be routed, given to the wrong queries."""
    problem = make_routing_problem(N_TRAIN + N_TEST, random_state=seed)
    order = np.random.default_rng(seed).permutation(N_TRAIN + N_TEST)
    return problem.queries, problem.performance[order], problem.cost[order]


PROBLEMS = {
    "49 nearly equal LLMs, same difficulty for all": nearly_equal,
    "49 nearly equal LLMs, pure noise": pure_noise(49, 0.0),
    "6 unequal LLMs, pure noise": pure_noise(6, 1.0),
    "6 unequal LLMs, permuted outcomes": permuted,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    print(f"Score on {N_TEST} test queries, α = 0.02, mean over {arguments.seeds} seeds.\n")
    print("| problem | less best single LLM of train | less best single LLM of test |")
    print("|---|---:|---:|")
    encoder = SentenceEncoder()
    for name, make in PROBLEMS.items():
        losses = []
        for seed in range(arguments.seeds):
            queries, performance, cost = make(seed)
            X = encoder.fit_transform(queries)
            cost = np.broadcast_to(cost, performance.shape)
            train, test = slice(None, N_TRAIN), slice(N_TRAIN, None)
            outcomes = {"y": performance[train], "cost": cost[train]}
            utility = performance[test] - 0.02 * cost[test]
            router = RadialRouterClassifier(random_state=seed).fit(X[train], **outcomes)
            score = utility[np.arange(N_TEST), router.predict(X[test])].mean()
            singles = utility.mean(axis=0)
            # By the reference router: which of two LLMs with equal means is the first by a rounding
            # error must not matter here.
            best_of_train = BestSingleRouter().fit(X[train], **outcomes).predict(X[:1])[0]
            losses.append([score - singles[best_of_train], score - singles.max()])
        # Rounded, and + 0.0, so that rounding errors do not print as "-0.0000".
        by_train, by_test = np.mean(losses, axis=0).round(4) + 0.0
        print(f"| {name} | {by_train:+.4f} | {by_test:+.4f} |")


if __name__ == "__main__":
    main()
