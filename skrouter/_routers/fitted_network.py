"""What was trained, ready to predict: it owns its device, its precision and how it is saved."""

from __future__ import annotations

import numpy as np

from skrouter._utils.locks import ForkSafeLock
from skrouter._utils.torch_state import from_arrays, resolve_device, to_arrays

# Satellites in a forward pass: a bound on its memory. With more they would not fit into caches.
_SATELLITES_AT_ONCE = 2816

# Guards the making of a module for a further device.
_LOCK = ForkSafeLock()


class FittedNetwork:
    """A network that nobody changes any more, with the other learners that it is averaged with.

    What predictions need is built when training ends and when a file is loaded, once for each
    device, and never written again: threads may predict side by side.

    Parameters
    ----------
    network : RoutingNetwork
        Trained, in evaluation mode. It is copied.
    architecture : dict
        Its arguments.
    average : FittedAverage or None
        What the network is a part of. None for the network as it comes.
    """

    def __init__(self, network, architecture, average):
        self._arrays = to_arrays(network)
        self._architecture = dict(architecture)
        self._average = average
        self._modules = {}

    @property
    def llm_embeddings(self):
        """The learnt LLM embeddings, shape (n_llms, dim)."""
        return self._arrays["backbone.llm_embeddings"].copy()

    @property
    def mean_outcomes(self):
        """Mean outcomes of training, shape (n_llms, n_outcomes)."""
        return self._arrays["outcome_mean"].astype(np.float64)

    def prepare(self, device):
        """Build what predictions on a device need, unless it is there.

        Parameters
        ----------
        device : str
            As torch names it, or "auto".

        Returns
        -------
        module : RoutingNetwork or AveragedNetwork
            In double precision: a query's result then does not depend, to seven digits and more,
            on which others are in the batch. On MPS, which has none, in single precision.
        """
        module = self._modules.get(device)
        if module is None:
            resolved = resolve_device(device)
            with _LOCK:
                module = self._modules.get(resolved) or self._build(resolved)
                self._modules = {**self._modules, device: module, resolved: module}
        return module

    def outcomes(self, embeddings, device):
        """Expected outcomes, float64, shape (n_queries, n_llms, n_outcomes)."""
        return self._run("outcomes", embeddings, device)

    def represent(self, embeddings, device):
        """Query representations, float64, shape (n_queries, dim)."""
        return self._run("represent", embeddings, device)

    def _build(self, device):
        import torch

        from skrouter.nn.average import AveragedNetwork
        from skrouter.nn.network import RoutingNetwork

        with torch.device("meta"):  # no weights are drawn: those of training are put in
            module = RoutingNetwork(**self._architecture)
        to = {"device": device, "dtype": torch.float32 if device == "mps" else torch.float64}
        module = from_arrays(module, self._arrays).to(**to).freeze()
        if self._average is None:
            return module
        return AveragedNetwork(module, *_as_tensors(tuple(self._average), to))

    def _run(self, what, embeddings, device):
        import torch

        module = self.prepare(device)
        weight = next(module.parameters())
        to = {"dtype": weight.dtype, "device": weight.device}
        parts = _in_parts(embeddings, self._architecture["n_llms"])
        with torch.inference_mode():
            outputs = [getattr(module, what)(torch.tensor(part, **to)) for part in parts]
        return torch.cat(outputs).cpu().numpy().astype(np.float64, copy=False)

    def __getstate__(self):
        return {
            "arrays": self._arrays,
            "architecture": self._architecture,
            "average": self._average,
        }

    def __setstate__(self, state):
        self._arrays, self._architecture = state["arrays"], state["architecture"]
        self._average = state.get("average")  # files of 0.1 have the network alone
        self._modules = {}


def _as_tensors(value, to):
    """Arrays in tuples and lists, as tensors."""
    import torch

    if isinstance(value, np.ndarray):
        return torch.tensor(value, **to)
    if isinstance(value, list | tuple):
        return type(value)(_as_tensors(part, to) for part in value)
    return value


def _in_parts(embeddings, n_llms):
    n_rows = max(1, _SATELLITES_AT_ONCE // n_llms)
    # Torch takes no arrays that run backwards.
    embeddings = np.ascontiguousarray(embeddings)
    return np.array_split(embeddings, range(n_rows, len(embeddings), n_rows))
