"""Routers inside other software: each module here is named for what it plugs into.

May import every room but the command line. What a module plugs into is imported where it is used
only, so that these import without it.
"""

from __future__ import annotations

from skrouter.integrations import dask, litellm, mlflow, parquet

__all__ = ["dask", "litellm", "mlflow", "parquet"]
