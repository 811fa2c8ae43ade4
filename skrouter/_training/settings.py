"""How RadialRouter is trained, as one value."""

from __future__ import annotations

from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

LEARNERS = ("network", "linear", "clusters")


class ExpertSettings(NamedTuple):
    """Settings that hardly anybody needs to change, with their defaults.

    They are documented where users meet them, in :class:`~skrouter.RadialRouterClassifier`.
    """

    outcome_weight: float = 0.3
    kl_direction: str = "reverse"
    n_neighbors: int = 20
    n_clusters: int = 8
    n_heads: int = 4
    weight_decay: float = 0.01
    encoder_learning_rate: float = 5e-5
    max_examples: int = 5000
    learners: tuple[str, ...] = LEARNERS


EXPERT_CONSTRAINTS = {
    "outcome_weight": [Interval(Real, 0, None, closed="left")],
    "kl_direction": [StrOptions({"forward", "reverse"})],
    "n_neighbors": [Interval(Integral, 1, None, closed="left")],
    "n_clusters": [Interval(Integral, 1, None, closed="left")],
    "n_heads": [Interval(Integral, 1, None, closed="left")],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "encoder_learning_rate": [Interval(Real, 0, None, closed="neither")],
    "max_examples": [Interval(Integral, 0, None, closed="left")],
    "learners": [tuple, list],
}


class TrainingSettings(NamedTuple):
    """All that training depends on beside its data; the names are those of the router."""

    any_trade_off: bool
    cost_weight: float
    contrastive_weight: float
    contrastive_temperature: float
    target_temperature: float
    target_smoothing: float
    distillation: float
    backbone: str
    n_layers: int
    hidden_dim: int
    dropout: float
    fit_intercept: bool
    fine_tune_encoder: bool
    learning_rate: float
    batch_size: int | str | None
    max_iter: int
    cv: int | object | None  # or a splitter, or an iterable of splits
    dtype: str
    device: str
    random_state: int | np.random.RandomState | None
    verbose: bool
    expert: ExpertSettings
