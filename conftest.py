"""What holds for every test: one thread for each process, no docstrings of what is absent."""

import os
from importlib.util import find_spec

# Two tests run side by side: threads of torch that wait for a core that the other one has take
# nearly half of the time. Before torch is imported; processes that a test starts inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Where an optional package is absent, docstrings that need it are not run.
collect_ignore = []
if find_spec("torch_geometric") is None:
    collect_ignore += ["skrouter/nn/graph.py", "skrouter/baselines/_graph.py"]
if find_spec("dask") is None:
    collect_ignore += ["skrouter/integrations/dask.py"]
# MLflow warns of itself; tests/test_mlflow.py runs the examples of this one and bears with that.
collect_ignore += ["skrouter/integrations/mlflow.py"]
