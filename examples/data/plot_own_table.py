"""
From a CSV to a router
======================

A log as it comes, one row per query and LLM with ratings, tokens, holes and repetitions, becomes a
router, a verdict and a trade-off for a monthly budget.
"""

# %%
# The log
# -------
#
# Made here from a synthetic problem; yours is a file already. Ratings are from 1 to 5, every fifth
# is missing, and some calls are logged twice.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skrouter import RadialRouterClassifier, routing_report, trade_off_for_budget
from skrouter.datasets import load_log, make_routing_problem
from skrouter.metrics import CostQualityDisplay

data = make_routing_problem(700, n_llms=4, graded=True, random_state=0, as_frame=True)
calls = data.performance.assign(prompt=data.queries).melt("prompt", var_name="model")
calls["rating"] = (1 + 4 * calls.pop("value")).round()
calls["tokens_in"] = calls["prompt"].str.split().str.len()
calls["tokens_out"] = 60 + 4 * calls["tokens_in"]
calls = calls.sample(frac=0.8, random_state=0)
calls = pd.concat([calls, calls[:40]])  # logged twice
path = Path(tempfile.mkdtemp()) / "log.csv"
calls.to_csv(path, index=False)
print(calls.head())

# %%
# To one row per query
# --------------------
#
# Prices are in US dollars per million tokens, input first. The summary says what became of the
# rows: repetitions are averaged, and what was not rated is NaN, which a router leaves out; it does
# not count as a failure.

log = load_log(
    path,
    query="prompt",
    llm="model",
    performance="rating",
    performance_range=(1, 5),
    prompt_tokens="tokens_in",
    completion_tokens="tokens_out",
    prices={
        "synthetic-small": (0.10, 0.40),
        "synthetic-large": (5.00, 20.00),
        "synthetic-math": (0.15, 0.60),
        "synthetic-code": (0.15, 0.60),
    },
)
print(log)

# %%
# A router
# --------
#
# Words take the place of a sentence encoder here, which is quick; leave the first argument out, and
# text is read by ``all-MiniLM-L6-v2``.

X_train, X_test, y_train, y_test, cost_train, cost_test = train_test_split(
    log.queries, log.performance, log.cost, test_size=300, random_state=0
)
words = make_pipeline(TfidfVectorizer(), TruncatedSVD(48, random_state=0))
router = RadialRouterClassifier(words, cost_weight=0.1, random_state=0)
router.fit(X_train, y_train, cost=cost_train)
print(router.predict(["What is the capital of France?"]))

# %%
# Does it pay?
# ------------
#
# Judged on queries that the router has not seen. Those whose chosen LLM was not rated are left out.

report = routing_report(
    router, X_test, y_test, cost=cost_test, X_train=X_train, y_train=y_train, cost_train=cost_train
)
print(report.verdict)

# %%
# 100,000 queries a month, and a budget
# -------------------------------------

forecast = trade_off_for_budget(router, X_test, budget=150, period_queries=100_000)
print(forecast)

# %%
# What every trade-off buys
# -------------------------

alphas = [0.0, 0.02, 0.05, 0.1, 0.2, 0.5, forecast.cost_weight]
CostQualityDisplay.from_predictions(
    y_test,
    {"RadialRouter": {a: router.predict(X_test, cost_weight=a) for a in sorted(alphas)}},
    cost=cost_test,
)
plt.show()
