"""Routers to compare with, all with the interface of `RadialRouterClassifier`.

May import `_routers` and the rooms below it; torch inside functions only.
"""

from __future__ import annotations

from skrouter.baselines._best_per_task import BestPerTaskRouter
from skrouter.baselines._best_single import BestSingleRouter
from skrouter.baselines._cluster import ClusterRouter
from skrouter.baselines._cosine_classifier import CosineClassifierRouter
from skrouter.baselines._frugalgpt import FrugalGPTRouter
from skrouter.baselines._graph import GraphRouter
from skrouter.baselines._hybrid import HybridLLMRouter
from skrouter.baselines._knn import KNNRouter
from skrouter.baselines._linear import LinearRouter
from skrouter.baselines._mlp import MLPRouter
from skrouter.baselines._random import RandomRouter
from skrouter.baselines._regression import RegressionRouter
from skrouter.baselines._routerdc import RouterDCRouter
from skrouter.baselines._stacked import StackedRouter
from skrouter.baselines._svr import SVRRouter
from skrouter.baselines._zero import ZeroRouter

__all__ = [
    "BestPerTaskRouter",
    "BestSingleRouter",
    "ClusterRouter",
    "CosineClassifierRouter",
    "FrugalGPTRouter",
    "GraphRouter",
    "HybridLLMRouter",
    "KNNRouter",
    "LinearRouter",
    "MLPRouter",
    "RandomRouter",
    "RegressionRouter",
    "RouterDCRouter",
    "SVRRouter",
    "StackedRouter",
    "ZeroRouter",
]
