"""What counts as text input, and its validation.

Every estimator that takes queries decides with :func:`is_text` whether ``X`` is text or a table of
numbers, and turns text into a plain list of ``str`` and chats with :func:`check_queries`. Nobody
else looks at the container. :func:`query_texts` then leaves only ``str``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from numbers import Number

from skrouter._inputs.chat import chat_text, check_chat, is_chat, is_message
from skrouter._inputs.containers import elements_of, is_numeric, is_table, text_like_columns

# What the chats of a router count as where its encoder knows of no chats.
DEFAULT_TURNS = "user"


def is_text(X):
    """Tell whether `X` is query text rather than a table of numbers.

    Parameters
    ----------
    X : object
        Whatever was given as input.

    Returns
    -------
    bool
        True for one ``str`` or one chat, and for a 1-D container (list, tuple, array, Series,
        column of a data set), a frame or a table in which at least one element is a ``str`` or a
        chat. One of them among other things is enough, so that :func:`check_queries`, which takes
        fewer, gets to say what is not right. True for a generator, which cannot be looked at
        without using it up. False for all else.

    Examples
    --------
    >>> from skrouter._inputs.queries import is_text
    >>> is_text(["What is 2 + 2?", None])
    True
    >>> is_text([[{"role": "user", "content": "What is 2 + 2?"}]])
    True
    >>> is_text([[0.1, 0.2]])
    False
    """
    if isinstance(X, str):
        return True
    if isinstance(X, Mapping):
        return is_chat(X)
    if is_table(X):
        return any(_holds_text(column) for _, column in text_like_columns(X))
    return isinstance(X, Iterator) or _holds_text(X)


def check_queries(X, name="X"):
    """Validate queries and return them as a list of ``str`` and chats.

    Parameters
    ----------
    X : 1-D sequence of str or chats
        List, tuple, array (also of pyarrow), Series of pandas or polars, column of a Hugging Face
        data set; or a frame, table or array of one such column. It is not modified. Empty strings
        are allowed: an empty query is unusual, but a router has to answer it.
    name : str, default="X"
        Name of the argument in error messages.

    Returns
    -------
    list of str and chats
        The queries in the order given. Half of a surrogate pair, which is left where a text was
        cut within an emoji and which no encoder can read, becomes U+FFFD, as in browsers. Chats
        are checked, and are the very objects that were given, if these were Python objects.

    Raises
    ------
    ValueError
        If `X` is one string or one chat instead of a list, has more than one column, or is empty,
        or a chat lacks something.
    TypeError
        If `X` is not a sequence, or an element is neither a ``str`` nor a chat (None, NaN, number,
        bytes, ...), or something in a chat is of a wrong type. The message names the first such
        element.

    Examples
    --------
    >>> from skrouter._inputs.queries import check_queries
    >>> check_queries(("What is 2 + 2?", ""))
    ['What is 2 + 2?', '']
    """
    if isinstance(X, str):
        start = X if len(X) <= 40 else X[:40] + "…"
        raise ValueError(f"{name} is one string, {start!r}; pass a list: [query].")
    if isinstance(X, Mapping) and is_chat(X):
        raise ValueError(f"{name} is one chat, a mapping with 'messages'; pass a list: [chat].")
    elements = _elements(X, name)
    queries = []
    for position, element in enumerate(elements):
        if isinstance(element, str):
            queries.append(_well_formed(str(element)))  # np.str_ becomes str
        elif is_chat(element):
            check_chat(element, f"element {position} of {name}")
            queries.append(element)
        else:
            _refuse(element, position, name, elements)
    if not queries:
        raise ValueError(f"{name} is empty; at least one query is needed.")
    return queries


def query_texts(queries, turns=DEFAULT_TURNS, name="X"):
    """Texts of checked queries.

    Parameters
    ----------
    queries : list of str and chats
        From :func:`check_queries`.
    turns : {"user", "last_user", "all"}, default="user"
        Which turns of a chat count, as in :class:`~skrouter.ChatFormatter`.
    name : str, default="X"
        Name of the argument in error messages.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        If no turn of a chat counts.
    """
    return [
        query
        if isinstance(query, str)
        else _well_formed(chat_text(query, turns, f"element {position} of {name}"))
        for position, query in enumerate(queries)
    ]


def _is_textual(element):
    return isinstance(element, str) or is_chat(element) or is_message(element)


def _holds_text(column):
    if is_numeric(column):
        return False
    elements = elements_of(column)
    return elements is not None and any(map(_is_textual, elements))


def _elements(X, name):
    if is_table(X):
        columns = {key: c for key, c in text_like_columns(X) if _holds_text(c)}
        if X.shape[1] != 1 or not columns:
            array = not hasattr(X, "columns") and not hasattr(X, "column_names")
            which = [f"{name}[:, {key}]" if array else f"{name}[{key!r}]" for key in columns]
            fix = f"Pass one column: {' or '.join(which)}." if which else "None of it is text."
            raise ValueError(
                f"{name} has shape {tuple(X.shape)}; queries are one sequence or column of str or "
                f"chats. {fix}"
            )
        (X,) = columns.values()
    if isinstance(X, Iterator):
        raise TypeError(
            f"{name} is a {type(X).__name__}, which can be read only once; pass list({name})."
        )
    elements = elements_of(X)
    if elements is None:
        shape = getattr(X, "shape", None)
        of_shape = "" if shape is None else f" of shape {tuple(shape)}"
        raise (TypeError if shape is None else ValueError)(
            f"{name} is a {type(X).__name__}{of_shape}; queries are a list, tuple, array, Series "
            "or column of str or chats."
        )
    return elements


def _refuse(element, position, name, elements):
    if is_message(element):
        if all(map(is_message, elements)):
            raise ValueError(
                f"{name} is one chat, a list of {len(elements)} message(s); pass a list of chats: "
                "[chat]."
            )
        raise ValueError(
            f"element {position} of {name} is one message; a chat is a list of messages."
        )
    value = f" ({element!r})" if element is None or isinstance(element, Number) else ""
    empty = " and empty" if isinstance(element, list | tuple) and not element else ""
    raise TypeError(
        "Every query must be a str or a chat (a list of messages, mappings with 'role' and "
        f"'content'), but element {position} of {name} is of type {type(element).__name__}{value}"
        f"{empty}."
    )


def _well_formed(text):
    if text.isascii():  # known without a look at the characters
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        # Two halves that belong together become one character on the way.
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
