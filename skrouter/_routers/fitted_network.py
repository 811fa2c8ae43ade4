"""What was trained, ready to predict: it owns its device, its precision and how it is saved."""

import numpy as np

from skrouter._utils.locks import ForkSafeLock
from skrouter._utils.torch_state import from_arrays, resolve_device, to_arrays

_ROWS_AT_ONCE = 1024  # bounds the memory of a forward pass without slowing it

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
        module : RoutingNetwork
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
        if self._average is None:
            return self._run("outcomes", embeddings, device)
        parts = [
            self._average.outcomes(part, lambda part=part: self._run("outcomes", part, device))
            for part in _in_parts(embeddings)
        ]
        return np.concatenate(parts)

    def represent(self, embeddings, device):
        """Query representations, float64, shape (n_queries, dim)."""
        return self._run("represent", embeddings, device)

    def _build(self, device):
        import torch

        from skrouter.nn.network import RoutingNetwork

        with torch.device("meta"):  # no weights are drawn: those of training are put in
            module = RoutingNetwork(**self._architecture)
        module = from_arrays(module, self._arrays).eval().requires_grad_(False)
        return module.to(device, torch.float32 if device == "mps" else torch.float64)

    def _run(self, what, embeddings, device):
        import torch

        module = self.prepare(device)
        to = {"dtype": module.outcome_mean.dtype, "device": module.outcome_mean.device}
        with torch.inference_mode():
            outputs = [
                getattr(module, what)(torch.tensor(part, **to)) for part in _in_parts(embeddings)
            ]
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


def _in_parts(embeddings):
    # Torch takes no arrays that run backwards.
    rows = range(_ROWS_AT_ONCE, len(embeddings), _ROWS_AT_ONCE)
    return np.array_split(np.ascontiguousarray(embeddings), rows)
