"""
When not to trust the router
============================

A guard around a router: where it is unsure, or does not know such queries, a fixed LLM is called.
"""

# %%
# A router with a guard
# ---------------------

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from skrouter import FallbackRouter, RadialRouterClassifier
from skrouter.datasets import make_routing_problem

data = make_routing_problem(1000, random_state=0)
train, test = slice(0, 500), slice(500, None)
router = FallbackRouter(
    RadialRouterClassifier(
        make_pipeline(TfidfVectorizer(), TruncatedSVD(48, random_state=0)),
        cost_weight=0.05,
        llm_names=data.llm_names,
        random_state=0,
    ),
    min_similarity=0.0,
)
router.fit(data.queries[train], data.performance[train], cost=data.cost[train])
print("fallback:", router.fallback_)

# %%
# Unknown queries
# ---------------
#
# How near is a query of the known kind to the nearest other one? The training queries tell. With
# their 5 % quantile as the threshold, it abstains on about one in twenty of the known kind.

nearest = 1 - router.neighbors_.kneighbors()[0][:, 0]
limit = float(np.quantile(nearest, 0.05))
router.set_params(min_similarity=limit)  # no new fit

unknown = [
    "Which gate does my flight leave from?",
    "lol",
    "Schreibe bitte einen Brief an meine Vermieterin.",
    "translate: good morning, how are you today",
    "make this email sound less angry please",
    "Was läuft heute Abend im Kino?",
    "hi there, can you help me",
    "the printer on floor 3 is on fire again",
    "Write a limerick about a lighthouse keeper and his cat.",
    "我的订单什么时候到?",
]
for query, abstains in zip(unknown, router.abstains(unknown), strict=True):
    print("fallback" if abstains else "router  ", query)
print(f"of the known kind: {router.abstains(data.queries[test]).mean():.1%}")

figure, ax = plt.subplots(layout="constrained")
bins = np.linspace(0, 1, 31)
looks = [("of the known kind", "#0072B2", "/"), ("unknown", "#E69F00", "\\")]
for (kind, colour, hatch), queries in zip(looks, (data.queries[test], unknown), strict=True):
    embeddings = router.router_.encoder_.transform(queries)
    similarity = 1 - router.neighbors_.kneighbors(embeddings, n_neighbors=1)[0][:, 0]
    share = np.full(len(queries), 1 / len(queries))
    ax.hist(similarity, bins, weights=share, alpha=0.6, color=colour, hatch=hatch, label=kind)
ax.axvline(limit, color="k", ls="--", label="min_similarity")
ax.set(xlabel="cosine similarity to the nearest training query", ylabel="share of queries")
ax.legend()
plt.show()

# %%
# Queries on which it is unsure
# -----------------------------
#
# The margin is what the LLM that is called is expected to be ahead of the next one. The more margin
# is asked for, the more queries go to the fallback: performance rises, and so does the cost. By the
# score, here at the trade-off of the router, a fallback as expensive as this one does not pay: it
# is an insurance against what the router does not know, not a way to a better score.

expected, cost = data.success_probability[test], data.cost[test]
fitted = FrozenEstimator(router.router_)  # fitted once, not again
print("min_margin  abstained  performance   cost   score")
for margin in (0.0, 0.01, 0.02, 0.05, 0.1):
    guarded = FallbackRouter(fitted, min_margin=margin, fallback=router.fallback_)
    guarded.fit(data.queries[train], data.performance[train], cost=data.cost[train])
    called = guarded.predict(data.queries[test])[:, None] == np.array(data.llm_names)
    performance, paid = expected[called].mean(), cost[called].mean()
    share = guarded.abstains(data.queries[test]).mean()
    score = performance - 0.05 * paid
    print(f"{margin:10} {share:10.1%} {performance:12.3f} {paid:6.2f} {score:7.3f}")
