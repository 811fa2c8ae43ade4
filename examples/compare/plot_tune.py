"""
Tuning λ and α
==============

Hyperparameters are searched with scikit-learn's own tools. Two things deserve care: the costs must
travel with the target, and all candidates must be judged at one trade-off.
"""

# %%
# Costs that travel
# -----------------
#
# A search splits ``y`` by rows and knows nothing of a second matrix, so performance and cost are
# bound into one array of shape (n_queries, n_llms, 2).

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from skrouter import RadialRouterClassifier, SentenceEncoder, make_routing_target
from skrouter.datasets import make_routing_problem
from skrouter.metrics import make_routing_scorer

data = make_routing_problem(240, random_state=0)
y = make_routing_target(data.performance, data.cost)

# %%
# The contrastive weight λ and the width
# --------------------------------------
#
# The encoder caches every string it has seen, so the whole search encodes each query once.

# Inside a search, without early stopping: it would be a cross-validation in each cross-validation.
# Larger batches than "auto" has for so few queries make each fit three times as fast.
router = RadialRouterClassifier(
    llm_names=data.llm_names, cv=None, max_iter=8, batch_size=64, random_state=0
)
model = Pipeline([("encode", SentenceEncoder()), ("route", router)])
grid = {"route__contrastive_weight": [0.0, 0.1, 1.0], "route__hidden_dim": [32, 64]}
search = GridSearchCV(model, grid, cv=3, scoring=make_routing_scorer(cost_weight=0.02))
search.fit(data.queries, y)

results = search.cv_results_
for parameters, mean, deviation in zip(
    results["params"], results["mean_test_score"], results["std_test_score"], strict=True
):
    print(f"{mean:.3f} ± {deviation:.3f}  {parameters}")

# %%
# Before you read much into the order, look at the standard deviation over the folds.
#
# The trade-off α
# ---------------
#
# ``router.score`` charges costs at the router's own ``cost_weight``: a search by it would prefer
# 0, where nothing is charged. A scorer with a fixed trade-off judges all candidates alike. What
# your money is worth is yours to say (0.05 here); whether a router trained at another trade-off
# serves it better is a fair question.

alphas = [0.0, 0.02, 0.05, 0.1]
search = GridSearchCV(
    model, {"route__cost_weight": alphas}, cv=3, scoring=make_routing_scorer(cost_weight=0.05)
).fit(data.queries, y)

figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
ax.errorbar(
    alphas,
    search.cv_results_["mean_test_score"],
    yerr=search.cv_results_["std_test_score"] / np.sqrt(3 - 1),  # its divisor is 3, not 2
    marker="o",
    capsize=3,
)
ax.set(
    xlabel="cost_weight α in training (performance per US dollar per 1,000 queries)",
    ylabel="mean utility at α = 0.05",
    title="Three-fold cross-validation, bars: standard error",
)
plt.show()
