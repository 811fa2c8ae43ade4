"""
A month in production
=====================

The whole circle: fit a router, serve and log with a share of exploration, notice that an LLM has
become worse, fit a candidate on the log, judge it on the log, and replace the router.
"""

# %%
# Fit on what is known
# --------------------
#
# Before the start every LLM was scored on 600 queries. What nobody knows: from the third week on
# the large LLM gives wrong answers to 70 % of the queries that it answered well before.

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from skrouter import ExploringRouter, drift_report, make_logged_target
from skrouter.baselines import LinearRouter
from skrouter.datasets import load_log, make_routing_problem
from skrouter.metrics import off_policy_value

ALPHA, EXPLORATION, PER_WEEK = 0.02, 0.2, 4000
rng = np.random.default_rng(0)
data = make_routing_problem(20000, n_llms=3, random_state=0)
names = np.array(data.llm_names)
unique = rng.permutation(np.unique(data.queries.astype(str), return_index=True)[1])
start, *weeks = np.split(unique[: 600 + 4 * PER_WEEK], 600 + PER_WEEK * np.arange(4))

success, performance = data.success_probability.copy(), data.performance.copy()
large = np.ix_(np.concatenate(weeks[2:]), names == "synthetic-large")
success[large] *= 0.3
performance[large] *= rng.random((2 * PER_WEEK, 1)) < 0.3

# TF-IDF in place of a pretrained encoder, which knows all words.
embed = make_pipeline(TfidfVectorizer(), TruncatedSVD(50, random_state=0)).fit(data.queries)


def fit(X, performance, cost):
    router = LinearRouter(10.0, cost_weight=ALPHA, llm_names=names)
    return router.fit(X, performance, cost)


router = fit(embed.transform(data.queries[start]), performance[start], data.cost[start])

# %%
# Serve and log
# -------------
#
# A share of the calls goes to an LLM drawn at random. The log keeps how probable each call was. The
# seed is for this page: in production there is none.

served = ExploringRouter(
    FrozenEstimator(router), exploration=EXPLORATION, random_state=np.random.RandomState(0)
).fit()


def serve(rows):
    decisions = served.decide(embed.transform(data.queries[rows]))
    column = (decisions.llm[:, None] == names).argmax(axis=1)
    return pd.DataFrame(
        {
            "query": data.queries[rows],
            **decisions,
            "rating": performance[rows, column],
            "dollars": data.cost[rows, column] / 1000,
        }
    )


records = [serve(rows) for rows in weeks[:3]]

# %%
# Has anything moved?
# -------------------
#
# The log has the performance of an LLM only where it was called, so it is compared with another log
# of the same router: each week with the first.

columns = dict(
    query="query", llm="llm", performance="rating", cost="dollars", propensity="propensity"
)


def read(frame):
    log = load_log(frame, **columns)
    called = (log.logged[key] for key in ("logged_llms", "performance", "cost"))
    return log, embed.transform(log.queries), make_logged_target(*called, llm_names=names)


_, X_first, first = read(records[0])
for number, record in enumerate(records[1:], start=2):
    _, X, target = read(record)
    report = drift_report(router, X, target, X_reference=X_first, y_reference=first)
    worse = [row.name for row in report.rows if row.moved]
    print(f"Week {number}: moved {report.moved} {worse}, {report.action}")

# %%
# A candidate, learnt and judged on the log of week 3
# ---------------------------------------------------
#
# It learns from one half of the week, and both routers are judged on the other.

half = rng.random(len(records[2])) < 0.5
_, X, target = read(records[2][half])
candidate = fit(X, target.performance, target.cost)
judge, X_judge, _ = read(records[2][~half])
routers = {"router of the start": router, "candidate": candidate}
values = {
    name: off_policy_value(
        each.predict(X_judge),
        **judge.logged,
        predicted=candidate.predict_outcomes(X_judge),
        cost_weight=ALPHA,
        llm_names=names,
        bootstrap_method="percentile",
        n_resamples=999,
        random_state=0,
    )
    for name, each in routers.items()
}
for name, value in values.items():
    print(f"{name}: {value.utility:.3f} [{value.low:.3f}, {value.high:.3f}]")

# %%
# Replace
# -------
#
# The whole interval of the candidate lies above that of the router of the start: it takes over, in
# production by :func:`skrouter.save` over the old file. As the data are synthetic, the truth is
# known: the mean utility of either.


def truth(router, rows):
    choices = router.predict(embed.transform(data.queries[rows]))
    utility = success[rows] - ALPHA * data.cost[rows]
    return utility[choices[:, None] == names].mean()


COLORS = {"router of the start": "#D55E00", "candidate": "#0072B2"}
figure, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for first_week, shift, (name, each) in zip((1, 3), (-0.05, 0.05), routers.items(), strict=True):
    true = [truth(each, rows) for rows in weeks[first_week - 1 :]]
    print(name, np.round(true, 3))
    ax.plot(range(first_week, 5), true, "o-", color=COLORS[name], label=f"{name}, truth")
    value = values[name]
    ax.errorbar(
        3 + shift,
        value.utility,
        yerr=[[value.utility - value.low], [value.high - value.utility]],
        fmt="s",
        color=COLORS[name],
        capsize=4,
        label=f"{name}, estimated from the log",
    )
ax.axvspan(2.5, 4.3, color="0.93", zorder=0)
ax.text(2.55, 0.82, "the large LLM is worse", va="top")
ax.set(xticks=range(1, 5), xlabel="week", ylabel=f"mean utility at α = {ALPHA}", xlim=(0.7, 4.3))
figure.legend(loc="outside lower center", ncols=2)
plt.show()
