"""
A pool that changes
===================

An outage, a new price, and a new LLM of which only a few scores are known, without a new fit.
"""

# %%
# A router without the newest LLM
# -------------------------------

import pickle

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from skrouter import RadialRouterClassifier
from skrouter.datasets import make_routing_problem
from skrouter.metrics import routing_score, routing_share

ALPHA = 0.05
data = make_routing_problem(800, random_state=0)
new = "synthetic-medium"
names = [name for name in data.llm_names if name != new]
columns = [data.llm_names.index(name) for name in [*names, new]]
performance, cost = data.performance[:, columns], data.cost[:, columns]
train, test = slice(0, 400), slice(400, None)
embed = make_pipeline(TfidfVectorizer(), TruncatedSVD(48, random_state=0))
X = embed.fit(data.queries[train]).transform(data.queries)


def fit(pool, n_llms):
    router = RadialRouterClassifier(cost_weight=ALPHA, llm_names=pool, random_state=0)
    return router.fit(X[train], performance[train, :n_llms], cost=cost[train, :n_llms])


router = fit(names, len(names))

# %%
# An outage
# ---------
#
# Until it is over, everything else may be called.

up = [name for name in names if name != "synthetic-large"]
print("usually:", routing_share(router.predict(X[test]), llm_names=names))
print("outage: ", routing_share(router.predict(X[test], allowed=up), llm_names=names))

# %%
# A new price
# -----------
#
# The largest LLM costs a tenth from now on. Only a copy is changed here.

cheaper = pickle.loads(pickle.dumps(router))
cheaper.update_cost({"synthetic-large": 0.1}, relative=True)
print("cheaper:", routing_share(cheaper.predict(X[test]), llm_names=names))

# %%
# A new LLM
# ---------
#
# It was scored on a few queries. With more of them the score nears that of a new fit, for which the
# LLM was scored on all 400. The band leaves out a tenth of the draws at either end.


def score(router):
    llms = router.predict(X[test])
    return routing_score(
        performance[test], llms, cost=cost[test], cost_weight=ALPHA, llm_names=[*names, new]
    ).utility


saved, full = pickle.dumps(router), fit([*names, new], len(columns))
sizes = [5, 20, 50, 100, 200]
curve = []
for size in sizes:
    scores = []
    for draw in range(6):
        rows = np.random.default_rng(draw).choice(400, size, replace=False)
        router = pickle.loads(saved)
        router.add_llm(new, performance[rows, -1], cost[rows, -1], X[rows])
        scores.append(score(router))
    curve.append(np.quantile(scores, [0.1, 0.5, 0.9]))
low, middle, high = np.transpose(curve)

figure, ax = plt.subplots(layout="constrained")
ax.fill_between(sizes, low, high, color="#0072B2", alpha=0.2, lw=0)
ax.plot(sizes, middle, "o-", color="#0072B2", label="added from a few scores (median)")
ax.axhline(score(full), color="#009E73", ls="--", label="a new fit on all scores")
ax.axhline(score(pickle.loads(saved)), color="#D55E00", ls=":", label="without the new LLM")
ax.set(
    xscale="log",
    xticks=sizes,
    xticklabels=sizes,
    xlabel="queries that the new LLM was scored on",
    ylabel=f"score (performance − {ALPHA} · cost)",
)
ax.minorticks_off()
ax.legend()
plt.show()
