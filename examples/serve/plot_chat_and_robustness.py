"""
Chats, and decisions that flip
==============================

A router reads chats as they come from an API. Does it decide the same when the wording changes but
not the meaning?
"""

# %%
# A log of chats
# --------------
#
# Synthetic queries, here as messages. Strings and chats may be mixed; a chat of one message of the
# user is read as its text.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skrouter import ChatFormatter
from skrouter.baselines import BestSingleRouter, LinearRouter
from skrouter.datasets import make_routing_problem
from skrouter.metrics import decision_flips

data = make_routing_problem(700, random_state=0)
chats = [
    [{"role": "system", "content": "You are helpful."}, {"role": "user", "content": query}]
    for query in data.queries
]
train, test = train_test_split(np.arange(700), test_size=250, random_state=0)
outcomes = {"y": data.performance[test], "cost": data.cost[test]}

# %%
# Two encoders that need no download
# ----------------------------------
#
# One sees whole words, the other pieces of three to five characters. ``ChatFormatter`` says which
# turns of a chat they read.


def encoder(**parameters):
    return make_pipeline(
        ChatFormatter(turns="user"),
        TfidfVectorizer(sublinear_tf=True, **parameters),
        TruncatedSVD(64, random_state=0),
    )


routers = {
    "words": LinearRouter(1.0, encoder=encoder(), llm_names=data.llm_names),
    "pieces of words": LinearRouter(
        1.0, encoder=encoder(analyzer="char_wb", ngram_range=(3, 5)), llm_names=data.llm_names
    ),
    "words, capitals kept": LinearRouter(
        1.0, encoder=encoder(lowercase=False), llm_names=data.llm_names
    ),
}
single = BestSingleRouter(llm_names=data.llm_names)
for name, router in {"best single LLM": single, **routers}.items():
    router.fit([chats[i] for i in train], data.performance[train], cost=data.cost[train])
    score = router.score([chats[i] for i in test], **outcomes)
    print(f"{name:22} score {score:.3f}")

# %%
# Flips per kind of edit
# ----------------------
#
# Every router gets the same edits of the same held-out queries. A flip need not hurt: often two
# LLMs do equally well. So the loss in utility stands beside it. Only a few per cent of the queries
# hold words that "wording" can change: its bars are of few queries.

results = {
    name: decision_flips(router, [chats[i] for i in test], n_repeats=3, random_state=0, **outcomes)
    for name, router in routers.items()
}
for name, result in results.items():
    print(name)
    for edit, edited, flips, lost in zip(
        result.edit, result.edited_share, result.flip_share, result.utility_lost, strict=True
    ):
        print(f"    {edit:12} of {edited:4.0%} flip {flips:5.1%}, utility lost {lost:+.4f}")

figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained", sharey=True)
colors = ["#0072B2", "#E69F00", "#009E73"]  # told apart by the colour-blind, too
height = 0.8 / len(results)
for k, ((name, result), color) in enumerate(zip(results.items(), colors, strict=True)):
    places = np.arange(len(result.edit)) + (k - 1) * height
    axes[0].barh(places, 100 * result.flip_share, height, label=name, color=color)
    axes[1].barh(places, result.utility_lost, height, color=color)
axes[0].set_yticks(range(len(result.edit)), result.edit)
axes[0].invert_yaxis()
axes[0].set(xlabel="flipped decisions (% of the edited queries)", ylabel="kind of edit")
axes[1].set_xlabel("utility lost (performance, α = 0.02)")
axes[1].axvline(0, color="0.3", linewidth=0.8)
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
plt.show()

# %%
# Lower-case words without punctuation cannot see case, spacing or punctuation. Pieces of words are
# less sensitive to typos. An encoder that keeps capitals knows nothing of a text in capitals alone.
# None of this says anything about real paraphrases: for those, pass an edit of your own.

own = {"shouted question": lambda text, rng: text.upper() + "???"}
for name, router in routers.items():
    result = decision_flips(router, [chats[i] for i in test], edits=own, random_state=0)
    print(f"{name:22} flips {result.flip_share[0]:.1%}")
