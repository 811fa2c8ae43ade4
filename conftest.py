"""Where an optional package is absent, docstrings that need it are not run."""

from importlib.util import find_spec

collect_ignore = []
if find_spec("torch_geometric") is None:
    collect_ignore += ["skrouter/nn/graph.py", "skrouter/baselines/_graph.py"]
if find_spec("dask") is None:
    collect_ignore += ["skrouter/integrations/dask.py"]
# MLflow warns of itself; tests/test_mlflow.py runs the examples of this one and bears with that.
collect_ignore += ["skrouter/integrations/mlflow.py"]
