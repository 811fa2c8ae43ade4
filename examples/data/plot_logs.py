"""
Learn and judge from production logs
====================================

One LLM was called per query, and only its answer was rated. That is enough to learn a router, and
to estimate what it would have achieved before it is put to use.
"""

# %%
# A rule that draws at random
# ---------------------------
#
# The old rule sends harder queries to larger LLMs, but draws at random: every LLM has a chance of a
# few per cent at least on every query. That probability, the propensity, is logged with the call.
#
# Routers see the topic and the difficulty of each query, as an ideal encoder would show them.

import numpy as np
from matplotlib import pyplot as plt
from scipy.special import softmax
from sklearn.preprocessing import OneHotEncoder

from skrouter import make_logged_target
from skrouter.datasets import make_routing_problem

data = make_routing_problem(6000, random_state=0)
names, n_llms = np.array(data.llm_names), len(data.llm_names)
topics = OneHotEncoder(sparse_output=False).fit_transform(data.tasks[:, None].astype(str))
X = np.column_stack([data.difficulty, topics * (1 - data.difficulty[:, None]), topics])

size = np.log(data.cost.mean(axis=0))
size = (size - size.mean()) / size.std()
wish = softmax(3 * (data.difficulty[:, None] - 0.5) * size, axis=1)
propensities = 0.8 * wish + 0.2 / n_llms

rng = np.random.default_rng(0)
called = (rng.random((6000, 1)) > propensities.cumsum(axis=1)).sum(axis=1)
rows = np.arange(6000)
log = {
    "logged_llms": names[called],
    "performance": data.performance[rows, called],
    "cost": data.cost[rows, called],
    "propensity": propensities[rows, called],
}
print(log["logged_llms"][:3], log["performance"][:3], log["propensity"][:3].round(2))

# %%
# Learn from one half
# -------------------
#
# The target is a matrix with one observed LLM per row, the rest is NaN. The ridge router gets no
# weights here: it sees what the old rule used. The best single LLM does not, and is weighted.

from skrouter.baselines import BestSingleRouter, KNNRouter, LinearRouter

alpha = 0.05
train, test = slice(0, 3000), slice(3000, None)
target = make_logged_target(*(log[key][train] for key in ("logged_llms", "performance", "cost")))
weight = 1 / log["propensity"][train]
settings = {"cost_weight": alpha, "llm_names": target.llm_names}
outcomes = {"y": target.performance, "cost": target.cost}
routers = {
    "best single LLM": BestSingleRouter(**settings).fit(
        X[train], **outcomes, sample_weight=weight / weight.mean()
    ),
    "kNN": KNNRouter(40, **settings).fit(X[train], **outcomes),
    "ridge": LinearRouter(1.0, **settings).fit(X[train], **outcomes),
}
model = routers["ridge"].predict_outcomes(X[test])

# %%
# Judge on the other half
# -----------------------
#
# Inverse propensity scoring ("ips") counts only the calls on which the logs and the router agree;
# the doubly robust estimate ("dr") adds what a model predicts for all others. As the data are
# synthetic, the truth is known: what the router achieves when it is used.

from skrouter.metrics import off_policy_value, routing_score

pool = {"llm_names": target.llm_names, "cost_weight": alpha}
order = [data.llm_names.index(name) for name in target.llm_names]


def truth(router):
    performance, cost = data.success_probability[test][:, order], data.cost[test][:, order]
    return routing_score(performance, router.predict(X[test]), cost=cost, **pool).utility


def estimate(router, method, propensity):
    return off_policy_value(
        router.predict(X[test]),
        **{key: log[key][test] for key in ("logged_llms", "performance", "cost")},
        propensity=propensity,
        predicted=model if method == "dr" else None,
        method=method,
        **pool,
        n_resamples=499,
        bootstrap_method="percentile",
        random_state=0,
    )


recorded = log["propensity"][test]
for name, router in routers.items():
    value = estimate(router, "dr", recorded)
    print(
        f"{name:16} truth {truth(router):.3f}, dr {value.utility:.3f} "
        f"[{value.low:.3f}, {value.high:.3f}], {value.n_agreeing} of 3000 calls agree, worth "
        f"{value.effective_sample_size:.0f}; mean weight {value.mean_weight:.2f}"
    )

# %%
# The intervals say how much to believe. On the right the propensities are wrong: as if the old rule
# had called all LLMs alike. The mean weight in the printed lines would tell.

COLORS = {"ips": "#D55E00", "snips": "#E69F00", "dr": "#0072B2"}
MARKS = {"ips": "s", "snips": "^", "dr": "o"}


def draw(ax, propensity, title):
    for position, router in enumerate(routers.values()):
        for shift, method in zip((0.22, 0.0, -0.22), COLORS, strict=True):
            value = estimate(router, method, propensity)
            ax.errorbar(
                value.utility,
                position + shift,
                xerr=[[value.utility - value.low], [value.high - value.utility]],
                fmt=MARKS[method],
                color=COLORS[method],
                capsize=3,
                label=method if position == 0 else None,
            )
        ax.plot(
            [truth(router)] * 2,
            [position - 0.4, position + 0.4],
            color="black",
            label="truth" if position == 0 else None,
        )
    ax.set(xlabel=f"mean utility at α = {alpha}", title=title)


figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
draw(axes[0], recorded, "Recorded propensities")
draw(axes[1], 1 / n_llms, "Wrong propensities")
axes[0].set_yticks(range(len(routers)), routers)
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
plt.show()
