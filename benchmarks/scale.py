"""Many queries on several worker processes: how fast, and what a hundred million a day would take.

    python benchmarks/scale.py [--texts 4000] [--rows 200000] [--workers 1 2]

answers texts, and ready embeddings, with ``skrouter.integrations.dask.predict`` on clusters of that
many worker processes of one thread each, the workers warm, the cache of embeddings off; then texts
in a Parquet file as a stream in this process. Every answer must be the router's own. It prints
Markdown: queries per second, and per second that the workers were really computing, which says more
on a busy machine. From the latter follows a plan for ``--per-day`` queries, on paper: nothing of
that size is run here. It exits with 1 if an answer was wrong.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import dask.array as da
import dask.bag as db
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from dask.distributed import Client, LocalCluster, wait
from sklearn.pipeline import Pipeline

from skrouter import RadialRouterClassifier, SentenceEncoder
from skrouter.datasets import make_routing_problem
from skrouter.integrations.dask import predict
from skrouter.integrations.parquet import predict_parquet

N_TRAIN, N_PARTS = 600, 8


def fitted_routers():
    """A router with the default parameters behind the default encoder, and the router alone."""
    data = make_routing_problem(N_TRAIN, random_state=0)
    encoder = SentenceEncoder(cache=None).fit(data.queries)
    embeddings = encoder.transform(data.queries)
    router = RadialRouterClassifier(llm_names=data.llm_names, device="cpu", random_state=0)
    router.fit(embeddings, data.performance, cost=data.cost)
    return Pipeline([("encode", encoder), ("choose", router)]), router, embeddings.shape[1]


def cpu_seconds(client):
    return sum(client.run(time.process_time).values())


def timed(client, lazy):
    """Result, seconds, and seconds that the workers computed."""
    computed, start = cpu_seconds(client), time.perf_counter()
    result = lazy.compute()
    return result, time.perf_counter() - start, cpu_seconds(client) - computed


def warm_up(client, router, X):
    """Let every worker load what it needs."""
    client.run(lambda: router.predict(X) is None)


def plan(per_day, peak, busy, price, rates):
    """What so many queries a day take, from queries per second and core."""
    mean = per_day / 86_400
    cores = {name: peak * mean / rate / busy for name, rate in rates.items()}
    million = {name: 1e6 / rate / busy / 3600 * price for name, rate in rates.items()}
    print(
        f"\n{per_day:,.0f} queries a day are {mean:,.0f} a second, {peak * mean:,.0f} in the "
        f"busiest hours (x {peak:g}).\nCores are {busy:.0%} busy then, a core costs "
        f"{price} dollars an hour.\n"
    )
    print("| what | queries per core-second | cores | dollars per million queries |")
    print("|---|---:|---:|---:|")
    for name, rate in rates.items():
        print(f"| {name} | {rate:,.0f} | {cores[name]:,.1f} | {million[name]:.3f} |")
    row = 4 * 384
    print(
        f"\nEmbeddings of a day, if they were kept: {per_day * row / 1e9:,.0f} GB. The cache on "
        f"disk holds 2 GB, {2e9 / (per_day * row):.1%} of them."
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=4000, help="texts to answer")
    parser.add_argument("--rows", type=int, default=200_000, help="embeddings to answer")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="processes")
    parser.add_argument("--per-day", type=float, default=1e8, help="queries a day, for the plan")
    parser.add_argument("--peak", type=float, default=3.0, help="busiest hours by the mean")
    parser.add_argument("--busy", type=float, default=0.6, help="share of a core that is used")
    parser.add_argument("--price", type=float, default=0.04, help="dollars per core and hour")
    arguments = parser.parse_args()

    on_text, on_numbers, n_features = fitted_routers()
    # Other queries than those of the fit; a number makes each of them another text.
    queries = make_routing_problem(min(arguments.texts, 2000), random_state=1).queries
    texts = [f"{queries[i % len(queries)]} ({i})" for i in range(arguments.texts)]
    # Made by the workers, the same each time.
    X = da.random.default_rng(0).normal(
        scale=n_features**-0.5,
        size=(arguments.rows, n_features),
        chunks=(-(-arguments.rows // N_PARTS), -1),
    )
    first = X.compute(scheduler="threads")
    right = {"text": on_text.predict(texts), "embeddings": on_numbers.predict(first)}
    words = np.mean([len(text.split()) for text in texts])
    print(f"{len(texts):,} texts of {words:.0f} words, {len(X):,} embeddings.\n")
    print("| queries | worker processes | queries per second | per second of computing |")
    print("|---|---:|---:|---:|")
    all_right, rates = True, {}

    def show(what, n_workers, found, seconds, computed):
        nonlocal all_right
        all_right &= np.array_equal(found, right[what])
        n = len(right[what])
        print(f"| {what} | {n_workers} | {n / seconds:,.0f} | {n / computed:,.0f} |", flush=True)
        rates.setdefault(what, n / computed)

    for n_workers in arguments.workers:
        with (
            LocalCluster(
                n_workers=n_workers, threads_per_worker=1, processes=True, dashboard_address=":0"
            ) as cluster,
            Client(cluster) as client,
        ):
            warm_up(client, on_text, texts[:1])
            warm_up(client, on_numbers, first[:1])
            bag = db.from_sequence(texts, npartitions=N_PARTS)
            show("text", n_workers, *timed(client, predict(on_text, bag)))
            blocks = X.persist()
            wait(blocks)
            show("embeddings", n_workers, *timed(client, predict(on_numbers, blocks)))
            del blocks

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "queries.parquet")
        pq.write_table(pa.table({"query": texts}), path)
        start, computed = time.perf_counter(), time.process_time()
        predict_parquet(on_text, path, Path(folder, "answers"))
        used = time.perf_counter() - start, time.process_time() - computed
        found = pq.read_table(Path(folder, "answers", path.name))["llm"].to_pylist()
        show("text", "none, Parquet as a stream", found, *used)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"\nMost memory of this process: {peak:.1f} GB. Answers as without Dask: {all_right}.")
    names = {"text": "encode and choose", "embeddings": "choose alone"}
    rates = {names[what]: rate for what, rate in rates.items()}
    plan(arguments.per_day, arguments.peak, arguments.busy, arguments.price, rates)
    return 0 if all_right else 1


if __name__ == "__main__":
    sys.exit(main())
