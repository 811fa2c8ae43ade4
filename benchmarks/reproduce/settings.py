"""What is run: the routers with their candidates, the ablations, and the points of the curves."""

from importlib.util import find_spec

from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor

from skrouter import RadialRouterClassifier, baselines

RADIAL = "RadialRouter"
BEST_SINGLE = "best single LLM"
BEST_PER_TASK = "best LLM per task (told the task)"
GRAPH = "GraphRouter"

STACK = baselines.StackedRouter(
    [
        ("kNN", baselines.KNNRouter()),
        ("ridge", baselines.LinearRouter()),
        ("table", baselines.ClusterRouter()),
    ]
)
FOREST = RandomForestRegressor(n_estimators=100, min_samples_leaf=20, max_features="sqrt")

# Every LLM that is right is drawn near, every one that fails is pushed away.
ALL_LLMS = {"n_best": 11, "n_worst": 11, "contrastive_weight": 0.0, "max_iter": 10}

# Every learned router has the same number of candidates. The first is its default.
ROUTERS = {
    BEST_SINGLE: (baselines.BestSingleRouter(), None),
    BEST_PER_TASK: (baselines.BestPerTaskRouter(), None),
    "kNN": (
        baselines.KNNRouter(),
        [{}, {"n_neighbors": 20}, {"n_neighbors": 40}, {"n_neighbors": 160}],
    ),
    "ridge": (baselines.LinearRouter(), [{}, {"alpha": 10.0}, {"alpha": 30.0}, {"alpha": 100.0}]),
    "MLP": (
        baselines.MLPRouter(),
        [{}, {"alpha": 0.1}, {"max_iter": 50}, {"learning_rate": 3e-4}],
    ),
    "SVR": (baselines.SVRRouter(), [{}, {"C": 0.03}, {"epsilon": 1.0}, {"kernel": "linear"}]),
    "random forest": (
        baselines.RegressionRouter(FOREST),
        [{}] + [{"regressor__min_samples_leaf": n} for n in (5, 50, 100)],
    ),
    "stack of kNN, ridge and a cluster table": (
        STACK,
        [{}, {"kNN__n_neighbors": 100}, {"ridge__alpha": 10.0}, {"cv": 8}],
    ),
    "CosineClassifier": (
        baselines.CosineClassifierRouter(),
        [
            {},
            {"learning_rate": 3e-3},
            {"ties": "mean"},
            {"ties": "mean", "learning_rate": 3e-3, "weight_decay": 1.0, "temperature": 2.0},
        ],
    ),
    "HybridLLM": (baselines.HybridLLMRouter(), [{}, {"C": 0.1}, {"C": 10.0}, {"labels": "trans"}]),
    "FrugalGPT": (
        baselines.FrugalGPTRouter(),
        [{}, {"max_length": 2}, {"alpha": 1.0}, {"alpha": 100.0}],
    ),
    "RouterDC": (
        baselines.RouterDCRouter(),
        [
            {},
            {"temperature": 0.3},
            {"temperature": 2.0, "weight_decay": 1.0, **ALL_LLMS},
            {"temperature": 0.3, "weight_decay": 10.0, **ALL_LLMS},
        ],
    ),
    GRAPH: (
        baselines.GraphRouter(),
        [{}, {"learning_rate": 1e-3}, {"hidden_dim": 16}, {"weight_decay": 1.0}],
    ),
    RADIAL: (
        RadialRouterClassifier(device="cpu"),
        [{}, {"target_smoothing": 0.6}, {"learning_rate": 1e-3}, {"contrastive_weight": 1.0}],
    ),
}
HAS_GRAPH = find_spec("torch_geometric") is not None
if not HAS_GRAPH:
    del ROUTERS[GRAPH]
LEARNED = [name for name, (_, grid) in ROUTERS.items() if grid]
# Routers whose loss asks for a choice that can be worked out, once the task is known.
COSINE_ROUTERS = ("CosineClassifier", "RouterDC")

ALWAYS_TRAINED = {"cv": None}
BEST_LLM_ALONE = {
    "trade_off": "fixed",
    "expert_settings": {"kl_direction": "forward"},
    "target_temperature": 0.001,
    "target_smoothing": 0.0,
    **ALWAYS_TRAINED,
}
# What the paper publishes, but for the joint training and the sizes, which two cores cannot afford.
PAPER_TRAINING = RadialRouterClassifier.paper_settings(
    encoder=RadialRouterClassifier().encoder, fine_tune_encoder=False
) | {
    name: getattr(RadialRouterClassifier(), name)
    for name in ("n_layers", "hidden_dim", "learning_rate", "max_iter")
}
BACKBONES = {
    "RadialFormer": "radial",
    "Star-Transformer": "star",
    "Transformer": "transformer",
    "MLP": "mlp",
}
# The rows of Table 2, each a change to the defaults. docs/method.rst explains them. Early stopping
# would hide what the others do: it stays at the best single LLM wherever it sees no gain.
ABLATIONS = {
    "with early stopping (the default)": {},
    RADIAL: ALWAYS_TRAINED,
    **{
        f"RadialFormer → {name}": {"backbone": backbone, **ALWAYS_TRAINED}
        for name, backbone in BACKBONES.items()
        if backbone != "radial"
    },
    "the paper's training (paper_settings), sizes and rate of the defaults": PAPER_TRAINING,
    "without L_qq": {"contrastive_weight": 0.0, **ALWAYS_TRAINED},
    "without L_KL (cross-entropy on the best LLM)": BEST_LLM_ALONE,
    # The intercept is divided by the temperature as well, and then hardly leaves room to learn.
    "the same, without intercept": {"fit_intercept": False, **BEST_LLM_ALONE},
    "without target smoothing": {"target_smoothing": 0.0, **ALWAYS_TRAINED},
}

SCENARIOS = {0.0: "Performance First", 0.02: "Balance", 0.1: "Cost First"}
POOL_COST_WEIGHT = 0.02  # trade-off of the growing pool and of the t-SNE pictures
TSNE_WEIGHTS = {
    "without L_qq": 0.0,
    "with L_qq, default weight": RadialRouterClassifier().contrastive_weight,
}
CURVE_ROUTERS = (BEST_PER_TASK, "kNN", "ridge", "RouterDC", RADIAL)
CURVE = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
QUICK_CURVE = (0.0, 0.02, 0.1, 0.5)
N_FOLDS = 3
QUICK_ROWS = 300  # at most so many train rows, and test rows, in a quick run
LATENCY_BATCHES = (1, 64)


def latency_pools(quick):
    """Sizes of the pools of untrained networks whose latency is measured."""
    return (11, 100) if quick else (11, 100, 1000)


def n_candidates(quick):
    """Candidates of each learned router; one means its defaults, without a search."""
    return 1 if quick else max(len(grid) for _, grid in ROUTERS.values() if grid)


def pool_sizes(n_llms, quick):
    """Sizes of the growing pool; few of them in a quick run."""
    return [n for n in range(1, n_llms + 1) if not quick or n in (1, 2, 4, 8, n_llms)]


def make_router(name, parameters, cost_weight, seed):
    """An unfitted router with these parameters; the seed goes wherever one is wanted."""
    router = clone(ROUTERS[name][0]).set_params(cost_weight=cost_weight, **parameters)
    return router.set_params(**dict.fromkeys(_seed_names(router), seed))


def is_seeded(name):
    """Whether another seed can make another router."""
    return bool(_seed_names(ROUTERS[name][0]))


def _seed_names(router):
    return [key for key in router.get_params() if key.split("__")[-1] == "random_state"]
