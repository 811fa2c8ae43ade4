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

import numpy as np
import pandas as pd

from skrouter import RadialRouterClassifier
from skrouter.datasets import make_routing_problem
from skrouter.metrics import routing_score

data = make_routing_problem(400, n_llms=4, random_state=0, as_frame=True)
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
queries = performance.index.to_series()
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

train = np.arange(len(queries)) < 300
router = RadialRouterClassifier(cost_weight=0.1, random_state=0)
router.fit(queries[train], performance[train], cost=prices)
print(router.predict(["What is the capital of France?"]))

# %%
# On new queries the score counts those whose chosen LLM was scored.

chosen = router.predict(queries[~train])
print(routing_score(performance[~train], chosen, cost=prices, cost_weight=0.1))
print(pd.Series(chosen).value_counts())
