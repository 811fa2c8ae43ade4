"""A sentence-transformers model with an ONNX graph in the place of its transformer, on the CPU.

A graph reads one text, without padding. Dynamic quantisation scales every matrix by its largest
number: in a batch, the embedding of a text would depend on the other texts.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from itertools import islice

import numpy as np

from skrouter._encoders.onnx_export import export, import_extra, open_session
from skrouter._utils.locks import ForkSafeLock
from skrouter._utils.paths import cache_folder, written_at_once

# To be raised when graphs are made in another way: those on disk are then made again.
_RECIPE = 1
_PACKAGES = ("torch", "transformers", "onnxruntime")

# Guards the table of graphs. Making one takes seconds, so it is not the lock of the tokenizers.
_LOCK = ForkSafeLock()
_SESSIONS: dict[tuple, object] = {}


class OnnxModel:
    """A sentence-transformers model, with a graph in the place of its transformer.

    Called as the model is: with the features of a batch, which it completes.

    Parameters
    ----------
    loaded : LoadedModel
        On the CPU. Its tokenizer, its pooling and what follows are used as they are.
    precision : {"float32", "int8"}

    Raises
    ------
    ImportError
        If the packages of the extra "onnx" are not installed.
    ValueError
        If the model cannot be exported.

    Warns
    -----
    RuntimeWarning
        If the graph cannot be kept on disk.
    """

    def __init__(self, loaded, precision):
        self._module = loaded.module
        self._session = _session(loaded, precision)

    def __call__(self, features):
        """Complete the features of a batch, as the model does.

        Parameters
        ----------
        features : dict
            "input_ids", "attention_mask" and what else the model's tokenizer gives.

        Returns
        -------
        dict
            With "sentence_embedding".
        """
        import torch

        features = {**features, "token_embeddings": torch.from_numpy(self._tokens(features))}
        for part in islice(self._module, 1, None):
            features = part(features)
        return features

    def _tokens(self, features):
        """Embeddings of the tokens, of shape (n_texts, n_tokens, n_features); 0 for padding."""
        import torch

        ids, real = features["input_ids"].numpy(), features["attention_mask"].numpy() > 0
        rows = np.zeros((*ids.shape, self._session.get_outputs()[0].shape[-1]), dtype=np.float32)

        def run(i):
            if real[i].any():
                rows[i, real[i]] = self._session.run(None, {"input_ids": ids[i : i + 1, real[i]]})[
                    0
                ]

        n_threads = min(torch.get_num_threads(), len(ids))
        if n_threads == 1:
            for i in range(len(ids)):
                run(i)
        else:
            with ThreadPoolExecutor(n_threads) as pool:
                list(pool.map(run, range(len(ids))))
        return rows


def _session(loaded, precision):
    """Return the runnable graph of a model: of this process, from disk, or made now."""
    key = loaded.fingerprint, precision
    with _LOCK:
        if key not in _SESSIONS:
            import_extra("onnxruntime")  # before any work
            graph = _kept(_name(*key), lambda: export(loaded.module, precision))
            _SESSIONS[key] = open_session(graph)
        return _SESSIONS[key]


def _name(fingerprint, precision):
    versions = [metadata.version(package) for package in _PACKAGES]
    parts = json.dumps([_RECIPE, fingerprint, precision, versions])
    return f"{hashlib.sha256(parts.encode()).hexdigest()}.onnx"


def _kept(name, make):
    """Return a graph from the folder of graphs, where it is made if need be."""
    try:
        file = cache_folder("auto") / "onnx" / name
        content = file.read_bytes() if file.is_file() else b""
    except OSError as error:
        _warn(error)
        return make()
    if content[:32] == hashlib.sha256(content[32:]).digest():
        return content[32:]
    graph = make()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with written_at_once(file) as part:
            part.write_bytes(hashlib.sha256(graph).digest() + graph)
    except OSError as error:
        _warn(error)
    return graph


def _warn(error):
    warnings.warn(
        f"The graph of a sentence encoder cannot be kept ({type(error).__name__}: {error}), and "
        "is made again in every process, which takes seconds. Set SKROUTER_HOME to a folder that "
        "can be written.",
        RuntimeWarning,
        stacklevel=2,
    )
