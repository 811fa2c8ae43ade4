"""scikit-learn set to give data frames back: the routers are the same."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from skrouter import (
    ExploringRouter,
    FallbackRouter,
    GuaranteedRouter,
    RadialRouterClassifier,
    SentenceEncoder,
)
from skrouter import baselines as all_baselines
from skrouter.baselines import KNNRouter, LinearRouter

QUICK = {"cv": 2, "max_iter": 2, "hidden_dim": 16, "device": "cpu", "random_state": 0}
QUERIES = [f"{word} the number {i}" for i in range(30) for word in ("prove", "count")]


def routers():
    """One of each kind that there is."""
    yield RadialRouterClassifier(**QUICK)
    yield FallbackRouter(LinearRouter(10.0), min_margin=0.1, min_similarity=0.2)
    yield ExploringRouter(LinearRouter(10.0))
    yield GuaranteedRouter(
        KNNRouter(n_neighbors=5), max_cost=5.0, max_query_cost=20.0, random_state=0
    )
    for name in all_baselines.__all__:
        router = getattr(all_baselines, name)
        if name not in ("HybridLLMRouter", "BestPerTaskRouter", "StackedRouter"):
            yield router()


def seeded(router):
    names = [name for name in router.get_params() if name.split("__")[-1] == "random_state"]
    return router.set_params(**dict.fromkeys(names, 0))


@pytest.fixture(params=["pandas", "polars"])
def frames(request):
    pytest.importorskip(request.param)
    return request.param


@pytest.fixture(scope="module")
def outcomes():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5))
    return X, (rng.random((60, 3)) < 0.6).astype(float), rng.gamma(2.0, size=(60, 3))


@pytest.mark.parametrize("router", list(routers()), ids=lambda router: type(router).__name__)
def test_fitted_on_numbers(router, frames, outcomes):
    X, performance, cost = outcomes
    wanted = seeded(router).fit(X, performance, cost=cost).predict_proba(X)
    with config_context(transform_output=frames):
        found = router.fit(X, performance, cost=cost).predict_proba(X)
        llms = router.predict(X)
    np.testing.assert_array_equal(found, wanted)
    assert isinstance(llms, np.ndarray)


@pytest.mark.parametrize("kind", ["sentence", "transformer"])
def test_fitted_on_text(kind, frames, outcomes, tiny_encoder_path):
    _, performance, cost = outcomes
    encoder = SentenceEncoder(tiny_encoder_path, cache=None)
    if kind == "transformer":
        encoder = make_pipeline(TfidfVectorizer(), TruncatedSVD(5, random_state=0))
    for router in (RadialRouterClassifier(encoder, **QUICK), KNNRouter(encoder=encoder)):
        wanted = router.fit(QUERIES, performance, cost=cost).predict_proba(QUERIES)
        with config_context(transform_output=frames):
            found = router.fit(QUERIES, performance, cost=cost).predict_proba(QUERIES)
        np.testing.assert_array_equal(found, wanted)
