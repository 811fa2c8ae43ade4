"""One source for the parts of docstrings that many methods share.

A line that holds nothing but ``%(name)s`` stands for the part of that name, at its indentation.
"""

import re
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T", bound=Callable)

_PLACE = re.compile(r"^( *)%\((\w+)\)s$", re.MULTILINE)

PARTS = {
    # Input
    "X": """\
X : sequence of str or chats, or array-like of shape (n_queries, n_features)
    Queries as text or ready embeddings, whichever they were at `fit`. A chat is a list of
    messages, mappings with "role" and "content"; see :class:`~skrouter.ChatFormatter`.""",
    "X_fit": """\
X : sequence of str or chats, or array-like of shape (n_queries, n_features)
    Queries as text, which an encoder turns into embeddings, or ready embeddings. A chat is a
    list of messages, mappings with "role" and "content"; see
    :class:`~skrouter.ChatFormatter`.""",
    "y_fit": """\
y : array-like
    The performance of each LLM on each query, shape (n_queries, n_llms), higher is better;
    or the result of :func:`~skrouter.make_routing_target`, shape (n_queries, n_llms, 2), or of
    :func:`~skrouter.make_logged_target`; or the best LLM of each query, shape (n_queries,).
    NaN means that an outcome was not observed.""",
    "y_true": """\
y : array-like
    True performance, in any form that `fit` accepts.""",
    "cost": """\
cost : array-like of shape (n_queries, n_llms) or (n_llms,), or dict, default=None
    US dollars per 1,000 queries, as measured, or as list prices in the order of the LLMs or by
    their names.""",
    "sample_weight": """\
sample_weight : array-like of shape (n_queries,), default=None
    Weights of the queries.""",
    "cost_weight": """\
cost_weight : float or array-like of shape (n_queries,), default=None
    The trade-off, one for all queries or one per query. None is the router's own. Another
    one can be asked of routers that predict outcomes; those trained for one trade-off
    refuse it.""",
    "allowed": """\
allowed : sequence of names, one per query of these, or bool array, default=None
    The LLMs that may be called: names for all queries, a list of names per query, or a
    boolean array of shape (n_queries, n_llms). None allows the whole pool.""",
    "tasks": """\
tasks : array-like of shape (n_queries,)
    The task of each query, strings or other hashable labels.""",
    # Output
    "fitted": """\
self : object
    The fitted router.""",
    "llms": """\
llms : ndarray of shape (n_queries,)
    Names out of `classes_`.""",
    "values": """\
values : ndarray of shape (n_queries, n_llms) or (n_queries,)
    Columns follow `classes_`. With two LLMs scikit-learn wants one column: the value of
    the second less that of the first.""",
    "probabilities": """\
probabilities : ndarray of shape (n_queries, n_llms)
    Rows sum to one; columns follow `classes_`; the largest is what `predict` chooses.""",
    "score": """\
score : float
    Mean over the queries whose chosen LLM has an observed outcome.""",
    "outcomes": """\
outcomes : PredictedOutcomes
    A named tuple ``(performance, cost)`` of arrays of shape (n_queries, n_llms), columns
    as in `classes_`, cost in US dollars per 1,000 queries; `cost` is None for a router
    fitted without costs. Predictions are not clipped: they can leave [0, 1].""",
    # Errors
    "raises_fit": """\
ValueError
    If the input or a parameter is not as described. It is raised before any work is
    done, and a router that was fitted before stays as it was.
TypeError
    If a query among texts is neither a string nor a chat.""",
    "raises_predict": """\
ValueError
    If `cost_weight` is none that this router can serve, or `allowed` names an LLM that is
    not in the pool, or leaves none to call.""",
    "raises_score": """\
ValueError
    If the router was fitted with costs and they are missing here, or if no chosen LLM has
    an observed outcome.""",
    # Parameters and attributes of routers
    "encoder": """\
encoder : str or transformer, default="all-MiniLM-L6-v2"
    Turns text into embeddings: the name or path of a sentence-transformers model, a
    :class:`~skrouter.SentenceEncoder`, or any scikit-learn transformer of text. Not used on
    ready embeddings.""",
    "own_cost_weight": """\
cost_weight : float, default=0.02
    The trade-off: performance given up for one US dollar per 1,000 queries. The default is the
    paper's "balance" scenario.""",
    "llm_names": """\
llm_names : sequence of str, default=None
    Names of the LLMs, for a `y` that carries none. None: the columns of a DataFrame, else 0,
    1, ...""",
    "classes_": """\
classes_ : ndarray of shape (n_llms,)
    Names of the LLMs.""",
    "n_features_in_": """\
n_features_in_ : int
    Length of an embedding, if fitted on ready embeddings.""",
    "encoder_": """\
encoder_ : transformer
    The fitted encoder, if fitted on text and the router looks at the queries.""",
    "uses_cost_": """\
uses_cost_ : bool
    Whether costs were given at `fit`.""",
}


def with_shared_parts(documented=None, **parts):
    """Fill the shared parts into the docstring of a function, or of a class and its methods.

    Parameters
    ----------
    documented : function or class
        Without it, a decorator is returned: ``@with_shared_parts(name="...")``.
    **parts : str
        Further parts, by name, for this object alone.

    Returns
    -------
    documented : function or class
        The same object.
    """
    if documented is None:
        return lambda documented: _fill_all(documented, {**PARTS, **parts})
    return _fill_all(documented, PARTS)


def _fill_all(documented: T, parts: dict[str, str]) -> T:
    if isinstance(documented, type):
        for member in vars(documented).values():
            member = getattr(member, "__func__", getattr(member, "fget", None) or member)
            if callable(member) and not isinstance(member, type):
                _fill(member, parts)
    _fill(documented, parts)
    return documented


def _fill(documented: Callable, parts: dict[str, str]) -> None:
    def part(place: re.Match) -> str:
        indent, name = place.groups()
        return "\n".join(indent + line if line else "" for line in parts[name].splitlines())

    if documented.__doc__ and "%(" in documented.__doc__:
        documented.__doc__ = _PLACE.sub(part, documented.__doc__)
