"""
One fit, every trade-off
========================

A router is fitted once and asked at any trade-off: for all queries, or for each its own.
"""

# %%
# Fit once
# --------
#
# The router learns what each LLM achieves and what it costs, apart from each other.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from skrouter import RadialRouterClassifier
from skrouter.baselines import BestPerTaskRouter, KNNRouter
from skrouter.datasets import make_routing_problem
from skrouter.metrics import CostQualityDisplay

data = make_routing_problem(900, random_state=0)
names = data.llm_names
train, test = slice(0, 500), slice(500, None)
# No download: words instead of a sentence encoder.
embed = make_pipeline(TfidfVectorizer(), TruncatedSVD(48, random_state=0))
X = embed.fit(data.queries[train]).transform(data.queries)
outcomes = {"y": data.performance[train], "cost": data.cost[train]}

router = RadialRouterClassifier(llm_names=names, random_state=0).fit(X[train], **outcomes)
knn = KNNRouter(llm_names=names).fit(X[train], **outcomes)

# %%
# Ask at any trade-off
# --------------------
#
# ``cost_weight`` is the performance you give up to save one dollar per 1,000 queries.

trade_offs = np.array([0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5])
choices = {
    "RadialRouter": {a: router.predict(X[test], cost_weight=a) for a in trade_offs},
    "kNN": {a: knn.predict(X[test], cost_weight=a) for a in trade_offs},
}
# The best LLM per task is told the task, and fitted again for each trade-off.
choices["best LLM per task"] = {
    a: BestPerTaskRouter(cost_weight=a, llm_names=names)
    .fit(X[train], **outcomes, tasks=data.tasks[train])
    .predict(X[test], tasks=data.tasks[test])
    for a in trade_offs
}
CostQualityDisplay.from_predictions(
    data.performance[test], choices, cost=data.cost[test], llm_names=names
)
plt.show()

# %%
# Every query its own
# -------------------
#
# Half of the customers have a free plan, and half pay for quality. One call serves both.

pays = np.arange(400) % 2 == 0
llms = router.predict(X[test], cost_weight=np.where(pays, 0.002, 0.1))
column = {name: j for j, name in enumerate(names)}
chosen = np.array([column[llm] for llm in llms])
rows = np.arange(400)
for plan, mask in (("free", ~pays), ("paying", pays)):
    performance = data.performance[test][rows, chosen][mask].mean()
    cost = data.cost[test][rows, chosen][mask].mean()
    print(f"{plan:6}: performance {performance:.3f}, ${cost:.2f} per 1,000 queries")

# %%
# What it expects
# ---------------

performance, cost = router.predict_outcomes(X[test])
for name, p, c in zip(names, performance[0], cost[0], strict=True):
    print(f"{name:18} performance {p:.2f}, ${c:.2f} per 1,000 queries")
