"""What the defaults of RadialRouter rest on: train rows and synthetic problems, no test rows.

    python benchmarks/defaults.py --data DIR

changes one default at a time (in one row three, towards the paper's objective) and prints, in
Markdown, the score in cross-validation on the RouterBench ``*train*`` files of DIR, beside that of
the best LLM per task, and the true expected score on synthetic problems. Early stopping is on, as
by default: distillation needs it. Where it sees no gain, the candidate stands at the best single
LLM.
"""

import argparse
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed, parallel_config
from sklearn.model_selection import RepeatedStratifiedKFold

from skrouter import RadialRouterClassifier, SentenceEncoder
from skrouter.baselines import BestPerTaskRouter, BestSingleRouter
from skrouter.datasets import load_routerbench, make_routing_problem

COST_WEIGHTS = (0.02, 0.1)
N_TRAIN, N_TEST, N_PROBLEMS, N_REPEATS = 800, 1500, 5, 1

CANDIDATES = [
    {},
    {"distillation": 0.0},
    {"distillation": 0.8},
    {"learning_rate": 2e-3},
    {"learning_rate": 6e-3},
    {"target_smoothing": 0.0},
    {"target_smoothing": 0.6},
    {"contrastive_weight": 0.0},
    {"contrastive_weight": 1.0},
    {"dropout": 0.1},
    {"dropout": 0.5},
    {"target_temperature": 0.05},
    {"target_temperature": 0.5},
    {"n_layers": 1},
    {"expert_settings": {"outcome_weight": 0.1}},
    {"expert_settings": {"outcome_weight": 1.0}},
    {"trade_off": "fixed"},
    {
        "expert_settings": {"kl_direction": "forward"},
        "target_temperature": 1.0,
        "fit_intercept": False,
    },
]


def received(utility, router, X, **metadata):
    """Utility of the chosen LLM, query by query."""
    chosen = router.predict(X, **metadata)
    return utility[chosen[:, None] == router.classes_]


def utilities(parameters, seed, train, test):
    """Utility on the test rows at each trade-off, of one fit if it serves them all."""
    X, performance, cost = train
    X_test, expected, test_cost = test
    received_at = []
    for cost_weight in COST_WEIGHTS:
        if not received_at or parameters.get("trade_off") == "fixed":
            router = RadialRouterClassifier(
                cost_weight=cost_weight, random_state=seed, **parameters
            ).fit(X, performance, cost=cost)
        utility = expected - cost_weight * test_cost
        chosen = router.predict(X_test, cost_weight=cost_weight)
        received_at.append(utility[chosen[:, None] == router.classes_])
    return received_at


def train_rows(folder, encoder):
    """Fully scored train rows, and the folds of the repeated cross-validation."""
    data = load_routerbench(sorted(Path(folder).glob("*train*")))
    scored = data.performance.notna().all(axis=1).to_numpy()
    X = encoder.fit_transform(data.queries[scored])
    performance, cost = data.performance[scored].to_numpy(), data.cost[scored].to_numpy()
    tasks = data.tasks[scored]
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=N_REPEATS, random_state=0)
    return (X, performance, cost), tasks, list(folds.split(X, tasks))


def synthetic(seed, encoder):
    """Train rows with outcomes at random, and test rows with the true probability of success."""
    problem = make_routing_problem(N_TRAIN + N_TEST, random_state=seed)
    X = encoder.fit_transform(problem.queries)
    cost = np.broadcast_to(problem.cost, problem.performance.shape)
    train = X[:N_TRAIN], problem.performance[:N_TRAIN], cost[:N_TRAIN]
    return train, (X[N_TRAIN:], problem.success_probability[N_TRAIN:], cost[N_TRAIN:])


def per_row(results, folds, n_rows):
    """Mean over repetitions of what each row received."""
    total = np.zeros(n_rows)
    for values, (_, test) in zip(results, folds, strict=True):
        total[test] += values
    return total / N_REPEATS


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder with RouterBench files")
    parser.add_argument(
        "--first", type=int, default=len(CANDIDATES), help="only so many of the candidates"
    )
    arguments = parser.parse_args()
    encoder = SentenceEncoder()
    rows, tasks, folds = train_rows(arguments.data, encoder)
    problems = [synthetic(seed, encoder) for seed in range(N_PROBLEMS)]

    def take(part):
        return tuple(array[part] for array in rows)

    reference = {}
    for cost_weight in COST_WEIGHTS:
        values = []
        for train, test in folds:
            X, performance, cost = take(train)
            router = BestPerTaskRouter(cost_weight=cost_weight)
            router.fit(X, performance, cost=cost, tasks=tasks[train])
            X, performance, cost = take(test)
            utility = performance - cost_weight * cost
            values.append(received(utility, router, X, tasks=tasks[test]))
        reference[cost_weight] = per_row(values, folds, len(tasks))

    heads = [f"{where}, α={a:g}" for where in ("train rows", "synthetic") for a in COST_WEIGHTS]
    print(f"| {' | '.join(['RadialRouter with', *heads])} |")
    print("|---|" + "---:|" * len(heads), flush=True)

    def show(name, cells):
        print(f"| {' | '.join([name, *cells])} |", flush=True)

    singles = []
    for cost_weight in COST_WEIGHTS:
        scores = []
        for (X, performance, cost), (X_test, expected, test_cost) in problems:
            router = BestSingleRouter(cost_weight=cost_weight).fit(X, performance, cost=cost)
            scores.append(received(expected - cost_weight * test_cost, router, X_test).mean())
        singles.append(f"{np.mean(scores):.4f}")
    per_task = [f"{reference[a].mean():.4f}" for a in COST_WEIGHTS]
    show("(best LLM per task; best single LLM)", per_task + singles)

    with parallel_config("loky", inner_max_num_threads=1), Parallel(n_jobs=-1) as parallel:
        for parameters in CANDIDATES[: arguments.first]:
            on_rows = parallel(
                delayed(utilities)(parameters, seed, take(train), take(test))
                for seed, (train, test) in enumerate(folds)
            )
            on_problems = parallel(
                delayed(utilities)(parameters, seed, train, test)
                for seed, (train, test) in enumerate(problems)
            )
            cells = []
            for results, cost_weight in zip(zip(*on_rows, strict=True), COST_WEIGHTS, strict=True):
                scores = per_row(results, folds, len(tasks))
                gain = scores - reference[cost_weight]
                error = gain.std(ddof=1) / len(gain) ** 0.5
                cells.append(f"{scores.mean():.4f} ({gain.mean():+.4f} ± {error:.4f})")
            cells += [f"{np.mean(results):.4f}" for results in zip(*on_problems, strict=True)]
            name = ", ".join(f"{key}={value}" for key, value in parameters.items())
            show(name or "**its defaults**", cells)
    print("\nIn brackets: less the best LLM per task, ± standard error over queries.")


if __name__ == "__main__":
    main()
