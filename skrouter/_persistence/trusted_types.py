"""The types that a file of a router may hold, beside those that skops trusts.

Each of them only takes attributes over when it is loaded, or builds a network of its own kind from
numbers. Nothing is trusted by where it comes from: a function of this package is not.
"""

from __future__ import annotations

import re
from importlib import import_module

from sklearn.base import BaseEstimator

ROUTERS = frozenset(
    f"skrouter.{name}"
    for name in (
        "_meta.exploring.ExploringRouter",
        "_meta.fallback.FallbackRouter",
        "_meta.risk_control.GuaranteedRouter",
        "_routers.radial_router.RadialRouterClassifier",
        "baselines._best_per_task.BestPerTaskRouter",
        "baselines._best_single.BestSingleRouter",
        "baselines._cluster.ClusterRouter",
        "baselines._cosine_classifier.CosineClassifierRouter",
        "baselines._frugalgpt.FrugalGPTRouter",
        "baselines._graph.GraphRouter",
        "baselines._hybrid.HybridLLMRouter",
        "baselines._knn.KNNRouter",
        "baselines._linear.LinearRouter",
        "baselines._mlp.MLPRouter",
        "baselines._random.RandomRouter",
        "baselines._regression.RegressionRouter",
        "baselines._routerdc.RouterDCRouter",
        "baselines._stacked.StackedRouter",
        "baselines._svr.SVRRouter",
        "baselines._zero.ZeroRouter",
    )
)

_PARTS = frozenset(
    f"skrouter.{name}"
    for name in (
        "_encoders.chat_formatter.ChatFormatter",
        "_encoders.sentence_encoder.SentenceEncoder",
        "_routers.explanation.Examples",
        "_routers.fitted_network.FittedNetwork",
        "_routers.new_llm.NewLLM",
        "_routers.pool.Pool",
        "_training.averaging.FittedAverage",
        "_training.reduced_rank.RankReduction",
        "_training.validation.Validation",
        "baselines._masked_regression.ColumnRegressors",
        "baselines._masked_regression.ReducedRankRegressors",
        "baselines._mlp._StandardizedMLP",
        "baselines._svr._CenteredSVR",
        "metrics._score._RoutingScorer",
    )
)

# What fitted estimators and searches of scikit-learn hold, beside estimators.
_SCIKIT_LEARN = frozenset(
    f"sklearn.{name}"
    for name in (
        "ensemble._hist_gradient_boosting.binning._BinMapper",
        "model_selection._split.GroupKFold",
        "model_selection._split.KFold",
        "model_selection._split.ShuffleSplit",
        "model_selection._split.StratifiedKFold",
        "neural_network._stochastic_optimizers.AdamOptimizer",
        "neural_network._stochastic_optimizers.SGDOptimizer",
        "utils._metadata_requests.MetadataRequest",
        "utils._metadata_requests.MethodMetadataRequest",
    )
)

TRUSTED = ROUTERS | _PARTS | _SCIKIT_LEARN

# Modules of scikit-learn that hold no estimators, and are not imported to look.
_NO_ESTIMATORS = {"conftest", "externals", "tests"}


def is_trusted(name: str) -> bool:
    """Whether a file may hold this type.

    Parameters
    ----------
    name : str
        Module and name.

    Returns
    -------
    trusted : bool
        True for what is listed here, and for estimators of scikit-learn. skops knows these, too,
        unless it was told to spare the time of importing all of them.
    """
    if name in TRUSTED:
        return True
    parts = name.split(".")
    if not re.fullmatch(r"sklearn(\.\w+)+", name) or _NO_ESTIMATORS.intersection(parts):
        return False
    try:
        found = getattr(import_module(".".join(parts[:-1])), parts[-1], None)
    except ImportError:
        return False
    return isinstance(found, type) and issubclass(found, BaseEstimator)
