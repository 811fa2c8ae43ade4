"""
Does my router pay?
===================

A report on a fitted router, where there is something to route by and where there is not.
"""

# %%
# A router
# --------
#
# Queries of some topics and difficulties, and a pool of cheap and expensive LLMs. The trade-off is
# that of an answer worth two cents.

import numpy as np
from matplotlib import pyplot as plt
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from skrouter import make_routing_target, routing_report
from skrouter.baselines import LinearRouter
from skrouter.datasets import make_routing_problem

data = make_routing_problem(1000, random_state=0)
y = make_routing_target(data.performance, data.cost)
embed = make_pipeline(TfidfVectorizer(), TruncatedSVD(48, random_state=0))
train, test = slice(0, 500), slice(500, None)
X = embed.fit(data.queries[train]).transform(data.queries)


def fit(y):
    router = LinearRouter(cost_weight=0.05, llm_names=data.llm_names)
    return router.fit(X[train], y[train])


# %%
# The report
# ----------
#
# It begins with the verdict. Held-out rows judge; the references are fitted on the training rows.

settings = {"tasks": data.tasks[test], "tasks_train": data.tasks[train], "random_state": 0}
router = fit(y)
report = routing_report(router, X[test], y[test], X_train=X[train], y_train=y[train], **settings)
report

# %%
# Its numbers
# -----------
#
# They are attributes, and tables.

print(report.routing_pays, report.differences["best LLM per task"])
report.to_frame().round(3)

# %%
# Nothing to route by
# -------------------
#
# The same outcomes, given to the wrong queries: what the LLMs can do and cost is as before, but no
# query tells anything. The verdict says so.

noise = y[np.random.default_rng(0).permutation(len(y))]
noisy_router = fit(noise)
noisy_report = routing_report(
    noisy_router, X[test], noise[test], X_train=X[train], y_train=noise[train], **settings
)
print(noisy_report)

# %%
# Are the predictions reliable?
# -----------------------------
#
# On the dashed line what is predicted is what is observed. On the real outcomes the predictions of
# the ridge are near it, and go somewhat too far at both ends. On the wrong queries it predicts the
# mean of each LLM, and lies on the line as well: a reliable router need not be a useful one. That
# is what the skill and the signal of the report are for.

from skrouter.metrics import ReliabilityDisplay

figure, axes = plt.subplots(ncols=2, figsize=(9.0, 4.6), layout="constrained")
for ax, (name, model, target) in zip(
    axes, [("real outcomes", router, y), ("wrong queries", noisy_router, noise)], strict=True
):
    ReliabilityDisplay.from_estimator(model, X[test], target[test], ax=ax)
    ax.set_title(name)
plt.show()

for name, part in [("real outcomes", report), ("wrong queries", noisy_report)]:
    print(f"{name}: skill {part.calibration.skill:+.3f}, signal {part.signal.ridge:+.3f}")
