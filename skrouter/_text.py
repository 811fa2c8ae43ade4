"""What counts as text input, and its validation.

Every estimator that takes queries decides with :func:`is_text` whether ``X`` is text or a table of
numbers, and turns text into a plain list of ``str`` with :func:`check_queries`. Nobody else looks
at the container.
"""

from numbers import Number


def is_text(X):
    """Tell whether `X` is query text rather than a table of numbers.

    Parameters
    ----------
    X : object
        Whatever was given as input.

    Returns
    -------
    bool
        True for one ``str`` and for a 1-D container (list, tuple, NumPy array, pandas Series) in
        which at least one element is a ``str``; False for anything numeric or 2-D. One string
        among other things is enough, so that :func:`check_queries` gets to name the elements
        which are not text.

    Examples
    --------
    >>> from skrouter._text import is_text
    >>> is_text(["What is 2 + 2?", None])
    True
    >>> is_text([[0.1, 0.2]])
    False
    """
    if isinstance(X, str):
        return True
    if isinstance(X, list | tuple):
        return any(isinstance(element, str) for element in X)
    if len(getattr(X, "shape", ())) != 1:
        return False
    if getattr(X.dtype, "kind", "O") in "biufcmM":  # a numeric array: spare the walk over it
        return False
    return any(isinstance(element, str) for element in X)


def check_queries(X, name="X"):
    """Validate query text and return it as a list of ``str``.

    Parameters
    ----------
    X : 1-D sequence of str
        List, tuple, NumPy array or pandas Series. It is not modified. Empty strings are allowed:
        an empty query is unusual, but a router has to answer it.
    name : str, default="X"
        Name of the argument in error messages.

    Returns
    -------
    list of str
        The queries in the order given.

    Raises
    ------
    ValueError
        If `X` is one string instead of a list, is not 1-D, or is empty.
    TypeError
        If `X` is not a sequence, or an element is not a ``str`` (None, NaN, number, bytes, ...).
        The message names the first such element.

    Examples
    --------
    >>> from skrouter._text import check_queries
    >>> check_queries(("What is 2 + 2?", ""))
    ['What is 2 + 2?', '']
    """
    if isinstance(X, str):
        start = X if len(X) <= 40 else X[:40] + "…"
        raise ValueError(f"{name} is one string, {start!r}; pass a list: [query].")
    shape = getattr(X, "shape", None)
    if shape is not None and len(shape) != 1:
        raise ValueError(
            f"{name} has shape {tuple(shape)}; queries are a 1-D sequence of str. Pass one column, "
            f"for example {name}['query'] of a DataFrame or {name}[:, 0] of an array."
        )
    if shape is None and not isinstance(X, list | tuple):
        raise TypeError(
            f"{name} is a {type(X).__name__}; queries are a list, tuple, array or Series of str."
        )
    queries = []
    for position, element in enumerate(X):
        if not isinstance(element, str):
            value = f" ({element!r})" if element is None or isinstance(element, Number) else ""
            raise TypeError(
                f"Every query must be a str, but element {position} of {name} is of type "
                f"{type(element).__name__}{value}."
            )
        queries.append(str(element))  # np.str_ becomes str
    if not queries:
        raise ValueError(f"{name} is empty; at least one query is needed.")
    return queries
