"""
Compare routers
===============

Routers of all kinds on the same held-out queries, each with an interval around its difference from
what one would do without it.
"""

# %%
# Data, split once
# ----------------
#
# The routers see the topic and the difficulty of each query, as an ideal encoder would. Everything
# is learnt from the training part, the references too.

import numpy as np
from matplotlib import pyplot as plt
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import OneHotEncoder

from skrouter import RadialRouterClassifier, baselines, make_routing_target
from skrouter.datasets import make_routing_problem

data = make_routing_problem(1400, random_state=0)
names, alpha = data.llm_names, 0.05
y = make_routing_target(data.performance, data.cost)
topics = OneHotEncoder(sparse_output=False).fit_transform(data.tasks[:, None].astype(str))
X = np.column_stack([2 * data.difficulty, topics])
X_train, X_test, y_train, y_test, tasks_train, tasks_test = train_test_split(
    X, y, data.tasks, test_size=700, random_state=0
)

# %%
# Routers of all kinds
# --------------------
#
# In real work fit those with a seed several times, and report all fits.

forest = RandomForestRegressor(n_estimators=20, min_samples_leaf=20, n_jobs=1, random_state=0)
routers = {
    "kNN": baselines.KNNRouter(),
    "linear": baselines.LinearRouter(alpha=1.0),
    "random forest": baselines.RegressionRouter(forest),
    "MLP": baselines.MLPRouter(random_state=0),
    "cosine classifier": baselines.CosineClassifierRouter(random_state=0),
    "RouterDC": baselines.RouterDCRouter(n_best=2, random_state=0),
    "two LLMs (HybridLLM)": baselines.HybridLLMRouter(random_state=0),
    "cascade (FrugalGPT)": baselines.FrugalGPTRouter(max_length=2, random_state=0),
    "RadialRouter": RadialRouterClassifier(cv=None, random_state=0),
}
for router in routers.values():
    router.set_params(cost_weight=alpha, llm_names=names).fit(X_train, y_train)

# %%
# What each of them received
# --------------------------
#
# Comparing needs the utility on every single query. A cascade pays for all the LLMs that it calls,
# which its own method knows and its last call does not show.

utility = y_test[..., 0] - alpha * y_test[..., 1]


def received(llms):
    return utility[llms[:, None] == np.array(names)]


single = baselines.BestSingleRouter(cost_weight=alpha, llm_names=names).fit(X_train, y_train)
per_task = baselines.BestPerTaskRouter(cost_weight=alpha, llm_names=names)
per_task.fit(X_train, y_train, tasks=tasks_train)
by_name = {"best LLM per task": received(per_task.predict(X_test, tasks=tasks_test))}
for name, router in routers.items():
    if hasattr(router, "cascade_outcomes"):
        by_name[name] = router.cascade_outcomes(X_test, y_test).utility
    else:
        by_name[name] = received(router.predict(X_test))
reference = received(single.predict(X_test))

# %%
# Differences, with intervals
# ---------------------------
#
# The interval of the *difference* is what counts: most of what varies from query to query is common
# to both routers and cancels. The mean over tasks may tell another story than that over queries;
# report which it is.

from skrouter.metrics import paired_bootstrap

settings = {"n_resamples": 999, "random_state": 0}
gains = {name: paired_bootstrap(u, reference, **settings) for name, u in by_name.items()}
print(f"best single LLM: {reference.mean():.3f}; less it, micro and macro:")
for name, gain in gains.items():
    macro = paired_bootstrap(by_name[name], reference, groups=tasks_test, **settings)
    print(
        f"{name:22} {gain.difference:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]   "
        f"{macro.difference:+.3f} [{macro.low:+.3f}, {macro.high:+.3f}]"
    )

# %%
# A picture of them
# -----------------
#
# To the right of the dashed line a router is better than always calling the best single LLM. One
# that is not above the best LLM per task, the lowest row, has told tasks apart, but not queries.

ordered = sorted(gains, key=lambda name: (name != "best LLM per task", gains[name].difference))
middle = np.array([gains[name].difference for name in ordered])
ends = np.array([[gains[name].low, gains[name].high] for name in ordered]).T
_, ax = plt.subplots(figsize=(7.0, 4.2), layout="constrained")
ax.errorbar(middle, ordered, xerr=np.abs(ends - middle), fmt="o", color="#0072B2", capsize=3)
ax.axvline(0.0, color="black", linestyle="--", lw=1)
ax.set_xlabel(f"utility less that of the best single LLM at α={alpha:g}, with 95 % interval")
ax.grid(axis="x", alpha=0.25)
plt.show()

# %%
# Two routers against each other
# ------------------------------
#
# Overlapping intervals against a third are no test. Compare the two directly.

gain = paired_bootstrap(by_name["RadialRouter"], by_name["kNN"], **settings)
print(f"RadialRouter less kNN: {gain.difference:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]")

# %%
# These data are synthetic and this is one split: the order says nothing about yours. The page
# *Results* has real rows.
