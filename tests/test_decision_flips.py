"""How decisions flip under edits, and the edits themselves."""

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skrouter import make_routing_target
from skrouter.baselines import CosineClassifierRouter, KNNRouter, LinearRouter
from skrouter.datasets import make_routing_problem
from skrouter.metrics import decision_flips
from skrouter.metrics._robustness.perturbations import EDITS

QUERY = "What is a prime number? Explain it step by step, and do not hurry."


class Rule:
    """A router that decides by a rule on the text."""

    def __init__(self, rule, classes=("no", "yes"), cost_weight=None):
        self.rule = rule
        self.classes_ = np.array(classes)
        self.calls = []
        if cost_weight is not None:
            self.cost_weight = cost_weight

    def predict(self, X, **parameters):
        self.calls.append((list(X), parameters))
        return self.classes_[[int(self.rule(text)) for text in X]]


def draws(edit, text, n=50):
    return [EDITS[edit](text, np.random.default_rng(seed)) for seed in range(n)]


# --- the edits ------------------------------------------------------------------------------


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_changes_the_text_and_little_of_it(edit):
    for new in draws(edit, QUERY):
        assert new != QUERY
        assert len(new) < len(QUERY) + 40
    assert draws(edit, QUERY) == draws(edit, QUERY)
    assert len(set(draws(edit, QUERY))) > 1


def test_typos_keep_the_first_letter_and_the_last_and_leave_other_things():
    kinds = set()
    for new in draws("typos", "Explain 12345 a_long_name x2345 the", 100):
        word, _, rest = new.partition(" ")
        assert rest == "12345 a_long_name x2345 the"
        assert (word[0], word[-1]) == ("E", "n") and word != "Explain"
        kinds.add(len(word) - len("Explain"))
        if len(word) == len("Explain"):
            assert sorted(word) == sorted("Explain")
    assert kinds == {-1, 0, 1}


def test_a_typo_is_never_a_swap_of_equal_letters():
    assert "coffee" not in draws("typos", "coffee", 200)


def test_a_tenth_of_the_words_has_a_typo():
    text = " ".join(["count", "state"] * 50)
    words = [new.split() for new in draws("typos", text)]
    wrong = [sum(a != b for a, b in zip(text.split(), new, strict=True)) for new in words]
    assert set(wrong) == {10}


def test_case_is_small_or_capital():
    assert set(draws("case", "Ab c?")) == {"ab c?", "AB C?"}
    assert set(draws("case", "ab")) == {"AB"}
    assert set(draws("case", "你好 12?")) == {"你好 12?"}


def test_spacing_changes_blanks_alone():
    text = "def f(x):\n    return x and y or z"
    for new in draws("spacing", text):
        assert new.split() == text.split()
        assert new.startswith("def") and "\n    return" in new  # an indentation means something


@pytest.mark.parametrize(
    "text, others",
    [
        ("Why?", {"Why", "Why??"}),
        ("Why", {"Why."}),
        ("Stop. ", {"Stop ", "Stop.. "}),
        ("为什么\uff1f", {"为什么", "为什么\uff1f\uff1f"}),
        ("写诗", {"写诗。"}),
        ("f(x)", {"f(x)"}),
        ("", {""}),
    ],
)
def test_punctuation_changes_the_end_alone(text, others):
    assert set(draws("punctuation", text)) == others


def test_politeness_frames_latin_text_alone():
    for new in draws("politeness", "Was ist {eine} Primzahl?"):
        assert "Was ist {eine} Primzahl?" in new
    for text in ("写一首诗", "اكتب قصيدة", "12 + 3", ""):
        assert set(draws("politeness", text)) == {text}


@pytest.mark.parametrize(
    "text, new",
    [
        ("What is a prime?", "What's a prime?"),
        ("DO NOT go", "don't go"),
        ("He can not stay", "He can't stay"),
        ("That is, wait: I know what it is.", None),
        ("It's Maybe.", "It's Perhaps."),
        ("a tv, a TV", None),
        ("Wait until noon", "Wait till noon"),
        ("okay", "OK"),
        ("OK", "okay"),
        ("an image_color-colorful recolor", None),
        ("写一首诗", None),
    ],
)
def test_wording_contracts_and_exchanges(text, new):
    if text.startswith("a tv"):
        assert set(draws("wording", text)) == {
            "a television, a TV",
            "a tv, a television",
            "a television, a television",
        }
    else:
        assert set(draws("wording", text)) == {text if new is None else new}


# --- the measure ----------------------------------------------------------------------------


def test_flips_are_counted_among_the_edited_queries():
    queries = ["what is it", "why", "what is that", "写诗"]
    edits = {"wording": "wording", "mine": lambda text, rng: text.replace("why", "WHY")}
    result = decision_flips(Rule(lambda text: "'" in text), queries, edits=edits)
    assert result.edit == ["wording", "mine"]
    np.testing.assert_array_equal(result.edited_share, [0.5, 0.25])
    np.testing.assert_array_equal(result.flip_share, [1.0, 0.0])
    np.testing.assert_array_equal(
        result.flips, [[1, np.nan, 1, np.nan], [np.nan, 0, np.nan, np.nan]]
    )
    assert result.utility_lost is None


def test_an_edit_that_changes_nothing_has_no_share():
    result = decision_flips(Rule(lambda text: 0), ["写诗"], edits="case")
    assert np.isnan(result.flip_share).all() and np.isnan(result.flips).all()
    assert result.edited_share.tolist() == [0]


def test_repetitions_are_averaged():
    half = {"half": lambda text, rng: text + "ab"[rng.integers(2)]}
    result = decision_flips(
        Rule(lambda text: "a" in text), ["x"] * 20, edits=half, n_repeats=50, random_state=0
    )
    assert 0.4 < result.flip_share[0] < 0.6
    assert result.flips.shape == (1, 20)
    assert result.flips.mean() == pytest.approx(result.flip_share[0])
    assert len(set(result.flips[0])) > 3


def test_edits_depend_on_the_seed_alone():
    queries = [QUERY] * 5
    routers = [Rule(len) for _ in range(4)]
    state = np.random.get_state()[1].copy()
    for router, edits, seed in zip(
        routers, [None, ["wording", "typos"], "typos", "typos"], [3, 3, 3, 4], strict=True
    ):
        router.rule = lambda text: 0
        decision_flips(router, queries, edits=edits, n_repeats=2, random_state=seed)
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    assert len(routers[0].calls) == 1 + 2 * len(EDITS)
    typos = list(EDITS).index("typos")
    first = [1 + 2 * k for k in (typos, 1, 0, 0)]
    texts = [router.calls[i : i + 2] for router, i in zip(routers, first, strict=True)]
    assert texts[0] == texts[1] == texts[2] != texts[3]
    assert texts[0][0] != texts[0][1]


def test_utility_lost_is_that_of_the_flips():
    queries = ["what is it", "why", "what is that", "who is it"]
    router = Rule(lambda text: "'" in text, cost_weight=0.1)
    performance = np.array([[1.0, 0.5], [1.0, 0.0], [0.0, 1.0], [1.0, np.nan]])
    plain = decision_flips(router, queries, edits="wording", y=performance)
    # Queries 0 and 2 are edited, flip, and are known: 0.5 lost, 1 won.
    np.testing.assert_allclose(plain.utility_lost, [-0.25])
    assert plain.flip_share == [1.0]
    charged = decision_flips(router, queries, edits="wording", y=performance, cost=[0.0, 10.0])
    np.testing.assert_allclose(charged.utility_lost, [0.75])
    assert all(parameters == {} for _, parameters in router.calls)
    bound = decision_flips(
        router, queries, edits="wording", y=make_routing_target(performance, [0.0, 10.0])
    )
    np.testing.assert_allclose(bound.utility_lost, charged.utility_lost)
    named = pd.DataFrame(performance[:, ::-1], columns=["yes", "no"])
    np.testing.assert_allclose(
        decision_flips(router, queries, edits="wording", y=named).utility_lost, [-0.25]
    )


def test_no_flip_loses_nothing():
    result = decision_flips(Rule(lambda text: 0), [QUERY] * 3, y=np.eye(3)[:, :2])
    assert set(result.flip_share) == set(result.utility_lost) == {0.0}


@pytest.fixture(scope="module")
def problem():
    data = make_routing_problem(300, random_state=0)
    words = make_pipeline(TfidfVectorizer(), TruncatedSVD(32, random_state=0))
    router = LinearRouter(1.0, encoder=words, llm_names=data.llm_names)
    router.fit(data.queries[:200], data.performance[:200], data.cost[:200])
    return data, router


def test_on_a_router(problem):
    data, router = problem
    test = slice(200, None)
    result = decision_flips(
        router, data.queries[test], y=data.performance[test], cost=data.cost[test], random_state=0
    )
    shares = dict(zip(result.edit, result.flip_share, strict=True))
    # The words of TF-IDF are in lower case and without marks, and 1 of 10 is misspelt.
    assert shares["case"] == shares["punctuation"] == shares["spacing"] == 0
    assert 0 < shares["typos"] < 0.8
    lost = dict(zip(result.edit, result.utility_lost, strict=True))
    assert lost["case"] == 0 and lost["typos"] != 0
    again = decision_flips(router, data.queries[test], random_state=0)
    np.testing.assert_array_equal(again.flip_share, result.flip_share)


def test_a_router_chooses_and_is_judged_at_another_trade_off(problem):
    data, router = problem
    test = slice(200, None)
    weights = np.where(np.arange(100) % 2, 0.0, 1.0)
    outcomes = {"y": data.performance[test], "cost": data.cost[test]}
    queries = data.queries[test]
    kwargs = {"edits": "typos", "random_state": 0, "n_repeats": 3, **outcomes}
    mixed = decision_flips(router, queries, cost_weight=weights, **kwargs)
    low = decision_flips(router, queries, cost_weight=0.0, **kwargs)
    high = decision_flips(router, queries, cost_weight=1.0, **kwargs)
    expected = np.where(weights == 0, low.flips, high.flips)
    np.testing.assert_array_equal(mixed.flips, expected)
    assert low.flip_share != high.flip_share
    assert low.utility_lost != high.utility_lost
    radial = CosineClassifierRouter(encoder=router.encoder, max_iter=1, random_state=0)
    radial.fit(data.queries[:50], data.performance[:50])
    with pytest.raises(ValueError, match="trained for its own cost_weight"):
        decision_flips(radial, queries, cost_weight=0.5)


def test_on_a_pipeline_of_labels():
    queries = ["prove it", "prove that", "a poem", "a rhyme"]
    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression(C=100))
    pipeline.fit(queries, ["large", "large", "small", "small"])
    result = decision_flips(pipeline, queries, y=np.ones((4, 2)), random_state=0)
    assert result.utility_lost.tolist().count(0.0) == 6 - np.isnan(result.utility_lost).sum()
    with pytest.raises(ValueError, match="costs were given, but no cost_weight, and router has no"):
        decision_flips(pipeline, queries, y=np.ones((4, 2)), cost=[1.0, 2.0])


def test_the_last_message_of_the_user_is_edited():
    chat = [
        {"role": "user", "content": "What is it?"},
        {"role": "assistant", "content": "What is what?"},
        {"role": "user", "content": [{"type": "text", "text": "What is a"}, {"type": "image"}]},
        {"role": "user", "content": None},
    ]
    image = [{"role": "user", "content": [{"type": "image"}]}]
    queries = [chat, {"messages": chat[:2], "model": "m"}, image, "what is a b"]
    router = Rule(lambda text: 0)
    result = decision_flips(router, queries, edits="wording")
    (before, _), (after, _) = router.calls
    assert before == queries
    new = {"role": "user", "content": [{"type": "text", "text": "What's a"}, {"type": "image"}]}
    assert after[0] == [*chat[:2], new, chat[3]]
    assert after[1] == {"messages": [{**chat[0], "content": "What's it?"}, chat[1]], "model": "m"}
    assert after[2] is image
    assert after[3] == "what's a b"
    assert result.edited_share == [0.75]
    assert chat[2]["content"][0]["text"] == "What is a"


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"queries": "one"}, ValueError, "queries is one string"),
        ({"queries": np.zeros((2, 2))}, ValueError, r"queries has shape \(2, 2\)"),
        ({"queries": ["a", None]}, TypeError, "element 1 of queries"),
        ({"edits": "spelling"}, ValueError, "edits holds 'spelling'; wanted one of .'typos'"),
        ({"edits": []}, ValueError, "edits is empty"),
        ({"edits": {}}, ValueError, "edits is empty"),
        ({"edits": {"mine": "none"}}, ValueError, "edits holds 'none'"),
        ({"edits": {1: "typos"}}, ValueError, "edits names 1; names are str"),
        ({"edits": {"mine": lambda text, rng: None}}, TypeError, "'mine' returned NoneType for el"),
        ({"n_repeats": 0}, ValueError, "'n_repeats' parameter of decision_flips must be an int"),
        ({"n_repeats": 1.0}, ValueError, "'n_repeats' parameter of decision_flips must be an int"),
        ({"n_repeats": True}, ValueError, "n_repeats must be an int, got True"),
        ({"cost_weight": -1.0}, ValueError, "cost_weight must be a finite number >= 0"),
        ({"cost_weight": [0.1]}, ValueError, r"cost_weight has shape \(1,\)"),
        ({"cost": [1.0, 1.0]}, ValueError, "cost was given without y"),
        ({"y": np.ones((3, 2))}, ValueError, "queries has 2, and y has 3"),
        ({"y": np.ones((2, 3))}, ValueError, "y has 3"),
        ({"random_state": "a"}, ValueError, "'a' cannot be used to seed"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    router = Rule(lambda text: 0)
    with pytest.raises(error, match=message):
        decision_flips(router, **{"queries": ["a", "b"], **arguments})


def test_a_router_that_does_not_choose_one_llm_each():
    class Wrong(Rule):
        def predict(self, X):
            return np.zeros((len(X), 2))

    with pytest.raises(ValueError, match=r"router.predict returned shape \(2, 2\) for 2 queries"):
        decision_flips(Wrong(len), ["a", "b"])


def test_ready_embeddings_are_refused_by_the_router():
    router = KNNRouter(n_neighbors=1).fit(np.eye(2), np.eye(2))
    with pytest.raises(ValueError, match="X is text, but this router was fitted on ready"):
        decision_flips(router, ["a", "b"])
