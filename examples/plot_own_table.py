"""
Bring your own table
====================

From a log as it comes, with missing scores and list prices, to a router.
"""

# %%
# A log
# -----
#
# One row per query and LLM, as from an evaluation. Not every LLM was scored on every query.

import pandas as pd
from sklearn.model_selection import train_test_split

from skrouter import RadialRouterClassifier
from skrouter.baselines import BestSingleRouter
from skrouter.datasets import make_routing_problem
from skrouter.metrics import routing_score

data = make_routing_problem(1000, n_llms=4, random_state=0, as_frame=True)
log = (
    data.performance.assign(prompt=data.queries)
    .melt(id_vars="prompt", var_name="llm", value_name="quality")
    .sample(frac=0.8, random_state=0)
    .reset_index(drop=True)
)
print(log.head())

# %%
# To one row per query
# --------------------
#
# The columns name the LLMs. What was not scored is NaN, which a router leaves out; it is not taken
# as a failure.

performance = log.pivot_table(index="prompt", columns="llm", values="quality")
print(f"{len(performance)} queries, {performance.isna().mean().mean():.0%} of the scores missing")

# %%
# Prices
# ------
#
# Costs are in US dollars per 1,000 queries, here one list price per LLM; names are matched, the
# order does not matter. With measured costs pass a frame of the same shape as the performance.

prices = data.cost.mean().round(2).sort_values()
print(prices)

# %%
# A router
# --------
#
# The split is random: the pivot has sorted the rows by their text, and queries that begin alike are
# alike.

train, test = train_test_split(performance, test_size=200, random_state=0)
router = RadialRouterClassifier(cost_weight=0.1, random_state=0)
router.fit(train.index.to_series(), train, cost=prices)
print(router.predict(["What is the capital of France?"]))

# %%
# On new queries the score counts those whose chosen LLM was scored. Beside it stands what a single
# LLM would have earned, the best one in training.

chosen = router.predict(test.index.to_series())
print(routing_score(test, chosen, cost=prices, cost_weight=0.1))
print(pd.Series(chosen).value_counts())

single = BestSingleRouter(cost_weight=0.1).fit(train.index.to_series(), train, cost=prices)
always = single.predict(test.index.to_series())
print(f"always {always[0]}:", routing_score(test, always, cost=prices, cost_weight=0.1))
