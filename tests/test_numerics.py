"""Own numerics against the libraries that compute the same, more slowly or in more steps."""

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler, normalize

from skrouter._routers import new_llm
from skrouter._utils.stats import observed_mean
from skrouter._utils.vectors import unit_rows
from skrouter.baselines._graph import _edge_features
from skrouter.baselines._target_scaling import StandardizedTargets

nan = np.nan


@pytest.mark.parametrize("n_rows", [1, 7, 300])
def test_observed_means_are_those_of_the_standard_scaler(n_rows):
    rng = np.random.default_rng(0)
    values, weight = rng.normal(size=(n_rows, 5)), rng.integers(0, 3, size=n_rows) + 0.5
    values[rng.random(values.shape) < 0.3] = nan
    values[0, 0] = 1.0
    known = ~np.isnan(values).all(axis=0)
    scaler = StandardScaler().fit(values[:, known], sample_weight=weight)
    means = observed_mean(values, weight)
    np.testing.assert_allclose(means[known], scaler.mean_, rtol=1e-13, atol=1e-15)
    assert np.isneginf(means[~known]).all()


def test_what_has_no_weight_was_not_observed():
    values = np.array([[1.0, nan, nan], [2.0, nan, 3.0]])
    assert observed_mean(values, np.array([1.0, 0.0])).tolist() == [1.0, -np.inf, -np.inf]


def test_unit_rows_are_those_of_normalize():
    vectors = np.random.default_rng(0).normal(size=(50, 8))
    vectors[3] = 0.0
    np.testing.assert_allclose(unit_rows(vectors), normalize(vectors), rtol=1e-14)
    assert not unit_rows(vectors)[3].any()


def test_the_covariance_of_a_new_llm_is_that_of_the_user_guide():
    """``v0 + v1 exp((cosine - 1) / length)`` on vectors of length 1."""
    rng = np.random.default_rng(0)
    first, second = unit_rows(rng.normal(size=(20, 6))), unit_rows(rng.normal(size=(30, 6)))
    expected = 0.2 + 1.0 * np.exp((first @ second.T - 1) / 0.25)
    np.testing.assert_allclose(new_llm._KERNEL(first, second), expected, rtol=1e-13)
    np.testing.assert_allclose(np.diag(new_llm._KERNEL(first)), 1.2)


class LastTarget:
    """A regressor that keeps its targets and predicts the last one for every row."""

    def fit(self, X, y, sample_weight=None):
        self.targets = y
        return self

    def predict(self, X):
        return np.repeat(self.targets[-1:], len(X), axis=0)


class Standardized(StandardizedTargets, LastTarget):
    pass


@pytest.mark.parametrize("weight", [None, np.array([1.0, 2.0, 0.5, 1.0])])
@pytest.mark.parametrize("one_column", [True, False])
def test_targets_are_standardised_and_their_mean_is_kept(weight, one_column):
    y = np.array([[0.0, 5.0, 0.1], [1.0, 5.0, 0.2], [1.0, 5.0, 0.6], [0.0, 5.0, 0.4]])
    if one_column:
        y = y[:, 2]
    regressor = Standardized().fit(np.zeros((4, 1)), y, sample_weight=weight)
    mean = np.average(y, axis=0, weights=weight)
    deviation = np.sqrt(np.average((y - mean) ** 2, axis=0, weights=weight))
    expected = (y - mean) / np.where(deviation == 0, 1.0, deviation)
    np.testing.assert_allclose(regressor.targets, expected, atol=1e-15)
    predicted = regressor.predict(np.zeros((4, 1)))
    assert predicted.shape == y.shape
    np.testing.assert_allclose(np.average(predicted, axis=0, weights=weight), mean)


def test_features_of_edges_are_scaled_to_one_range_for_all_llms():
    performance = np.array([[0.0, 0.5], [nan, 1.0], [0.2, 0.3]])
    cost = np.array([[2.0, 6.0], [9.0, nan], [4.0, 4.0]])
    observed = ~np.isnan(performance)
    features = _edge_features(performance, cost, observed)
    assert features.shape == (3, 2, 2)
    scaler = MinMaxScaler().fit(performance[observed][:, None])
    scaled = scaler.transform(performance[observed][:, None])[:, 0]
    np.testing.assert_allclose(features[observed][:, 0], scaled)
    # The cost of 9 belongs to no edge; the unknown one is set to the mean, (0 + 1 + 1/2 + 1/2) / 4.
    np.testing.assert_allclose(features[..., 1], [[0, 1], [0.5, 0.5], [0.5, 0.5]])
    assert _edge_features(performance, None, observed).shape == (3, 2, 1)
    nothing = _edge_features(performance, np.full((3, 2), nan), observed)
    assert not nothing[..., 1].any()
    same = _edge_features(np.ones((3, 2)), None, observed)
    assert not same.any()
