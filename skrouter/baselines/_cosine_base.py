"""The base of the routers that choose by cosine similarity: fitted state and training loop."""

from __future__ import annotations

from abc import abstractmethod
from numbers import Integral, Real

import numpy as np
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval

from skrouter._routers.base import BaseRouter
from skrouter._utils.vectors import unit_rows


class CosineRouter(BaseRouter):
    """Base of the routers whose logits are cosine similarities of query and LLM embeddings.

    The fitted state is a handful of arrays, and predictions are two matrix products: torch is
    needed in training only.
    """

    _parameter_constraints = {
        **BaseRouter._parameter_constraints,
        "hidden_dim": [Interval(Integral, 1, None, closed="left")],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    @abstractmethod
    def _make_loss(self, embeddings, utility, weight, random_state):
        """Return ``loss(rows, logits, states)``, of shape (n_rows,), for rows of the data.

        The arguments are arrays without the queries of weight 0; the loss takes and returns
        tensors.
        """

    def _fit(self, data):
        import torch

        from skrouter._utils.torch_state import one_thread, seeded
        from skrouter.nn.cosine import CosineNetwork

        used = data.sample_weight > 0
        embeddings, weight = data.embeddings[used], data.sample_weight[used]
        scaler = StandardScaler().fit(embeddings, sample_weight=weight)
        random_state = check_random_state(self.random_state)
        loss = self._make_loss(
            embeddings.astype(np.float64), data.utility[used], weight, random_state
        )
        seed = random_state.randint(np.iinfo(np.int32).max)
        X = torch.tensor((embeddings - scaler.mean_) / scaler.scale_, dtype=torch.float64)
        n_features, n_llms = X.shape[1], data.utility.shape[1]
        with one_thread(), seeded(seed, "cpu"):
            network = CosineNetwork(n_features, n_llms, self.hidden_dim, self.temperature).double()
            self.loss_curve_ = self._train(network, X, torch.tensor(weight), loss)
        self.n_iter_ = self.max_iter
        # One affine map: standardisation and projection.
        projection = network.projection.weight.detach().numpy() / scaler.scale_
        self.projection_ = projection.T.copy()
        self.intercept_ = network.projection.bias.detach().numpy() - projection @ scaler.mean_
        self.llm_embeddings_ = network.llm_embeddings.detach().numpy().copy()

    def _train(self, network, X, weight, loss):
        """Train in place with AdamW; return the mean loss of each epoch."""
        import torch

        optimizer = torch.optim.AdamW(
            network.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay
        )
        curve = []
        for _ in range(self.max_iter):
            total = 0.0
            for rows in torch.randperm(len(X)).split(self.batch_size or len(X)):
                value = (weight[rows] * loss(rows, *network(X[rows]))).sum()
                optimizer.zero_grad()
                (value / (weight.mean() * len(rows))).backward()
                optimizer.step()
                total += value.item()
            curve.append(total / weight.sum().item())
        return curve

    def _utilities(self, embeddings, cost_weight):
        states = embeddings.astype(np.float64) @ self.projection_ + self.intercept_
        return unit_rows(states) @ unit_rows(self.llm_embeddings_).T / self.temperature
