"""What is torch's and not a network's: weights as plain arrays, devices, generators, threads.

A saved router holds arrays, so that it needs no torch objects or device. torch is imported inside
the functions only, so that importing skrouter stays cheap.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager

import numpy as np

from skrouter._utils.locks import ForkSafeLock

# torch's generators and its number of threads are those of the whole process.
_GLOBAL_STATE = ForkSafeLock()


def _use_one_thread():
    """Let torch and tokenizers work in one thread in a forked process.

    Their pools of threads are the parent's. None of these threads lives on here, and whatever is
    shared out among them is waited for without end.
    """
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
        os.environ["TOKENIZERS_PARALLELISM"] = "false"


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_use_one_thread)


def to_arrays(module):
    """Weights and buffers of a torch module as a dict of NumPy arrays, copied."""
    return {
        name: tensor.detach().cpu().numpy().copy() for name, tensor in module.state_dict().items()
    }


def from_arrays(module, arrays):
    """Load arrays from :func:`to_arrays` into a module of the same shape, copied."""
    import torch

    # np.array: arrays that joblib memory-maps are read-only, which torch does not support.
    # assign: the module takes the precision of the arrays.
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    module.load_state_dict(tensors, assign=True)
    return module


def resolve_device(device):
    """Turn the ``device`` parameter into the name of a device that is there.

    Parameters
    ----------
    device : str
        "auto" (CUDA if there is one, else MPS, else the CPU), or a device name as torch
        understands it: "cpu", "cuda", "cuda:1", "mps".

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If the device is unknown, or known but not available here.
    """
    import torch

    if device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    wanted = f"device={device!r}: 'auto', 'cpu', 'cuda', 'cuda:<index>' or 'mps' is wanted"
    if not isinstance(device, str):
        raise ValueError(f"{wanted}.")
    try:
        parsed = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"{wanted}.") from error
    if parsed.type not in ("cpu", "cuda", "mps"):
        raise ValueError(f"{wanted}.")
    if parsed.type == "cuda" and (parsed.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"{wanted}; torch sees {torch.cuda.device_count()} CUDA device(s) here.")
    if parsed.type == "mps" and not torch.backends.mps.is_available():
        raise ValueError(f"{wanted}; torch sees no MPS device here.")
    return device


@contextmanager
def seeded(seed, device):
    """Seed torch's generators for the block; their states outside are not touched.

    Other threads of the process wait meanwhile: they would draw from the same generators.
    """
    import torch

    device = torch.device(device)
    cuda = [device.index or 0] if device.type == "cuda" else []
    mps = torch.mps.get_rng_state() if device.type == "mps" else None
    with _GLOBAL_STATE, torch.random.fork_rng(devices=cuda):
        # Not torch.manual_seed: it reseeds every device there is.
        torch.default_generator.manual_seed(seed)
        for index in cuda:
            torch.cuda.default_generators[index].manual_seed(seed)
        if mps is not None:
            torch.mps.manual_seed(seed)
        try:
            yield
        finally:
            if mps is not None:
                torch.mps.set_rng_state(mps)


@contextmanager
def one_thread():
    """Let torch compute in one thread for the block.

    How sums are shared out among threads changes their last digits, and training makes more of
    them. The matrices of a small network gain nothing from more threads.

    Yields
    ------
    n_threads : int
        How many it may use otherwise.
    """
    import torch

    with _GLOBAL_STATE:
        n_threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield n_threads
        finally:
            torch.set_num_threads(n_threads)
