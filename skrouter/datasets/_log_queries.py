"""Which rows of a log are of the same query: texts, chats, and chats written as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from skrouter._inputs.chat import check_chat, is_chat

if TYPE_CHECKING:
    import pandas as pd

# No text begins so: the key of a chat is never that of a text.
_CHAT = "\0chat"


def _to_json(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else repr(value)


_AS_IT_IS = json.JSONEncoder(default=_to_json)
_SORTED = json.JSONEncoder(default=_to_json, sort_keys=True)


def read_queries(column: pd.Series, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Find the distinct queries of a column.

    Parameters
    ----------
    column : pandas.Series
        Texts, or chats: lists of messages, mappings that hold such a list as "messages", or
        either of them written as JSON.
    name : str
        Its name, for messages.

    Returns
    -------
    codes : ndarray of int, shape (n_rows,)
        The query of each row by its position in `queries`; -1 where there is none.
    queries : ndarray of shape (n_queries,), dtype object
        Each distinct query once, in the order in which they come: strings and lists of messages.

    Raises
    ------
    TypeError
        If something is neither a text nor a chat.
    ValueError
        If a chat lacks something.
    """
    values = column.to_numpy(dtype=object)
    missing = column.isna().to_numpy()
    textual = np.fromiter((isinstance(value, str) for value in values), bool, len(values))
    # A key per row; texts are their own, and chats of the same messages share one.
    keys = values.copy()
    keys[~textual] = None
    chats: dict[str, Any] = {}
    as_written: dict[str, str] = {}
    for row in np.flatnonzero(~textual & ~missing):
        written = _AS_IT_IS.encode(values[row])  # most rows of a query are the same to the letter
        if written not in as_written:
            as_written[written] = _add_chat(values[row], f"row {row} of column {name!r}", chats)
        keys[row] = as_written[written]
    codes, uniques = _number(keys)
    found = [_read_text(text, name, chats) for text in uniques]
    # Written differently, two texts can be one chat.
    again, uniques = _number(found)
    codes = np.where(codes < 0, -1, again[codes]) if len(again) else codes
    queries = np.empty(len(uniques), dtype=object)
    for position, key in enumerate(uniques):
        queries[position] = chats.get(key, key)
    return codes, queries


def _number(keys: Iterable[str | None]) -> tuple[np.ndarray, list[str]]:
    """The position of each key among the distinct ones, -1 for None, and these in their order.

    Before version 3 pandas.factorize takes texts for one that are equal up to a NUL character.
    """
    positions: dict[str, int] = {}
    codes = [-1 if key is None else positions.setdefault(key, len(positions)) for key in keys]
    return np.array(codes, dtype=np.intp), list(positions)


def _read_text(text: str, name: str, chats: dict[str, Any]) -> str | None:
    """The key of a text: its own, that of the chat that it holds as JSON, or None if empty."""
    if text in chats:
        return text
    start = text.lstrip()[:1]
    if start in "[{":  # also the empty string
        if not start:
            return None
        try:
            value = json.loads(text)
        except ValueError:
            return text
        if _is_written_chat(value):
            return _add_chat(value, f"a chat in column {name!r}", chats)
    return text


def _is_written_chat(value: Any) -> bool:
    """Whether JSON is a chat rather than some other list that a user asks about."""
    messages = value.get("messages") if isinstance(value, Mapping) else value
    return (
        isinstance(messages, list)
        and len(messages) > 0
        and all(isinstance(message, Mapping) and "role" in message for message in messages)
    )


def _add_chat(value: Any, where: str, chats: dict[str, Any]) -> str:
    """Check a chat and keep it; returns its key."""
    value = _plain(value)
    if not is_chat(value):
        raise TypeError(
            f"{where} is of type {type(value).__name__}; a query is a text or a chat, that is a "
            "list of messages, mappings with 'role' and 'content'."
        )
    check_chat(value, where)
    if isinstance(value, Mapping):  # the body of a request also names the LLM and its settings
        system = value.get("system")
        value = value["messages"]
        if system is not None:
            value = {"system": system, "messages": value}
    key = _CHAT + _SORTED.encode(value)
    chats.setdefault(key, value)
    return key


def _plain(value: Any) -> Any:
    """Lists in place of the arrays that files in columns give, without the keys they fill up."""
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(element) for element in value]
    if isinstance(value, Mapping):
        # A message without tool calls, in a column with some: Arrow gives it the key, and None.
        return {
            key: _plain(element)
            for key, element in value.items()
            if element is not None or key == "content"
        }
    return value
