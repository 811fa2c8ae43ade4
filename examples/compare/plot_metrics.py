"""
Metrics and pictures
====================

One number rarely tells whether a router pays. Two cheap routers, looked at from all sides.
"""

# %%
# Routers at several trade-offs
# -----------------------------
#
# The routers see the topic and the difficulty of each query, as an ideal encoder would. They
# predict performance and cost apart, so a fitted one can be moved over the trade-off.

import numpy as np
from matplotlib import pyplot as plt
from sklearn.preprocessing import OneHotEncoder

from skrouter import make_routing_target
from skrouter.baselines import BestSingleRouter, KNNRouter, LinearRouter
from skrouter.datasets import make_routing_problem

data = make_routing_problem(1500, random_state=0)
names = data.llm_names
y = make_routing_target(data.performance, data.cost)
topics = OneHotEncoder(sparse_output=False).fit_transform(data.tasks[:, None].astype(str))
X = np.column_stack([data.difficulty, topics])
train, test = slice(0, 1000), slice(1000, None)

alphas = [0.0, 0.005, 0.02, 0.05, 0.1, 0.3]
fitted = {
    "kNN": KNNRouter(llm_names=names).fit(X[train], y[train]),
    "linear": LinearRouter(llm_names=names).fit(X[train], y[train]),
}
choices = {
    name: {alpha: router.set_params(cost_weight=alpha).predict(X[test]) for alpha in alphas}
    for name, router in fitted.items()
}

# %%
# Quality against cost
# --------------------
#
# The grey dashed line is the zero router: single LLMs, mixed at random without a look at the query.
# A router pays where its own dashed hull, what mixing its settings reaches, lies above. On a
# logarithmic axis such mixes are bent.

from skrouter.metrics import CostQualityDisplay

CostQualityDisplay.from_predictions(y[test], choices, llm_names=names, hull=True)
plt.show()

# %%
# The same in numbers. AIQ is the mean height of the hull between the costs of the cheapest and the
# most expensive LLM, the same for all. Below its cheapest point a router has nothing, so both may
# fall back on the cheapest LLM.

from skrouter.metrics import (
    aiq,
    cost_quality_curve,
    cost_save,
    perf_gain,
    quality_neutral_cost,
    single_llm_points,
)

singles = single_llm_points(y[test], llm_names=names)
best = {"single_cost": singles.cost, "single_performance": singles.performance}
bounds = {"c_min": singles.cost.min(), "c_max": singles.cost.max()}
cheapest = names[singles.cost.argmin()]

print(f"{'':12}{'AIQ':>6}{'PerfGain':>10}{'CostSave':>10}{'QNC':>6}")
print(f"{'zero router':12}{aiq(singles.cost, singles.performance, **bounds):6.3f}")
for name, settings in choices.items():
    with_fall_back = settings | {"cheapest": np.full(500, cheapest)}
    curve = cost_quality_curve(y[test], with_fall_back, llm_names=names)
    print(
        f"{name:12}{aiq(curve.cost, curve.performance, **bounds):6.3f}"
        f"{perf_gain(curve.performance, singles.performance):10.1%}"
        f"{cost_save(curve.cost, curve.performance, **best):10.1%}"
        f"{quality_neutral_cost(curve.cost, curve.performance, **best):6.2f}"
    )

# %%
# The score over the trade-off
# ----------------------------
#
# Both references know the outcomes: the oracle per query, the best single LLM per trade-off.

from skrouter.metrics import TradeOffDisplay

TradeOffDisplay.from_predictions(y[test], choices, llm_names=names)
plt.show()

# %%
# What is called
# --------------

from skrouter.metrics import RoutingShareDisplay

single = BestSingleRouter(cost_weight=0.05, llm_names=names).fit(X[train], y[train])
chosen = {name: settings[0.05] for name, settings in choices.items()}
chosen["best single"] = single.predict(X[test])
RoutingShareDisplay.from_predictions(chosen, llm_names=names)
plt.show()

# %%
# How much is left, and is the difference real?
# ---------------------------------------------
#
# Regret is what the oracle would have had more. The interval is for the difference in utility from
# the best single LLM, over the same queries.

from skrouter.metrics import oracle_regret, paired_bootstrap

utility = y[test][..., 0] - 0.05 * y[test][..., 1]
received = {name: utility[llms[:, None] == np.array(names)] for name, llms in chosen.items()}
for name, llms in chosen.items():
    regret = oracle_regret(y[test], llms, cost_weight=0.05, llm_names=names)
    gain = paired_bootstrap(
        received[name], received["best single"], n_resamples=999, random_state=0
    )
    print(
        f"{name:12} regret {regret:.3f}, gain {gain.difference:+.3f} "
        f"[{gain.low:+.3f}, {gain.high:+.3f}]"
    )
