"""How long RadialRouter takes, on ready embeddings.

    python benchmarks/speed.py [--data DIR]

times a fit with the default parameters, the choice for one query, and the choice for many. With
`--data` it fits on the RouterBench ``*train*`` files of DIR, otherwise on random numbers of the
same shape (2,225 queries, 384 features, 11 LLMs). It prints Markdown.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from skrouter import RadialRouterClassifier, SentenceEncoder
from skrouter.datasets import load_routerbench


def routerbench(folder):
    train = load_routerbench(sorted(Path(folder).glob("*train*")))
    return SentenceEncoder().fit_transform(train.queries), train.performance, train.cost


def random_numbers():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2225, 384)).astype(np.float32)
    return X, rng.integers(0, 2, (2225, 11)).astype(float), rng.uniform(0.1, 10, (2225, 11))


def median_time(call, n_repeats):
    call()
    times = []
    for _ in range(n_repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return np.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder with RouterBench files")
    arguments = parser.parse_args()
    X, performance, cost = routerbench(arguments.data) if arguments.data else random_numbers()
    router = RadialRouterClassifier(random_state=0)

    fit = median_time(lambda: router.fit(X, performance, cost=cost), 3)
    one = median_time(lambda: router.predict(X[:1]), 300)
    many = np.resize(X, (20_000, X.shape[1]))
    all_of_them = median_time(lambda: router.predict(many), 3)

    print(f"{len(X)} queries, {X.shape[1]} features, {performance.shape[1]} LLMs; medians.\n")
    print("| what | time |")
    print("|---|---:|")
    print(f"| fit, default parameters | {fit:.1f} s |")
    print(f"| predict, one query | {1e3 * one:.2f} ms |")
    print(f"| predict, {len(many):,} queries, per query | {1e6 * all_of_them / len(many):.0f} µs |")


if __name__ == "__main__":
    main()
