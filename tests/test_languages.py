"""Queries in other languages than English, by encoders that are made here, offline."""

# ruff: noqa: RUF001 - letters that look alike are what this is about

import numpy as np
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from skrouter import SentenceEncoder
from skrouter.baselines import BestSingleRouter, KNNRouter, LinearRouter
from skrouter.metrics import decision_flips
from skrouter.metrics._robustness.perturbations import EDITS

# Per language: what is asked for, and what of. Proofs, poems, programs.
LANGUAGES = {
    "English": (
        ["prove rigorously that", "give a proof of", "show by induction the claim on"],
        ["write a poem about", "compose a rhyme on", "write a ballad of"],
        ["write a program to sort", "implement a function for", "debug the code with"],
        ["the sea", "prime numbers", "old trains", "red apples", "graphs", "winter", "a clock"],
        "{} {}",
    ),
    "German": (
        ["beweise streng:", "gib einen Beweis für", "zeige durch Induktion:"],
        ["schreibe ein Gedicht über", "dichte einen Reim auf", "verfasse eine Ballade über"],
        ["schreibe ein Programm für", "implementiere eine Funktion für", "finde den Fehler zu"],
        ["das Meer", "Primzahlen", "alte Züge", "rote Äpfel", "Graphen", "Winter", "eine Uhr"],
        "{} {}",
    ),
    "Chinese": (
        ["请严格证明", "给出证明：", "用归纳法证明"],
        ["写一首诗，关于", "作一首押韵的诗：", "写一首歌谣："],
        ["写一个程序处理", "实现一个函数：", "调试代码："],
        ["大海", "素数", "旧火车", "红苹果", "图论", "冬天", "时钟"],
        "{}{}。",
    ),
}
# The first LLM is good at proofs, the second at poems, the third at programs; the last at
# anything, but in English alone, and it is the best single one.
LLMS = ["prover", "poet", "coder", "English only"]


def make_log(n, seed):
    rng = np.random.default_rng(seed)
    queries, languages, performance = [], [], []
    for _ in range(n):
        language = rng.choice(["English", "English", "German", "Chinese"])
        *tasks, things, frame = LANGUAGES[language]
        task = rng.integers(3)
        queries.append(frame.format(rng.choice(tasks[task]), rng.choice(things)))
        languages.append(language)
        row = [0.1, 0.1, 0.1, 0.85 if language == "English" else 0.1]
        row[task] = 0.95
        performance.append(row)
    return queries, np.array(languages), np.array(performance)


@pytest.fixture(scope="module")
def log():
    """A training log, and held-out queries whose wording is new as a whole."""
    train, test = make_log(300, 0), make_log(400, 1)
    new = np.array([query not in train[0] for query in test[0]])
    test = [query for query in test[0] if query not in train[0]], test[1][new], test[2][new]
    assert {*test[1]} == {*LANGUAGES} and len(test[0]) > 60
    return train, test


def save_static_encoder(tokenizer, folder):
    """A mean of random vectors of the tokens: no knowledge of any language but the tokens."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    size = tokenizer.get_vocab_size()
    weights = np.random.default_rng(0).normal(size=(size, 128)).astype(np.float32)
    module = SentenceTransformer(
        modules=[StaticEmbedding(tokenizer, embedding_weights=weights)], device="cpu"
    )
    module.save_pretrained(str(folder), create_model_card=False)
    return str(folder)


@pytest.fixture(scope="module")
def paths(log, tmp_path_factory):
    """Encoders with the two kinds of tokenizers that multilingual models have."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    queries = log[0][0]
    bytes_ = Tokenizer(models.BPE())
    bytes_.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bytes_.train_from_iterator(queries, trainer)
    pieces = Tokenizer(models.Unigram())
    pieces.normalizer = normalizers.NFKC()
    pieces.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=500, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False
    )
    pieces.train_from_iterator(queries, trainer)
    return {
        name: save_static_encoder(tokenizer, tmp_path_factory.mktemp(name))
        for name, tokenizer in (("bytes", bytes_), ("pieces", pieces))
    }


@pytest.fixture
def make_encoder(paths):
    def make(name, **parameters):
        if name == "characters":
            characters = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True)
            return make_pipeline(characters, TruncatedSVD(64, random_state=0))
        return SentenceEncoder(paths[name], device="cpu", cache=None, **parameters)

    return make


ENCODERS = ["bytes", "pieces", "characters"]


@pytest.mark.parametrize("name", ENCODERS)
def test_mixed_languages_are_routed_better_than_by_the_best_single_llm(log, make_encoder, name):
    (queries, _, performance), (new, languages, outcomes) = log
    router = LinearRouter(0.1, encoder=make_encoder(name), llm_names=LLMS)
    router.fit(queries, performance)
    single = BestSingleRouter(llm_names=LLMS).fit(queries, performance)
    assert set(single.predict(new)) == {"English only"}
    for language in LANGUAGES:
        rows = np.flatnonzero(languages == language)
        X, y = [new[i] for i in rows], outcomes[rows]
        assert router.score(X, y) > single.score(X, y) + 0.05, language
        assert router.score(X, y) > 0.9, language


STRANGE = {
    "right to left": "اكتب قصيدة عن البحر؟ כתוב שיר על הים",
    "marks of direction": "\u202bשיר\u202c \u2067poem\u2069 \u200f",
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈 write 👍🏽 a poem 🇩🇪",
    "full width": "ｗｒｉｔｅ　ａ　ｐｏｅｍ　１２３！",
    "combining marks": "scho\u0308n u\u0308ber a\u0301\u0323\u0323\u0323 हिन्दी ไทย",
    "beyond the first plane": "𠮷野家 𝔀𝓻𝓲𝓽𝓮 𓀀",
    "controls": "a\x00b\x1b[0m\ufeff\u2028\u200b",
    "half an emoji": "write a poem \ud83d",
    "long without a space": "写诗" * 3000,
    "nothing": "",
    "blanks": " \u3000\n\t",
}


@pytest.mark.parametrize("name", ENCODERS)
def test_any_text_is_answered(log, make_encoder, name):
    (queries, _, performance), _ = log
    router = KNNRouter(encoder=make_encoder(name), llm_names=LLMS).fit(queries, performance)
    together = router.predict_proba(list(STRANGE.values()))
    assert np.isfinite(together).all()
    for i, text in enumerate(STRANGE.values()):
        np.testing.assert_allclose(router.predict_proba([text])[0], together[i], atol=1e-6)
        chat = [{"role": "user", "content": text}]
        np.testing.assert_allclose(router.predict_proba([chat])[0], together[i], atol=1e-6)
    result = decision_flips(router, list(STRANGE.values()), random_state=0)
    assert result.edit == list(EDITS)


def test_full_width_forms_are_the_encoders_to_fold(log, make_encoder):
    forms = ["write a poem 123", "ｗｒｉｔｅ ａ ｐｏｅｍ １２３"]
    pieces = make_encoder("pieces").fit_transform(forms)  # has NFKC, as sentencepiece models do
    np.testing.assert_allclose(pieces[0], pieces[1], atol=1e-6)
    bytes_ = make_encoder("bytes").fit_transform(forms)
    assert bytes_[0] @ bytes_[1] < 0.9


@pytest.mark.parametrize("name", ["bytes", "pieces"])
@pytest.mark.parametrize(
    "text", ["写一首关于大海的诗" * 20, "👩‍👩‍👧‍👦" * 20, "Donaudampfschifffahrtsgesellschaft" * 5]
)
def test_the_prompt_is_kept_before_long_text_without_spaces(make_encoder, name, text):
    from skrouter._encoders.truncation import truncation

    prompt = "query: "
    module = make_encoder(name).fit(["a"])._load()
    tokens = module.tokenizer.encode(prompt + "a", add_special_tokens=False).tokens[:3]
    for limit in range(16, 32):
        with truncation(module, "left", limit, prompt) as fit:
            (kept,) = fit([text])
            read = module.tokenizer.encode(prompt + kept, add_special_tokens=False).tokens
        assert read[:3] == tokens
        assert kept and text.endswith(kept)
        assert kept == text or len(read) > limit - 8


@pytest.mark.parametrize("side, ends_differ", [("left", True), ("right", False)])
@pytest.mark.parametrize("name", ["bytes", "pieces"])
def test_the_end_of_long_chinese_text_counts(make_encoder, name, side, ends_differ):
    encoder = make_encoder(name, truncation_side=side, max_length=24, prompt="query: ")
    X = encoder.fit_transform(["大海" * 200 + "用归纳法证明", "大海" * 200 + "写一首诗"])
    assert (np.abs(X[0] - X[1]).max() > 1e-3) == ends_differ
