"""RadialRouterClassifier: learning, guarantees, and what it refuses."""

import itertools
import pickle

import joblib
import numpy as np
import pandas as pd
import processes
import pytest
import torch
from sklearn.base import clone
from sklearn.decomposition import TruncatedSVD
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import silhouette_score
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    ShuffleSplit,
    cross_val_predict,
    learning_curve,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from skrouter import RadialRouterClassifier, SentenceEncoder, make_routing_target
from skrouter._training import early_stopping
from skrouter._training import loop as training
from skrouter._training import radial as radial_training
from skrouter._training.neighbors import smooth_over_neighbors
from skrouter.datasets import make_routing_problem
from skrouter.metrics import make_routing_scorer

SMALL = {
    "hidden_dim": 16,
    "max_iter": 3,
    "cv": None,
    "random_state": 0,
    "device": "cpu",
}
# Learns what the data of this file hold in a third of the steps of the defaults.
QUICK = {"batch_size": 64, "learning_rate": 1e-3, "max_iter": 20, "random_state": 0}


class DoublePrecisionRouter(RadialRouterClassifier):
    """Trained in double precision, as scikit-learn's equivalence checks want it."""

    _dtype = "float64"


# Nothing random or order-dependent is left in training: scikit-learn's equivalence checks hold.
# They set `cv` where there is one; the average of learners weighs them by standard errors, to which
# two queries are more evidence than one of weight two, and needs the intercept.
STRICT = DoublePrecisionRouter(
    fit_intercept=False,
    batch_size=None,
    dropout=0.0,
    contrastive_weight=0.0,
    target_smoothing=0.0,
    max_iter=60,
    learning_rate=1e-2,
    cv=None,
    n_layers=1,
    hidden_dim=16,
    device="cpu",
)


def expected_failures(router):
    if router.batch_size is None:
        return {}
    return {
        "check_sample_weight_equivalence_on_dense_data": (
            "mini-batches of a repeated query differ from those of a weighted one"
        )
    }


@parametrize_with_checks(
    [STRICT, RadialRouterClassifier(batch_size=64)],  # a third of the time of "auto"
    expected_failed_checks=expected_failures,
    xfail_strict=True,
)
def test_scikit_learn_conventions(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def numbers():
    """Embeddings whose first column tells which of three LLMs is good; the third is expensive."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 8))
    performance = np.stack([X[:, 0] > 0, X[:, 0] <= 0, np.ones(300)], axis=1).astype(float)
    cost = np.array([0.5, 1.0, 20.0])
    return X, performance, cost


@pytest.fixture(scope="module")
def fitted(numbers):
    X, performance, cost = numbers
    return RadialRouterClassifier(**QUICK, cost_weight=0.05).fit(X, performance, cost=cost)


# Learning


def test_routes_by_the_query_and_by_the_cost(fitted, numbers):
    X, performance, cost = numbers
    best_constant = (performance - 0.05 * cost).mean(axis=0).max()
    assert fitted.score(X, performance, cost=cost) > best_constant + 0.3
    assert 2 not in fitted.predict(X)


@pytest.mark.parametrize("backbone", ["star", "transformer", "mlp"])
def test_every_backbone_learns_and_is_saved(backbone, numbers):
    X, performance, cost = numbers
    router = RadialRouterClassifier(**QUICK, backbone=backbone, cv=None, device="cpu")
    router.set_params(cost_weight=0.05).fit(X, performance, cost=cost)
    assert router.score(X, performance, cost=cost) > 0.85
    again = pickle.loads(pickle.dumps(router))
    np.testing.assert_array_equal(again.predict_proba(X), router.predict_proba(X))


def test_a_perceptron_has_no_heads_that_must_divide_its_width(numbers):
    router = RadialRouterClassifier(**{**SMALL, "hidden_dim": 10}, backbone="mlp")
    assert router.fit(*numbers).llm_embeddings_.shape == (3, 10)


def test_cost_weight_zero_prefers_performance(numbers):
    X, performance, cost = numbers
    router = RadialRouterClassifier(cost_weight=0.0, random_state=0).fit(X, performance, cost=cost)
    assert router.score(X, performance, cost=cost) > 0.99


@pytest.mark.parametrize("kl_direction", ["forward", "reverse"])
def test_both_directions_of_the_divergence_learn(numbers, kl_direction):
    X, performance, cost = numbers
    router = RadialRouterClassifier(
        **QUICK,
        cost_weight=0.05,
        expert_settings={"kl_direction": kl_direction},
        fit_intercept=False,
    ).fit(X, performance, cost=cost)
    assert router.score(X, performance, cost=cost) > 0.85


def test_score_is_the_mean_utility_of_what_is_predicted(fitted, numbers):
    X, performance, cost = numbers
    chosen = fitted.predict(X)
    utility = performance - 0.05 * cost
    received = utility[np.arange(len(X)), chosen]
    assert fitted.score(X, performance, cost=cost) == pytest.approx(received.mean())
    weight = np.arange(len(X))
    assert fitted.score(X, performance, cost=cost, sample_weight=weight) == pytest.approx(
        np.average(received, weights=weight)
    )


def test_outputs_agree(fitted, numbers):
    X = numbers[0]
    proba, logits = fitted.predict_proba(X), fitted.decision_function(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    np.testing.assert_array_equal(fitted.classes_[proba.argmax(1)], fitted.predict(X))
    np.testing.assert_array_equal(fitted.classes_[logits.argmax(1)], fitted.predict(X))
    assert fitted.transform(X).shape == (300, 64)
    assert fitted.llm_embeddings_.shape == (3, 64)
    assert 0 < len(fitted.loss_curve_) == fitted.n_iter_ <= 20


def test_a_router_with_nothing_to_learn_stays_at_the_best_llm():
    """Do no harm: many nearly equal LLMs, few queries, outcomes that ignore the query."""
    lost = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(600, 32))
        mean = 0.6 + 0.02 * rng.standard_normal(25)
        outcomes = (rng.random((300, 25)) < mean).astype(float)
        router = RadialRouterClassifier(random_state=seed).fit(X[:300], outcomes)
        lost.append(mean[outcomes.mean(axis=0).argmax()] - mean[router.predict(X[300:])].mean())
    assert np.mean(lost) < 0.005


def test_early_stopping_keeps_the_best_constant_when_nothing_helps():
    rng = np.random.default_rng(0)
    X, outcomes = rng.normal(size=(100, 4)), np.tile([[0.2, 0.9, 0.5]], (100, 1))
    router = RadialRouterClassifier(max_iter=2, random_state=0).fit(X, outcomes)
    assert (router.predict(X) == 1).all()
    assert router.n_iter_ == 0
    assert router.loss_curve_ == []
    assert len(router.validation_gains_) == 2


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_early_stopping_keeps_what_helps(numbers, fit_intercept):
    X, performance, cost = numbers
    router = RadialRouterClassifier(
        cost_weight=0.05, fit_intercept=fit_intercept, max_iter=20, random_state=0
    ).fit(X, performance, cost=cost)
    gains = np.array(router.validation_gains_)
    assert len(gains) == 20
    assert gains.max() > 0.2
    assert gains[router.n_iter_ - 1] > gains.max() - 0.1
    assert len(router.loss_curve_) == router.n_iter_
    assert router.score(X, performance, cost=cost) > 0.85


def test_without_an_intercept_it_trains_even_if_nothing_helps():
    X, outcomes = np.random.default_rng(0).normal(size=(100, 4)), np.tile([[0.0, 1.0]], (100, 1))
    router = RadialRouterClassifier(fit_intercept=False, random_state=0).fit(X, outcomes)
    assert router.n_iter_ == 10
    assert (router.predict(X) == 1).all()


def test_validation_is_on_queries_that_were_not_trained_on():
    """Outcomes that can only be memorised give no gain."""
    rng = np.random.default_rng(0)
    X, best = rng.normal(size=(200, 64)), rng.integers(0, 2, 200)
    parameters = {
        "dropout": 0.0,
        "learning_rate": 1e-2,
        "batch_size": 64,
        "max_iter": 30,
        "random_state": 0,
    }
    memorising = RadialRouterClassifier(cv=None, **parameters).fit(X, best)
    assert memorising.score(X, best) > 0.8
    honest = RadialRouterClassifier(**parameters).fit(X, best)
    assert max(honest.validation_gains_) < 0.15


def test_contrastive_loss_draws_clusters_together():
    """On held-out queries the silhouette of the clusters rises with the contrastive weight."""
    rng = np.random.default_rng(0)
    topic = rng.integers(0, 4, 600)
    X = 1.2 * rng.normal(size=(4, 16))[topic] + rng.normal(size=(600, 16))
    outcomes = (rng.random((600, 3)) < 0.5).astype(float)
    silhouette = []
    for weight in (0.0, 1.0):
        router = RadialRouterClassifier(
            contrastive_weight=weight,
            expert_settings={"n_clusters": 4},
            cv=None,
            random_state=0,
        ).fit(X[:400], outcomes[:400])
        silhouette.append(silhouette_score(router.transform(X[400:]), topic[400:], metric="cosine"))
    assert silhouette[1] > silhouette[0] + 0.03


@pytest.fixture
def learners(monkeypatch):
    """The learners of all trainings to come."""
    seen = []
    original = training.epochs

    def epochs(learner, *arguments):
        seen.append(learner)
        return original(learner, *arguments)

    for module in (early_stopping, radial_training):
        monkeypatch.setattr(module, "epochs", epochs)
    return seen


class TestTargetSmoothing:
    """Utilities are averaged with those of the nearest queries, before training."""

    X = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
    Y = np.array([[1.0, 0.0], [0.0, np.nan], [0.5, 1.0], [0.5, 0.0]])

    def target(self, learners, sample_weight=None, **parameters):
        """What the network is trained towards."""
        router = RadialRouterClassifier(**SMALL).set_params(
            **{"expert_settings__n_neighbors": 2, **parameters}
        )
        router.fit(self.X, self.Y, sample_weight=sample_weight)
        return learners[-1].target.numpy()[..., 0]

    def test_by_hand(self, learners):
        # Pairs (0, 1) and (2, 3) are each other's neighbours. Where there was a NaN, all three
        # others are among the twice as many that fill it: half of their mean, 1/3, and half of
        # that of the LLM.
        wanted = [[0.75, 0.0], [0.25, 1 / 3], [0.5, 0.75], [0.5, 0.25]]
        target = self.target(learners, target_smoothing=0.5)
        np.testing.assert_allclose(target, wanted, rtol=1e-6)

    def test_neighbours_count_by_their_weight(self, learners):
        target = self.target(learners, [1, 3, 1, 1], target_smoothing=1.0)
        np.testing.assert_allclose(target[0], [0.25, 0.0])

    def test_zero_is_the_plain_target(self, learners):
        np.testing.assert_array_equal(self.target(learners, target_smoothing=0.0), self.Y)

    def test_more_neighbours_than_queries_are_all_queries(self, learners):
        target = self.target(learners, target_smoothing=1.0, expert_settings__n_neighbors=50)
        np.testing.assert_allclose(target[0], [0.5, 1 / 3], rtol=1e-6)

    def test_held_out_queries_are_not_among_the_neighbours(self, numbers, learners):
        X, performance, _ = numbers
        router = RadialRouterClassifier(**{**SMALL, "cv": 4})
        router.fit(X, performance)
        *folds, whole = learners
        assert len(folds) == 4
        for learner in folds:
            rows, target = learner.rows.numpy(), learner.target.numpy()
            wanted = smooth_over_neighbors(
                performance[rows, :, None], X[rows], np.ones(len(rows)), 0.3, 20
            )
            np.testing.assert_allclose(target, wanted, rtol=1e-6)
            assert not np.allclose(target, whole.target[rows])


class TestDistillation:
    """The last network learns from what those of the folds expect of queries they do not know."""

    PARAMETERS = {**SMALL, "cv": 4, "max_iter": 20, "learning_rate": 3e-3, "batch_size": 64}

    def foretold(self, learners, n_queries):
        everything = torch.arange(n_queries)
        expected = None
        for learner in learners:
            with torch.no_grad():
                outcomes = learner.network.eval()(learner.embed(everything))[0].numpy()
            expected = np.zeros_like(outcomes) if expected is None else expected
            unknown = np.setdiff1d(everything, learner.rows)
            expected[unknown] = outcomes[unknown]
        return expected

    def test_target(self, numbers, learners):
        X, performance, cost = numbers
        performance = np.where(np.arange(len(X))[:, None] % 7 == [0, 1, 2], np.nan, performance)
        router = RadialRouterClassifier(
            **self.PARAMETERS, distillation=0.75, target_smoothing=0.0, fit_intercept=False
        ).fit(X, performance, cost=cost)
        assert router.n_iter_ == 20
        *folds, whole = learners
        outcomes = np.stack([performance, np.broadcast_to(cost, performance.shape)], axis=-1)
        wanted = 0.25 * outcomes + 0.75 * self.foretold(folds, len(X))
        np.testing.assert_allclose(whole.target, wanted, rtol=1e-5)

    def test_zero_is_the_plain_target(self, numbers, learners):
        X, performance, _ = numbers
        RadialRouterClassifier(**self.PARAMETERS, distillation=0.0, target_smoothing=0.0).fit(
            X, performance
        )
        np.testing.assert_allclose(learners[-1].target[..., 0], performance, rtol=1e-6)

    def test_the_seed_matters_less(self):
        problem = make_routing_problem(400, random_state=0)
        X = TfidfVectorizer().fit_transform(problem.queries).toarray()
        differ = []
        for share in (0.0, 0.8):
            choices = [
                RadialRouterClassifier(distillation=share, batch_size=64, random_state=seed)
                .fit(X[:300], problem.performance[:300], cost=problem.cost[:300])
                .predict(X[300:])
                for seed in range(3)
            ]
            differ.append(np.mean([a != b for a, b in itertools.combinations(choices, 2)]))
        assert differ[1] < 0.8 * differ[0]


def test_missing_outcomes_are_not_zeros(numbers):
    X, performance, cost = numbers
    holes = np.random.default_rng(0).random(performance.shape) < 0.3
    holes[:, 2] = False
    router = RadialRouterClassifier(**QUICK, cost_weight=0.05).fit(
        X, np.where(holes, np.nan, performance), cost=cost
    )
    assert router.score(X, performance, cost=cost) > 0.85


def test_missing_costs_do_not_matter_at_cost_weight_zero(numbers):
    X, performance, _ = numbers
    cost = np.full(performance.shape, np.nan)
    router = RadialRouterClassifier(cost_weight=0.0, **SMALL).fit(X, performance, cost=cost)
    assert router.score(X, performance, cost=cost) > 0.9
    with pytest.raises(ValueError, match=r"cost of \[0, 1, 2\] is missing \(NaN\) on every query"):
        RadialRouterClassifier(cost_weight=0.1, **SMALL).fit(X, performance, cost=cost)


# Targets and names


def test_all_forms_of_a_target_give_the_same_router(numbers):
    X, performance, cost = numbers
    names = ["small", "medium", "large"]
    table = pd.DataFrame(performance, columns=names)
    prices = pd.Series(cost, index=names)[["large", "small", "medium"]]
    by_table = RadialRouterClassifier(**SMALL).fit(X, table, cost=prices)
    by_array = RadialRouterClassifier(llm_names=names, **SMALL).fit(X, performance, cost=cost)
    target = make_routing_target(table, prices)
    by_target = RadialRouterClassifier(llm_names=names, **SMALL).fit(X, target)
    for router in (by_array, by_target):
        assert router.classes_.tolist() == names
        np.testing.assert_array_equal(router.predict_proba(X), by_table.predict_proba(X))
    shuffled = table[["medium", "large", "small"]]
    assert by_table.score(X, shuffled, cost=prices) == by_array.score(X, target)


def test_one_llm_is_always_chosen(numbers):
    X = numbers[0]
    table = pd.DataFrame({"only": np.linspace(0, 1, len(X))})
    router = RadialRouterClassifier(**SMALL).fit(X, table, cost=[3.0])
    assert (router.predict(X) == "only").all()
    np.testing.assert_array_equal(router.predict_proba(X), 1.0)


def test_one_row_is_enough():
    router = RadialRouterClassifier(**SMALL).fit([[1.0, 2.0]], [[0.0, 1.0]], cost=[1.0, 1.0])
    assert router.predict([[1.0, 2.0]]) == [1]


# Guarantees


def test_same_seed_same_router(numbers):
    X, performance, cost = numbers
    first = RadialRouterClassifier(**SMALL).fit(X, performance, cost=cost)
    again = clone(first).fit(X, performance, cost=cost)
    other = RadialRouterClassifier(**{**SMALL, "random_state": 1}).fit(X, performance, cost=cost)
    np.testing.assert_array_equal(first.predict_proba(X), again.predict_proba(X))
    assert not np.allclose(first.predict_proba(X), other.predict_proba(X))


PRINT_PROBABILITIES = """
import numpy as np
from skrouter import RadialRouterClassifier
rng = np.random.default_rng(0)
X, y = rng.normal(size=(100, 8)), rng.random((100, 3))
router = RadialRouterClassifier(
    hidden_dim=16, max_iter=3, cv=None, random_state=0, device="cpu"
).fit(X, y)
print(router.predict_proba(X).tobytes().hex())
"""


def test_same_seed_same_router_in_another_process():
    (there,), _ = processes.run(PRINT_PROBABILITIES)  # with other hashes of text, too
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(100, 8)), rng.random((100, 3))
    here = RadialRouterClassifier(**SMALL).fit(X, y).predict_proba(X)
    assert there == here.tobytes().hex()


def test_number_of_threads_does_not_matter():
    # Large enough that torch would share out the work.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1200, 256)).astype(np.float32)
    performance = rng.random((1200, 12))
    router = RadialRouterClassifier(
        batch_size=600, max_iter=2, cv=None, device="cpu", random_state=0
    )
    before = torch.get_num_threads()
    results = []
    try:
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            router = clone(router).fit(X, performance)
            assert torch.get_num_threads() == n_threads
            results.append(router.llm_embeddings_)
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(*results)


def test_threads_do_not_draw_from_each_others_seeds(numbers):
    X, performance, _ = numbers

    def fit():
        return RadialRouterClassifier(**SMALL).fit(X, performance).predict_proba(X)

    before, wanted = torch.get_rng_state(), fit()
    for proba in joblib.Parallel(4, backend="threading")(joblib.delayed(fit)() for _ in range(4)):
        np.testing.assert_array_equal(proba, wanted)
    assert torch.equal(torch.get_rng_state(), before)


def test_global_random_states_are_untouched(numbers):
    X, performance, cost = numbers
    np.random.seed(3)
    torch.manual_seed(3)
    expected = np.random.random(), torch.rand(1).item()
    np.random.seed(3)
    torch.manual_seed(3)
    RadialRouterClassifier(**SMALL).fit(X, performance, cost=cost).predict(X)
    assert (np.random.random(), torch.rand(1).item()) == expected


def test_inputs_are_not_modified(numbers):
    X, performance, cost = (array.copy() for array in numbers)
    for array in (X, performance, cost):
        array.flags.writeable = False
    RadialRouterClassifier(**SMALL).fit(X, performance, cost=cost).predict(X)


def test_zero_weight_is_as_if_the_query_were_not_there(numbers):
    X, performance, cost = numbers
    weight = np.repeat([1.0, 0.0], 150)
    weighted = RadialRouterClassifier(**SMALL).fit(X, performance, cost=cost, sample_weight=weight)
    shorter = RadialRouterClassifier(**SMALL).fit(X[:150], performance[:150], cost=cost)
    np.testing.assert_array_equal(weighted.predict_proba(X), shorter.predict_proba(X))


def test_callbacks_watch_every_epoch(numbers):
    X, performance, cost = numbers

    class Stop:
        """Asks to stop after two epochs, and tries the router at each."""

        def setup(self, estimator, context):
            self.scores, self.torn_down = [], False

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context, *, fitted_estimator):
            if fitted_estimator is not None:
                self.scores.append(fitted_estimator.score(X, performance, cost=cost))
            return len(self.scores) == 2

        def teardown(self, estimator, context):
            self.torn_down = True

    callback = Stop()
    router = RadialRouterClassifier(**SMALL).set_callbacks(callback)
    router.fit(X, performance, cost=cost)
    assert router.n_iter_ == len(callback.scores) == 2
    assert callback.torn_down
    callback.torn_down = False
    with pytest.raises(ValueError, match="Training diverged"):
        router.set_params(learning_rate=1e30).fit(X, performance, cost=cost)
    assert callback.torn_down


def test_verbose_reports_progress(numbers, capsys):
    X, performance, cost = numbers
    RadialRouterClassifier(verbose=True, **{**SMALL, "cv": 4}).fit(X, performance, cost=cost)
    printed = capsys.readouterr().out
    assert printed.count("validation, epoch ") == 3
    assert printed.count("gain over the best single LLM") == 3


# Persistence


@pytest.mark.parametrize("protocol", ["pickle", "joblib", "memmap"])
def test_saved_router_predicts_the_same(fitted, numbers, tmp_path, protocol):
    X = numbers[0]
    path = tmp_path / "router"
    if protocol == "pickle":
        path.write_bytes(pickle.dumps(fitted))
        loaded = pickle.loads(path.read_bytes())
    else:
        joblib.dump(fitted, path)
        loaded = joblib.load(path, mmap_mode="r" if protocol == "memmap" else None)
    np.testing.assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))
    assert set(vars(loaded)) == set(vars(fitted))


def test_loading_does_not_touch_the_global_generator(fitted):
    before = torch.get_rng_state()
    pickle.loads(pickle.dumps(fitted))
    assert torch.equal(torch.get_rng_state(), before)


def test_saved_router_holds_no_torch_objects(fitted):
    assert b"torch" not in pickle.dumps(fitted)


def test_saved_router_works_in_another_process(fitted, numbers, tmp_path):
    X = numbers[0]
    joblib.dump(fitted, tmp_path / "router.joblib")
    np.save(tmp_path / "X.npy", X)
    code = (
        "import sys, joblib, numpy as np\n"
        "router = joblib.load('router.joblib')\n"
        "print(router.predict_proba(np.load('X.npy')).tobytes().hex())"
    )
    bare = {"CUDA_VISIBLE_DEVICES": "", "PATH": ""}
    (there,), _ = processes.run(code, cwd=tmp_path, env=bare)
    assert there == fitted.predict_proba(X).tobytes().hex()


def test_loading_warns_on_another_version(fitted):
    router = pickle.loads(pickle.dumps(fitted))
    router._versions = {**router._versions, "skrouter": "0.0.1"}
    saved = pickle.dumps(router)
    with pytest.warns(UserWarning, match=r"saved by skrouter 0\.0\.1"):
        pickle.loads(saved)


def test_skops_loads_a_saved_router(fitted, numbers):
    skops_io = pytest.importorskip("skops.io")
    saved = skops_io.dumps(fitted)
    trusted = skops_io.get_untrusted_types(data=saved)
    assert all(name.startswith("skrouter.") for name in trusted)
    loaded = skops_io.loads(saved, trusted=trusted)
    X = numbers[0]
    np.testing.assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))


# Text


@pytest.fixture(scope="module")
def problem():
    return make_routing_problem(n_queries=120, n_llms=4, random_state=0)


def text_router(encoder, **parameters):
    return RadialRouterClassifier(encoder, **{**SMALL, **parameters})


def test_text_through_a_named_encoder(tiny_encoder_path, problem):
    router = text_router(str(tiny_encoder_path))
    router.fit(problem.queries, problem.performance, cost=problem.cost)
    assert not hasattr(router, "n_features_in_")  # it takes no numbers
    assert set(router.predict(problem.queries)) <= set(router.classes_)
    loaded = pickle.loads(pickle.dumps(router))
    np.testing.assert_array_equal(
        loaded.predict_proba(problem.queries), router.predict_proba(problem.queries)
    )
    assert len(pickle.dumps(router)) < 100_000


def test_any_transformer_is_an_encoder(problem):
    encoder = make_pipeline(TfidfVectorizer(), TruncatedSVD(8, random_state=0))
    router = text_router(encoder).fit(problem.queries, problem.performance, cost=problem.cost)
    assert not hasattr(router, "n_features_in_")
    assert not hasattr(encoder[-1], "components_")
    assert len(router.predict(list(problem.queries[:3]))) == 3


def test_fine_tuning_changes_the_encoder_and_is_saved(tiny_bert_path, problem):
    queries, performance = list(problem.queries[:40]), problem.performance[:40]
    router = text_router(
        str(tiny_bert_path),
        fine_tune_encoder=True,
        max_iter=2,
        expert_settings={"encoder_learning_rate": 1e-3},
    ).fit(queries, performance)
    frozen = SentenceEncoder(str(tiny_bert_path)).fit(queries)
    assert not np.allclose(router.encoder_.transform(queries), frozen.transform(queries), atol=1e-4)
    saved = pickle.loads(pickle.dumps(router))
    np.testing.assert_allclose(
        saved.predict_proba(queries), router.predict_proba(queries), atol=1e-6
    )
    again = clone(router).fit(queries, performance)
    np.testing.assert_allclose(
        again.predict_proba(queries), router.predict_proba(queries), atol=1e-6
    )


@pytest.mark.parametrize("place", ["pipeline", "inside"])
def test_grid_search_over_text(tiny_encoder_path, problem, place):
    encoder = SentenceEncoder(str(tiny_encoder_path))
    if place == "pipeline":
        model = Pipeline([("encode", encoder), ("route", RadialRouterClassifier(**SMALL))])
        prefix = "route__"
    else:
        model, prefix = text_router(encoder), ""
    y = make_routing_target(problem.performance, problem.cost)
    grid = {f"{prefix}contrastive_weight": [0.0, 0.5], f"{prefix}hidden_dim": [8, 16]}
    results = []
    for n_jobs in (1, 2 if place == "pipeline" else 1):  # processes take their time to start
        search = GridSearchCV(model, grid, cv=2, n_jobs=n_jobs).fit(problem.queries, y)
        results.append(search.cv_results_["mean_test_score"])
        assert np.isfinite(results[-1]).all()
    np.testing.assert_array_equal(*results)
    search = GridSearchCV(
        model, {f"{prefix}cost_weight": [0.0, 0.1]}, cv=2, scoring=make_routing_scorer(0.05)
    ).fit(problem.queries, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict(problem.queries).shape == (120,)


def test_other_model_selection_tools(numbers):
    X, performance, cost = numbers
    y = make_routing_target(performance, cost)
    router = RadialRouterClassifier(**SMALL)
    predicted = cross_val_predict(router, X, y, cv=2)
    assert predicted.shape == (300,)
    _, train, test = learning_curve(router, X, y, cv=2, train_sizes=[0.5, 1.0])
    assert np.isfinite(train).all()
    assert np.isfinite(test).all()


# Bad input

GOOD_TEXT = ["one query", "another query", "a third"]


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ("one string", ValueError, "pass a list"),
        ([], ValueError, "empty|Expected 2D array"),
        (["text", None, "text"], TypeError, "element 1"),
        (["text", 3, "text"], TypeError, "element 1"),
        ([None, "text", "text"], TypeError, "element 0"),
        (GOOD_TEXT[:2], ValueError, "differ in their number of rows"),
    ],
)
def test_bad_text_is_refused_before_any_work(X, error, message, monkeypatch):
    monkeypatch.setattr(SentenceEncoder, "fit_transform", None)
    with pytest.raises(error, match=message):
        RadialRouterClassifier().fit(X, np.eye(3))


@pytest.mark.parametrize(
    ("y", "cost", "message"),
    [
        (np.eye(3)[:2], None, "differ in their number of rows"),
        (np.eye(3), [1.0, 1.0], r"cost has shape \(2,\)"),
        (np.eye(3), np.ones((2, 3)), "differ in their number of rows"),
        (np.eye(3), [1.0, -1.0, 1.0], "negative"),
        (np.eye(3), [1.0, np.inf, 1.0], "infinite"),
        (np.full((3, 3), np.inf), None, "infinite"),
        (np.array([[1, 1], [np.nan, np.nan], [0, 1]]), None, r"every LLM in 1 row.*\[1\]"),
        (np.array([[1, np.nan], [0, np.nan], [1, np.nan]]), None, r"on every query for \[1\]"),
        (pd.DataFrame(np.eye(3)[:, :2], columns=["a", "a"]), None, r"repeated: \['a'\]"),
        (np.ones((3, 2, 2)), [1.0, 1.0], "together"),
        (np.ones((3, 2, 3)), None, "make_routing_target"),
        (None, None, "y"),
    ],
)
def test_bad_targets_are_refused_and_the_fitted_router_survives(y, cost, message):
    X = np.random.default_rng(0).normal(size=(3, 4))
    router = RadialRouterClassifier(**SMALL).fit(X, np.eye(3))
    before, state = router.predict_proba(X), dict(vars(router))
    with pytest.raises(ValueError, match=message):
        router.fit(X[:, :2], y, cost=cost)
    assert vars(router) == state
    np.testing.assert_array_equal(router.predict_proba(X), before)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"device": "abacus"}, "abacus"),
        ({"cost_weight": -1}, "cost_weight"),
        ({"cost_weight": np.nan}, "cost_weight"),
        ({"contrastive_weight": -1}, "contrastive_weight"),
        ({"target_temperature": 0}, "target_temperature"),
        ({"hidden_dim": 10, "expert_settings": {"n_heads": 4}}, "multiple of n_heads"),
        ({"dropout": 1.0}, "dropout"),
        ({"fine_tune_encoder": True}, "needs text"),
        ({"cv": 1}, "cv"),
        ({"expert_settings": {"n_head": 4}}, r"expert_settings has no \['n_head'\]"),
        ({"expert_settings": {"weight_decay": -1}}, "weight_decay"),
        ({"llm_names": ["a", "b"]}, "LLM"),
        ({"encoder": 3}, "encoder"),
    ],
)
def test_bad_parameters_are_refused(parameters, message):
    X = np.random.default_rng(0).normal(size=(3, 4))
    with pytest.raises(ValueError, match=message):
        RadialRouterClassifier(**{**SMALL, **parameters}).fit(X, np.eye(3))


def test_an_encoder_that_cannot_be_fetched_is_named(problem, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(OSError, match="no-such/model"):
        text_router("no-such/model").fit(problem.queries, problem.performance)


def test_kind_of_input_must_be_that_of_fit(fitted, numbers, tiny_encoder_path, problem):
    with pytest.raises(ValueError, match="fitted on ready embeddings"):
        fitted.predict(["a query"])
    router = text_router(str(tiny_encoder_path)).fit(problem.queries, problem.performance)
    with pytest.raises(ValueError, match="fitted on text"):
        router.predict(numbers[0])


def test_fitted_with_cost_but_scored_without(fitted, numbers):
    with pytest.raises(ValueError, match="cost is missing"):
        fitted.score(numbers[0], numbers[1])


def test_reversed_arrays_are_queries_too(fitted, numbers):
    X = numbers[0]
    np.testing.assert_array_equal(fitted.predict(X[::-1]), fitted.predict(X)[::-1])
    np.testing.assert_array_equal(
        fitted.predict(pd.DataFrame(X).iloc[::-1].to_numpy()[::-1]), fitted.predict(X)
    )


def test_training_that_diverges_is_an_error_and_the_fitted_router_survives(numbers):
    X, performance, _ = numbers
    router = RadialRouterClassifier(**SMALL).fit(X, performance)
    before = router.predict_proba(X)
    with pytest.raises(ValueError, match="Training diverged: the loss is nan"):
        router.set_params(learning_rate=1e30).fit(X, performance)
    np.testing.assert_array_equal(router.predict_proba(X), before)


@pytest.mark.parametrize("scale", [1e-50, 1e300])
def test_only_relative_weights_count(numbers, scale):
    X, performance, _ = numbers
    plain = RadialRouterClassifier(**SMALL).fit(X, performance)
    weighted = RadialRouterClassifier(**SMALL)
    weighted.fit(X, performance, sample_weight=np.full(len(X), scale))
    np.testing.assert_allclose(weighted.predict_proba(X), plain.predict_proba(X), atol=1e-3)


def test_features_far_from_zero_keep_their_differences(numbers):
    X, performance, _ = numbers
    moved = RadialRouterClassifier(**SMALL, target_smoothing=0.0, contrastive_weight=0.0)
    near = clone(moved).fit(X, performance).predict_proba(X)
    far = moved.fit(X + 1e9, performance).predict_proba(X + 1e9)
    np.testing.assert_allclose(far, near, atol=1e-3)


def test_negative_weights_are_refused_by_score(fitted, numbers):
    X, performance, cost = numbers
    with pytest.raises(ValueError, match="[Nn]egative"):
        fitted.score(X, performance, cost=cost, sample_weight=np.r_[-1, np.ones(len(X) - 1)])


def test_not_fitted(numbers):
    for method in ("predict", "predict_proba", "decision_function", "transform"):
        with pytest.raises(NotFittedError):
            getattr(RadialRouterClassifier(), method)(numbers[0])


# A GPU, where there is one


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_agrees_with_the_cpu(numbers):
    X, performance, cost = numbers
    router = RadialRouterClassifier(cost_weight=0.05, device="cuda", random_state=0).fit(
        X, performance, cost=cost
    )
    assert next(router._network.parameters()).is_cuda
    on_gpu = router.predict_proba(X)
    loaded = pickle.loads(pickle.dumps(router)).set_params(device="cpu")
    np.testing.assert_allclose(loaded.predict_proba(X), on_gpu, atol=1e-4)


def test_folds_of_ones_own(numbers):
    """Those of KFold are the same as the folds themselves; each query is held out once."""
    X, performance, cost = numbers
    weight = np.where(np.arange(len(X)) % 3 == 0, 0.0, 1.0)
    splitter = KFold(3, shuffle=True, random_state=0)
    fits = [
        RadialRouterClassifier(**{**SMALL, "cv": cv}).fit(X, performance, cost, weight)
        for cv in (splitter, list(splitter.split(X)))
    ]
    assert len(fits[0].validation_gains_) == 3
    assert fits[0].validation_gains_ == fits[1].validation_gains_
    with pytest.raises(ValueError, match="cv must hold out every query once"):
        RadialRouterClassifier(**{**SMALL, "cv": ShuffleSplit(3)}).fit(X, performance)


def test_own_folds_of_lists_and_without_weight(numbers):
    X, performance, cost = numbers
    halves = list(range(150)), list(range(150, 300))
    router = RadialRouterClassifier(cv=[halves, halves[::-1]], max_iter=2, random_state=0)
    assert len(router.fit(X, performance, cost=cost).validation_gains_) == 2
    weight = np.repeat([0.0, 1.0], 150)
    with pytest.raises(ValueError, match="positive weight to train on"):
        router.fit(X, performance, cost=cost, sample_weight=weight)


def test_mean_costs_are_known_without_an_intercept(numbers):
    X, performance, cost = numbers
    router = RadialRouterClassifier(fit_intercept=False, max_iter=1, random_state=0)
    router.fit(X, performance, cost=cost)
    np.testing.assert_allclose(router.mean_cost_, cost)
    before = router.predict_outcomes(X).cost
    router.update_cost({1: 2 * cost[1]})
    np.testing.assert_allclose(router.predict_outcomes(X).cost[:, 1], 2 * before[:, 1])
