"""Routers on a real cluster of two processes: same answers as here, also when one is killed."""

import os
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

from skrouter import SentenceEncoder, make_routing_target
from skrouter.baselines import KNNRouter, LinearRouter
from skrouter.datasets import make_routing_problem
from skrouter.integrations.dask import encode, parallel_config, predict

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")
db = pytest.importorskip("dask.bag")
dd = pytest.importorskip("dask.dataframe")

DATA = make_routing_problem(240, random_state=0)
METHODS = ["predict", "predict_proba", "decision_function"]


class Watched(distributed.WorkerPlugin):
    """Writes down in each worker, restarted ones too, what is loaded and what is encoded."""

    name = "watched"

    def __init__(self, folder):
        self.folder = folder

    def setup(self, worker):
        from skrouter._encoders import pretrained

        load, encode = pretrained._load, SentenceEncoder._encode

        def note(what, lines):
            with open(Path(self.folder, what), "a") as stream:
                stream.write("".join(f"{line}\n" for line in lines))

        def watched_load(*arguments):
            note("loads", [os.getpid()])
            return load(*arguments)

        def watched_encode(encoder, texts):
            note(f"texts-{os.getpid()}", [text.replace("\n", " ") for text in texts])
            return encode(encoder, texts)

        pretrained._load, SentenceEncoder._encode = watched_load, watched_encode


class Lengths(TransformerMixin, BaseEstimator):
    """Lengths of texts and of their words."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return np.array([[len(x), len(x.split())] for x in X], dtype=float)

    def __sklearn_is_fitted__(self):
        return True


class Slow(Lengths):
    """Takes a while; writes down which process has begun, and which has unpickled it."""

    def __init__(self, folder):
        self.folder = folder

    def transform(self, X):
        with open(Path(self.folder, "begun"), "a") as stream:
            stream.write(f"{os.getpid()}\n")
        time.sleep(0.2)
        return super().transform(X)

    def __setstate__(self, state):
        super().__setstate__(state)
        with open(Path(self.folder, "read"), "a") as stream:
            stream.write(f"{os.getpid()}\n")


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    return tmp_path_factory.mktemp("watched")


@pytest.fixture(scope="module")
def client(watched):
    """A cluster of two processes; `skrouter_home` in conftest.py is their cache on disk, too."""
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with (
        distributed.LocalCluster(processes=True, **options) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.register_plugin(Watched(str(watched)))
        yield client


def is_dead(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def kill_in_the_middle(folder, killed):
    """Kill the worker that begins the fourth piece of work."""

    def kill():
        while len(begun := lines(folder / "begun")) < 4:
            time.sleep(0.01)
        pid = int(begun[3])
        if pid != os.getpid():
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    return thread


@pytest.fixture(scope="module")
def knn():
    router = KNNRouter(5, encoder=Lengths(), llm_names=DATA.llm_names)
    return router.fit(DATA.queries, DATA.performance, cost=DATA.cost)


def as_frame():
    frame = pd.DataFrame({"prompt": DATA.queries, "id": range(240)}, index=np.arange(240) + 7)
    frame = dd.from_pandas(frame, npartitions=4)
    return dd.concat([frame, frame[frame["id"] < 0]])  # some partitions are empty


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_llms", [2, 6])
def test_every_collection_has_the_answers_of_the_router(method, n_llms):
    names = DATA.llm_names[:n_llms]
    router = KNNRouter(5, encoder=Lengths(), llm_names=names)
    router.fit(DATA.queries, DATA.performance[:, :n_llms], cost=DATA.cost[:, :n_llms])
    options = {"cost_weight": 0.1, "allowed": names[:2]}
    wanted = getattr(router, method)(DATA.queries, **options)
    assert len(np.unique(wanted)) > 1

    frame = as_frame()
    lazy = predict(router, frame["prompt"], method=method, **options)
    found = lazy.compute(scheduler="threads")
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(found.index, np.arange(240) + 7)
    assert lazy.npartitions == frame.npartitions
    if found.ndim == 2:
        assert found.columns.tolist() == names
    else:
        assert found.name == lazy.name == ("llm" if method == "predict" else "value")
        assert found.dtype == lazy.dtype

    texts = np.array(DATA.queries, dtype=object)
    lazy = predict(router, da.from_array(texts, chunks=100), method=method, **options)
    assert (lazy.shape, lazy.dtype) == (wanted.shape, wanted.dtype)
    np.testing.assert_array_equal(lazy.compute(scheduler="threads"), wanted)

    bag = db.from_sequence(DATA.queries, npartitions=3).filter(lambda text: text)
    found = predict(router, bag, method=method, **options).compute(scheduler="threads")
    assert found == wanted.tolist()


def test_embeddings_in_arrays_and_frames():
    X = np.random.default_rng(0).normal(size=(240, 6))
    router = LinearRouter(llm_names=DATA.llm_names).fit(X, DATA.performance, cost=DATA.cost)
    wanted = router.predict_proba(X)
    blocks = da.from_array(X, chunks=(100, 4))
    lazy = predict(router, blocks, method="predict_proba")
    assert lazy.shape == (240, 6)
    np.testing.assert_allclose(lazy.compute(scheduler="threads"), wanted, atol=1e-12)
    some = predict(router, blocks[blocks[:, 0] > 0])  # nobody knows how many
    np.testing.assert_array_equal(some.compute(scheduler="threads"), router.predict(X[X[:, 0] > 0]))

    frame = pd.DataFrame(X, columns=list("abcdef"))
    router.fit(frame, DATA.performance, cost=DATA.cost)
    lazy = predict(router, dd.from_pandas(frame, npartitions=3), method="predict_proba")
    np.testing.assert_allclose(lazy.compute(scheduler="threads"), wanted, atol=1e-12)


def test_chats_in_a_bag(knn):
    chats = [[{"role": "user", "content": text}] for text in DATA.queries]
    found = predict(knn, db.from_sequence(chats, npartitions=2)).compute(scheduler="threads")
    assert found == knn.predict(DATA.queries).tolist()


def test_embeddings_of_every_collection():
    encoder = Lengths().fit([])
    wanted = encoder.transform(DATA.queries)
    found = encode(encoder, as_frame()["prompt"]).compute(scheduler="threads")
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(found.index, np.arange(240) + 7)
    texts = da.from_array(np.array(DATA.queries, dtype=object), chunks=100)
    lazy = encode(encoder, texts)
    assert (lazy.shape, lazy.dtype) == (wanted.shape, wanted.dtype)
    np.testing.assert_array_equal(lazy.compute(scheduler="threads"), wanted)


def test_the_router_is_the_one_of_the_call(knn):
    router = KNNRouter(5, encoder=Lengths(), llm_names=DATA.llm_names)
    router.fit(DATA.queries, DATA.performance, cost=DATA.cost)
    lazy = predict(router, as_frame()["prompt"])
    router.fit(DATA.queries, 1 - DATA.performance, cost=DATA.cost)
    np.testing.assert_array_equal(lazy.compute(scheduler="threads"), knn.predict(DATA.queries))
    assert (router.predict(DATA.queries) != knn.predict(DATA.queries)).any()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"method": "predict_outcomes"}, ValueError, "method='predict_outcomes': one of"),
        ({"cost_weight": [0.1] * 240}, ValueError, "cost_weight has shape (240,); one number"),
        ({"cost_weight": -1.0}, ValueError, "cost_weight must be a finite number >= 0"),
        ({"allowed": ["nobody"]}, ValueError, "allowed names ['nobody'], which are not"),
        ({"X": list(DATA.queries)}, TypeError, "X is a builtins.list; a Dask Series"),
        ({"X": dask.delayed(1)}, TypeError, "a Dask Series, DataFrame, Array or Bag is wanted"),
        ({"router": KNNRouter()}, NotFittedError, "not fitted yet"),
    ],
)
def test_what_is_wrong_is_said_at_once(knn, options, error, message):
    with pytest.raises(error) as raised:
        predict(**{"router": knn, "X": as_frame()["prompt"], **options})
    assert message in str(raised.value)


def test_what_is_wrong_with_a_query_is_said_where_it_is_answered(knn):
    bag = db.from_sequence(["a", None], npartitions=1)
    with pytest.raises(TypeError, match="element 1 of X is of type NoneType"):
        predict(knn, bag).compute(scheduler="threads")


def test_without_dask(knn, monkeypatch):
    frame = as_frame()["prompt"]
    monkeypatch.setitem(sys.modules, "dask.distributed", None)
    for call in (
        lambda: predict(knn, frame),
        lambda: encode(knn.encoder_, frame),
        lambda: parallel_config().__enter__(),
    ):
        with pytest.raises(ImportError, match=r'pip install "skrouter\[dask\]"'):
            call()


def test_a_search_encodes_each_text_once_and_each_worker_loads_once(
    client, watched, tiny_encoder_path, tmp_path
):
    queries, y = DATA.queries, make_routing_target(DATA.performance, DATA.cost)
    grid = {"n_neighbors": [3, 10], "cost_weight": [0.0, 0.1]}

    def search(cache):
        encoder = SentenceEncoder(tiny_encoder_path, device="cpu", cache=cache)
        return GridSearchCV(
            KNNRouter(encoder=encoder, llm_names=DATA.llm_names), grid, cv=3, n_jobs=-1
        )

    encoder = SentenceEncoder(tiny_encoder_path, device="cpu").fit(queries)
    texts = db.from_sequence(dict.fromkeys(queries), npartitions=6)
    rows = np.array(encode(encoder, texts).compute())
    with parallel_config():
        found = search("auto").fit(queries, y)
    encoded = Counter(line for path in watched.glob("texts-*") for line in lines(path))
    assert encoded == Counter({text: 1 for text in set(queries)})
    assert len(list(watched.glob("texts-*"))) == 2  # both had their share
    chosen = predict(found.best_estimator_, as_frame()["prompt"]).compute()
    assert sorted(lines(watched / "loads")) == sorted(map(str, client.run(os.getpid).values()))

    local = search(tmp_path).set_params(n_jobs=None).fit(queries, y)
    assert found.best_params_ == local.best_params_
    for key in ("mean_test_score", "std_test_score"):
        np.testing.assert_array_equal(found.cv_results_[key], local.cv_results_[key])
    np.testing.assert_array_equal(chosen, local.predict(queries))
    np.testing.assert_array_equal(rows, encoder.transform(list(dict.fromkeys(queries))))


def test_a_worker_is_killed_in_the_middle_of_a_prediction(client, tmp_path):
    client.wait_for_workers(2, timeout=60)
    router = KNNRouter(5, encoder=Slow(str(tmp_path)), llm_names=DATA.llm_names)
    router.fit(DATA.queries, DATA.performance, cost=DATA.cost)
    wanted = router.predict(DATA.queries)
    (tmp_path / "begun").unlink()
    bag = db.from_sequence(DATA.queries, npartitions=12)
    killed = []
    thread = kill_in_the_middle(tmp_path, killed)
    found = predict(router, bag).compute()
    thread.join()
    assert found == wanted.tolist()
    assert is_dead(killed[0])
    begun = Counter(lines(tmp_path / "begun"))
    assert begun.total() > 12 and str(killed[0]) in begun
    # Each process has made the router of its bytes once, with encoder and encoder_.
    assert set(Counter(lines(tmp_path / "read")).values()) == {2}


def test_a_worker_is_killed_in_the_middle_of_a_search(client, tmp_path):
    client.wait_for_workers(2, timeout=60)
    y = make_routing_target(DATA.performance, DATA.cost)
    router = KNNRouter(encoder=Slow(str(tmp_path)), llm_names=DATA.llm_names)
    search = GridSearchCV(router, {"n_neighbors": [3, 10]}, cv=3, refit=False, n_jobs=-1)
    killed = []
    thread = kill_in_the_middle(tmp_path, killed)
    with parallel_config(client):
        search.fit(DATA.queries, y)
    thread.join()
    assert is_dead(killed[0])
    found = search.cv_results_["mean_test_score"]
    search.set_params(n_jobs=None, estimator__encoder=Lengths()).fit(DATA.queries, y)
    np.testing.assert_array_equal(found, search.cv_results_["mean_test_score"])


@pytest.mark.parametrize("n_lost", [1, 99])
def test_a_worker_is_lost_with_the_data_that_it_was_to_pass_on(client, monkeypatch, n_lost):
    scheduler = client.cluster.scheduler
    replicate, lost = scheduler.replicate, []

    async def lose(*args, keys, **options):
        if len(lost) < n_lost:
            lost.extend(keys)
            for key in keys:
                scheduler.client_releases_keys([key], client.id)
        return await replicate(*args, keys=[key for key in keys if key in scheduler.tasks])

    y = make_routing_target(DATA.performance, DATA.cost)
    router = KNNRouter(encoder=Lengths(), llm_names=DATA.llm_names)
    search = GridSearchCV(router, {"n_neighbors": [3, 10]}, cv=3, refit=False, n_jobs=-1)
    monkeypatch.setattr(scheduler, "replicate", lose)
    monkeypatch.setattr("skrouter.integrations.dask._SCATTER_WAITS", (0.0, 0.1))
    with parallel_config(client):
        search.fit(DATA.queries, y)
    assert lost
    found = search.cv_results_["mean_test_score"]
    search.set_params(n_jobs=None).fit(DATA.queries, y)
    np.testing.assert_array_equal(found, search.cv_results_["mean_test_score"])
