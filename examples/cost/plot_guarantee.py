"""
A budget that holds
===================

Choose the trade-off such that a budget is kept with a probability of 90 %, and see what becomes of
one that only looked right.
"""

# %%
# Why not just try it out
# -----------------------
#
# A router is fitted; which trade-off keeps the mean cost below $2 per 1,000 queries? The obvious
# way is to take some queries with known costs, and the smallest trade-off whose mean cost on them
# is below. But their mean is off by chance, half of the time to the low side.
#
# Here are 500 queries to fit on, and a pool of 7,500 that stands for all future ones.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from skrouter import GuaranteedRouter, spend_budget
from skrouter.baselines import LinearRouter
from skrouter.datasets import make_routing_problem

BUDGET = 2.0  # US dollars per 1,000 queries
data = make_routing_problem(8000, random_state=0)
embed = make_pipeline(TfidfVectorizer(), TruncatedSVD(32, random_state=0))
X = embed.fit(data.queries[:500]).transform(data.queries)

router = LinearRouter(llm_names=data.llm_names)
router.fit(X[:500], data.performance[:500], cost=data.cost[:500])
pool, performance, cost = X[500:], data.performance[500:], data.cost[500:]

# %%
# One calibration
# ---------------
#
# ``GuaranteedRouter`` looks at 400 queries of the pool and keeps a distance, the larger, the fewer
# the queries, the more their costs vary, and the more confidence is asked for. The most that a
# query can cost is known from the limits on its length; here, from all queries there are.

alphas = np.append(0.0, np.logspace(-2, 0.5, 250))
guaranteed = GuaranteedRouter(
    FrozenEstimator(router),
    max_cost=BUDGET,
    max_query_cost=cost.max(),
    confidence=0.9,
    cost_weights=alphas,
    random_state=0,
)
guaranteed.fit(pool[:400], performance[:400], cost=cost[:400])
print(f"alpha {guaranteed.cost_weight_:.3f}, calibration mean ${guaranteed.mean_:.3f}")

# %%
# A hundred calibrations
# ----------------------
#
# Each with other queries. As the pool is known here, so is the true mean cost at every trade-off.

names = np.array(data.llm_names)
rows = np.arange(len(pool))
chosen = [router.predict(pool, cost_weight=alpha)[:, None] == names for alpha in alphas]
paid = np.stack([cost[rows, llms.argmax(axis=1)] for llms in chosen])
truth = dict(zip(alphas, paid.mean(axis=1), strict=True))
obvious, careful = [], []
for seed in range(100):
    drawn = np.random.default_rng(seed).integers(len(pool), size=400)
    looks_right = np.flatnonzero(paid[:, drawn].mean(axis=1) <= BUDGET)[0]
    obvious.append(truth[alphas[looks_right]])
    guaranteed.set_params(random_state=seed)
    guaranteed.fit(pool[drawn], performance[drawn], cost=cost[drawn])
    careful.append(truth[guaranteed.cost_weight_])
for name, costs in (("looks right", obvious), ("guaranteed", careful)):
    print(f"{name}: {np.mean(np.array(costs) > BUDGET):.0%} above the budget, {np.mean(costs):.3f}")

# %%
# The guarantee allows for 10 in a hundred. It holds for every distribution of costs, so on a tame
# one it is on the careful side; most of the budget is spent all the same.

fig, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
bins = np.linspace(1.4, 2.4, 21)
ax.hist(obvious, bins, color="#E69F00", label="looks right on 400 queries")
ax.hist(careful, bins, color="#0072B2", alpha=0.85, label="guaranteed with 90 %")
ax.axvline(BUDGET, color="black", linestyle="--", label="budget")
ax.set(
    xlabel="true mean cost (US dollars per 1,000 queries)",
    ylabel="calibrations out of 100",
)
fig.legend(loc="outside upper center", ncols=3)
plt.show()

# %%
# A sum for a batch
# -----------------
#
# Where a batch is known in advance, a sum can be spent on it as a whole, where a dollar buys most.
# Mind the units: 1,000 queries at a mean of $1 per 1,000 cost $1.

for budget in (0.2, 1.0, 3.0):
    plan = spend_budget(router, pool[:1000], budget)
    chosen = (plan.llms[:, None] == names).argmax(axis=1)
    solved = performance[np.arange(1000), chosen].sum()
    print(f"${budget}: ${plan.cost:.3f} as predicted, {solved:.0f} of 1,000 solved")
