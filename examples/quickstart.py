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

data = make_routing_problem(1200, random_state=0)
names = data.llm_names
train, test = train_test_split(range(len(data.queries)), test_size=400, random_state=0)
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
# ``cost_weight``, α, says how much performance you give up to save one dollar per 1,000 queries. At
# α = 0.05, two dollars less are worth 10 points of performance out of 100.
#
# The best LLM per task is told the topic of every query, which RadialRouter is not. The oracle
# knows all outcomes beforehand, chance included: no router can reach it.
#
# Each trade-off takes a fit of its own. RadialRouter chooses its number of epochs by
# cross-validation; if it finds no gain over the best single LLM, it stays there.

COST_WEIGHTS = (0.0, 0.02, 0.05, 0.1, 0.3)


def fit(router, cost_weight, **metadata):
    router.set_params(cost_weight=cost_weight, llm_names=names)
    return router.fit(X_train, performance[train], cost[train], **metadata)


def choices(cost_weight):
    """What each router and reference chooses on the test queries."""
    per_task = fit(BestPerTaskRouter(), cost_weight, tasks=tasks[train])
    return {
        # Probabilities: the score is then the expectation, not one draw.
        "random": fit(RandomRouter(), cost_weight).predict_proba(X_test),
        "best single LLM": fit(BestSingleRouter(), cost_weight).predict(X_test),
        "best LLM per task": per_task.predict(X_test, tasks=tasks[test]),
        "kNN": fit(KNNRouter(), cost_weight).predict(X_test),
        "RadialRouter": fit(RadialRouterClassifier(random_state=0), cost_weight).predict(X_test),
        "oracle": oracle_llms(
            performance[test], cost=cost[test], cost_weight=cost_weight, llm_names=names
        ),
    }


start = time.perf_counter()
chosen = {cost_weight: choices(cost_weight) for cost_weight in COST_WEIGHTS}
seconds = time.perf_counter() - start
print(f"Trained at {len(COST_WEIGHTS)} trade-offs on {len(train)} queries in {seconds:.1f} s")

# %%
# The result
# ----------

ALPHA = 0.05

print(f"\n{len(test)} test queries, cost in $ per 1,000 queries, score at α = {ALPHA}\n")
print(f"{'router':<18} {'performance':>11} {'cost':>7} {'score':>7}")
for name, llms in chosen[ALPHA].items():
    score = routing_score(
        performance[test], llms, cost=cost[test], cost_weight=ALPHA, llm_names=names
    )
    print(f"{name:<18} {score.performance:>11.3f} {score.cost:>7.2f} {score.utility:>7.3f}")

# %%
# Nearest neighbours on the same embeddings are hard to beat; try them on your own data, too.
#
# Is the router really better than the best LLM per task, or was it luck with these queries? The
# interval tells: it is paired, both routers being judged on the same queries.


def received(llms):
    """Utility of the chosen LLM, query by query."""
    utility = performance[test] - ALPHA * cost[test]
    return utility[llms[:, None] == names]


gain = paired_bootstrap(
    received(chosen[ALPHA]["RadialRouter"]),
    received(chosen[ALPHA]["best LLM per task"]),
    random_state=0,
)
print(
    "\nRadialRouter less best LLM per task: "
    f"{gain.difference:+.3f}, 95 % interval [{gain.low:+.3f}, {gain.high:+.3f}]"
)

# %%
# Quality against cost
# --------------------
#
# Each line has one point per trade-off. Grey are the single LLMs: a router earns its keep where its
# line lies above and to the left of all that they offer.


def line(name):
    return {cost_weight: llms[name] for cost_weight, llms in chosen.items()}


figure, ax = plt.subplots(figsize=(8, 5), layout="constrained")
CostQualityDisplay.from_predictions(
    performance[test],
    {name: line(name) for name in ("RadialRouter", "kNN")},
    cost=cost[test],
    llm_names=names,
    references={"best LLM per task": line("best LLM per task")},
    oracle_cost_weights=COST_WEIGHTS,
    ax=ax,
)
ax.set_title("Synthetic routing problem: quality against cost, on test queries")
picture = Path("quickstart.png").resolve()
figure.savefig(picture, dpi=150)
print(f"\nPicture saved as {picture}")
plt.show()
