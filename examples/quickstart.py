"""
Quick start
===========

Train a router on a synthetic problem, compare it with the references that every router should be
compared with, and draw quality against cost.

The queries are readable text on five topics, from easy to hard; the six LLMs are made up. The
figures say that the router works, not how much it will gain on your data.
"""

# %%
# The problem
# -----------
#
# A router learns from one row per past query: its text, the performance of each LLM on it (0 or 1
# here), and what each LLM cost, in US dollars per 1,000 queries.

import time
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.model_selection import train_test_split

from skrouter import RadialRouterClassifier, SentenceEncoder
from skrouter.baselines import BestPerTaskRouter, BestSingleRouter, KNNRouter, RandomRouter
from skrouter.datasets import make_routing_problem
from skrouter.metrics import CostQualityDisplay, oracle_llms, paired_bootstrap, routing_score

data = make_routing_problem(600, random_state=0)
names = data.llm_names
train, test = train_test_split(range(len(data.queries)), test_size=240, random_state=0)
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
# One fit for all trade-offs
# --------------------------
#
# All routers judge an LLM by its utility, ``performance - cost_weight * cost``. The trade-off
# ``cost_weight``, α, says how much performance you give up to save one dollar per 1,000 queries. At
# α = 0.05, two dollars less are worth 10 points of performance out of 100.
#
# RadialRouter and kNN predict the performance and the cost of each LLM, so they are fitted once and
# asked at any trade-off. RadialRouter chooses its number of epochs by cross-validation; if it finds
# no gain over the best single LLM, it stays there.

outcomes = {"y": performance[train], "cost": cost[train]}
start = time.perf_counter()
routers = {
    "kNN": KNNRouter(llm_names=names).fit(X_train, **outcomes),
    "RadialRouter": RadialRouterClassifier(llm_names=names, random_state=0).fit(
        X_train, **outcomes
    ),
}
print(f"Fitted once on {len(train)} queries in {time.perf_counter() - start:.1f} s")

# %%
# References
# ----------
#
# References that learn one table or one LLM **take a fit of their own at each trade-off**, and so
# does a RadialRouter with ``trade_off="fixed"``, the training of the paper. The best LLM per task
# is told the topic of every query, which RadialRouter is not. The oracle knows all outcomes
# beforehand, chance included: no router can reach it.

COST_WEIGHTS = (0.0, 0.02, 0.05, 0.1, 0.3)


def choices(cost_weight):
    """What each reference and router chooses on the test queries."""
    settings = {"cost_weight": cost_weight, "llm_names": names}
    per_task = BestPerTaskRouter(**settings).fit(X_train, **outcomes, tasks=tasks[train])
    return {
        # Probabilities: the score is then the expectation, not one draw.
        "random": RandomRouter(**settings).fit(X_train, **outcomes).predict_proba(X_test),
        "best single LLM": BestSingleRouter(**settings).fit(X_train, **outcomes).predict(X_test),
        "best LLM per task": per_task.predict(X_test, tasks=tasks[test]),
        **{name: r.predict(X_test, cost_weight=cost_weight) for name, r in routers.items()},
        "oracle": oracle_llms(
            performance[test], cost=cost[test], cost_weight=cost_weight, llm_names=names
        ),
    }


chosen = {cost_weight: choices(cost_weight) for cost_weight in COST_WEIGHTS}

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
# interval tells: it is paired, as both are judged on the same queries.


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
# Each line has one point per trade-off. Grey are the single LLMs: a router pays where its line lies
# above and to the left of all that they offer.


def line(name):
    return {cost_weight: llms[name] for cost_weight, llms in chosen.items()}


figure, ax = plt.subplots(figsize=(8, 5), layout="constrained")
CostQualityDisplay.from_predictions(
    performance[test],
    {name: line(name) for name in routers},
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
