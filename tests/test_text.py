"""What counts as text, and what is said about text that is not."""

from collections import UserList

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from skrouter._inputs.queries import check_queries, is_text
from skrouter.baselines import LinearRouter

CONTAINERS = {
    "list": list,
    "tuple": tuple,
    "array of str": np.array,
    "array of object": lambda texts: np.array(texts, dtype=object),
    "Series": pd.Series,
    "Series of object": lambda texts: pd.Series(texts, dtype=object, index=[7, 3]),
    "Series of string": lambda texts: pd.Series(texts, dtype="string", index=["a", "b"]),
    "Index": pd.Index,
    "array of one column": lambda texts: np.array(texts)[:, np.newaxis],
    "frame": lambda texts: pd.DataFrame({"query": texts}),
    "polars Series": pl.Series,
    "polars frame": lambda texts: pl.DataFrame({"query": texts}),
    "pyarrow array": pa.array,
    "pyarrow chunks": lambda texts: pa.chunked_array([texts[:1], texts[1:]]),
    "pyarrow table": lambda texts: pa.table({"query": texts}),
    "other sequence": UserList,  # such as a column of Hugging Face's datasets
}
TWO_COLUMNS = pd.DataFrame({"q": ["a", "b"], "n": [1, 2]})


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
def test_text_in_any_1d_container_becomes_a_list_of_str(container):
    X = container(["What is 2 + 2?", ""])
    assert is_text(X)
    queries = check_queries(X)
    assert queries == ["What is 2 + 2?", ""]
    assert [type(query) for query in queries] == [str, str]


def test_the_input_is_not_modified_or_returned():
    X = ["a", "b"]
    queries = check_queries(X)
    queries.append("c")
    assert X == ["a", "b"]


@pytest.mark.parametrize("X", ["one", ["a", None], [None, "a"], [1, "a"], pd.Series([np.nan, "a"])])
def test_one_string_is_enough_to_be_text(X):
    assert is_text(X)


@pytest.mark.parametrize(
    "X",
    [
        [],
        [1, 2],
        [[1.0, 2.0], [3.0, 4.0]],
        [["a"], ["b"]],
        np.zeros(3),
        np.zeros((3, 2)),
        pd.Series([1.0, 2.0]),
        pd.DataFrame({"a": [1.0], "b": [2]}),
        pl.Series([1.0, None]),
        pl.DataFrame({"a": [1.0], "b": [2]}),
        pa.array([1.0, None]),
        pa.table({"a": [1.0], "b": [2]}),
        sparse.eye(2),
        None,
        3,
        {"a": 1},
    ],
    ids=lambda X: type(X).__name__,
)
def test_numbers_and_tables_are_not_text(X):
    assert not is_text(X)


@pytest.mark.parametrize(
    "X, error, message",
    [
        ("What is it?", ValueError, "queries is one string, 'What is it.'; pass a list"),
        ("x" * 5000, ValueError, "is one string, 'x{40}…'; pass a list"),
        ([], ValueError, "queries is empty"),
        (np.array([], dtype=str), ValueError, "queries is empty"),
        (["a", None], TypeError, "element 1 of queries is of type NoneType"),
        (["a", "b", float("nan")], TypeError, r"element 2 of queries is of type float \(nan\)"),
        (pd.Series(["a", None], index=[5, 6]), TypeError, "element 1 of queries"),
        ([3, "a"], TypeError, r"element 0 of queries is of type int \(3\)"),
        ([b"a"], TypeError, "element 0 of queries is of type bytes"),
        ([["a"]], TypeError, "element 0 of queries is of type list"),
        (b"abc", TypeError, "queries is a bytes"),
        (None, TypeError, "queries is a NoneType"),
        ({"a": "b"}, TypeError, "queries is a dict"),
        ((text for text in "ab"), TypeError, r"queries is a generator, .*pass list\(queries\)"),
        (iter(["a"]), TypeError, r"queries is a list_iterator, .*pass list\(queries\)"),
        ({"a", "b"}, TypeError, "queries is a set; queries are a list"),
        (np.array("one"), ValueError, r"shape \(\)"),
        (np.array([["a", "b"]]), ValueError, r"\(1, 2\).*: queries\[:, 0\] or queries\[:, 1\]"),
        (TWO_COLUMNS, ValueError, r"shape \(2, 2\).*Pass one column: queries\['q'\]\.$"),
        (pl.from_pandas(TWO_COLUMNS), ValueError, r"Pass one column: queries\['q'\]\.$"),
        (pa.Table.from_pandas(TWO_COLUMNS), ValueError, r"Pass one column: queries\['q'\]\.$"),
        (np.zeros((2, 1)), ValueError, r"shape \(2, 1\).*None of it is text"),
        (pa.array(["a", None]), TypeError, "element 1 of queries is of type NoneType"),
    ],
)
def test_what_is_not_query_text_is_named(X, error, message):
    with pytest.raises(error, match=message):
        check_queries(X, name="queries")


def test_columns_of_hugging_face_datasets():
    datasets = pytest.importorskip("datasets")
    chats = [[{"role": "user", "content": "a"}], [{"role": "user", "content": "b"}]]
    data = datasets.Dataset.from_dict({"query": ["a", "b"], "chat": chats, "n": [1, 2]})
    assert is_text(data["query"]) and is_text(data["chat"]) and not is_text(data["n"])
    assert check_queries(data["query"]) == check_queries(data.select_columns("query")) == ["a", "b"]
    assert check_queries(data["chat"]) == chats
    with pytest.raises(ValueError, match=r"Pass one column: X\['query'\] or X\['chat'\]\."):
        check_queries(data)


@pytest.mark.parametrize(
    "container", [pl.Series, pa.array, lambda chats: pa.chunked_array([chats])]
)
def test_chats_of_other_libraries(container):
    chats = [[{"role": "user", "content": "a"}], [{"role": "user", "content": "b"}] * 2]
    assert is_text(container(chats))
    assert check_queries(container(chats)) == chats


def test_a_router_takes_frames_of_text_and_says_what_is_wrong_with_others():
    performance = pl.DataFrame({"small": [0.0, 1.0] * 4, "large": [1.0, 0.0] * 4})
    texts = ["a proof", "a poem"] * 4
    encoder = make_pipeline(TfidfVectorizer(), TruncatedSVD(1, random_state=0))
    wanted = LinearRouter(encoder=encoder).fit(texts, performance.to_numpy()).predict_proba(texts)
    for container in (pl.DataFrame, pa.table, pd.DataFrame):
        X = container({"query": texts})
        router = LinearRouter(encoder=encoder).fit(X, performance)
        assert router.classes_.tolist() == ["small", "large"]
        np.testing.assert_array_equal(router.predict_proba(X), wanted)
        with pytest.raises(ValueError, match=r"Pass one column: X\['a'\] or X\['b'\]\."):
            router.predict(container({"a": texts, "b": texts}))
    with pytest.raises(TypeError, match=r"X is a generator, .*pass list\(X\)"):
        router.predict(text for text in texts)
