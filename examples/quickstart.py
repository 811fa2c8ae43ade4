"""
Quick start
===========

Train a router on a synthetic problem, hold it against the references that any router must be held
against, and draw quality against cost.

The queries are readable text on five topics, from easy to hard; the six LLMs are made up. The
figures say that the router works, not how much it will gain on your data.
"""

# %%
# The problem
# -----------
#
# What a router learns from is one row per past query: its text, the performance of each LLM on it
# (0 or 1 here), and what each LLM cost, in US dollars per 1,000 queries.

import time
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.model_selection import train_test_split

from skrouter import RadialRouterClassifier, SentenceEncoder
from skrouter.baselines import BestPerTaskRouter, BestSingleRouter, KNNRouter, RandomRouter
from skrouter.datasets import make_routing_problem
from skrouter.metrics import CostQualityDisplay, oracle_llms, paired_bootstrap, routing_score

data = make_routing_problem(1600, random_state=0)
names = data.llm_names
train, test = train_test_split(range(len(data.queries)), test_size=0.5, random_state=0)
performance, cost, tasks = data.performance, data.cost, data.tasks

print("Some queries:")
for row in test[:3]:
    print(f"  [{tasks[row]}] {data.queries[row]}")

# %%
# Text to embeddings
# ------------------
#
# A router encodes text by itself. Here several routers are fitted on the same queries, so the text
# is encoded once, and all of them get the embeddings.

start = time.perf_counter()
encoder = SentenceEncoder()
X_train = encoder.fit_transform(data.queries[train])
X_test = encoder.transform(data.queries[test])
print(f"Encoded {len(data.queries)} queries in {time.perf_counter() - start:.1f} s")

# %%
# Routers and references
# ----------------------
#
# All routers judge an LLM by its utility, ``performance - cost_weight * cost``. The trade-off
# ``cost_weight`` says how much performance you give up to save one dollar per 1,000 queries. At
# 0.02, ten dollars less are worth 20 points of performance out of 100.
#
# The best LLM per task is told the topic of every query, which RadialRouter is not. The oracle
# knows all outcomes beforehand, chance included: no router can reach it.

COST_WEIGHT = 0.02


def fit(router, **metadata):
    router.set_params(cost_weight=COST_WEIGHT, llm_names=names)
    return router.fit(X_train, performance[train], cost[train], **metadata)


start = time.perf_counter()
radial = fit(RadialRouterClassifier(random_state=0))
print(f"Trained RadialRouter on {len(train)} queries in {time.perf_counter() - start:.1f} s")

per_task = fit(BestPerTaskRouter(), tasks=tasks[train])
chosen = {
    # Probabilities: the score is then the expectation, not one draw.
    "random": fit(RandomRouter()).predict_proba(X_test),
    "best single LLM": fit(BestSingleRouter()).predict(X_test),
    "best LLM per task": per_task.predict(X_test, tasks=tasks[test]),
    "kNN": fit(KNNRouter()).predict(X_test),
    "RadialRouter": radial.predict(X_test),
    "oracle": oracle_llms(
        performance[test], cost=cost[test], cost_weight=COST_WEIGHT, llm_names=names
    ),
}

# %%
# The result
# ----------

print(f"\n{len(test)} test queries, cost in $ per 1,000 queries, score at α = {COST_WEIGHT}\n")
print(f"{'router':<18} {'performance':>11} {'cost':>7} {'score':>7}")
for name, llms in chosen.items():
    score = routing_score(
        performance[test], llms, cost=cost[test], cost_weight=COST_WEIGHT, llm_names=names
    )
    print(f"{name:<18} {score.performance:>11.3f} {score.cost:>7.2f} {score.utility:>7.3f}")

# %%
# Is the router really better than the best LLM per task, or was it luck with these queries? The
# interval tells: it is paired, both routers being judged on the same queries.


def received(llms):
    """Utility of the chosen LLM, query by query."""
    utility = performance[test] - COST_WEIGHT * cost[test]
    return utility[llms[:, None] == radial.classes_]


gain = paired_bootstrap(
    received(chosen["RadialRouter"]), received(chosen["best LLM per task"]), random_state=0
)
print(
    "\nRadialRouter less best LLM per task: "
    f"{gain.difference:+.3f}, 95 % interval [{gain.low:+.3f}, {gain.high:+.3f}]"
)

# %%
# Quality against cost
# --------------------
#
# One fit for each trade-off gives the routers' curves. Grey are the single LLMs: a router earns its
# keep where its curve lies above and to the left of all that they offer.

COST_WEIGHTS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.3)

curves = {"RadialRouter": {}, "kNN": {}}
for COST_WEIGHT in COST_WEIGHTS:
    curves["RadialRouter"][COST_WEIGHT] = fit(RadialRouterClassifier(random_state=0))
    curves["kNN"][COST_WEIGHT] = fit(KNNRouter())
per_task_curve = {}
for COST_WEIGHT in COST_WEIGHTS:
    router = fit(BestPerTaskRouter(), tasks=tasks[train])
    per_task_curve[COST_WEIGHT] = router.predict(X_test, tasks=tasks[test])

figure, ax = plt.subplots(figsize=(8, 5), layout="constrained")
CostQualityDisplay.from_estimator(
    curves,
    X_test,
    performance[test],
    cost=cost[test],
    references={"best LLM per task": per_task_curve},
    oracle_cost_weights=COST_WEIGHTS,
    ax=ax,
)
ax.set_title("Synthetic routing problem: quality against cost, on test queries")
picture = Path("quickstart.png").resolve()
figure.savefig(picture, dpi=150)
print(f"\nPicture saved as {picture}")
plt.show()
