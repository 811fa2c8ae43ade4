"""Chats wherever a query is: what their text is, who reads them, and what is said of bad ones."""

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.utils.estimator_checks import (
    check_estimator_cloneable,
    check_estimator_repr,
    check_get_params_invariance,
    check_mixin_order,
    check_no_attributes_set_in_init,
    check_parameters_default_constructible,
    check_set_params,
)

from skrouter import ChatFormatter, RadialRouterClassifier, SentenceEncoder, make_routing_target
from skrouter._encoders.chat_formatter import takes_chats
from skrouter._inputs.queries import check_queries, is_text, query_texts
from skrouter.baselines import BestSingleRouter, KNNRouter, LinearRouter
from skrouter.metrics import (
    CostQualityDisplay,
    ReliabilityDisplay,
    RoutingShareDisplay,
    TradeOffDisplay,
    make_routing_scorer,
)


def user(content):
    return {"role": "user", "content": content}


CHAT = [
    {"role": "system", "content": "Be brief."},
    user("How do I say 'good morning' in French?"),
    {"role": "assistant", "content": "Bonjour."},
    user("And in German?"),
]
BY_TURNS = {
    "user": "How do I say 'good morning' in French?\n\nAnd in German?",
    "last_user": "And in German?",
    "all": "Be brief.\n\nHow do I say 'good morning' in French?\n\nBonjour.\n\nAnd in German?",
}


def text_of(chat, turns="user"):
    (text,) = ChatFormatter(turns=turns).transform([chat])
    return text


# --- the text of a chat ---------------------------------------------------------------------


@pytest.mark.parametrize("turns", BY_TURNS)
@pytest.mark.parametrize(
    "form",
    [
        list,
        tuple,
        lambda chat: {"model": "some-llm", "messages": chat, "temperature": 0},
        lambda chat: [OrderedDict(message) for message in chat],
        lambda chat: np.array([*chat, None], dtype=object)[:-1],
        lambda chat: {"system": chat[0]["content"], "messages": chat[1:]},
        lambda chat: [{**m, "content": [{"type": "text", "text": m["content"]}]} for m in chat],
    ],
    ids=["list", "tuple", "body", "other mappings", "array", "system beside", "parts"],
)
def test_turns_decide_what_is_read(form, turns):
    assert text_of(form(CHAT), turns) == BY_TURNS[turns]


@pytest.mark.parametrize("turns", BY_TURNS)
@pytest.mark.parametrize("text", ["What is 2 + 2?", " kept as it is \n", "", "你好"])
def test_a_chat_of_one_message_is_its_text(turns, text):
    assert text_of([user(text)], turns) == text_of(text, turns) == text


def test_parts_that_are_not_text_are_left_out():
    content = [
        {"type": "text", "text": "What is on"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}, "text": None},
        {"type": "input_text", "text": "this picture?"},
        {"type": "tool_result", "content": "42"},
    ]
    assert text_of([user(content)]) == "What is on\nthis picture?"
    assert text_of([user(np.array(content, dtype=object))]) == "What is on\nthis picture?"


def test_turns_without_text_give_an_empty_text():
    image = user([{"type": "image_url", "image_url": {"url": "u"}}])
    for chat in ([image], [user(None)], [user([])], [user("")]):
        for turns in BY_TURNS:
            assert text_of(chat, turns) == ""
    assert text_of([user("What is it?"), image], "last_user") == "What is it?"
    assert text_of([user("What is it?"), image]) == "What is it?"


def test_an_assistant_that_calls_tools_needs_no_content():
    call = {"role": "assistant", "tool_calls": [{"id": "1", "type": "function"}]}
    result = {"role": "tool", "content": "sunny", "tool_call_id": "1"}
    chat = [user("Weather?"), call, result]
    assert text_of(chat) == "Weather?"
    assert text_of(chat, "all") == "Weather?\n\nsunny"
    with pytest.raises(ValueError, match="message 0 of element 0 of X has no 'content'"):
        text_of([{"role": "assistant", "tool_calls": None}])


def test_half_a_surrogate_pair_is_replaced():
    assert check_queries(["cut \ud83d", "whole \ud83d\ude00", "\ude00", "né"]) == [
        "cut \ufffd",
        "whole \U0001f600",
        "\ufffd",
        "né",
    ]
    assert text_of([user("cut \ud83d")]) == "cut \ufffd"


# --- containers -----------------------------------------------------------------------------

CONTAINERS = {
    "list": list,
    "tuple": tuple,
    "Series": lambda queries: pd.Series(queries, index=range(5, 5 + len(queries))),
    "array": lambda queries: np.array([*queries, None], dtype=object)[:-1],
}


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
def test_text_and_chats_may_be_mixed_in_any_container(container):
    queries = [CHAT, "What is 2 + 2?", {"messages": [user("Why?")]}]
    before = copy.deepcopy(queries)
    X = container(queries)
    assert is_text(X) and is_text(X[:1]) and is_text(X[2:])
    assert ChatFormatter().transform(X) == [BY_TURNS["user"], "What is 2 + 2?", "Why?"]
    assert queries == before
    assert check_queries(X)[0] is queries[0]


def test_arrays_of_chats_of_equal_length_are_chats():
    X = np.array([[user("a"), user("b")], [user("c"), user("d")]], dtype=object)
    assert X.shape == (2, 2)
    assert is_text(X)
    assert ChatFormatter(turns="last_user").transform(X) == ["b", "d"]


def test_chats_from_a_file_in_columns(tmp_path):
    pytest.importorskip("pyarrow")
    chats = [[user("a"), {"role": "assistant", "content": "b"}], [user("c")]]
    pd.DataFrame({"chat": chats}).to_parquet(tmp_path / "log.parquet")
    X = pd.read_parquet(tmp_path / "log.parquet")["chat"]
    assert isinstance(X[0], np.ndarray)
    assert ChatFormatter(turns="all").transform(X) == ["a\n\nb", "c"]


@pytest.mark.parametrize(
    "X",
    [[[0.5, 1.0]], [[]], [{}], [{"length": 3}], np.array([[{"a": 1}]], dtype=object), {"a": 1}],
    ids=repr,
)
def test_other_things_are_no_chats(X):
    assert not is_text(X)


@pytest.mark.parametrize(
    "X, error, message",
    [
        (CHAT, ValueError, r"X is one chat, a list of 4 message\(s\); pass a list of chats: .chat"),
        ([user("a")], ValueError, "X is one chat"),
        (tuple(CHAT), ValueError, "X is one chat"),
        (pd.Series(CHAT), ValueError, "X is one chat"),
        ({"messages": CHAT}, ValueError, "X is one chat, a mapping with 'messages'; pass a list"),
        (["a", user("b")], ValueError, "element 1 of X is one message"),
        ([CHAT, None], TypeError, r"element 1 of X is of type NoneType \(None\)"),
        ([CHAT, float("nan")], TypeError, r"element 1 of X is of type float \(nan\)"),
        (["a", pd.NA], TypeError, "element 1 of X is of type NAType"),
        ([CHAT, []], TypeError, "element 1 of X is of type list and empty"),
        ([CHAT, ["a"]], TypeError, "a str or a chat .*element 1 of X is of type list"),
        ([{"messages": []}], ValueError, "element 0 of X is a chat without messages"),
        ([{"messages": "a"}], TypeError, "'messages' of element 0 of X is of type str; a list"),
        ([{"messages": None}], TypeError, "'messages' of element 0 of X is of type NoneType"),
        ([[user("a"), "b"]], TypeError, "message 1 of element 0 of X is of type str; a message is"),
        (["a", [{"content": "b"}]], ValueError, r"0 of element 1 of X has no 'role';.*\['content'"),
        (
            [[user("a"), {"role": "user"}]],
            ValueError,
            "message 1 of element 0 of X has no 'content",
        ),
        ([[{"role": 3, "content": "b"}]], TypeError, "role of message 0 of element 0 .*type int"),
        (
            [[user(3)]],
            TypeError,
            "content of message 0 of element 0 of X is of type int; a str, No",
        ),
        ([[user(b"a")]], TypeError, "is of type bytes"),
        ([[user(["a"])]], TypeError, "part 0 of the content of message 0 of element 0 of X is str"),
        ([[user([{"text": "a"}])]], TypeError, "is dict without a 'type'"),
        ([[user([{"type": "text"}])]], TypeError, "its 'text' is of type NoneType; a str"),
        ([{"system": 3, "messages": CHAT}], TypeError, "content of 'system' of element 0 of X"),
    ],
)
@pytest.mark.parametrize("method", ["transform", "fit"])
def test_what_is_wrong_with_a_chat_is_named(X, error, message, method):
    assert is_text(X)
    with pytest.raises(error, match=message):
        getattr(ChatFormatter(), method)(X)
    with pytest.raises(error, match=message):
        LinearRouter(llm_names=["a", "b"]).fit(X, np.eye(2)[: len(X)])


def test_a_chat_none_of_whose_turns_count_is_named():
    X = ["a", [{"role": "system", "content": "b"}, {"role": "human", "content": "c"}]]
    with pytest.raises(ValueError, match="element 1 of X.*its roles: 'system', 'human'.*turns='al"):
        ChatFormatter(turns="last_user").transform(X)
    assert ChatFormatter(turns="all").transform(X) == ["a", "b\n\nc"]
    with pytest.raises(ValueError, match="element 1 of queries is a chat without a message"):
        query_texts(check_queries(X), "user", "queries")


# --- the transformer ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "check",
    [
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
    check("ChatFormatter", ChatFormatter())


@pytest.mark.parametrize("turns", ["assistant", None, 1, ["user"]])
def test_turns_are_checked(turns, tiny_encoder_path):
    with pytest.raises(ValueError, match="turns.* must be a str among"):
        ChatFormatter(turns=turns).fit(["a"])
    with pytest.raises(ValueError, match="turns=.*: 'user', 'last_user' or 'all' is wanted"):
        SentenceEncoder(tiny_encoder_path, turns=turns).fit(["a"])


def test_formatter_needs_no_fit_and_survives_pickle():
    formatter = pickle.loads(pickle.dumps(ChatFormatter(turns="all")))
    assert formatter.transform([CHAT]) == [BY_TURNS["all"]]
    assert formatter.fit([CHAT]) is formatter


# --- SentenceEncoder ------------------------------------------------------------------------


@pytest.fixture
def encoder(tiny_encoder_path, tmp_path):
    return SentenceEncoder(tiny_encoder_path, device="cpu", cache=tmp_path)


@pytest.mark.parametrize("turns", BY_TURNS)
def test_encoder_reads_the_text_of_a_chat(encoder, turns):
    encoder.set_params(turns=turns).fit([CHAT])
    X = encoder.transform([CHAT, "why", {"messages": CHAT}])
    np.testing.assert_array_equal(X, encoder.transform([BY_TURNS[turns], "why", BY_TURNS[turns]]))


def test_embeddings_are_cached_by_their_text_alone(encoder, monkeypatch):
    encoded = []
    original = SentenceEncoder._encode

    def record(self, batch):
        encoded.extend(batch)
        return original(self, batch)

    monkeypatch.setattr(SentenceEncoder, "_encode", record)
    encoder.fit([CHAT]).transform([CHAT, BY_TURNS["user"]])
    clone(encoder).set_params(turns="last_user").fit_transform([CHAT])
    clone(encoder).set_params(turns="all").fit_transform([*BY_TURNS.values(), CHAT])
    assert encoded == [BY_TURNS["user"], BY_TURNS["last_user"], BY_TURNS["all"]]
    assert encoder._keys(["a"]) == clone(encoder).set_params(turns="all").fit(["a"])._keys(["a"])


def test_encoder_refuses_at_fit_what_it_cannot_read(encoder):
    X = ["a", [{"role": "assistant", "content": "b"}]]
    before = encoder.fit(["a"]).transform(["a"])
    for method in ("fit", "transform"):
        with pytest.raises(ValueError, match="element 1 of X is a chat without a message"):
            getattr(encoder, method)(X)
    np.testing.assert_array_equal(encoder.transform(["a"]), before)
    assert encoder.set_params(turns="all").fit_transform(X).shape == (2, 16)


def test_encoder_survives_half_a_surrogate_pair(encoder):
    X = encoder.fit_transform(["a poem \ud83d", "a poem \ufffd", [user("a poem \ud83d")]])
    np.testing.assert_array_equal(X[0], X[1])
    np.testing.assert_array_equal(X[0], X[2])


def test_embed_agrees_with_transform_on_chats(tiny_bert_path):
    encoder = SentenceEncoder(tiny_bert_path, device="cpu", cache=None, turns="all")
    expected = encoder.fit_transform([CHAT, "why"])
    embeddings = encoder._embed(encoder._load(fresh=True).eval(), [CHAT, "why"])
    np.testing.assert_allclose(embeddings.detach().numpy(), expected, atol=1e-6)


# --- routers --------------------------------------------------------------------------------

TOPICS = [("prove the prime theorem", 0), ("write a short poem", 1)]


@pytest.fixture(scope="module")
def log():
    """Chats whose user asks for a proof or for a poem, the same as text, and who is good at it."""
    rng = np.random.default_rng(0)
    words = ["count", "state", "history", "science", "question", "given", "many", "number"]
    chats, texts, performance = [], [], []
    for i in range(60):
        topic, llm = TOPICS[i % 2]
        first, last = (
            f"{topic} {rng.choice(words)}",
            f"then {rng.choice(words)} {rng.choice(words)}",
        )
        # The answers speak of the other topic.
        answer = {"role": "assistant", "content": TOPICS[1 - i % 2][0] * 3}
        chats.append([{"role": "system", "content": "explain"}, user(first), answer, user(last)])
        texts.append(f"{first}\n\n{last}")
        performance.append(np.eye(2)[llm])
    return chats, texts, np.array(performance)


def bag_of_words():
    return make_pipeline(CountVectorizer(), TruncatedSVD(8, random_state=0))


class Recorder(TransformerMixin, BaseEstimator):
    """Keeps what it was given, and counts characters."""

    def __init__(self, chats=False):
        self.chats = chats

    def fit(self, X, y=None):
        self.given_ = X
        return self

    def transform(self, X):
        self.asked_ = X
        return np.array([[len(str(query))] for query in X], dtype=float)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.dict = self.chats
        return tags


class Bare:
    """No scikit-learn estimator, but with all that is asked of an encoder."""

    def get_params(self, deep=True):
        return {}

    def fit(self, X, y=None):
        return self

    def fit_transform(self, X, y=None):
        return self.transform(X)

    def transform(self, X):
        return np.array([[len(text)] for text in X], dtype=float)


@pytest.mark.parametrize("llms", ["predict", "predict_proba", "decision_function"])
def test_other_encoders_get_the_text_of_the_default_turns(log, llms):
    chats, texts, performance = log
    by_chats = KNNRouter(n_neighbors=3, encoder=bag_of_words()).fit(chats, performance)
    by_texts = KNNRouter(n_neighbors=3, encoder=bag_of_words()).fit(texts, performance)
    expected = getattr(by_texts, llms)(texts)
    for X in (chats, texts, [*chats[:30], *texts[30:]], pd.Series(chats)):
        np.testing.assert_array_equal(getattr(by_chats, llms)(X), expected)
    assert by_chats.score(chats, performance) == by_texts.score(texts, performance) == 1.0


def test_encoders_that_say_so_get_the_chats_themselves():
    X, performance = [CHAT, "why"], np.eye(2)
    for chats in (True, False):
        router = LinearRouter(encoder=Recorder(chats)).fit(X, performance)
        router.predict(X)
        expected = X if chats else [BY_TURNS["user"], "why"]
        assert router.encoder_.given_ == router.encoder_.asked_ == expected
    assert LinearRouter(encoder=Bare()).fit(X, performance).predict(X).shape == (2,)


@pytest.mark.parametrize(
    "transformer, takes",
    [
        (SentenceEncoder(), True),
        (ChatFormatter(), True),
        (make_pipeline("passthrough", ChatFormatter(), CountVectorizer()), True),
        (make_pipeline(make_pipeline(ChatFormatter()), CountVectorizer()), True),
        (make_pipeline(CountVectorizer()), False),
        (make_pipeline("passthrough"), False),
        (CountVectorizer(), False),
        (FeatureUnion([("a", SentenceEncoder()), ("b", "drop"), ("c", ChatFormatter())]), True),
        (FeatureUnion([("a", SentenceEncoder()), ("b", CountVectorizer())]), False),
        (FeatureUnion([("a", "drop")]), False),
        (Bare(), False),
    ],
)
def test_who_takes_chats(transformer, takes):
    assert takes_chats(transformer) is takes


def test_a_pipeline_as_encoder_reads_its_own_turns(log):
    chats, _, performance = log
    scores = {}
    for turns in BY_TURNS:
        encoder = make_pipeline(ChatFormatter(turns=turns), bag_of_words())
        router = KNNRouter(n_neighbors=3, encoder=encoder).fit(chats[:40], performance[:40])
        scores[turns] = router.score(chats[40:], performance[40:])
    # What is asked for stands in the first question only.
    assert scores["user"] == 1.0
    assert scores["last_user"] < 0.9


def test_in_front_of_a_router_in_a_search(log):
    chats, _, performance = log
    y = make_routing_target(performance, [1.0, 1.0])
    model = make_pipeline(ChatFormatter(), bag_of_words(), KNNRouter(n_neighbors=3))
    search = GridSearchCV(
        model,
        {"chatformatter__turns": ["last_user", "user"]},
        cv=3,
        scoring=make_routing_scorer(0.02),
    ).fit(chats, y)
    assert search.best_params_ == {"chatformatter__turns": "user"}
    np.testing.assert_array_equal(search.predict(chats), performance.argmax(axis=1))


def test_cross_validation_of_a_router_with_a_sentence_encoder(encoder, log):
    chats, texts, performance = log
    labels = np.array(["proof", "poem"])[performance.argmax(axis=1)]
    router = LinearRouter(0.1, encoder=encoder)
    chosen = cross_val_predict(router, chats, labels, cv=3)
    np.testing.assert_array_equal(chosen, cross_val_predict(router, texts, labels, cv=3))
    assert np.mean(chosen == labels) > 0.9


@pytest.mark.parametrize("fine_tune", [False, True])
def test_radial_router_takes_chats_also_where_the_encoder_is_tuned(encoder, log, fine_tune):
    chats, texts, performance = log
    router = RadialRouterClassifier(
        encoder,
        hidden_dim=8,
        max_iter=3,
        cv=None,
        fine_tune_encoder=fine_tune,
        expert_settings={"n_clusters": 2, "encoder_learning_rate": 0.1},
        device="cpu",
        random_state=0,
    )
    by_chats = clone(router).fit(chats, performance).predict_proba(chats)
    by_texts = clone(router).fit(texts, performance).predict_proba(texts)
    np.testing.assert_allclose(by_chats, by_texts, atol=1e-6)


def test_routers_that_do_not_look_at_queries_take_chats(log):
    chats, _, performance = log
    router = BestSingleRouter().fit(chats, performance)
    assert router.predict(chats[:3]).shape == (3,)
    with pytest.raises(ValueError, match="X is one chat"):
        router.predict(CHAT)


def test_a_router_of_numbers_refuses_chats():
    router = LinearRouter().fit(np.eye(2), np.eye(2))
    with pytest.raises(ValueError, match="X is text, but this router was fitted on ready"):
        router.predict([CHAT])


def test_requests_are_counted_per_chat(log):
    chats, _, performance = log
    router = KNNRouter(n_neighbors=3, encoder=bag_of_words()).fit(chats, performance, [1.0, 1.0])
    chosen = router.predict(chats[:2], cost_weight=[0.0, 0.1], allowed=[[0], [1]])
    np.testing.assert_array_equal(chosen, [0, 1])


def test_displays_take_chats(log):
    """What they draw of chats is what they draw of the same queries as text."""
    plt = pytest.importorskip("matplotlib.pyplot")
    chats, texts, performance = log
    routers = {
        form: KNNRouter(n_neighbors=3, encoder=bag_of_words()).fit(X, performance, [1.0, 2.0])
        for form, X in (("chats", chats), ("texts", texts))
    }
    y = make_routing_target(performance, [1.0, 2.0])
    drawn = {
        form: [
            CostQualityDisplay.from_estimator(router, X, y).routers["KNNRouter"],
            TradeOffDisplay.from_estimator(router, X, y).routers["KNNRouter"],
            RoutingShareDisplay.from_estimator(router, X).shares["KNNRouter"],
            [
                curve.tolist()
                for curve in ReliabilityDisplay.from_estimator(router, X, y).curves["KNNRouter"]
            ],
        ]
        for (form, router), X in zip(routers.items(), (chats, texts), strict=True)
    }
    plt.close("all")
    assert drawn["chats"] == drawn["texts"]
    (point,), _, shares, _ = drawn["chats"]
    assert point.performance > 0.9
    assert shares == {0: 0.5, 1: 0.5}
