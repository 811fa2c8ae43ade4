"""
Why this LLM?
=============

The numbers behind a decision: predictions, the runner-up, where the choice flips, and the most
similar queries of the past.
"""

# %%
# A fitted router
# ---------------

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from skrouter import RadialRouterClassifier
from skrouter.datasets import make_routing_problem

data = make_routing_problem(600, random_state=0)
train, test = slice(0, 500), slice(500, None)
router = RadialRouterClassifier(
    make_pipeline(TfidfVectorizer(), TruncatedSVD(48, random_state=0)),
    cost_weight=0.05,
    llm_names=data.llm_names,
    random_state=0,
).fit(data.queries[train], data.performance[train], cost=data.cost[train])

# %%
# One decision
# ------------

query = data.queries[504]
decision = router.explain([query], n_neighbors=3)[0]
print(query)
print()
print(decision)

# %%
# The nearest of the training queries; their texts are yours, the router keeps only row numbers.

for neighbor in decision.neighbors:
    print(f"{neighbor.similarity:.2f}  {data.queries[neighbor.row]}")

# %%
# Where it flips
# --------------
#
# The expected utility of each LLM is a straight line over the trade-off, and the router calls the
# one on top. The vertical line is the present trade-off.

trade_off = np.linspace(0, 0.2, 200)
colours = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"]
styles = ["-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1))]
figure, ax = plt.subplots(layout="constrained")
for name, colour, style in zip(decision.utility, colours, styles, strict=True):
    utility = decision.performance[name] - trade_off * decision.cost[name]
    ax.plot(trade_off, utility, color=colour, ls=style, label=name)
ax.axvline(decision.cost_weight, color="0.5", lw=1)
ax.set(
    xlabel="trade-off (performance per US dollar per 1,000 queries)",
    ylabel="expected utility",
    ylim=(0, 1),
)
ax.legend(fontsize="small")
plt.show()

# %%
# Close calls
# -----------
#
# Where the margin is small, another LLM would do about as well. Such queries are the ones to look
# at when prices change.

margins = np.array([decision.margin for decision in router.explain(data.queries[test])])
print(f"margin below 0.02 on {np.mean(margins < 0.02):.0%} of the queries")
