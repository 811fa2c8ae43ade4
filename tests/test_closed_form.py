"""Ridge regressions and tables over clusters, of all queries and without each fold."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from skrouter._training import closed_form
from skrouter._training.closed_form import (
    PENALTIES,
    ClusterLearners,
    LinearLearners,
    look_up,
    membership,
)
from skrouter._utils.vectors import unit_rows

N, D = 120, 6
rng = np.random.default_rng(0)
X = rng.normal(size=(N, D)) * np.array([1.0, 10.0, 0.1, 1.0, 1.0, 1.0]) + 3.0
VALUES = X @ rng.normal(size=(D, 3)) * 0.1 + rng.normal(size=(N, 3))
WEIGHT = rng.uniform(0.5, 2.0, N)
FOLDS = np.array_split(rng.permutation(N), 4)
SEED = np.random.RandomState(0)


def standardized(X):
    center = np.average(X, axis=0, weights=WEIGHT)
    scale = np.sqrt(np.average((X - center) ** 2, axis=0, weights=WEIGHT))
    return (X - center) / (scale * np.sqrt(X.shape[1]))


def with_gaps(values, share, seed=0):
    hidden = np.random.default_rng(seed).random(values.shape) < share
    return np.where(hidden, np.nan, values)


@pytest.mark.parametrize("position", range(len(PENALTIES)))
def test_regressions_are_ridge_on_standardised_features(position):
    learner = LinearLearners(X, VALUES, WEIGHT, FOLDS, SEED)
    only = np.eye(len(PENALTIES))[position]
    expected = np.empty_like(VALUES)
    Z = standardized(X)
    for rows in FOLDS:
        rest = np.setdiff1d(np.arange(N), rows)
        ridge = Ridge(PENALTIES[position]).fit(Z[rest], VALUES[rest], WEIGHT[rest])
        expected[rows] = ridge.predict(Z[rows])
    np.testing.assert_allclose(learner.out_of_fold(only), expected, rtol=1e-9)
    coefficient, intercept = learner.averaged(only)
    ridge = Ridge(PENALTIES[position]).fit(Z, VALUES, WEIGHT)
    np.testing.assert_allclose(X @ coefficient + intercept, ridge.predict(Z), rtol=1e-9)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.8])
def test_each_outcome_is_learnt_where_it_was_observed(share):
    values = with_gaps(VALUES, share)
    learner = LinearLearners(X, values, WEIGHT, FOLDS, SEED)
    Z, only = standardized(X), np.eye(len(PENALTIES))[0]
    found = X @ learner.averaged(only)[0] + learner.averaged(only)[1]
    for column in range(3):
        known = ~np.isnan(values[:, column])
        ridge = Ridge(PENALTIES[0]).fit(Z[known], values[known, column], WEIGHT[known])
        np.testing.assert_allclose(found[:, column], ridge.predict(Z), atol=1e-3)


def test_an_outcome_seen_on_one_side_alone_keeps_its_level():
    """A log in which an LLM was called on some kind of query only."""
    side = X[:, 3] > 3.0
    values = VALUES.copy()
    values[~side, 0] = np.nan
    learner = LinearLearners(X, values, WEIGHT, FOLDS, SEED)
    coefficient, intercept = learner.averaged(np.eye(len(PENALTIES))[-1])
    found = (X @ coefficient + intercept)[side, 0]
    assert np.average(found, weights=WEIGHT[side]) == pytest.approx(
        np.average(values[side, 0], weights=WEIGHT[side])
    )


def test_settings_are_averaged_by_their_shares():
    for learner in (
        LinearLearners(X, VALUES, WEIGHT, FOLDS, SEED),
        ClusterLearners(X, VALUES, WEIGHT, FOLDS, SEED),
    ):
        n = len(learner.settings)
        shares = np.random.default_rng(0).uniform(size=n)
        each = [learner.out_of_fold(only) for only in np.eye(n)]
        np.testing.assert_allclose(
            learner.out_of_fold(shares), np.tensordot(shares, each, 1), atol=1e-12
        )


def test_long_embeddings_are_turned_to_their_main_directions(monkeypatch):
    monkeypatch.setattr(closed_form, "_MAX_FEATURES", 3)
    low = np.random.default_rng(0).normal(size=(N, 2)) @ np.random.default_rng(1).normal(
        size=(2, 9)
    )
    weight = np.ones(N)
    only = np.eye(len(PENALTIES))[0]
    coefficient, intercept = LinearLearners(low, VALUES, weight, FOLDS, SEED).averaged(only)
    Z = (low - low.mean(axis=0)) / (low.std(axis=0) * 3)
    ridge = Ridge(PENALTIES[0]).fit(Z, VALUES)
    assert coefficient.shape == (9, 3)
    np.testing.assert_allclose(low @ coefficient + intercept, ridge.predict(Z), atol=1e-9)


def test_a_feature_that_does_not_vary_has_no_coefficient():
    flat = np.column_stack([X, np.full(N, 0.1)])
    coefficient, _ = LinearLearners(flat, VALUES, WEIGHT, FOLDS, SEED).averaged(np.ones(3) / 3)
    assert np.isfinite(coefficient).all()
    np.testing.assert_allclose(coefficient[-1], 0, atol=1e-12)


def test_an_outcome_that_was_never_observed_is_no_deviation():
    values = VALUES.copy()
    values[:, 1] = np.nan
    for learner in (
        LinearLearners(X, values, WEIGHT, FOLDS, SEED),
        ClusterLearners(X, values, WEIGHT, FOLDS, SEED),
    ):
        found = learner.out_of_fold(np.full(len(learner.settings), 1 / len(learner.settings)))
        assert (found[:, 1] == 0).all() and np.isfinite(found).all()


@pytest.fixture
def topics():
    """Three topics that point to three directions; the first LLM is good at the first."""
    random = np.random.default_rng(0)
    topic = random.integers(0, 3, N)
    embeddings = 5.0 * np.eye(3)[topic] + 0.1 * random.normal(size=(N, 3))
    return topic, embeddings


def test_tables_are_means_shrunk_towards_none(topics, monkeypatch):
    topic, embeddings = topics
    monkeypatch.setattr(closed_form, "CLUSTERINGS", ((3, np.inf),))
    values = with_gaps(VALUES, 0.3)
    learner = ClusterLearners(embeddings, values, WEIGHT, FOLDS, SEED)
    found = learner.out_of_fold(np.ones(1))
    for rows in FOLDS:
        for i in rows:
            others = np.setdiff1d(np.flatnonzero(topic == topic[i]), rows)
            known = ~np.isnan(values[others])
            weight = WEIGHT[others][:, None] * known
            expected = (weight * np.nan_to_num(values[others])).sum(axis=0)
            expected /= weight.sum(axis=0) + 5.0
            np.testing.assert_allclose(found[i], expected)
    [(centers, [(sharpness, table)])] = learner.averaged(np.ones(1))
    assert centers.shape == (3, 3) and np.isinf(sharpness)
    nearest = (unit_rows(embeddings) @ centers.T).argmax(axis=1)
    assert all(len(set(nearest[topic == t])) == 1 for t in range(3))
    assert table.shape == (3, 3)


def test_queries_belong_to_several_clusters_by_similarity():
    similarity = np.array([[1.0, 0.9, -1.0], [0.0, 0.0, 1.0]])
    shares = membership(similarity, 10.0)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_allclose(shares[0, 0] / shares[0, 1], np.exp(1.0))
    np.testing.assert_array_equal(membership(similarity, np.inf), [[1, 0, 0], [0, 0, 1]])
    table = np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(look_up(table, similarity, np.inf), table[[0, 2]])
    np.testing.assert_allclose(look_up(table, similarity, 10.0), shares @ table)


def test_few_queries_have_few_clusters():
    def settings(n):
        folds = np.array_split(np.arange(n), 2)
        return ClusterLearners(X[:n], VALUES[:n], WEIGHT[:n], folds, SEED).settings

    assert settings(20) == []
    assert [size for size, _ in settings(65)] == [3, 6]
    assert max(size for size, _ in settings(N)) == 12


def test_clusters_are_sought_among_a_bounded_number_of_queries(monkeypatch):
    monkeypatch.setattr(closed_form, "_MAX_QUERIES", 40)
    seen = []

    class Spy(closed_form.KMeans):
        def fit(self, X, sample_weight):
            seen.append(len(X))
            return super().fit(X, sample_weight=sample_weight)

    monkeypatch.setattr(closed_form, "KMeans", Spy)
    ClusterLearners(X, VALUES, WEIGHT, FOLDS, SEED)
    assert set(seen) == {40}


def test_queries_without_a_direction_do_no_harm():
    embeddings = np.vstack([np.zeros((N - 1, 2)), [[1.0, 0.0]]])
    learner = ClusterLearners(embeddings, VALUES, WEIGHT, FOLDS, SEED)
    assert np.isfinite(learner.out_of_fold(np.ones(len(learner.settings)))).all()
