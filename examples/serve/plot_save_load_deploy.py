"""
Save, load, deploy
==================

A fitted router is one small file that runs no code when it is loaded. The weights of the encoder
are not in it, unless they were tuned.
"""

# %%
# Train and save
# --------------

import json
import tempfile
import time
import zipfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import skrouter
from skrouter import RadialRouterClassifier, SentenceEncoder
from skrouter.datasets import make_routing_problem

data = make_routing_problem(300, random_state=0)
router = RadialRouterClassifier(
    SentenceEncoder(), cost_weight=0.05, llm_names=data.llm_names, random_state=0
).fit(data.queries, data.performance, cost=data.cost)

folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "router.skops"
skrouter.save(router, path, data=data)
print(f"{path.stat().st_size / 1000:.0f} kB")

# %%
# What is in the file can be read without loading it; ``skrouter inspect`` shows the same.

with zipfile.ZipFile(path) as archive:
    description = json.loads(archive.read("skrouter.json"))
print(description["versions"])

# %%
# Load and serve
# --------------
#
# Loading needs no GPU, wherever the router was trained. It warns if skrouter or scikit-learn has
# another version, and refuses a file that holds anything but a router. (joblib works, too, but runs
# whatever code the file holds.)
#
# In training the encoder keeps embeddings on disk. A server sees new queries all the time and need
# not write each of them down: switch the cache off.

served = skrouter.load(path)
served.encoder_.set_params(cache=None)


def route(query):
    """Name of the LLM to call for one query."""
    return str(served.predict([query])[0])


print(route("Name the capital of France."))
print(route("Prove the hardest step of a long argument about prime gaps, with every case."))

# %%
# How long does a decision take?
# ------------------------------
#
# Most of the time is spent by the encoder.


def milliseconds(function, inputs):
    times = []
    for value in inputs:
        start = time.perf_counter()
        function([value])
        times.append(1e3 * (time.perf_counter() - start))
    return np.array(times)


queries = data.queries[:60]
times = {
    "whole decision": milliseconds(served.predict, queries),
    "encoder alone": milliseconds(served.encoder_.transform, queries),
}
for name, values in times.items():
    print(f"{name:15} median {np.median(values):5.1f} ms")

figure, ax = plt.subplots(figsize=(7, 2.4), layout="constrained")
ax.boxplot(list(times.values()), orientation="horizontal", showfliers=False)
ax.set_yticks([1, 2], list(times))
ax.set(xlabel="milliseconds per query", xlim=(0, None))
plt.show()

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
