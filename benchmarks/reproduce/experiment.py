"""Puts the parts together to results: plain values by table, as they go into results.json."""

from itertools import product

import numpy as np

from reproduce.settings import (
    ABLATIONS,
    BACKBONES,
    BEST_PER_TASK,
    BEST_SINGLE,
    COSINE_ROUTERS,
    CURVE,
    CURVE_ROUTERS,
    LATENCY_BATCHES,
    LEARNED,
    POOL_COST_WEIGHT,
    QUICK_CURVE,
    RADIAL,
    ROUTERS,
    TSNE_WEIGHTS,
    is_seeded,
    latency_pools,
    n_candidates,
    pool_sizes,
)
from reproduce.store import Part
from skrouter.baselines import ZeroRouter
from skrouter.metrics import oracle_llms

RADIALFORMER = "RadialFormer"
RANDOM = "random (expectation)"
ZERO = "zero router at RadialRouter's cost"
# What the loss of a router asks for if it knows the task: no router, but the limit of its target.
TOLD = {f"loss of {name}, told the task": name for name in COSINE_ROUTERS}
ORACLES = {"oracle, cheapest of equals": "cheapest", "oracle, first of equals": "first"}
ROWS = [RANDOM, BEST_SINGLE, BEST_PER_TASK, ZERO, *LEARNED, *TOLD, *ORACLES]


# What is compared: (ours, theirs) by title, for each comparison.
COMPARISONS = {
    "best LLM per task": {name: (name, BEST_PER_TASK) for name in ROWS},
    "best single LLM": {name: (name, BEST_SINGLE) for name in [*LEARNED, *TOLD]},
    "other routers": {name: (RADIAL, name) for name in LEARNED if name != RADIAL},
    "backbones": {name: (RADIALFORMER, name) for name in BACKBONES if name != RADIALFORMER},
}


class Experiment:
    """All parts of one run, and what follows from them."""

    def __init__(self, data, store, *, cost_weights, n_seeds, quick, encoder, n_jobs):
        self.data = data
        self.store = store
        self.cost_weights = cost_weights
        self.n_seeds = n_seeds
        self.quick = quick
        self.encoder = encoder
        self.n_jobs = n_jobs
        self.performance, self.cost = np.moveaxis(data.y_test, -1, 0)
        _, task, sizes = np.unique(data.tasks_test, return_inverse=True, return_counts=True)
        self.weights = {"micro": np.ones(len(task)), "macro": 1 / sizes[task]}
        self.curve = sorted({*cost_weights, *(QUICK_CURVE if quick else CURVE)})

    def run(self):
        """Compute what is missing; afterwards the methods below only read."""
        if n_candidates(self.quick) > 1:
            searches = [(name, a) for name in LEARNED for a in self.cost_weights]
            searches += [(name, a) for name in self._pictured() for a in self.curve]
            self._compute(self._search(name, a) for name, a in searches)
        fits = [part for name in ROUTERS for a in self.cost_weights for part in self._best(name, a)]
        fits += [
            part
            for parameters in ABLATIONS.values()
            for a in self.cost_weights
            for part in self.fits(RADIAL, a, parameters)
        ]
        fits += [part for name in CURVE_ROUTERS for a in self.curve for part in self._best(name, a)]
        fits += [self._told(name, a) for name in COSINE_ROUTERS for a in self.cost_weights]
        fits += [part for pool in self._pools() for part in self._grown(pool)]
        self._compute(fits + [self.tsne(weight) for weight in TSNE_WEIGHTS.values()])
        self._compute(
            self._interval(ours, theirs, a, average)
            for pairs in COMPARISONS.values()
            for ours, theirs in pairs.values()
            for a in self.cost_weights
            for average in self.weights
        )
        # One at a time, with nothing beside them.
        latencies = [self._head(parameters) for parameters in ABLATIONS.values()]
        latencies += [self._pool_latency(*case) for case in self._latency_cases()]
        self._compute([*latencies, self._encoder()], n_jobs=1)

    def table_1(self):
        """Every router at every trade-off, by kind of average."""
        return {
            average: {
                name: {
                    f"{a:g}": self._summary(self.outcomes(name, a), a, average)
                    | {"difference": self.store[self._interval(name, BEST_PER_TASK, a, average)]}
                    for a in self.cost_weights
                }
                for name in ROWS
            }
            for average in self.weights
        }

    def chosen(self):
        """What the search found: parameters, and the scores of all candidates. Empty without."""
        if n_candidates(self.quick) == 1:
            return {}
        return {
            name: {f"{a:g}": self.store[self._search(name, a)] for a in self.cost_weights}
            for name in LEARNED
        }

    def differences(self, comparison):
        """One of the comparisons, with intervals, by kind of average."""
        return {
            average: {
                title: {
                    f"{a:g}": self.store[self._interval(*pair, a, average)]
                    for a in self.cost_weights
                }
                for title, pair in COMPARISONS[comparison].items()
            }
            for average in self.weights
        }

    def epochs(self):
        """Epochs of each fit of RadialRouter in Table 1; 0 is the best single LLM."""
        return {
            f"{a:g}": [self.store[part]["n_iter"] for part in self._best(RADIAL, a)]
            for a in self.cost_weights
        }

    def table_2(self):
        """Ablations at default parameters, and latencies."""
        rows = {}
        for name, parameters in ABLATIONS.items():
            parts = {a: self.fits(RADIAL, a, parameters) for a in self.cost_weights}
            rows[name] = {"head_ms": self.store[self._head(parameters)]["ms"]}
            for average in self.weights:
                rows[name][average] = {
                    f"{a:g}": self._summary(self._read(parts[a]), a, average) for a in parts
                }
            rows[name]["epochs"] = {
                f"{a:g}": [self.store[part]["n_iter"] for part in parts[a]] for a in parts
            }
        return {"rows": rows, "encoder_ms": self.store[self._encoder()]["ms"]}

    def pool_latency(self):
        """Milliseconds per query of untrained backbones, by size of the pool and of the batch."""
        rows = {name: {} for name in BACKBONES}
        for name, n_llms, batch in self._latency_cases():
            result = self.store[self._pool_latency(name, n_llms, batch)]
            rows[name][f"{n_llms} LLMs, {batch} at once"] = result["ms"]
        return rows

    def growing_pool(self):
        """RadialRouter, the best single LLM and the oracle over growing pools (micro)."""
        rows = []
        for pool in self._pools():
            oracle = oracle_llms(self.data.y_test[:, pool], cost_weight=POOL_COST_WEIGHT)
            columns = {
                RADIAL: self._read(self._grown(pool)),
                # The pool begins with the LLM that is best on the train rows.
                BEST_SINGLE: self._take([np.full(len(oracle), pool[0])]),
                "oracle": self._take([np.asarray(pool)[oracle]]),
            }
            summaries = {
                name: self._summary(outcomes, POOL_COST_WEIGHT, "micro")
                for name, outcomes in columns.items()
            }
            rows.append({"n_llms": len(pool), "added": pool[-1]} | summaries)
        return rows

    def trade_offs(self):
        """Mean outcomes of the routers of the pictures (micro)."""
        return {
            name: {
                f"{a:g}": self._summary(self._read(self._best(name, a)), a, "micro")
                for a in self.curve
            }
            for name in CURVE_ROUTERS
        }

    def shares(self, name, cost_weight):
        """Share of the seeds in which each LLM is chosen, by test query."""
        chosen = [self.store[part]["llms"] for part in self._best(name, cost_weight)]
        return np.mean(np.eye(self.performance.shape[1])[np.array(chosen)], axis=0)

    def outcomes(self, name, cost_weight):
        """Performance and cost by seed and test query: of a row of Table 1, or a backbone."""
        if name == RANDOM:
            return self.performance.mean(axis=1)[None], self.cost.mean(axis=1)[None]
        if name == ZERO:
            budget = self.outcomes(RADIAL, cost_weight)[1].mean()
            zero = ZeroRouter(budget, cost_weight=cost_weight)
            zero.fit(self.data.X_train, self.data.y_train)
            shares = zero.predict_proba(self.data.X_test)
            return (shares * self.performance).sum(1)[None], (shares * self.cost).sum(1)[None]
        if name in ORACLES:
            ties = ORACLES[name]
            return self._take([oracle_llms(self.data.y_test, cost_weight=cost_weight, ties=ties)])
        if name in TOLD:
            return self._read([self._told(TOLD[name], cost_weight)])
        if name in BACKBONES:
            row = RADIAL if name == RADIALFORMER else f"{RADIALFORMER} → {name}"
            return self._read(self.fits(RADIAL, cost_weight, ABLATIONS[row]))
        return self._read(self._best(name, cost_weight))

    def fits(self, name, cost_weight, parameters=None, pool=None):
        """The fits of a router, one per seed if a seed matters."""
        settings = {
            "router": name,
            "parameters": parameters or {},
            "cost_weight": cost_weight,
            **({} if pool is None else {"pool": pool}),
        }
        seeds = range(self.n_seeds) if is_seeded(name) else [None]
        return [Part("fit", settings | {"seed": seed}) for seed in seeds]

    def tsne(self, contrastive_weight):
        """The picture of the test queries at a weight of the contrastive loss."""
        settings = {"contrastive_weight": contrastive_weight, "cost_weight": POOL_COST_WEIGHT}
        return Part("tsne", settings)

    def _compute(self, parts, n_jobs=None):
        self.store.compute(list(parts), self.data, n_jobs or self.n_jobs)

    def _search(self, name, cost_weight):
        # The grid is part of the settings: another one is another search.
        settings = {"router": name, "cost_weight": cost_weight}
        return Part("search", settings | {"grid": ROUTERS[name][1]})

    def _parameters(self, name, cost_weight):
        if ROUTERS[name][1] is None or n_candidates(self.quick) == 1:
            return {}
        return self.store[self._search(name, cost_weight)]["parameters"]

    def _best(self, name, cost_weight):
        return self.fits(name, cost_weight, self._parameters(name, cost_weight))

    def _told(self, name, cost_weight):
        settings = {"router": name, "cost_weight": cost_weight}
        return Part("told_task", settings | {"parameters": self._parameters(name, cost_weight)})

    def _interval(self, ours, theirs, cost_weight, average):
        ours, theirs = (
            np.mean(performance - cost_weight * cost, axis=0).round(9).tolist()
            for performance, cost in (
                self.outcomes(ours, cost_weight),
                self.outcomes(theirs, cost_weight),
            )
        )
        settings = {"ours": ours, "theirs": theirs, "macro": average == "macro"}
        return Part("interval", settings | ({"n_resamples": 999} if self.quick else {}))

    def _head(self, parameters):
        return Part("head_latency", {"parameters": parameters, "n_repeats": self._n_repeats()})

    def _latency_cases(self):
        """(backbone, number of LLMs, queries at once)."""
        return list(product(BACKBONES, latency_pools(self.quick), LATENCY_BATCHES))

    def _pool_latency(self, name, n_llms, batch):
        settings = {"backbone": BACKBONES[name], "n_llms": n_llms, "batch": batch}
        return Part("pool_latency", settings | {"seconds": 0.3 if self.quick else 2.0})

    def _encoder(self):
        settings = {"encoder": self.encoder, "n_repeats": self._n_repeats()}
        return Part("encoder_latency", settings)

    def _pictured(self):
        """Routers of the pictures that have candidates."""
        return [name for name in CURVE_ROUTERS if name in LEARNED]

    def _n_repeats(self):
        return 50 if self.quick else 300

    def _pools(self):
        """Growing pools of columns: the LLM of best mean train utility first."""
        utility = self.data.y_train[..., 0] - POOL_COST_WEIGHT * self.data.y_train[..., 1]
        order = np.argsort(-np.nanmean(utility, axis=0), kind="stable").tolist()
        return [order[:n] for n in pool_sizes(len(order), self.quick)]

    def _grown(self, pool):
        return self.fits(RADIAL, POOL_COST_WEIGHT, pool=pool)

    def _read(self, parts):
        results = [self.store[part] for part in parts]
        performance, cost = self._take([result["llms"] for result in results])
        if "cost" in results[0]:
            cost = np.array([result["cost"] for result in results])
        return performance, cost

    def _take(self, columns):
        rows, columns = np.arange(len(self.performance)), np.asarray(columns)
        return self.performance[rows, columns], self.cost[rows, columns]

    def _summary(self, outcomes, cost_weight, average):
        """Means over queries and seeds, and the standard deviation of the score over seeds."""
        weights = self.weights[average]
        performance, cost = (np.average(part, axis=1, weights=weights) for part in outcomes)
        score = performance - cost_weight * cost
        return {
            "performance": float(performance.mean()),
            "cost": float(cost.mean()),
            "score": float(score.mean()),
            "sd": float(score.std(ddof=1)) if len(score) > 1 else None,
        }
