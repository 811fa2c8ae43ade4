"""
Save, load, deploy
==================

A fitted router is one small file. The encoder's weights are not in it, unless they were tuned.
"""

# %%
# Train and save
# --------------

import os
import tempfile
import time
from pathlib import Path

import joblib
import numpy as np

from skrouter import RadialRouterClassifier, SentenceEncoder
from skrouter.datasets import make_routing_problem

data = make_routing_problem(400, random_state=0)
router = RadialRouterClassifier(
    SentenceEncoder(), cost_weight=0.05, llm_names=data.llm_names, random_state=0
).fit(data.queries, data.performance, cost=data.cost)

folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "router.joblib"
joblib.dump(router, path)
print(f"{os.path.getsize(path) / 1000:.0f} kB")

# %%
# Load and serve
# --------------
#
# Loading needs no GPU, wherever the router was trained. It warns if skrouter or scikit-learn has
# another version. Load only files that you trust: joblib and pickle run code.
#
# In training the encoder keeps embeddings on disk. A server sees new queries all the time and had
# better not write each of them down: switch the cache off.

served = joblib.load(path)
served.encoder_.set_params(cache=None)


def route(query):
    """Name of the LLM to call for one query."""
    return str(served.predict([query])[0])


print(route("Name the capital of France."))
print(route("Prove the hardest step of a long argument about prime gaps, with every case."))

# %%
# How long does a decision take?

times = []
for query in data.queries[:50]:
    start = time.perf_counter()
    route(query)
    times.append(time.perf_counter() - start)
print(f"median {1e3 * np.median(times):.1f} ms, most of it for the encoder")

# %%
# The same encoder, or none
# -------------------------
#
# The file remembers a fingerprint of the encoder. If the name later stands for another model, the
# router refuses to route by embeddings that it was not trained on.

served.encoder_.fingerprint_ = "0" * 64
try:
    route("What is the capital of France?")
except ValueError as error:
    print(error)
folder.cleanup()
