"""What a file says of its router in plain JSON, for people and for `skrouter inspect`."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from skrouter._encoders.sentence_encoder import SentenceEncoder
from skrouter._utils.estimators import estimator_layers
from skrouter._utils.versions import versions as own_versions

# The version of this description. A newer one may have more keys; those here keep their meaning.
FORMAT = 1

_PACKAGES = (
    "numpy",
    "scipy",
    "torch",
    "sentence-transformers",
    "transformers",
    "onnxruntime",
    "skops",
)


def describe(router: BaseEstimator, data: Mapping | None, extra: Mapping | None) -> dict[str, Any]:
    """Metadata of a fitted router.

    Parameters
    ----------
    router : estimator
    data : mapping or None
        With the keys "queries", "performance" and "cost", the last two of which may be absent.
    extra : mapping or None
        Anything that JSON can hold.

    Returns
    -------
    description : dict
        Only of what JSON knows.
    """
    whole = layers(router)
    core = whole[-1]
    fixed = [layer.cost_weight_ for layer in whole if hasattr(layer, "cost_weight_")]
    names = np.asarray(router.classes_).tolist()
    return {
        "format": FORMAT,
        "saved": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "router": {
            "class": class_name(router),
            "core": class_name(core),
            "llm_names": names,
            "cost_weight": fixed[0] if fixed else _own(core, "cost_weight"),
            "uses_cost": _own(core, "uses_cost_"),
            "input": {True: "text", False: "embeddings"}.get(_own(core, "takes_text_")),
            "n_features": _own(core, "n_features_in_"),
        },
        "encoders": [_describe_encoder(encoder) for encoder in encoders_of(router)],
        "data": None if data is None else describe_data(data),
        "extra": {} if extra is None else dict(extra),
    }


def layers(router: Any) -> list[Any]:
    """The router, what it holds, and so on: searches, pipelines, routers around routers."""
    found = estimator_layers(router)
    while hasattr(found[-1], "router_"):
        found += estimator_layers(found[-1].router_)
    return found


def encoders_of(router: Any) -> list[Any]:
    """The fitted transformers that turn queries into embeddings, in the order of their work."""
    whole = layers(router)
    encoder: Any = getattr(whole[-1], "encoder_", None)
    pipelines = [layer for layer in whole if isinstance(layer, Pipeline)]
    steps = [step for pipeline in pipelines for _, step in pipeline.steps[:-1]]
    steps += [step for _, step in encoder.steps] if hasattr(encoder, "steps") else [encoder]
    return [step for step in steps if step is not None and step != "passthrough"]


def describe_data(data: Mapping) -> dict[str, Any]:
    """Size and fingerprint of the data that a router was fitted on.

    Parameters
    ----------
    data : mapping
        As for :func:`describe`.

    Returns
    -------
    description : dict
        "n_queries", "llm_names" where there are any, and "fingerprint", a SHA-256 over the
        queries and the outcomes in their order: another one means other data.
    """
    digest = hashlib.sha256()
    queries = data["queries"]
    for query in queries:
        text = query if isinstance(query, str) else json.dumps(query, default=_plain)
        digest.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    names = None
    for key in ("performance", "cost"):
        values = data.get(key)
        if values is not None:
            names = [str(name) for name in getattr(values, "columns", [])] or names
            table = np.ascontiguousarray(values, dtype=np.float64)
            digest.update(f"{key} {table.shape} {names}".encode())
            digest.update(table.tobytes())
    return {"n_queries": len(queries), "llm_names": names, "fingerprint": digest.hexdigest()}


def versions() -> dict[str, str]:
    """Versions of what a router depends on, without importing any of it."""
    found = {"python": platform.python_version(), **own_versions()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue  # optional, or run from its folder
    return found


def class_name(value: object) -> str:
    """Where the class of an object is found."""
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _describe_encoder(encoder: Any) -> dict[str, Any]:
    description: dict[str, Any] = {"class": class_name(encoder)}
    if isinstance(encoder, SentenceEncoder):
        description["model"] = encoder.model
        description["revision"] = encoder.revision
        description["backend"] = encoder.backend
        description["precision"] = encoder.precision
        description["fingerprint"] = encoder.fingerprint_
        description["n_features"] = _own(encoder, "n_features_out_")
        description["weights_in_file"] = hasattr(encoder, "weights_")
    return description


def _own(owner: Any, name: str) -> Any:
    """An attribute as JSON has it, None where there is none."""
    value = getattr(owner, name, None)
    return value.item() if isinstance(value, np.generic) else value


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else repr(value)
