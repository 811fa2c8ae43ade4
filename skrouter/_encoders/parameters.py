"""The parameters of SentenceEncoder, checked before any work."""

from __future__ import annotations

import os
from numbers import Integral

import numpy as np

from skrouter._inputs.chat import TURNS

# What computes the embeddings, and in which precisions.
PRECISIONS = {"torch": ("float32",), "onnx": ("float32", "int8")}


def check_parameters(encoder):
    """Refuse parameters that cannot be used.

    Parameters
    ----------
    encoder : SentenceEncoder

    Raises
    ------
    ValueError
        If a parameter is not as its description says, or two of them do not go together.
    """
    if not isinstance(encoder.model, str) or not encoder.model:
        raise ValueError(
            f"model={encoder.model!r}: the name of a sentence-transformers model or the path of "
            "its folder is wanted, as str."
        )
    if encoder.truncation_side not in ("left", "right"):
        raise ValueError(
            f"truncation_side={encoder.truncation_side!r}: 'left' or 'right' is wanted."
        )
    if not isinstance(encoder.turns, str) or encoder.turns not in TURNS:
        raise ValueError(f"turns={encoder.turns!r}: 'user', 'last_user' or 'all' is wanted.")
    for name, least in (("max_length", 3), ("batch_size", 1)):
        value = getattr(encoder, name)
        if name == "max_length" and value is None:
            continue
        if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name}={value!r}: an integer of at least {least} is wanted.")
    for name in ("prompt", "revision"):
        value = getattr(encoder, name)
        if value is not None and not isinstance(value, str):
            raise ValueError(f"{name}={value!r}: a str or None is wanted.")
    if not isinstance(encoder.normalize_embeddings, bool | np.bool_):
        raise ValueError(
            f"normalize_embeddings={encoder.normalize_embeddings!r}: True or False is wanted."
        )
    if encoder.cache is not None and not isinstance(encoder.cache, str | os.PathLike):
        raise ValueError(f"cache={encoder.cache!r}: 'auto', None or a folder is wanted.")
    if encoder.show_progress not in ("auto", True, False):
        raise ValueError(
            f"show_progress={encoder.show_progress!r}: 'auto', True or False is wanted."
        )
    _check_backend(encoder)


def _check_backend(encoder):
    if not isinstance(encoder.backend, str) or encoder.backend not in PRECISIONS:
        raise ValueError(f"backend={encoder.backend!r}: 'torch' or 'onnx' is wanted.")
    offered = PRECISIONS[encoder.backend]
    if encoder.precision not in offered:
        wanted = " or ".join(map(repr, offered))
        others = [name for name, given in PRECISIONS.items() if encoder.precision in given]
        hint = f"; backend={others[0]!r} has it" if others else ""
        raise ValueError(
            f"precision={encoder.precision!r}: {wanted} is wanted with "
            f"backend={encoder.backend!r}{hint}."
        )
    if encoder.backend == "onnx" and encoder.device not in ("auto", "cpu"):
        raise ValueError(
            f"device={encoder.device!r}: 'auto' or 'cpu' is wanted with backend='onnx', which "
            "runs on the CPU."
        )
