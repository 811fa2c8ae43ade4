"""RadialRouter on RouterBench rows, beside the references that any router must be held against.

    python benchmarks/routerbench.py --data DIR

trains on all ``*train*`` files of DIR together and reports the fully scored rows of its
``*test*`` files, for the three trade-offs of the paper. RadialRouter has its default parameters, is
fitted once for all trade-offs, and sees no task label. It prints Markdown.
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from skrouter import RadialRouterClassifier, SentenceEncoder
from skrouter.baselines import (
    BestPerTaskRouter,
    BestSingleRouter,
    KNNRouter,
    LinearRouter,
    RandomRouter,
)
from skrouter.datasets import load_routerbench
from skrouter.metrics import oracle_llms, paired_bootstrap, routing_score

COST_WEIGHTS = (0.0, 0.02, 0.1)
TEST_SHARE = 0.3


def load(folder, part):
    return read(files_of(folder, part))


def files_of(folder, part):
    files = sorted(Path(folder).glob(f"*{part}*"))
    if not files:
        raise SystemExit(f"No *{part}* file in {folder}.")
    return files


def read(files, *, trusted=False):
    pickles = [file.name for file in files if file.suffix == ".pkl"]
    if pickles and not trusted:
        raise SystemExit(
            f"{', '.join(pickles)}: unpickling can run any code. Say --trusted, where the command "
            "has it, only if you trust where the file comes from; or convert it to CSV or Parquet."
        )
    return load_routerbench(files, trusted=trusted)


def rows_of(data, rows):
    """Some of the rows: a slice, positions, or booleans."""
    return Bunch(
        queries=data.queries[rows],
        tasks=data.tasks[rows],
        performance=data.performance[rows],
        cost=data.cost[rows],
        llm_names=data.llm_names,
    )


def scored(data):
    """Only the rows on which every LLM was scored."""
    return rows_of(data, data.performance.notna().all(axis=1).to_numpy())


def load_scored(folder, part):
    return scored(load(folder, part))


def split(data, seed):
    """Train and test rows: of each task a share of the distinct queries, whose rows stay together.

    Parameters
    ----------
    data : Bunch
    seed : int

    Returns
    -------
    train, test : Bunch
    """
    rng = np.random.default_rng(seed)
    numbers = {}
    query = np.array([numbers.setdefault(text, len(numbers)) for text in data.queries])
    task_of = data.tasks[np.unique(query, return_index=True)[1]].astype(str)
    is_test = np.zeros(len(numbers), dtype=bool)
    for task in np.unique(task_of):
        members = rng.permutation(np.flatnonzero(task_of == task))
        is_test[members[: round(TEST_SHARE * len(members))]] = True
    return rows_of(data, ~is_test[query]), rows_of(data, is_test[query])


def choices(train, test, X_train, X_test, cost_weight, radial):
    """LLMs chosen by each router: one array per seed, or probabilities for the random router."""
    target = {"y": train.performance, "cost": train.cost}

    def fitted(router, **metadata):
        return router.set_params(cost_weight=cost_weight).fit(X_train, **target, **metadata)

    best_per_task = fitted(BestPerTaskRouter(), tasks=train.tasks)
    oracle = oracle_llms(test.performance, cost=test.cost, cost_weight=cost_weight)
    return {
        "random": [fitted(RandomRouter()).predict_proba(X_test)],
        "best single LLM": [fitted(BestSingleRouter()).predict(X_test)],
        "best LLM per task (told the task)": [best_per_task.predict(X_test, tasks=test.tasks)],
        "kNN": [fitted(KNNRouter()).predict(X_test)],
        "ridge": [fitted(LinearRouter()).predict(X_test)],
        "**RadialRouter**": [router.predict(X_test, cost_weight=cost_weight) for router in radial],
        "oracle (cheapest of equals)": [oracle],
    }


def print_table(title, chosen, test, weight):
    print(f"\n{title}\n")
    heads = [f"α={a:g} {what}" for a in COST_WEIGHTS for what in ("perf.", "cost", "score")]
    print("| router | " + " | ".join(heads) + " |")
    print("|---|" + "---:|" * len(heads))
    for name in chosen[COST_WEIGHTS[0]]:
        cells = []
        for cost_weight in COST_WEIGHTS:
            scores = np.array(
                [
                    routing_score(
                        test.performance,
                        llms,
                        cost=test.cost,
                        cost_weight=cost_weight,
                        sample_weight=weight,
                    )[:3]
                    for llms in chosen[cost_weight][name]
                ]
            )
            performance, cost, score = scores.mean(axis=0)
            spread = f" ± {scores[:, 2].std(ddof=1):.4f}" if len(scores) > 1 else ""
            cells += [f"{performance:.4f}", f"{cost:.3f}", f"{score:.4f}{spread}"]
        print(f"| {name} | " + " | ".join(cells) + " |")


def received(test, llms, cost_weight):
    """Utility of the chosen LLM on each query."""
    utility = (test.performance - cost_weight * test.cost).to_numpy()
    column = {name: j for j, name in enumerate(test.performance.columns)}
    return utility[np.arange(len(utility)), [column[llm] for llm in llms]]


def print_intervals(chosen, test):
    print("\nRadialRouter, mean over seeds, less each reference: mean difference of the score over")
    print("test queries [95 % paired bootstrap interval]\n")
    print("| reference | " + " | ".join(f"α={a:g}" for a in COST_WEIGHTS) + " |")
    print("|---|" + "---|" * len(COST_WEIGHTS))
    for name in ("best single LLM", "best LLM per task (told the task)", "kNN", "ridge"):
        cells = []
        for cost_weight in COST_WEIGHTS:
            ours = np.mean(
                [
                    received(test, llms, cost_weight)
                    for llms in chosen[cost_weight]["**RadialRouter**"]
                ],
                axis=0,
            )
            theirs = received(test, chosen[cost_weight][name][0], cost_weight)
            result = paired_bootstrap(ours, theirs, random_state=0)
            cells.append(f"{result.difference:+.4f} [{result.low:+.4f}, {result.high:+.4f}]")
        print(f"| {name} | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder with RouterBench files")
    parser.add_argument("--seeds", type=int, default=5, help="fits of RadialRouter")
    arguments = parser.parse_args()

    train, test = load(arguments.data, "train"), load_scored(arguments.data, "test")
    encoder = SentenceEncoder()
    X_train, X_test = encoder.fit_transform(train.queries), encoder.transform(test.queries)

    tasks, sizes = np.unique(test.tasks, return_counts=True)
    print(
        f"{len(X_train)} train and {len(X_test)} fully scored test queries, "
        f"{train.performance.shape[1]} LLMs, tasks: {', '.join(tasks)}. Cost in US dollars per "
        f"1,000 queries. RadialRouter: mean and standard deviation over {arguments.seeds} seeds."
    )
    # One fit serves every trade-off.
    radial = [
        RadialRouterClassifier(random_state=seed).fit(X_train, train.performance, cost=train.cost)
        for seed in range(arguments.seeds)
    ]
    chosen = {
        cost_weight: choices(train, test, X_train, X_test, cost_weight, radial)
        for cost_weight in COST_WEIGHTS
    }
    print_table("Micro average: every query counts the same", chosen, test, None)
    per_task = dict(zip(tasks, sizes, strict=True))
    weight = np.array([1.0 / per_task[task] for task in test.tasks])
    print_table("Macro average: every task counts the same", chosen, test, weight)
    print_intervals(chosen, test)


if __name__ == "__main__":
    main()
