"""How long RadialRouter takes, on ready embeddings.

    python benchmarks/speed.py [--data DIR] [--against CHECKOUT] [--large]

times a fit with the default parameters, the choice for one query, and the choice for many. With
`--data` it fits on the RouterBench ``*train*`` files of DIR, otherwise on random numbers of the
same shape (2,225 queries, 384 features, 11 LLMs). With `--against` the same is measured with the
code of another checkout, in turn with this one, and the ratio stands beside the medians: machines
differ, and so do their hours. `--large` adds fits of the size of the whole RouterBench, and of few
queries and many LLMs, with the memory they take. It prints Markdown.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SEVERAL, MANY = 300, 20_000
LARGE = ((36_497, 11), (200, 1500), (2000, 1000))


def routerbench(folder):
    from skrouter import SentenceEncoder
    from skrouter.datasets import load_routerbench

    train = load_routerbench(sorted(Path(folder).glob("*train*")))
    X = SentenceEncoder().fit_transform(train.queries)
    return X, train.performance.to_numpy(), train.cost.to_numpy()


def random_numbers(n_queries=2225, n_llms=11):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_queries, 384)).astype(np.float32)
    # What is good depends on the query: otherwise no network would be trained on all of them.
    level = rng.normal(size=n_llms) + np.tanh(X[:, :4]) @ rng.normal(size=(4, n_llms))
    performance = (rng.random((n_queries, n_llms)) < 1 / (1 + np.exp(-level))).astype(float)
    return X, performance, rng.uniform(0.1, 10, (n_queries, n_llms))


def seconds(call, n_repeats, clock=time.perf_counter):
    times = []
    for _ in range(n_repeats):
        start = clock()
        call()
        times.append(clock() - start)
    return float(np.median(times))


def measure(X, performance, cost):
    """Times of one fit and of predictions, in seconds, and what the process needed of memory."""
    from skrouter import RadialRouterClassifier

    router = RadialRouterClassifier(random_state=0)
    # What the first fit of a process imports is not what a fit takes.
    router.fit(X[:100], performance[:100], cost=cost[:100])
    start = time.process_time()
    wall = seconds(lambda: router.fit(X, performance, cost=cost), 1)
    of_fit = {"fit": wall, "processor": time.process_time() - start}
    # Of the process so far, imports included.
    of_fit["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    router.predict(X[:1])
    many = np.resize(X, (MANY, X.shape[1]))
    router.predict(many)
    return {
        **of_fit,
        "one": seconds(lambda: router.predict(X[:1]), SEVERAL),
        "many": seconds(lambda: router.predict(many), 3) / MANY,
    }


def in_turn(checkouts, data, n_rounds):
    """Medians of what each checkout needs, in processes of their own that take turns."""
    found = {checkout: [] for checkout in checkouts}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.npz"
        np.savez(path, *data)
        for _ in range(n_rounds):
            for checkout in checkouts:
                output = subprocess.run(
                    [sys.executable, __file__, "--measure", str(path)],
                    env={**os.environ, "PYTHONPATH": str(checkout)},
                    check=True,
                    stdout=subprocess.PIPE,
                    text=True,
                ).stdout
                found[checkout].append(json.loads(output.splitlines()[-1]))
    return [
        {name: float(np.median([run[name] for run in runs])) for name in runs[0]}
        for runs in found.values()
    ]


def print_table(title, results):
    rows = [
        ("fit, default parameters", "fit", "{:.1f} s", 1),
        ("the same, processor time", "processor", "{:.1f} s", 1),
        ("memory of the process after it", "memory", "{:.2f} GB", 1e-9),
        ("predict, one query", "one", "{:.2f} ms", 1e3),
        (f"predict, {MANY:,} queries, per query", "many", "{:.0f} µs", 1e6),
    ]
    compared = len(results) == 2
    print(f"\n{title}; medians.\n")
    print("| what | now |" + (" before | before / now |" if compared else ""))
    print("|---|---:|" + ("---:|---:|" if compared else ""))
    for name, key, shape, unit in rows:
        cells = [shape.format(unit * result[key]) for result in results]
        if compared:
            cells.append(f"{results[1][key] / results[0][key]:.1f}")
        print(f"| {name} | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder with RouterBench files")
    parser.add_argument("--against", type=Path, help="another checkout, to compare with")
    parser.add_argument("--large", action="store_true", help="larger fits as well")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        with np.load(arguments.measure) as data:
            print(json.dumps(measure(*data.values())))
        return
    checkouts = [Path(__file__).resolve().parents[1]]
    if arguments.against:
        checkouts.append(arguments.against.resolve())
    data = routerbench(arguments.data) if arguments.data else random_numbers()
    shape = f"{len(data[0]):,} queries, {data[0].shape[1]} features, {data[1].shape[1]} LLMs"
    print_table(shape, in_turn(checkouts, data, arguments.rounds))
    for n_queries, n_llms in LARGE if arguments.large else ():
        data = random_numbers(n_queries, n_llms)
        shape = f"{n_queries:,} queries, 384 features, {n_llms:,} LLMs, random numbers"
        print_table(shape, in_turn(checkouts[:1], data, 1))


if __name__ == "__main__":
    main()
