"""What makes fits and predictions fast, counted: seconds would be those of the machine."""

import copy
import math

import numpy as np
import pytest
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from skrouter import RadialRouterClassifier
from skrouter._routers import base
from skrouter._training import early_stopping, loop
from skrouter._training import radial as radial_training
from skrouter._training.closed_form import look_up
from skrouter._utils.vectors import unit_rows
from skrouter.nn import RadialFormer, RoutingNetwork
from skrouter.nn.average import AveragedNetwork
from skrouter.nn.dropout import Dropout, draw_from, draws_from_torch
from skrouter.nn.radialformer import RadialLayer

DIM, HEADS, QUERIES = 64, 4, 32
rng = np.random.default_rng(0)


def problem(n_queries, n_llms=3):
    X = rng.normal(size=(n_queries, 6)).astype(np.float32)
    performance = (rng.random((n_queries, n_llms)) < 0.5 + 0.3 * (X[:, :1] > 0)).astype(float)
    return X, performance, np.linspace(0.1, 1.0, n_llms)


def products(n_llms, n_layers=2):
    """Multiplications and additions of a forward pass, per query."""
    network = RadialFormer(n_llms, DIM, n_layers, HEADS).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.randn(QUERIES, DIM))
    return counter.get_total_flops() / QUERIES


def operations(call):
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        call()
    return {event.key: event.count for event in profiled.key_averages()}


# --- the network


def test_products_of_a_forward_pass():
    # Per satellite: the output of the first layer, query, key, value and output of the second, the
    # head. The relay's attention projects one state per query, not the satellites.
    per_satellite = 2 * DIM * DIM * (1 + 4 + 1)
    for n_llms in (11, 100, 1000):
        assert products(n_llms) < 1.15 * per_satellite * (n_llms + 7)


def test_products_grow_with_the_llms_and_no_faster():
    few, many = products(100, n_layers=6), products(1000, n_layers=6)
    slope = math.log(many / few) / math.log(10)
    assert 0.9 < slope < 1.02


def test_a_frozen_network_does_not_project_the_llms_again(monkeypatch):
    network = RoutingNetwork(6, 3, 8, 2, 2, 0.0).eval()
    x = torch.randn(4, 6)
    before = network.outcomes(x)
    network.freeze()
    monkeypatch.setattr(RadialLayer, "project_llms", None)
    torch.testing.assert_close(network.outcomes(x), before, rtol=0, atol=0)


def test_other_weights_are_not_frozen():
    network, other = (RoutingNetwork(6, 3, 8, 2, 2, 0.0).eval() for _ in range(2))
    x = torch.randn(4, 6)
    wanted = other.outcomes(x)
    network.freeze().load_state_dict(other.state_dict())
    torch.testing.assert_close(network.outcomes(x), wanted, rtol=0, atol=0)
    found = network.freeze().double().outcomes(x.double())
    torch.testing.assert_close(found, other.double().outcomes(x.double()), rtol=0, atol=0)
    network.freeze().train()
    assert network.backbone._projected is None


def test_short_embeddings_belong_to_the_clusters_of_training():
    X = rng.normal(size=(20, 6))
    centers, table = unit_rows(rng.normal(size=(5, 6))), rng.normal(size=(5, 2))
    tensors = [(torch.tensor(centers), [(10.0, torch.tensor(table))])]
    zeros = torch.zeros(1, 2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    average = AveragedNetwork(None, *zeros, None, tensors)
    for scale in (1.0, 1e-11, 1e-13, 1e-160):
        wanted = look_up(table, unit_rows(scale * X) @ centers.T, 10.0)
        found = average.outcomes(torch.tensor(scale * X))[:, 0].numpy()
        np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_all_clusters_take_one_product():
    centers, table = torch.eye(6), torch.ones(6, 2)
    tables = [(centers[:k], [(math.inf, table[:k]), (5.0, table[:k])]) for k in (2, 3, 4)]
    average = AveragedNetwork(None, torch.zeros(1, 2), torch.zeros(2), None, tables)
    x = torch.randn(5, 6)
    counted = operations(lambda: average.outcomes(x))
    assert counted["aten::mm"] == 1
    np.testing.assert_allclose(average.outcomes(x), np.full((5, 1, 2), 6.0), rtol=1e-6)


# --- dropout


@pytest.mark.parametrize("p", [0.0, 1e-3, 0.3, 0.999])
def test_dropout_keeps_the_mean(p):
    dropout = Dropout(p).train()
    draw_from(dropout, torch.Generator().manual_seed(0))
    x = torch.ones(400, 500)
    kept = dropout(x)
    dropped = min(max(round(256 * p), p > 0), 255) / 256
    assert (kept == 0).float().mean() == pytest.approx(dropped, abs=0.005)
    assert kept.mean() == pytest.approx(1.0, abs=0.1)
    assert kept.max() == pytest.approx(1 / (1 - dropped))
    assert dropout.eval()(x) is x


def test_dropout_draws_a_byte_per_number():
    dropout, x = Dropout(0.5).train(), torch.ones(1000)
    counted = operations(lambda: dropout(x))
    assert "aten::bernoulli_" not in counted
    generator, other = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
    draw_from(dropout, generator)
    dropout(x)
    torch.empty(125, dtype=torch.int64).random_(-(2**63), None, generator=other)
    assert torch.equal(generator.get_state(), other.get_state())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_dropout_keeps_the_precision(dtype):
    before = torch.get_default_dtype()
    try:
        for default in (torch.float32, torch.float64):
            torch.set_default_dtype(default)
            kept = Dropout(0.5).train()(torch.ones(100, dtype=dtype))
            assert kept.dtype == dtype
            assert set(kept.tolist()) == {0.0, 2.0}
    finally:
        torch.set_default_dtype(before)


def test_devices_without_64_random_bits_draw_bytes():
    x = torch.ones(7, 3, device="meta")
    assert Dropout(0.5).train()(x).shape == x.shape


def test_copies_have_no_part_in_the_training():
    network = RoutingNetwork(6, 3, 8, 2, 2, 0.3)
    draw_from(network, torch.Generator())
    assert network.dropout.generator is not None
    assert copy.deepcopy(network).dropout.generator is None


def test_who_draws_from_torch():
    def network(backbone, dropout):
        return RoutingNetwork(6, 3, 8, 2, 2, dropout, backbone=backbone)

    assert not any(draws_from_torch(network(each, 0.3)) for each in ("radial", "star", "mlp"))
    assert draws_from_torch(network("transformer", 0.3))


# --- fit


def batches(monkeypatch, router, *data):
    """Rows of the batches of every training, in their order."""
    seen = []
    plain = loop.Objective.__call__

    def spy(self, network, embeddings, *rest):
        seen.append(len(embeddings))
        return plain(self, network, embeddings, *rest)

    monkeypatch.setattr(loop.Objective, "__call__", spy)
    router.fit(*data)
    return seen


@pytest.mark.parametrize(
    ("n_queries", "n_llms", "wanted"), [(100, 3, 16), (2225, 2, 128), (2225, 500, 32)]
)
def test_batches_grow_with_the_queries(monkeypatch, n_queries, n_llms, wanted):
    X, performance, _ = problem(n_queries, n_llms)
    router = RadialRouterClassifier(cv=None, max_iter=1, hidden_dim=4, target_smoothing=0.0)
    seen = batches(monkeypatch, router, X, performance)
    assert max(seen) == wanted
    assert len(seen) == math.ceil(n_queries / wanted)


def test_networks_of_folds_see_a_bounded_number_of_rows(monkeypatch):
    X, performance, cost = problem(300)
    monkeypatch.setattr(radial_training, "_MAX_ROWS_OF_FOLD", 40)
    router = RadialRouterClassifier(max_iter=2, hidden_dim=4, random_state=0)
    seen = batches(monkeypatch, router, X, performance, cost)
    of_folds = sum(seen) - router.n_iter_ * 300
    assert of_folds == 2 * 2 * 40


@pytest.mark.parametrize("backbone", ["radial", "transformer"])
def test_folds_side_by_side_change_nothing(backbone):
    X, performance, cost = problem(120)
    router = RadialRouterClassifier(
        backbone=backbone, cv=3, max_iter=2, hidden_dim=8, random_state=0, device="cpu"
    )
    before, found = torch.get_num_threads(), []
    try:
        for n_threads in (1, 3):
            torch.set_num_threads(n_threads)
            router.fit(X, performance, cost=cost)
            found.append((router.validation_gains_, router.predict_proba(X)))
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1], found[1][1])


@pytest.mark.parametrize(("n_llms", "wanted"), [(3, 256), (1024, 32)])
def test_judging_takes_as_many_queries_as_the_llms_allow(n_llms, wanted):
    rows = torch.arange(300)
    seen = []

    class Network(RoutingNetwork):
        def forward(self, embeddings):
            seen.append(len(embeddings))
            return super().forward(embeddings)

    network = Network(2, n_llms, 4, 1, 1, 0.0)
    target = torch.zeros(300, n_llms, 1)
    learner = loop.Learner(network, None, lambda rows: torch.ones(len(rows), 2), rows, target, None)
    queries = loop.TrainingTensors(target, torch.ones(300), None, torch.zeros(n_llms, 1))
    schedule = loop.Schedule(1e-3, 1e-3, 0.0, 16, 1)
    objective = loop.Objective(1.0, "forward", 0.0, 1.0, None, 0.0)
    next(early_stopping._expectations(learner, rows, queries, objective, schedule))
    assert max(seen) == wanted


# --- predict


def test_plain_arrays_are_not_looked_at_twice(monkeypatch):
    X, performance, cost = problem(60)
    router = RadialRouterClassifier(max_iter=1, hidden_dim=4, cv=None, random_state=0)
    router.fit(X, performance, cost=cost)
    wanted = router.predict_proba(X.tolist())
    monkeypatch.setattr(base, "validate_data", None)
    np.testing.assert_allclose(router.predict_proba(X), wanted, rtol=1e-6)
    np.testing.assert_allclose(router.predict_proba(X.astype(np.float64)), wanted, rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_plain_arrays_of_bad_numbers_are_refused(bad):
    X, performance, cost = problem(60)
    router = RadialRouterClassifier(max_iter=1, hidden_dim=4, cv=None, random_state=0)
    router.fit(X, performance, cost=cost)
    X = X.copy()
    X[3, 2] = bad
    with pytest.raises(ValueError, match="NaN|infinity"):
        router.predict(X)
    # Numbers whose sum is too large for their precision are fine.
    large = np.full((1, 6), 3e38, dtype=np.float32)
    assert len(router.predict(large)) == 1
