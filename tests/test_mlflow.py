"""Routers as models of MLflow: logged, loaded, and served by its own server."""

import doctest
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.decomposition import TruncatedSVD
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skrouter
from skrouter import (
    GuaranteedRouter,
    RadialRouterClassifier,
    SentenceEncoder,
    make_routing_target,
)
from skrouter.baselines import BestSingleRouter, FrugalGPTRouter, LinearRouter
from skrouter.datasets import make_routing_problem
from skrouter.integrations.mlflow import load_router, log_router
from skrouter.metrics import make_routing_scorer

pytest.importorskip("skops")
mlflow = pytest.importorskip("mlflow")

DATA = make_routing_problem(240, random_state=0)
TEST = make_routing_problem(60, random_state=1)
QUERIES = list(map(str, TEST.queries))
SMALL, *_, LARGE = DATA.llm_names
CHEAP = {"cost_weight": 3.0}

# MLflow and what it rests on warn of each other; what we warn of is an error here, too.
pytestmark = pytest.mark.filterwarnings("default", "error:::skrouter")


@pytest.fixture(scope="module", autouse=True)
def store(tmp_path_factory):
    """An empty tracking store, which is also where MLflow's own processes look."""
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        before = mlflow.get_tracking_uri()
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        mlflow.create_experiment("routing", artifact_location=(folder / "models").as_uri())
        mlflow.set_experiment("routing")
        yield folder
        mlflow.set_tracking_uri(before)


@pytest.fixture(scope="module")
def router(tiny_encoder_path):
    router = RadialRouterClassifier(
        tiny_encoder_path, llm_names=DATA.llm_names, max_iter=3, random_state=0
    )
    return router.fit(DATA.queries, DATA.performance, cost=DATA.cost)


@pytest.fixture(scope="module")
def logged(router):
    return log_router(router, data=DATA, registered_model_name="router")


@pytest.fixture(scope="module")
def served(logged):
    return mlflow.pyfunc.load_model(logged.model_uri)


def folder_of(info):
    return Path(mlflow.artifacts.download_artifacts(info.model_uri))


def chats(n_messages=1):
    rules = [{"role": "system", "content": "Be brief."}] * (n_messages - 1)
    return [[*rules, {"role": "user", "content": query}] for query in QUERIES]


@pytest.mark.parametrize("registered", [False, True])
def test_the_router_comes_back_as_it_was(router, logged, registered):
    loaded = load_router("models:/router/1" if registered else logged.model_uri)
    np.testing.assert_array_equal(loaded.predict_proba(QUERIES), router.predict_proba(QUERIES))
    assert len(set(loaded.predict(QUERIES))) > 1


MIXED = [chat for pair in zip(chats(1)[::2], chats(3)[1::2], strict=True) for chat in pair]


@pytest.mark.parametrize(
    "queries",
    [
        QUERIES,
        np.array(QUERIES),
        np.array(QUERIES, dtype=object),
        pd.Series(QUERIES),
        pd.DataFrame({"query": QUERIES}),
        chats(),
        chats(3),
        MIXED,
        np.array(chats(), dtype=object),
        np.array(chats(3), dtype=object),
        pd.DataFrame({"query": MIXED}),
    ],
    ids=lambda queries: type(queries).__name__,
)
def test_mlflow_chooses_as_predict_does(queries, router, served):
    assert served.predict(queries).tolist() == router.predict(QUERIES).tolist()


def test_a_body_of_a_chat_request_is_one_query(router, served):
    body = {"model": "auto", "messages": chats(2)[5]}
    assert served.predict(body).tolist() == router.predict(QUERIES[5:6]).tolist()


@pytest.mark.parametrize(
    "params",
    [
        CHEAP,
        {"cost_weight": 0},
        {"allowed": [SMALL, LARGE]},
        {"allowed": DATA.llm_names},
        {"allowed": [LARGE], "cost_weight": None},
        {"allowed": [SMALL, LARGE], "cost_weight": 0.0},
    ],
)
def test_a_request_has_its_own_trade_off_and_pool(params, router, served):
    wanted = router.predict(QUERIES, **params)
    assert served.predict(QUERIES, params=params).tolist() == wanted.tolist()


def test_the_trade_offs_above_are_different_ones(served):
    answers = [served.predict(QUERIES, params={"cost_weight": w}).tolist() for w in (0, 3.0)]
    assert answers[0] != answers[1]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"cost_weight": -1.0}, "cost_weight must be a finite number >= 0"),
        ({"cost_weight": "much"}, "Can not safely convert"),
        ({"allowed": ["nobody"]}, "allowed names ['nobody'], which are not in the pool"),
        ({"allowed": []}, "allowed holds no LLM"),
        ({"allowed": SMALL}, "must be a 1D array"),
    ],
)
def test_wrong_params_are_refused(params, message, served):
    with pytest.raises(mlflow.MlflowException, match=re.escape(message)):
        served.predict(QUERIES, params=params)


# Routers of all kinds -----------------------------------------------------------------------------

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 3))
PERFORMANCE = (rng.random((60, 3)) < 0.6).astype(float)
COST = np.array([0.1, 1.0, 5.0])


def as_served(router, **options):
    return mlflow.pyfunc.load_model(log_router(router, **options).model_uri)


def search():
    return GridSearchCV(
        make_pipeline(StandardScaler(), LinearRouter()),
        {"linearrouter__alpha": [0.1, 1.0]},
        scoring=make_routing_scorer(cost_weight=0.1),
        cv=2,
    ).fit(X, make_routing_target(PERFORMANCE, COST))


def test_embeddings_and_names_that_are_numbers():
    router = LinearRouter(0.1, llm_names=[10, 20, 30]).fit(X, PERFORMANCE, cost=COST)
    served = as_served(router)
    for queries in (X, X.tolist(), pd.DataFrame(X)):
        assert served.predict(queries).tolist() == router.predict(X).tolist()
    assert set(served.predict(X, params={"allowed": [20]})) == {20}


def test_a_search_over_pipelines_has_the_trade_off_of_a_request():
    router = search()
    served = as_served(router)
    best = router.best_estimator_
    assert served.predict(X).tolist() == router.predict(X).tolist()
    cheap = served.predict(X, params=CHEAP).tolist()
    assert cheap == best.predict(X, cost_weight=3.0).tolist() != router.predict(X).tolist()


def test_what_a_router_cannot_do_is_an_error_and_not_ignored():
    guaranteed = GuaranteedRouter(LinearRouter(), max_cost=4.0, random_state=0)
    served = as_served(guaranteed.fit(X, PERFORMANCE, cost=COST))
    assert len(served.predict(X)) == len(X)
    with pytest.raises(mlflow.MlflowException, match="cost_weight"):
        served.predict(X, params=CHEAP)
    cascade = FrugalGPTRouter(random_state=0, llm_names=["a", "b", "c"])
    served = as_served(cascade.fit(X, PERFORMANCE, cost=COST))
    assert len(served.predict(X)) == len(X)
    with pytest.raises(mlflow.MlflowException, match="allowed"):
        served.predict(X, params={"allowed": ["a"]})


def test_a_pool_of_one_llm():
    served = as_served(BestSingleRouter(llm_names=["only"]).fit(["a", "b"], [[1.0], [0.0]]))
    assert served.predict(["c"], params={"allowed": ["only"]}).tolist() == ["only"]


class OwnWords(TfidfVectorizer):
    """An encoder of one's own."""


def test_a_foreign_type_has_to_be_named():
    words = make_pipeline(OwnWords(), TruncatedSVD(2, random_state=0))
    router = LinearRouter(encoder=words).fit(DATA.queries, DATA.performance)
    with pytest.raises(ValueError, match="OwnWords"):
        log_router(router)
    info = log_router(router, trusted=[OwnWords])
    served = mlflow.pyfunc.load_model(info.model_uri)
    assert served.predict(QUERIES).tolist() == router.predict(QUERIES).tolist()
    # What the folder says of itself is not what the user trusts.
    with pytest.raises(ValueError, match="OwnWords"):
        load_router(info.model_uri)
    load_router(info.model_uri, trusted=[f"{__name__}.OwnWords"])


# What is in the model -----------------------------------------------------------------------------


def test_mlflow_writes_no_query_down(served, logged):
    assert served._model_impl._router.encoder_.cache is None
    assert load_router(logged.model_uri).encoder_.cache is not None


def test_the_encoder_is_loaded_before_the_first_query(logged, monkeypatch):
    seen, transform = [], SentenceEncoder.transform

    def spy(self, X):
        seen.extend(X)
        return transform(self, X)

    monkeypatch.setattr(SentenceEncoder, "transform", spy)
    load_router(logged.model_uri)
    assert not seen
    mlflow.pyfunc.load_model(logged.model_uri)
    assert len(seen) == 1


def test_requirements_are_what_is_installed_here(logged):
    lines = (folder_of(logged) / "requirements.txt").read_text().split()
    assert f"skrouter[mlflow]=={skrouter.__version__}" in lines
    assert f"mlflow=={mlflow.__version__}" in lines
    packages = {line.partition("==")[0] for line in lines}
    assert {"scikit-learn", "numpy", "torch", "sentence-transformers", "skops"} <= packages
    assert not [line for line in lines if "+" in line or line.startswith("python")]


def test_requirements_of_the_user(router):
    def requirements(**options):
        return (folder_of(log_router(router, **options)) / "requirements.txt").read_text().split()

    lines = requirements(extra_pip_requirements=["skrouter[offline]", "my-encoder"])
    assert {f"skrouter[mlflow,offline]=={skrouter.__version__}", "my-encoder"} <= set(lines)
    assert requirements(pip_requirements=["skrouter", "mlflow"]) == ["skrouter", "mlflow"]


def test_the_file_is_one_of_skrouter(logged, router):
    path = folder_of(logged) / "data" / "router.skops"
    np.testing.assert_array_equal(
        skrouter.load(path).predict_proba(QUERIES), router.predict_proba(QUERIES)
    )
    with zipfile.ZipFile(path) as archive:
        assert json.loads(archive.read("skrouter.json"))["data"]["n_queries"] == 240


# Models from others -------------------------------------------------------------------------------


@pytest.fixture
def copied(logged, tmp_path, monkeypatch):
    """The folder of a model, to tamper with."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(folder_of(logged), tmp_path / "model"))


def test_a_tampered_file_runs_nothing(copied):
    path = copied / "data" / "router.skops"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    command = json.dumps("import pathlib; pathlib.Path('pwned').touch()")
    argument = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode"}
    schema = json.loads(members["schema.json"])
    schema["content"]["content"]["cost_weight"] = {
        "__class__": "Popen",
        "__module__": "subprocess",
        "__loader__": "ObjectNode",
        "content": {
            "__class__": "tuple",
            "__module__": "builtins",
            "__loader__": "TupleNode",
            "content": [{**argument, "content": command, "is_json": True}],
        },
    }
    members["schema.json"] = json.dumps(schema).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    for load in (load_router, mlflow.pyfunc.load_model):
        with pytest.raises(ValueError, match="subprocess.Popen.*Nothing was loaded"):
            load(str(copied))
    assert not Path("pwned").exists()


def describe(folder, **flavor):
    path = folder / "MLmodel"
    description = yaml.safe_load(path.read_text())
    description["flavors"]["python_function"].update(flavor)
    path.write_text(yaml.safe_dump(description))


@pytest.mark.parametrize("loader", ["evil", "mlflow.sklearn", None])
def test_a_model_of_another_kind_runs_nothing(loader, copied):
    (copied / "code").mkdir()
    (copied / "code" / "evil.py").write_text("import pathlib; pathlib.Path('pwned').touch()")
    describe(copied, code="code", loader_module=loader)
    with pytest.raises(ValueError, match="no model that log_router logged; nothing was loaded"):
        load_router(copied)
    assert not Path("pwned").exists()


def test_code_in_the_folder_runs_only_where_mlflow_loads(copied):
    (copied / "code").mkdir()
    (copied / "code" / "skops.py").write_text("import pathlib; pathlib.Path('pwned').touch()")
    describe(copied, code="code", model_config={"trusted": ["subprocess.Popen"]})
    load_router(str(copied))
    assert not Path("pwned").exists() and str(copied / "code") not in sys.path


def test_what_is_no_fitted_router_is_refused():
    with pytest.raises(NotFittedError):
        log_router(LinearRouter())
    with pytest.raises(TypeError, match="must be a fitted router"):
        log_router(StandardScaler().fit(X))


def test_without_mlflow(router, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    for call in (lambda: log_router(router), lambda: load_router("models:/router/1")):
        with pytest.raises(ImportError, match=r'pip install "skrouter\[mlflow\]"'):
            call()


# The server ---------------------------------------------------------------------------------------


class Server:
    """MLflow's own server, on the loopback interface."""

    def __init__(self, uri, folder):
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        command = ["models", "serve", "-m", uri, "--env-manager", "local", "--host", "127.0.0.1"]
        environment = {
            **os.environ,
            "MLFLOW_TRACKING_URI": mlflow.get_tracking_uri(),
            "NO_PROXY": "127.0.0.1",
            "OMP_NUM_THREADS": "1",
            # The server is started by name.
            "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]]),
        }
        self.log = folder / "server.log"
        with open(self.log, "w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", *command, "--port", str(self.port)],
                cwd=folder,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self):
        for _ in range(600):
            assert self.process.poll() is None, self.log.read_text()[-4000:]
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5)
                return self
            except OSError:
                time.sleep(0.2)
        raise AssertionError(self.log.read_text()[-4000:])

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)  # with the child that MLflow starts
            self.process.wait(30)

    def ask(self, body):
        """Status and answer."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/invocations",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())


@pytest.fixture(scope="module")
def server(logged, tmp_path_factory):
    started = Server("models:/router/1", tmp_path_factory.mktemp("server"))
    try:
        yield started.wait()
    finally:
        started.stop()


@pytest.mark.skipif(os.name != "posix", reason="its processes are ended as those of POSIX")
class TestServer:
    def test_chooses_as_predict_does(self, server, router):
        wanted = router.predict(QUERIES).tolist()
        table = {"columns": ["query"], "data": [[query] for query in QUERIES]}
        mixed = {"columns": ["query"], "data": [[chat] for chat in MIXED]}
        for body in (
            {"inputs": QUERIES},
            {"inputs": chats()},
            {"dataframe_split": table},
            {"dataframe_split": mixed},
        ):
            assert server.ask(body) == (200, {"predictions": wanted})

    def test_a_request_has_its_own_trade_off_and_pool(self, server, router):
        for params in (CHEAP, {"cost_weight": 0}, {"allowed": [SMALL, LARGE]}):
            answer = server.ask({"inputs": QUERIES, "params": params})
            wanted = router.predict(QUERIES, **params).tolist()
            assert answer == (200, {"predictions": wanted})

    def test_the_body_of_a_chat_request(self, server, router):
        for query, chat in zip(QUERIES[:5], chats(2), strict=False):
            status, answer = server.ask({"model": "auto", "messages": chat, **CHEAP})
            assert (status, answer) == (200, router.predict([query], **CHEAP).tolist())

    def test_what_is_wrong_is_said(self, server):
        for body, message in (
            ({"inputs": ["a"], "params": {"allowed": ["nobody"]}}, "not in the pool"),
            ({"inputs": ["a"], "params": {"cost_weight": -1}}, "finite number >= 0"),
            ({"inputs": [5]}, "X"),
            ({"inputs": {"query": ["a"]}}, "messages"),
        ):
            status, answer = server.ask(body)
            assert status == 400 and message in answer["message"], answer

    def test_many_clients(self, server, router):
        wanted = router.predict(QUERIES).tolist()
        with ThreadPoolExecutor(8) as pool:
            bodies = [{"inputs": [query]} for query in QUERIES]
            answers = list(pool.map(server.ask, bodies))
        assert answers == [(200, {"predictions": [llm]}) for llm in wanted]


# The documentation --------------------------------------------------------------------------------

PAGE = Path(__file__).parents[1] / "docs" / "user_guide" / "serving.rst"


def test_the_block_of_the_user_guide(router, other_store):
    (block,) = re.findall(
        r"code-block:: python\n\n((?:   .*\n|\n)*?   .*log_router(?:   .*\n|\n)*)", PAGE.read_text()
    )
    namespace = {"router": router, "data": DATA}
    exec(textwrap.dedent(block), namespace)
    query = ["Is 17 a prime number?"]
    assert namespace["same"].predict(query) == router.predict(query)
    assert Path("mlflow.db").exists()


@pytest.fixture
def other_store(tmp_path, monkeypatch):
    """That of the guide, in an empty folder; tests may take another."""
    monkeypatch.chdir(tmp_path)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    mlflow.set_experiment("guide")
    yield
    mlflow.set_tracking_uri(before)
    mlflow.set_experiment("routing")


@pytest.mark.parametrize("function", [log_router, load_router])
def test_examples_of_docstrings(function, other_store):
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    said = []
    for example in doctest.DocTestFinder().find(function, globs={}):
        doctest.DocTestRunner(optionflags=flags).run(example, out=said.append)
    assert example.examples and not said, "".join(said)


def test_mlflows_own_flavour(router):
    """What the guide says of it: it works, and what it does not do."""
    import skops.io
    from mlflow.pyfunc.scoring_server import infer_and_parse_data

    types = skops.io.get_untrusted_types(data=skops.io.dumps(router))
    info = mlflow.sklearn.log_model(
        router,
        name="own",
        serialization_format="skops",
        skops_trusted_types=types,
        input_example=QUERIES[:1],
        pip_requirements=["skrouter"],
    )
    expected = router.predict_proba(QUERIES)
    loaded = mlflow.sklearn.load_model(info.model_uri)
    np.testing.assert_array_equal(loaded.predict_proba(QUERIES), expected)
    served = mlflow.pyfunc.load_model(info.model_uri)
    chosen = router.predict(QUERIES).tolist()
    assert served.predict(QUERIES).tolist() == chosen
    assert served.predict(QUERIES, params=CHEAP).tolist() == chosen
    request = infer_and_parse_data({"inputs": chats(2)}, served.metadata.get_input_schema())
    first = [str(chat[0]) for chat in chats(2)]
    assert served.predict(request).tolist() == router.predict(first).tolist()
    assert yaml.safe_load((folder_of(info) / "MLmodel").read_text())["flavors"]["sklearn"][
        "skops_trusted_types"
    ]
