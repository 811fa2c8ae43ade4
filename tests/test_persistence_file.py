"""Routers in files: what comes back, what is said of it, and that a tampered file runs nothing."""

import importlib
import importlib.metadata
import io
import json
import os
import pickle
import stat
import subprocess
import sys
import threading
import warnings
import zipfile

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import skrouter
from skrouter import (
    ChatFormatter,
    ExploringRouter,
    FallbackRouter,
    GuaranteedRouter,
    RadialRouterClassifier,
    SentenceEncoder,
    baselines,
    make_routing_target,
)
from skrouter._persistence.description import METADATA, read_metadata
from skrouter._persistence.trusted_types import ROUTERS, TRUSTED, is_trusted
from skrouter.baselines import KNNRouter, LinearRouter, RegressionRouter
from skrouter.metrics import make_routing_scorer

pytest.importorskip("skops")

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 3))
PERFORMANCE = (rng.random((60, 3)) < 0.6).astype(float)
COST = np.array([0.1, 1.0, 5.0])
TARGET = make_routing_target(PERFORMANCE, COST)
TASKS = rng.choice(["a", "b"], 60)
NAMES = ["small", "medium", "large"]
# What costs time to fit, made small.
SETTINGS = {
    "CosineClassifierRouter": {"max_iter": 2},
    "FrugalGPTRouter": {"random_state": 0},
    "GraphRouter": {"max_iter": 2},
    "MLPRouter": {"max_iter": 5},
    "RouterDCRouter": {"max_iter": 2},
    "StackedRouter": {
        "routers": [("linear", LinearRouter(0.1)), ("knn", KNNRouter(5))],
        "random_state": 0,
    },
}


def make(name):
    if name == "radial":
        return RadialRouterClassifier(
            max_iter=1, cv=None, hidden_dim=8, device="cpu", random_state=0, llm_names=NAMES
        )
    if name == "fallback":
        return FallbackRouter(
            LinearRouter(10.0, llm_names=NAMES), min_similarity=0.5, min_margin=0.01
        )
    if name == "reduced":
        return LinearRouter(0.1, rank=1, llm_names=NAMES)
    if name == "exploring":
        return ExploringRouter(LinearRouter(10.0, llm_names=NAMES), random_state=0)
    if name == "guaranteed":
        return GuaranteedRouter(LinearRouter(10.0, llm_names=NAMES), max_cost=4.0, random_state=0)
    if name == "frozen":
        frozen = FrozenEstimator(LinearRouter(10.0, llm_names=NAMES).fit(X, PERFORMANCE, cost=COST))
        return GuaranteedRouter(frozen, max_cost=4.0, random_state=0)
    return getattr(baselines, name)(llm_names=NAMES, **SETTINGS.get(name, {}))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "name",
    [*baselines.__all__, "radial", "reduced", "fallback", "exploring", "guaranteed", "frozen"],
)
def test_every_router_comes_back_as_it_was(name, tmp_path):
    if name == "GraphRouter":
        pytest.importorskip("torch_geometric")
    router = make(name)
    tasks = {"tasks": TASKS} if name == "BestPerTaskRouter" else {}
    router.fit(X, PERFORMANCE, cost=COST, **tasks)
    skrouter.save(router, tmp_path / "r.skops")
    loaded = skrouter.load(tmp_path / "r.skops")
    assert type(loaded) is type(router)
    expected = router.predict_proba(X, **tasks)
    np.testing.assert_array_equal(loaded.predict_proba(X, **tasks), expected)
    assert read_metadata(tmp_path / "r.skops")["router"]["llm_names"] == NAMES


def fit(router=None):
    router = LinearRouter(10.0, cost_weight=0.1, llm_names=NAMES) if router is None else router
    return router.fit(X, PERFORMANCE, cost=COST)


@pytest.fixture
def file(tmp_path):
    skrouter.save(fit(), tmp_path / "router.skops")
    return tmp_path / "router.skops"


def test_a_changed_pool_comes_back(tmp_path):
    router = make("radial").fit(X, PERFORMANCE, cost=COST)
    router.add_llm("new", PERFORMANCE[:30, 0], cost=2.0, X=X[:30]).remove_llm("medium")
    skrouter.save(router, tmp_path / "r.skops")
    loaded = skrouter.load(str(tmp_path / "r.skops"))
    assert loaded.classes_.tolist() == ["small", "large", "new"]
    np.testing.assert_array_equal(loaded.predict_proba(X), router.predict_proba(X))
    loaded.add_llm("newer", PERFORMANCE[:30, 1], cost=2.0, X=X[:30])


def test_a_router_that_was_on_another_device_is_loaded(tmp_path):
    router = make("radial").fit(X, PERFORMANCE, cost=COST)
    expected = router.predict_proba(X)
    skrouter.save(router.set_params(device="cuda:63"), tmp_path / "r.skops")
    loaded = skrouter.load(tmp_path / "r.skops")
    with pytest.raises(ValueError, match="CUDA device"):
        loaded.predict(X)
    np.testing.assert_array_equal(loaded.set_params(device="cpu").predict_proba(X), expected)


def test_pipelines_and_searches_come_back(tmp_path):
    pipeline = make_pipeline(StandardScaler(), KNNRouter(llm_names=NAMES)).fit(X, TARGET)
    search = GridSearchCV(
        pipeline,
        {"knnrouter__n_neighbors": [3, 5]},
        scoring=make_routing_scorer(cost_weight=0.1),
        cv=KFold(2),
    ).fit(X, TARGET)
    for number, router in enumerate((pipeline, search)):
        path = tmp_path / f"{number}.skops"
        skrouter.save(router, path)
        np.testing.assert_array_equal(skrouter.load(path).predict(X), router.predict(X))
        assert read_metadata(path)["router"]["core"] == "skrouter.baselines._knn.KNNRouter"


def texts(tiny_encoder_path):
    queries = ["sort a list", "prove the theorem", "what is a prime", "write a poem"] * 5
    performance = np.tile([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]], (5, 1))
    router = LinearRouter(10.0, encoder=SentenceEncoder(tiny_encoder_path), llm_names=["a", "b"])
    return router.fit(queries, performance), queries


def test_the_weights_of_an_encoder_are_not_in_the_file(tiny_encoder_path, tmp_path):
    router, queries = texts(tiny_encoder_path)
    skrouter.save(router, tmp_path / "r.skops")
    np.testing.assert_array_equal(
        skrouter.load(tmp_path / "r.skops").predict_proba(queries), router.predict_proba(queries)
    )
    (encoder,) = read_metadata(tmp_path / "r.skops")["encoders"]
    assert encoder == {
        "class": "skrouter._encoders.sentence_encoder.SentenceEncoder",
        "model": tiny_encoder_path,
        "revision": None,
        "backend": "torch",
        "precision": "float32",
        "fingerprint": router.encoder_.fingerprint_,
        "n_features": 16,
        "weights_in_file": False,
    }
    assert (tmp_path / "r.skops").stat().st_size < 100_000


def test_tuned_weights_of_an_encoder_are_in_the_file(tiny_bert_path, tmp_path):
    queries = ["sort a list", "prove the theorem", "what is a prime", "write a poem"]
    router = RadialRouterClassifier(
        tiny_bert_path,
        fine_tune_encoder=True,
        max_iter=1,
        cv=None,
        device="cpu",
        random_state=0,
        expert_settings={"n_neighbors": 2, "n_clusters": 2},
    )
    router.fit(queries, np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]]))
    skrouter.save(router, tmp_path / "r.skops")
    (encoder,) = read_metadata(tmp_path / "r.skops")["encoders"]
    assert encoder["weights_in_file"]
    loaded = skrouter.load(tmp_path / "r.skops")
    np.testing.assert_array_equal(loaded.predict_proba(queries), router.predict_proba(queries))


def test_encoders_in_pipelines_are_named(tmp_path):
    encoder = make_pipeline(ChatFormatter(), TfidfVectorizer(), TruncatedSVD(2, random_state=0))
    queries = ["sort a list", "prove the theorem", "a prime", "write a poem"]
    router = KNNRouter(encoder=encoder, n_neighbors=2).fit(queries, PERFORMANCE[:4])
    skrouter.save(
        FallbackRouter(router, min_margin=0.1).fit(queries, PERFORMANCE[:4]), tmp_path / "r"
    )
    description = read_metadata(tmp_path / "r")
    assert [part["class"].rpartition(".")[2] for part in description["encoders"]] == [
        "ChatFormatter",
        "TfidfVectorizer",
        "TruncatedSVD",
    ]
    assert description["router"]["input"] == "text"
    assert description["router"]["class"] == "skrouter._meta.fallback.FallbackRouter"
    skrouter.load(tmp_path / "r")


# ---------------------------------------------------------------- what is said of it


def test_metadata_is_readable(tmp_path):
    data = {"queries": ["a", [{"role": "user", "content": "b"}]], "performance": PERFORMANCE[:2]}
    skrouter.save(fit(), tmp_path / "r.skops", data=data, metadata={"owner": "me"})
    description = read_metadata(tmp_path / "r.skops")
    with zipfile.ZipFile(tmp_path / "r.skops") as archive:
        assert json.loads(archive.read("skrouter.json")) == description
    assert description["format"] == 1
    assert description["versions"]["skrouter"] == skrouter.__version__
    assert description["versions"]["scikit-learn"] == sklearn.__version__
    assert {"python", "numpy", "torch", "skops"} <= set(description["versions"])
    assert description["router"] == {
        "class": "skrouter.baselines._linear.LinearRouter",
        "core": "skrouter.baselines._linear.LinearRouter",
        "llm_names": NAMES,
        "cost_weight": 0.1,
        "uses_cost": True,
        "input": "embeddings",
        "n_features": 3,
    }
    assert description["encoders"] == []
    assert description["data"]["n_queries"] == 2
    assert description["extra"] == {"owner": "me"}
    assert description["types"] == [
        "skrouter.baselines._linear.LinearRouter",
        "skrouter.baselines._masked_regression.ColumnRegressors",
    ]


def test_packages_that_are_not_installed_have_no_version(file, monkeypatch):
    def version(package):
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(importlib.metadata, "version", version)
    skrouter.save(fit(), file)
    assert set(read_metadata(file)["versions"]) == {"python", "skrouter", "scikit-learn"}


def test_the_trade_off_of_a_guarantee_is_said(tmp_path):
    router = make("guaranteed").fit(X, PERFORMANCE, cost=COST)
    skrouter.save(router, tmp_path / "r.skops")
    assert read_metadata(tmp_path / "r.skops")["router"]["cost_weight"] == router.cost_weight_


def test_the_fingerprint_of_the_data_changes_with_the_data(tmp_path):
    def fingerprint(**change):
        data = {"queries": ["a", "b"], "performance": PERFORMANCE[:2], "cost": None} | change
        skrouter.save(fit(), tmp_path / "r.skops", data=data)
        return read_metadata(tmp_path / "r.skops")["data"]["fingerprint"]

    changes = [
        {},
        {"queries": ["b", "a"]},
        {"queries": ["a", [{"role": "user", "content": "b"}]]},
        {"queries": ["ab", ""]},
        {"performance": 1 - PERFORMANCE[:2]},
        {"cost": PERFORMANCE[:2]},
    ]
    assert len({fingerprint(**change) for change in changes}) == len(changes)
    assert fingerprint() == fingerprint(queries=np.array(["a", "b"], dtype=object))
    message = {"role": "user", "content": "b"}
    as_array = np.array([message], dtype=object)
    assert fingerprint(queries=["a", [message]]) == fingerprint(queries=["a", as_array])


def test_a_log_names_its_llms(tmp_path):
    pd = pytest.importorskip("pandas")
    data = {"queries": ["a", "b"], "performance": pd.DataFrame(PERFORMANCE[:2], columns=NAMES)}
    skrouter.save(fit(), tmp_path / "r.skops", data=data)
    assert read_metadata(tmp_path / "r.skops")["data"]["llm_names"] == NAMES


# ---------------------------------------------------------------- files from others


def payloads():
    """Objects that run a command when they are loaded, as skops writes what it knows of them."""
    command = "import pathlib; pathlib.Path('pwned').touch()"
    text = {
        "__class__": "str",
        "__module__": "builtins",
        "__loader__": "JsonNode",
        "content": json.dumps(command),
        "is_json": True,
    }
    function = {"__class__": "exec", "__module__": "builtins", "__loader__": "FunctionNode"}
    arguments = {
        "__class__": "tuple",
        "__module__": "builtins",
        "__loader__": "TupleNode",
        "content": [text],
    }
    nothing = {
        "__class__": "str",
        "__module__": "builtins",
        "__loader__": "JsonNode",
        "content": "null",
        "is_json": True,
    }
    return {
        "function": function,
        "type": {"__class__": "Popen", "__module__": "subprocess", "__loader__": "TypeNode"},
        "object": {
            "__class__": "Popen",
            "__module__": "subprocess",
            "__loader__": "ObjectNode",
            "content": arguments,
        },
        "operator": {
            "__class__": "methodcaller",
            "__module__": "operator",
            "__loader__": "OperatorFuncNode",
            "attrs": arguments,
        },
        "reduce": {
            "__class__": "Tree",
            "__module__": "sklearn.tree._tree",
            "__loader__": "TreeNode",
            "content": nothing,
            "__reduce__": {"args": arguments},
        },
        "partial": {
            "__class__": "partial",
            "__module__": "functools",
            "__loader__": "PartialNode",
            "content": {"func": function, "args": arguments, "kwds": nothing, "namespace": nothing},
        },
        "own function": {
            "__class__": "load",
            "__module__": "skrouter._persistence.router_file",
            "__loader__": "FunctionNode",
        },
    }


def tamper(path, change):
    """Write the file anew with another schema or description."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.mark.parametrize("payload", payloads().values(), ids=payloads().keys())
def test_a_tampered_file_runs_nothing_and_says_why(payload, file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def change(members):
        schema = json.loads(members["schema.json"])
        schema["content"]["content"]["alpha"] = payload
        members["schema.json"] = json.dumps(schema).encode()

    tamper(file, change)
    with pytest.raises(
        ValueError, match="no need for.*Nothing was loaded, and no code was run"
    ) as e:
        skrouter.load(file)
    named = [
        name
        for name in ("exec", "Popen", "methodcaller", "Tree", "router_file.load")
        if name in str(e.value)
    ]
    assert named
    assert not (tmp_path / "pwned").exists()


class Evil:
    """An encoder whose pickle runs a command."""

    def __reduce__(self):
        return exec, ("import pathlib; pathlib.Path('pwned').touch()",)


def test_a_foreign_type_has_to_be_named(tmp_path, monkeypatch):
    router = fit(RegressionRouter(OwnRegression(), llm_names=NAMES))
    skrouter.save(router, tmp_path / "r.skops")
    name = f"{__name__}.OwnRegression"
    with pytest.raises(ValueError, match=name.replace(".", r"\.")):
        skrouter.load(tmp_path / "r.skops")
    for trusted in ([name], (OwnRegression,)):
        loaded = skrouter.load(tmp_path / "r.skops", trusted=trusted)
        np.testing.assert_array_equal(loaded.predict(X), router.predict(X))


class OwnRegression(LinearRegression):
    pass


def test_types_that_skops_does_not_trust_are_not_trusted(tmp_path):
    # A crafted tree crashes the process that asks it.
    skrouter.save(fit(RegressionRouter(RandomForestRegressor(2))), tmp_path / "r.skops")
    with pytest.raises(ValueError, match="sklearn.tree._tree.Tree"):
        skrouter.load(tmp_path / "r.skops")


def test_pickles_are_refused_without_being_loaded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.skops").write_bytes(pickle.dumps(Evil()))
    joblib.dump(fit(), tmp_path / "router.joblib")
    for name in ("evil.skops", "router.joblib"):
        with pytest.raises(ValueError, match="no file that skrouter.save wrote.*nothing of it was"):
            skrouter.load(tmp_path / name)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda description: None,
        lambda description: b"{",
        lambda description: b"[]",
        lambda description: json.dumps({**description, "versions": {"skrouter": "0.1.0"}}).encode(),
        lambda description: json.dumps(
            {**description, "versions": {"skrouter": 1, "scikit-learn": 2}}
        ).encode(),
        lambda description: json.dumps({**description, "router": None}).encode(),
        lambda description: json.dumps({"versions": description["versions"]}).encode(),
    ],
)
def test_files_without_a_description_are_refused(file, change):
    def change_member(members):
        content = change(json.loads(members.pop(METADATA)))
        if content is not None:
            members[METADATA] = content

    tamper(file, change_member)
    with pytest.raises(ValueError, match="no file that skrouter.save wrote"):
        skrouter.load(file)


def test_what_is_no_router_is_refused(file):
    import skops.io

    content = skops.io.dumps(StandardScaler().fit(X))
    with zipfile.ZipFile(file) as archive, zipfile.ZipFile(io.BytesIO(content)) as other:
        members = {name: other.read(name) for name in other.namelist()}
        members[METADATA] = archive.read(METADATA)
    with zipfile.ZipFile(file, "w") as archive:
        for name, part in members.items():
            archive.writestr(name, part)
    with pytest.raises(ValueError, match="holds a StandardScaler, which is no router"):
        skrouter.load(file)


def test_a_fingerprint_is_no_path(tiny_encoder_path, tmp_path):
    router, _ = texts(tiny_encoder_path)
    router.encoder_.fingerprint_ = "../../somewhere"
    skrouter.save(router, tmp_path / "r.skops")
    with pytest.raises(ValueError, match="tampered with: the fingerprint"):
        skrouter.load(tmp_path / "r.skops")


def test_the_list_of_trusted_types_is_one_of_types_that_are_there():
    for name in TRUSTED:
        module, _, attribute = name.rpartition(".")
        assert isinstance(getattr(importlib.import_module(module), attribute), type), name
    every = {
        f"{router.__module__}.{router.__name__}"
        for router in (getattr(baselines, name) for name in baselines.__all__)
    }
    assert every < ROUTERS < TRUSTED


@pytest.mark.parametrize(
    ("name", "trusted"),
    [
        ("sklearn.linear_model._ridge.Ridge", True),
        ("sklearn.pipeline.Pipeline", True),
        ("sklearn.utils.validation.check_array", False),
        ("sklearn.tree._tree.Tree", False),
        ("sklearn.nowhere.Ridge", False),
        ("sklearn.linear_model.Nothing", False),
        ("sklearn.tests.test_base.MyEstimator", False),
        ("sklearn_other.Ridge", False),
        ("sklearn..Ridge", False),
    ],
)
def test_estimators_of_scikit_learn_are_trusted_and_nothing_else_of_it(name, trusted):
    assert is_trusted(name) is trusted


# ---------------------------------------------------------------- mistakes, versions, files


def test_what_cannot_be_saved(tmp_path, monkeypatch):
    path = tmp_path / "r.skops"
    with pytest.raises(NotFittedError):
        skrouter.save(LinearRouter(10.0), path)
    with pytest.raises(TypeError, match="router must be a fitted router, with classes_"):
        skrouter.save(StandardScaler().fit(X), path)
    transform = FunctionTransformer(lambda queries: np.array([[len(q)] for q in queries]))
    router = LinearRouter(10.0, encoder=transform).fit(["a", "bb", "ccc"], PERFORMANCE[:3])
    with pytest.raises(ValueError, match="could not be loaded again: .*<lambda>"):
        skrouter.save(router, path)
    monkeypatch.setattr(OwnRegression, "__module__", "nowhere")
    with pytest.raises(ValueError, match=r"could not be loaded again: \['nowhere.OwnRegression'\]"):
        skrouter.save(fit(RegressionRouter(OwnRegression())), path)
    with pytest.raises(TypeError, match="not JSON serializable"):
        skrouter.save(fit(), path, metadata={"x": object()})
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(ImportError, match=r'needs skops: pip install "skrouter\[skops\]"'):
        skrouter.save(fit(), path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        skrouter.load(tmp_path / "r.skops")
    with pytest.raises(FileNotFoundError):
        read_metadata(tmp_path / "r.skops")


@pytest.mark.parametrize("name", ["LinearRouter", "radial", "fallback"])
@pytest.mark.parametrize(
    ("package", "category"),
    [("scikit-learn", InconsistentVersionWarning), ("skrouter", UserWarning)],
)
def test_other_versions_warn_once(name, package, category, tmp_path):
    router = make(name).fit(X, PERFORMANCE, cost=COST)
    skrouter.save(router, tmp_path / "r.skops")

    def change(members):
        for member in ("schema.json", METADATA):
            current = {"scikit-learn": sklearn.__version__, "skrouter": skrouter.__version__}
            text = members[member].decode()
            # In the schema a string is JSON within JSON.
            for quote in ('"', '\\"'):
                text = text.replace(f"{quote}{current[package]}{quote}", f"{quote}0.0.1{quote}")
            members[member] = text.encode()

    tamper(tmp_path / "r.skops", change)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        skrouter.load(tmp_path / "r.skops")
    ours = [w for w in caught if category is type(w.message) and "outer" in str(w.message)]
    assert len(ours) == 1


def test_a_file_is_replaced_at_once(tmp_path):
    """Whoever loads while another saves gets one router or the other."""
    path = tmp_path / "r.skops"
    routers = [fit(), fit(LinearRouter(10.0, cost_weight=0.2, llm_names=NAMES))]
    skrouter.save(routers[0], path)
    stop = threading.Event()

    def write():
        while not stop.is_set():
            for router in routers:
                skrouter.save(router, path)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = {skrouter.load(path).cost_weight for _ in range(60)}
    finally:
        stop.set()
        writer.join()
    assert seen == {0.1, 0.2}
    assert [file.name for file in tmp_path.iterdir()] == ["r.skops"]


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_permissions_are_those_of_new_files(file, tmp_path):
    (tmp_path / "other").touch()
    assert stat.S_IMODE(file.stat().st_mode) == stat.S_IMODE((tmp_path / "other").stat().st_mode)


def test_skops_alone_reads_the_file(file):
    import skops.io

    types = skops.io.get_untrusted_types(file=file)
    assert skops.io.load(file, trusted=types).classes_.tolist() == NAMES


def test_metadata_is_read_without_heavy_imports(file):
    code = (
        "import sys; from skrouter._persistence.description import read_metadata; "
        f"read_metadata({str(file)!r}); "
        "print([m for m in ('torch', 'skops', 'sklearn', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr
