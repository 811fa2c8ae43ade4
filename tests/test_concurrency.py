"""Routers that answer in several threads, while others load, fit or change them."""

import os
import pickle
import threading
import time

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator

from skrouter import ExploringRouter, FallbackRouter, RadialRouterClassifier, SentenceEncoder
from skrouter._routers import changing_pool
from skrouter._routers.new_llm import learn_new_llm
from skrouter._utils.locks import ForkSafeLock
from skrouter.baselines import KNNRouter, LinearRouter

NAMES = ["a", "b", "c", "d"]
QUICK = {
    "cv": None,
    "max_iter": 4,
    "learning_rate": 2e-2,
    "hidden_dim": 16,
    "device": "cpu",
    "random_state": 0,
}


@pytest.fixture(scope="module")
def numbers():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 6))
    performance = (rng.random((120, 4)) < 1 / (1 + np.exp(-2 * X[:, :4]))).astype(float)
    return X, performance, rng.gamma(2.0, size=(120, 4))


@pytest.fixture(scope="module")
def router(numbers):
    X, performance, cost = numbers
    return RadialRouterClassifier(llm_names=NAMES, **QUICK).fit(X, performance, cost=cost)


def side_by_side(n_threads, work):
    """Run ``work(i)`` in threads that begin at once; returns the results, or raises."""
    barrier, results = threading.Barrier(n_threads), [None] * n_threads

    def run(i):
        barrier.wait()
        try:
            results[i] = work(i)
        except BaseException as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


def weights(router):
    """All numbers that predictions rest on, as bytes."""
    module = router._network.prepare("cpu")
    return {name: tensor.numpy().tobytes() for name, tensor in module.state_dict().items()}


def test_first_predictions_of_a_loaded_router_in_several_threads(router, numbers):
    """The network was converted in place on first use: wrong answers, and weights spoilt."""
    X = numbers[0]
    saved, wanted, sound = pickle.dumps(router), router.predict_proba(X), weights(router)
    for _ in range(60):
        loaded = pickle.loads(saved)
        for shares in side_by_side(8, lambda _, loaded=loaded: loaded.predict_proba(X)):
            np.testing.assert_array_equal(shares, wanted)
        assert weights(loaded) == sound


def test_first_predictions_on_text_in_several_threads(tiny_encoder_path, numbers):
    _, performance, cost = numbers
    queries = [f"prove that {i} is the sum of {i + 1} primes" for i in range(120)]
    encoder = SentenceEncoder(tiny_encoder_path, cache=None)
    router = RadialRouterClassifier(encoder, **QUICK).fit(queries, performance, cost=cost)
    saved, wanted = pickle.dumps(router), router.predict_proba(queries[:20])
    for _ in range(10):
        loaded = pickle.loads(saved)
        for shares in side_by_side(8, lambda _, r=loaded: r.predict_proba(queries[:20])):
            np.testing.assert_array_equal(shares, wanted)


def test_a_prediction_changes_nothing(router, numbers):
    """Neither attributes nor what they hold; the saved file is the same before and after."""
    loaded = pickle.loads(pickle.dumps(router))
    before, state = pickle.dumps(loaded), dict(vars(loaded))
    for method in ("predict", "predict_proba", "decision_function", "predict_outcomes", "explain"):
        getattr(loaded, method)(numbers[0][:5])
    assert vars(loaded).keys() == state.keys()
    assert all(vars(loaded)[name] is value for name, value in state.items())
    assert pickle.dumps(loaded) == before


def answer(router, X):
    """Shares of the LLMs, as bytes that tell any two states of a router apart."""
    return router.predict_proba(X).tobytes()


def serve_while(router, X, change, seconds, n_threads=3):
    """Answers of several threads while ``change()`` is called over and over."""
    answers, errors, stop = [], [], threading.Event()

    def serve():
        while not stop.is_set():
            try:
                answers.append(answer(router, X))
            except BaseException as error:
                errors.append(error)

    threads = [threading.Thread(target=serve) for _ in range(n_threads)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            change()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    return answers, errors


def test_the_pool_changes_while_the_router_serves(router, numbers):
    X, performance, cost = numbers
    served = pickle.loads(pickle.dumps(router))
    full = answer(served, X)
    without = pickle.loads(pickle.dumps(router)).remove_llm("d")
    fewer = answer(without, X)
    without.add_llm("d", performance[:30, 3], cost[:30, 3], X[:30])
    back = answer(without, X)
    cheaper = pickle.loads(pickle.dumps(without)).update_cost({"a": 0.5}, relative=True)
    cheap = answer(cheaper, X)
    assert len({full, fewer, back, cheap}) == 4

    def change():
        served.remove_llm("d")
        served.add_llm("d", performance[:30, 3], cost[:30, 3], X[:30])

    answers, errors = serve_while(served, X, change, seconds=1.5)
    assert not errors
    assert len(answers) > 20
    assert set(answers) <= {full, fewer, back}
    answers, errors = serve_while(
        served,
        X,
        lambda: (
            served.update_cost({"a": 0.5}, relative=True),
            served.update_cost({"a": 2.0}, relative=True),
        ),
        seconds=0.5,
    )
    assert not errors
    assert set(answers) <= {back, cheap}


@pytest.mark.parametrize("kind", ["radial", "linear", "fallback", "exploring"])
def test_a_router_is_fitted_again_while_it_serves(kind, numbers):
    """Every answer is that of the one fit or of the other, names and number of LLMs included."""
    X, performance, cost = numbers
    router = {
        "radial": RadialRouterClassifier(**{**QUICK, "max_iter": 1}),
        "linear": LinearRouter(10.0),
        "fallback": FallbackRouter(KNNRouter(), min_margin=0.05, min_similarity=0.0),
        "exploring": ExploringRouter(KNNRouter(), random_state=0),
    }[kind]
    fits = [
        lambda: router.fit(X, performance, cost=cost),
        lambda: router.fit(X[:60], performance[:60, ::-2], cost=cost[:60, ::-2]),
    ]
    wanted = {answer(fit(), X) for fit in fits}
    assert len(wanted) == 2
    answers, errors = serve_while(router, X, lambda: [fit() for fit in fits], seconds=1.0)
    assert not errors
    assert set(answers) <= wanted


def test_a_guarded_router_serves_while_the_inner_one_changes(router, numbers):
    X, performance, cost = numbers
    inner = pickle.loads(pickle.dumps(router))
    guarded = FallbackRouter(FrozenEstimator(inner), fallback="a", min_margin=0.1)
    guarded.fit(X, performance, cost=cost)
    wanted = {answer(guarded, X)}
    inner.remove_llm("d")
    wanted.add(answer(guarded, X))
    inner.add_llm("d", performance[:30, 3], cost[:30, 3], X[:30])
    wanted.add(answer(guarded, X))

    def change():
        inner.remove_llm("d")
        inner.add_llm("d", performance[:30, 3], cost[:30, 3], X[:30])

    answers, errors = serve_while(guarded, X, change, seconds=1.0)
    assert not errors
    assert set(answers) <= wanted


def test_changes_in_several_threads_do_not_get_lost(router, numbers):
    X, performance, cost = numbers
    changed = pickle.loads(pickle.dumps(router))
    side_by_side(
        8, lambda i: changed.add_llm(f"new {i}", performance[:20, 0], cost[:20, 0], X[:20])
    )
    assert sorted(changed.classes_) == sorted([*NAMES, *(f"new {i}" for i in range(8))])
    assert changed.predict_proba(X).shape == (120, 12)
    side_by_side(8, lambda i: changed.remove_llm(f"new {i}"))
    np.testing.assert_array_equal(changed.predict_proba(X), router.predict_proba(X))


def test_an_llm_is_not_added_to_a_router_that_was_fitted_again_meanwhile(
    router, numbers, monkeypatch
):
    X, performance, cost = numbers
    changed = pickle.loads(pickle.dumps(router))

    def learn_and_refit(*arguments):
        changed.fit(X, performance, cost=cost)
        return learn_new_llm(*arguments)

    monkeypatch.setattr(changing_pool, "learn_new_llm", learn_and_refit)
    with pytest.raises(RuntimeError, match="fitted again while an LLM was added; add it anew"):
        changed.add_llm("new", performance[:20, 0], cost[:20, 0], X[:20])
    assert changed.classes_.tolist() == NAMES


def test_nothing_is_left_of_an_llm_that_came_and_went(router, numbers):
    X, performance, cost = numbers
    changed = pickle.loads(pickle.dumps(router))
    new = (performance[:30, 3], cost[:30, 3], X[:30])
    size = len(pickle.dumps(changed.remove_llm("d").add_llm("d", *new)))
    for _ in range(30):
        changed.remove_llm("d").add_llm("d", *new)
    assert len(pickle.dumps(changed)) == size
    assert len(changed._pool.added) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_lock_that_another_thread_holds_is_free_in_a_forked_process():
    lock, held, done = ForkSafeLock(), threading.Event(), threading.Event()

    def hold():
        with lock:
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    child = os.fork()
    if child == 0:
        free = lock._lock.acquire(timeout=5)
        os._exit(0 if free else 1)
    _, status = os.waitpid(child, 0)
    done.set()
    thread.join()
    assert os.waitstatus_to_exitcode(status) == 0
