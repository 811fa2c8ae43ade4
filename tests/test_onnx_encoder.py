"""SentenceEncoder(backend="onnx") on real, tiny, offline models, beside torch."""

import pickle
import sys
import threading
import warnings

import numpy as np
import processes
import pytest
from sklearn.base import clone

import skrouter
from skrouter import RadialRouterClassifier, SentenceEncoder
from skrouter._encoders import onnx_export, onnx_model
from skrouter._persistence.metadata import describe
from skrouter.baselines import KNNRouter

for package in ("onnx", "onnxruntime", "onnxscript"):
    pytest.importorskip(package)

TEXTS = [
    "what is a prime",
    "",
    "write a poem",
    " ".join(["count"] * 60) + " the prime theorem",
    "sort a list in python",
]


@pytest.fixture(scope="module")
def make(tiny_bert_path):
    def make(precision="float32", **parameters):
        parameters = {"device": "cpu", "cache": None, "backend": "onnx", **parameters}
        return SentenceEncoder(tiny_bert_path, precision=precision, **parameters)

    return make


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """Neither memory nor disk holds a graph."""
    monkeypatch.setattr(onnx_model, "_SESSIONS", {})
    monkeypatch.setenv("SKROUTER_HOME", str(tmp_path / "fresh"))


@pytest.fixture(scope="module")
def graphs(make):
    """The graphs of the tiny model by precision: making one takes seconds."""
    module = make(backend="torch").fit(["a"])._load()
    return {name: onnx_export.export(module, name) for name in ("float32", "int8")}


@pytest.fixture
def exports(fresh, graphs, monkeypatch):
    """Record the precisions of graphs that are asked for."""
    made = []

    def record(module, precision):
        made.append(precision)
        return graphs[precision]

    monkeypatch.setattr(onnx_model, "export", record)
    return made


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"truncation_side": "right"},
        {"max_length": 8},
        {"prompt": "query: "},
        {"normalize_embeddings": False},
        {"batch_size": 2},
    ],
    ids=str,
)
def test_float32_agrees_with_torch(make, parameters):
    expected = make(backend="torch", **parameters).fit_transform(TEXTS)
    found = make(**parameters).fit_transform(TEXTS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_int8_is_near_and_another_one(make):
    expected = make(backend="torch").fit_transform(TEXTS)
    found = make("int8").fit_transform(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert (found * expected).sum(axis=1).min() > 0.98
    assert np.abs(found - expected).max() > 1e-4


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_an_embedding_does_not_depend_on_the_other_texts(make, precision, monkeypatch):
    import torch

    from skrouter._encoders import embedding_cache

    def same(found, wanted):  # pooling alone may round otherwise, beside more padding
        np.testing.assert_allclose(found, wanted, rtol=0, atol=3e-7)

    encoder = make(precision).fit(TEXTS)
    together = encoder.transform(TEXTS)
    alone = np.vstack([encoder.transform([text]) for text in TEXTS])
    same(alone, together)
    same(encoder.transform(TEXTS[::-1]), together[::-1])
    monkeypatch.setattr(embedding_cache, "CHUNK_SIZE", 2)
    same(encoder.transform(TEXTS), together)
    n_threads = torch.get_num_threads()
    try:
        for n in (1, 3):
            torch.set_num_threads(n)
            same(encoder.transform(TEXTS), together)
    finally:
        torch.set_num_threads(n_threads)


def test_pooling_by_the_first_token(tiny_bert_path, tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    module = SentenceTransformer(tiny_bert_path, device="cpu")
    other = SentenceTransformer(modules=[module[0], Pooling(16, pooling_mode="cls")], device="cpu")
    other.save_pretrained(str(tmp_path), create_model_card=False)
    encoder = SentenceEncoder(str(tmp_path), device="cpu", cache=None)
    expected = encoder.fit_transform(TEXTS)
    found = clone(encoder).set_params(backend="onnx").fit_transform(TEXTS)
    np.testing.assert_allclose(found, expected, atol=2e-6)


# --- errors ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"backend": "tensorrt"}, "backend='tensorrt': 'torch' or 'onnx' is wanted"),
        ({"backend": None}, "backend=None"),
        ({"backend": ["onnx"]}, "backend=\\['onnx'\\]"),
        ({"precision": "int4"}, "precision='int4': 'float32' or 'int8' is wanted"),
        ({"precision": 8}, "precision=8"),
        (
            {"backend": "torch", "precision": "int8"},
            "precision='int8': 'float32' is wanted with backend='torch'; backend='onnx' has it",
        ),
        ({"device": "cuda"}, "device='cuda': 'auto' or 'cpu' is wanted with backend='onnx'"),
    ],
)
def test_bad_parameters_are_named_before_work(make, exports, monkeypatch, parameters, message):
    from skrouter._encoders import sentence_encoder

    monkeypatch.setattr(sentence_encoder, "load_model", None)
    with pytest.raises(ValueError, match=message):
        make().set_params(**parameters).fit(TEXTS)
    assert exports == []


def test_a_model_without_a_transformer(tiny_encoder_path):
    encoder = SentenceEncoder(tiny_encoder_path, backend="onnx", cache=None)
    with pytest.raises(ValueError, match="begins with StaticEmbedding, which backend='torch' runs"):
        encoder.fit(["a"])


def test_a_model_that_is_too_large(make, fresh, monkeypatch):
    monkeypatch.setattr(onnx_export, "_MOST_BYTES", 1000)
    with pytest.raises(ValueError, match="backend='onnx' is for models below 2 GiB"):
        make().fit(["a"])


def test_a_graph_that_differs_from_its_model_is_refused(make, fresh, monkeypatch):
    monkeypatch.setattr(onnx_export, "_TOLERANCE", 1e-12)
    with pytest.raises(ValueError, match="its graph differs from it by"):
        make().fit(["a"])


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "onnxscript"])
def test_a_missing_package_is_named(make, fresh, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=f'needs {package}: pip install "skrouter.onnx."'):
        make().fit(["a"])


def test_a_graph_on_disk_needs_onnxruntime_alone(make, exports, monkeypatch):
    expected = make().fit_transform(TEXTS)
    onnx_model._SESSIONS.clear()
    for package in ("onnx", "onnxscript"):
        monkeypatch.setitem(sys.modules, package, None)
    np.testing.assert_array_equal(make().fit_transform(TEXTS), expected)


def test_an_encoder_is_trained_by_torch_only(make):
    with pytest.raises(ValueError, match="backend='onnx': an encoder is trained with"):
        make().fit(["a"])._load(fresh=True)
    router = RadialRouterClassifier(make(), fine_tune_encoder=True, cv=None, max_iter=1)
    with pytest.raises(ValueError, match="backend='torch'; that of encoder is 'onnx'"):
        router.fit(TEXTS, np.eye(5)[:, :2])


# --- the graph on disk ----------------------------------------------------------------------


def test_a_graph_is_made_once(make, exports, tmp_path):
    encoder = make()
    expected = encoder.fit(TEXTS).transform(TEXTS)
    make(truncation_side="right", prompt="a").fit(TEXTS)
    assert exports == ["float32"]
    (file,) = (tmp_path / "fresh" / "onnx").iterdir()
    onnx_model._SESSIONS.clear()
    np.testing.assert_array_equal(clone(encoder).fit_transform(TEXTS), expected)
    assert exports == ["float32"]
    make("int8").fit(TEXTS)
    assert exports == ["float32", "int8"]
    assert len(list((tmp_path / "fresh" / "onnx").iterdir())) == 2

    onnx_model._SESSIONS.clear()
    content = file.read_bytes()
    file.write_bytes(content[:-9] + b"something")  # a damaged one is made again
    np.testing.assert_array_equal(encoder.transform(TEXTS), expected)
    assert exports == ["float32", "int8", "float32"]
    assert file.read_bytes()[:32] == onnx_model.hashlib.sha256(file.read_bytes()[32:]).digest()


@pytest.mark.parametrize("home", ["a file", "no home"])
def test_without_a_folder_for_graphs(make, exports, monkeypatch, tmp_path, home):
    expected = make(backend="torch").fit_transform(TEXTS)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SKROUTER_HOME", str(tmp_path / "file" / "home"))
    if home == "no home":
        monkeypatch.setenv("SKROUTER_HOME", "~no-such-user/home")
    with pytest.warns(RuntimeWarning, match="cannot be kept.*Set SKROUTER_HOME") as record:
        encoder = make().fit(TEXTS)
    assert len(record) == 1 and exports == ["float32"]
    np.testing.assert_allclose(encoder.transform(TEXTS), expected, atol=2e-6)


def test_making_a_graph_is_quiet_and_leaves_no_trace(make, fresh, tmp_path, capfd):
    import torch

    module = make(backend="torch").fit(TEXTS)._load()
    numpy_before, torch_before = np.random.get_state()[1].copy(), torch.get_rng_state()
    capfd.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make("int8").fit_transform(TEXTS)
    assert len(list((tmp_path / "fresh" / "onnx").iterdir())) == 1
    assert capfd.readouterr() == ("", "")
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_before)
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert module.transformers_model.config._attn_implementation != "eager"


def test_torch_imports_no_onnx(tiny_bert_path):
    code = (
        "import sys; from skrouter import SentenceEncoder\n"
        "SentenceEncoder(sys.argv[1], device='cpu', cache=None).fit_transform(['a'])\n"
        "print(sum(name.startswith('onnx') for name in sys.modules))"
    )
    assert processes.run(code, tiny_bert_path)[0] == ["0"]


# --- the cache, files, processes, threads ---------------------------------------------------


def test_backend_and_precision_are_part_of_the_key_of_the_cache(make, tmp_path, monkeypatch):
    encoded = []
    original = SentenceEncoder._encode
    monkeypatch.setattr(
        SentenceEncoder, "_encode", lambda self, texts: encoded.append(1) or original(self, texts)
    )
    for parameters in ({"backend": "torch"}, {}, {"precision": "int8"}):
        make(cache=tmp_path, **parameters).fit_transform(["a poem"])
        make(cache=tmp_path, **parameters).fit_transform(["a poem"])
    assert len(encoded) == 3


def test_another_precision_than_at_fit_is_refused(make):
    encoder = make("int8").fit(TEXTS)
    expected = encoder.transform(TEXTS)
    with pytest.raises(ValueError, match="precision='float32' is another one than at fit"):
        encoder.set_params(precision="float32").transform(TEXTS)
    np.testing.assert_array_equal(encoder.set_params(precision="int8").transform(TEXTS), expected)
    encoder.set_params(precision="float32").fit(TEXTS).set_params(backend="torch").transform(TEXTS)


def test_pickle_and_metadata(make, exports):
    pytest.importorskip("skops")
    router = KNNRouter(n_neighbors=2, encoder=make("int8")).fit(TEXTS, np.eye(5))
    description = describe(router, None, None)
    (encoder,) = description["encoders"]
    assert (encoder["backend"], encoder["precision"]) == ("onnx", "int8")
    assert "onnxruntime" in description["versions"]
    stored = pickle.dumps(router)
    onnx_model._SESSIONS.clear()
    restored = pickle.loads(stored)
    assert restored.encoder_.fingerprint_ == router.encoder_.fingerprint_
    np.testing.assert_array_equal(restored.predict(TEXTS), router.predict(TEXTS))


def test_a_saved_router(make, tmp_path):
    pytest.importorskip("skops")
    router = KNNRouter(n_neighbors=2, encoder=make("int8")).fit(TEXTS, np.eye(5))
    skrouter.save(router, tmp_path / "router.skops")
    loaded = skrouter.load(tmp_path / "router.skops")
    np.testing.assert_array_equal(loaded.predict_proba(TEXTS), router.predict_proba(TEXTS))


def test_tuned_weights_have_a_graph_of_their_own(make):
    encoder = make(backend="torch").fit(TEXTS)
    base = encoder.transform(TEXTS)
    state = {name: values.numpy() for name, values in encoder._load().state_dict().items()}
    name = next(name for name in state if name.endswith("word_embeddings.weight"))
    encoder._set_weights({**state, name: state[name] + np.float32(0.3) * np.sign(state[name])})
    tuned = encoder.transform(TEXTS)
    assert np.abs(tuned - base).max() > 1e-3
    served = encoder.set_params(backend="onnx").transform(TEXTS)
    np.testing.assert_allclose(served, tuned, atol=2e-6)


def test_threads(make):
    encoder = make("int8").fit(TEXTS)
    expected = encoder.transform(TEXTS)
    found = [None] * 4

    def work(i):
        found[i] = [encoder.transform(TEXTS) for _ in range(5)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for results in found:
        for result in results:
            np.testing.assert_array_equal(result, expected)
