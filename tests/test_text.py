"""What counts as text, and what is said about text that is not."""

import numpy as np
import pandas as pd
import pytest

from skrouter._inputs.queries import check_queries, is_text

CONTAINERS = {
    "list": list,
    "tuple": tuple,
    "array of str": np.array,
    "array of object": lambda texts: np.array(texts, dtype=object),
    "Series": pd.Series,
    "Series of object": lambda texts: pd.Series(texts, dtype=object, index=[7, 3]),
    "Series of string": lambda texts: pd.Series(texts, dtype="string", index=["a", "b"]),
    "Index": pd.Index,
}


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
        pd.DataFrame({"length": [1, 2]}),
        None,
        3,
        {"a": 1},
    ],
    ids=repr,
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
        ((text for text in "ab"), TypeError, "queries is a generator"),
        (np.array("one"), ValueError, r"shape \(\)"),
        (np.array([["a"], ["b"]]), ValueError, r"shape \(2, 1\); queries are a 1-D sequence"),
        (pd.DataFrame({"query": ["a", "b"]}), ValueError, r"shape \(2, 1\).*Pass one column"),
    ],
)
def test_what_is_not_query_text_is_named(X, error, message):
    with pytest.raises(error, match=message):
        check_queries(X, name="queries")
