r"""Other people's routers and ours, on the same embeddings and outcomes, in one process.

    pip install --no-deps argrouter==0.1.0a2 cre-router==0.6.3 llmrouter-lib==0.4.0 \
        paretobandit==0.1.1
    python benchmarks/peers.py --data DIR

fits each on the RouterBench ``*train*`` files of DIR and prints, for the fully scored rows of the
``*test*`` files, the score at the three trade-offs of the paper, the time of a fit, of the choice
for one query, and the queries chosen for per second. `--no-deps`, since their dependencies do not
fit together with ours; what they need for this is there with ``pip install "skrouter[test]"``. A
package that is not installed is named with the reason, and left out. It prints Markdown.

Each is used as its authors say. What they leave to the user is said at each function. Times are the
processor's, in one thread, so that other work on the machine counts little. Where one fit serves
all trade-offs, the time is that of one fit; where not, the mean of the three.
"""

import argparse
import contextlib
import io
import json
import logging
import tempfile
import time
from importlib import metadata
from pathlib import Path

import numpy as np
import torch

from skrouter import RadialRouterClassifier, SentenceEncoder
from skrouter.baselines import (
    BestPerTaskRouter,
    BestSingleRouter,
    ClusterRouter,
    KNNRouter,
    LinearRouter,
)
from skrouter.datasets import load_routerbench
from skrouter.metrics import oracle_llms, routing_score

COST_WEIGHTS = (0.0, 0.02, 0.1)


# Each function takes the train rows (embeddings, performance, cost in dollars per 1,000 queries,
# NaN where unknown) and returns what makes, for a trade-off, a function from embeddings to columns,
# and whether it was fitted for all trade-offs at once.


def argrouter(X, performance, cost):
    """Logistic heads blended with neighbours. The package does not train them: scikit-learn does.

    A score of a half or more counts as right. It wants complete rows, and dollars per query.
    """
    from argrouter.router import Router
    from sklearn.linear_model import LogisticRegression

    known = ~np.isnan(performance + cost).any(axis=1)
    X, performance, cost = X[known].astype(float), performance[known], cost[known]
    X = X / np.linalg.norm(X, axis=1, keepdims=True)
    heads = [LogisticRegression(max_iter=1000).fit(X, y >= 0.5) for y in performance.T]
    router = Router(
        [str(j) for j in range(performance.shape[1])],
        np.concatenate([head.coef_ for head in heads]),
        np.concatenate([head.intercept_ for head in heads]),
        X,
        performance,
        cost / 1000,
    )

    def at(cost_weight):
        router.lam = 1000 * cost_weight
        return router.route_embeddings

    return at, True


def cre_router(X, performance, cost):
    """The cheapest of the best per cluster. Milliseconds stand for the mean dollars of each LLM.

    It scales costs to [0, 1], so its exchange rate is the trade-off times their range.
    """
    from cre_router.clustering import assign_clusters, fit_clusters
    from cre_router.routing import ModelStats, assign

    clusters = fit_clusters(X)
    price = np.nanmean(cost, axis=0)
    models = [
        ModelStats(
            str(j),
            price[j],
            {
                str(c): 1 - np.nanmean(performance[clusters.labels == c, j])
                for c in range(clusters.k)
            },
        )
        for j in range(len(price))
    ]

    def at(cost_weight):
        table = assign(models, cost_weight * np.ptp(price))
        column = np.array([int(table[str(c)]) for c in range(clusters.k)])
        return lambda queries: column[assign_clusters(queries, clusters.centroids)]

    return at, True


def pareto_bandit(X, performance, cost):
    """LinUCB, told the outcome of every LLM on every train query, and then without exploration.

    Its own price for cost is a logarithm per LLM, without dollars: the reward is the utility, whose
    range it is told.
    """
    from pareto_bandit import BanditRouter
    from pareto_bandit.feature_service import FeatureService
    from pareto_bandit.types import RouterConfig

    def features(X):
        return np.column_stack([X, np.ones(len(X))]).astype(float)

    def at(cost_weight):
        utility = performance - cost_weight * cost
        router = BanditRouter.create(
            model_registry={
                str(j): {"input_cost_per_m": price, "output_cost_per_m": price}
                for j, price in enumerate(np.nanmean(cost, axis=0))
            },
            priors="none",
            feature_service=FeatureService.for_precomputed(X.shape[1] + 1),
            cost_penalty=0.0,
            forgetting_factor=1.0,
            config=RouterConfig(
                reward_min=float(np.nanmin(utility)), reward_max=float(np.nanmax(utility))
            ),
        )
        for x, row in zip(features(X), utility, strict=True):
            for j in np.flatnonzero(~np.isnan(row)):
                router.update(str(j), x, row[j])

        def choose(queries):
            with router.exploit():
                return np.array([int(router.route(x)[0]) for x in features(queries)])

        return choose

    return at, False


def llmrouter(X, performance, cost):
    """Its kNN, of 5: which LLM was best, by majority, ties to the first listed.

    It knows performance alone, for which it is given the utility.
    """
    from llmrouter.models.knnrouter import KNNRouter, KNNRouterTrainer

    def at(cost_weight):
        utility = performance - cost_weight * cost
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            here = Path(folder)
            with open(here / "routing.jsonl", "w") as stream:
                for i, j in np.argwhere(~np.isnan(utility)):
                    row = {"query": str(i), "embedding_id": int(i), "model_name": str(j)}
                    stream.write(json.dumps({**row, "performance": utility[i, j]}) + "\n")
            torch.save(torch.from_numpy(X), here / "embeddings.pt")
            settings = {
                "data_path": {
                    "routing_data_train": str(here / "routing.jsonl"),
                    "query_embedding_data": str(here / "embeddings.pt"),
                },
                "hparam": {"n_neighbors": 5},
                "model_path": {
                    "ini_model_path": str(here / "none.pkl"),
                    "save_model_path": str(here / "model.pkl"),
                },
            }
            (here / "router.yaml").write_text(json.dumps(settings))  # JSON is YAML
            router = KNNRouter(str(here / "router.yaml"))
            KNNRouterTrainer(router).train()
        return lambda queries: router.knn_model.predict(queries).astype(int)

    return at, False


PEERS = {
    "argrouter": argrouter,
    "cre-router": cre_router,
    "paretobandit": pareto_bandit,
    "llmrouter-lib": llmrouter,
}


def ours(router):
    """A router of skrouter, as the functions above have it."""

    def make(X, performance, cost):
        if router._any_trade_off:
            router.fit(X, performance, cost=cost)
            return lambda a: lambda queries: router.predict(queries, cost_weight=a), True

        def at(cost_weight):
            router.set_params(cost_weight=cost_weight).fit(X, performance, cost=cost)
            return router.predict

        return at, False

    return make


OURS = {
    "RadialRouterClassifier": ours(RadialRouterClassifier(random_state=0)),
    "KNNRouter": ours(KNNRouter()),
    "LinearRouter": ours(LinearRouter()),
    "ClusterRouter": ours(ClusterRouter(random_state=0)),
    "BestSingleRouter": ours(BestSingleRouter()),
}


def clock(call):
    start = time.process_time()
    result = call()
    return result, time.process_time() - start


def measure(make, train, test):
    """Scores at the trade-offs; seconds of a fit and of one choice; choices per second."""
    X, performance, cost = train
    (at, joint), once = clock(lambda: make(X, performance, cost))
    scores, fits = [], []
    for cost_weight in COST_WEIGHTS:
        choose, seconds = clock(lambda a=cost_weight: at(a))
        fits.append(seconds)
        scores.append(score(np.asarray(choose(test[0]), dtype=int), test, cost_weight))
    one = np.median([clock(lambda i=i: choose(test[0][i : i + 1]))[1] for i in range(200)])
    many = min(clock(lambda: choose(test[0]))[1] for _ in range(3))
    return scores, once + (0 if joint else np.mean(fits)), one, len(test[0]) / many


def score(llms, test, cost_weight):
    _, performance, cost = test
    return routing_score(performance, llms, cost=cost, cost_weight=cost_weight)[2]


def read(folder, part):
    files = sorted(Path(folder).glob(f"*{part}*"))
    if not files:
        raise SystemExit(f"No *{part}* file in {folder}.")
    data = load_routerbench(files)
    performance, cost = data.performance.to_numpy(), data.cost.to_numpy()
    kept = slice(None) if part == "train" else ~np.isnan(performance).any(axis=1)
    X = SentenceEncoder().fit_transform(data.queries)
    return (X[kept], performance[kept], cost[kept]), data.tasks[kept]


def print_row(name, scores, fit=None, one=None, many=None):
    cells = [f"{value:.4f}" for value in scores]
    cells += (
        ["", "", ""] if fit is None else [f"{fit:.2f} s", f"{1e3 * one:.2f} ms", f"{many:,.0f}"]
    )
    print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder with RouterBench files")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    (train, tasks), (test, test_tasks) = read(arguments.data, "train"), read(arguments.data, "test")

    print(f"{len(train[0])} train and {len(test[0])} test queries, {train[1].shape[1]} LLMs.\n")
    heads = [f"α={a:g}" for a in COST_WEIGHTS] + ["fit", "one query", "queries per s"]
    print("| router | " + " | ".join(heads) + " |")
    print("|---|" + "---:|" * len(heads))
    left_out = []
    for package, make in PEERS.items():
        try:
            name = f"{package} {metadata.version(package)}"
            print_row(name, *measure(make, train, test))
        except ImportError as error:  # PackageNotFoundError is one
            left_out.append(f"{package} is left out: {error}")
    for name, make in OURS.items():
        print_row(f"skrouter: {name}", *measure(make, train, test))
    told, best = [], []
    for a in COST_WEIGHTS:
        router = BestPerTaskRouter(cost_weight=a).fit(
            train[0], train[1], cost=train[2], tasks=tasks
        )
        told.append(score(router.predict(test[0], tasks=test_tasks), test, a))
        best.append(score(oracle_llms(test[1], cost=test[2], cost_weight=a), test, a))
    print_row("best LLM per task (told the task)", told)
    print_row("oracle", best)
    print("\n".join(["", *left_out]))


if __name__ == "__main__":
    main()
