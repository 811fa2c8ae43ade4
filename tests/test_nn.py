"""RadialFormer against a plain version, and the losses against their formulas."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from skrouter.nn import RadialFormer, RoutingNetwork, contrastive_loss, kl_loss
from skrouter.nn.backbones import BACKBONES
from skrouter.nn.losses import outcome_loss


class PlainRadialFormer(nn.Module):
    """The equations as they stand, with explicit contexts and torch's attention."""

    def __init__(self, fast, dim, n_heads):
        super().__init__()
        self.fast = fast
        self.dim, self.n_heads = dim, n_heads

    def attention(self, weights):
        attention = nn.MultiheadAttention(self.dim, self.n_heads, batch_first=True).double()
        attention.load_state_dict(weights.state_dict())
        return lambda query, context: attention(query, context, context, need_weights=False)[0]

    def forward(self, relay):
        m = self.fast.llm_embeddings
        satellites = m.expand(len(relay), -1, -1)
        for layer in self.fast.layers:
            attend = self.attention(layer.satellite_attention)
            updated = []
            n_llms = len(m)
            for i in range(n_llms):
                s_i = satellites[:, i]
                context = [s_i, m[i].expand_as(s_i), relay]
                if layer.ring:
                    context += [satellites[:, i - 1], satellites[:, (i + 1) % n_llms]]
                context = torch.stack(context, dim=1)
                answer = attend(s_i[:, None], context)[:, 0]
                updated.append(layer.satellite_norm(F.relu(answer)))
            satellites = torch.stack(updated, dim=1)
            if layer.relay_attention is not None:
                context = torch.cat([relay[:, None], satellites], dim=1)
                attend = self.attention(layer.relay_attention)
                answer = attend(relay[:, None], context)[:, 0]
                relay = layer.relay_norm(F.relu(answer))
        return self.fast.head(satellites)


@pytest.mark.parametrize("ring", [False, True])
@pytest.mark.parametrize("n_layers", [1, 3])
@pytest.mark.parametrize("n_llms", [1, 2, 11, 100])
def test_radialformer_is_the_equations(n_llms, n_layers, ring):
    torch.manual_seed(0)
    fast = RadialFormer(n_llms, 24, n_layers, 4, ring=ring).double().eval()
    for parameter in fast.parameters():  # biases too must take part
        nn.init.normal_(parameter, std=0.5)
    relay = torch.randn(5, 24, dtype=torch.float64)
    plain = PlainRadialFormer(fast, 24, 4)
    torch.testing.assert_close(fast(relay), plain(relay), rtol=0, atol=1e-10)


@pytest.mark.parametrize("backbone", ["radial", "transformer", "mlp"])
def test_the_order_of_the_llms_does_not_matter(backbone):
    torch.manual_seed(0)
    network = BACKBONES[backbone](5, 8, 2, 2).eval()
    relay, order = torch.randn(4, 8), torch.tensor([3, 0, 4, 1, 2])
    before = network(relay)
    network.llm_embeddings.data = network.llm_embeddings[order].data
    torch.testing.assert_close(network(relay), before[:, order])


def test_only_in_a_perceptron_llms_do_not_know_of_each_other():
    relay = torch.randn(4, 8)
    for backbone, network in BACKBONES.items():
        network = network(3, 8, 2, 2).eval()
        before = network(relay)
        network.llm_embeddings.data[0] += 1.0
        moved = (network(relay)[:, 1:] - before[:, 1:]).abs().max() > 1e-6
        assert moved == (backbone != "mlp"), backbone


@pytest.mark.parametrize("backbone", BACKBONES)
def test_all_weights_of_the_network_are_trained(backbone):
    network = RoutingNetwork(6, 3, 8, 3, 2, 0.0, backbone)
    logits, _ = network(torch.randn(4, 6))
    logits.square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("backbone", BACKBONES)
def test_network_starts_at_its_mean(backbone):
    network = RoutingNetwork(6, 3, 8, 2, 2, 0.5, backbone, n_outcomes=2).eval()
    mean = torch.tensor([[0.0, 1.0], [-1.0, 0.5], [2.0, 3.0]])
    network.start_at_mean(mean)
    torch.testing.assert_close(network(torch.randn(4, 6))[0], mean.expand(4, 3, 2))


def test_outcome_loss_by_hand():
    nan = float("nan")
    expected = torch.zeros(2, 3, 2, dtype=torch.float64)
    observed = torch.tensor([[[1.0, 4.0], [nan, 2.0], [0.5, nan]], [[nan, nan]] * 3])
    scale = torch.tensor([[0.5, 2.0], [0.5, 0.0], [0.5, 2.0]])  # the second has a list price
    loss = outcome_loss(expected, observed.double(), scale.double())
    np.testing.assert_allclose(loss, [0.5 * ((2**2 + 1**2) / 2 + 2**2), 0.0])


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_kl_by_hand(direction):
    logits = torch.tensor([[0.0, 1.0, -1.0]], dtype=torch.float64)
    utility = torch.tensor([[1.0, 0.0, 0.5]], dtype=torch.float64)
    p = np.exp([0.0, 1.0, -1.0]) / np.exp([0.0, 1.0, -1.0]).sum()
    q = np.exp([2.0, 0.0, 1.0]) / np.exp([2.0, 0.0, 1.0]).sum()
    a, b = (q, p) if direction == "forward" else (p, q)
    expected = (a * np.log(a / b)).sum()
    assert kl_loss(logits, utility, 0.5, direction).item() == pytest.approx(expected, abs=1e-12)


def test_reverse_kl_is_expected_utility_with_an_entropy_bonus():
    torch.manual_seed(0)
    logits = torch.randn(6, 4, dtype=torch.float64)
    utility = torch.rand(6, 4, dtype=torch.float64)
    p = logits.softmax(1)
    entropy = -(p * p.log()).sum(1)
    constant = (utility / 0.3).logsumexp(1)
    expected = -(p * utility).sum(1) / 0.3 - entropy + constant
    torch.testing.assert_close(kl_loss(logits, utility, 0.3, "reverse"), expected)


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_kl_leaves_missing_outcomes_out(direction):
    torch.manual_seed(0)
    logits = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    utility = torch.tensor([[0.2, float("nan"), 0.9], [0.1, 0.2, 0.3]], dtype=torch.float64)
    loss = kl_loss(logits, utility, 0.5, direction)
    alone = kl_loss(logits[:1, [0, 2]], utility[:1, [0, 2]], 0.5, direction)
    torch.testing.assert_close(loss[:1], alone)
    loss.sum().backward()
    assert logits.grad.isfinite().all()
    assert logits.grad[0, 1] == 0


def test_one_utility_serves_several_logits():
    logits, utility = torch.randn(3, 4), torch.randn(1, 4)
    wanted = kl_loss(logits, utility.expand(3, 4), 1.0, "forward")
    torch.testing.assert_close(kl_loss(logits, utility, 1.0, "forward"), wanted)


def test_contrastive_loss_by_hand():
    states = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]], dtype=torch.float64)
    clusters = torch.tensor([0, 0, 1])
    # similarities: 1 to the positive, 0 to the negative; the last query has no positive
    expected = -np.log(np.exp(2.0) / (np.exp(2.0) + 1.0))
    loss = contrastive_loss(states, clusters, 0.5)
    np.testing.assert_allclose(loss, [expected, expected, 0.0], rtol=1e-12)


def test_contrastive_loss_without_negatives_is_zero():
    loss = contrastive_loss(torch.randn(4, 3), torch.zeros(4, dtype=torch.long), 1.0)
    np.testing.assert_array_equal(loss, 0.0)


def test_contrastive_loss_reaches_the_query_projection():
    torch.manual_seed(0)
    network = RoutingNetwork(6, 3, 8, 2, 2, 0.0)
    _, states = network(torch.randn(8, 6))
    contrastive_loss(states, torch.arange(8) % 2, 1.0).sum().backward()
    assert network.query_projection.weight.grad.abs().sum() > 0
