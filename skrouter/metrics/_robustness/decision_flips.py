"""How often a router's decision flips when a query is edited without a change of meaning."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval

from skrouter._inputs.chat import edit_last_user
from skrouter._inputs.queries import check_queries
from skrouter._targets.predict_options import check_cost_weight
from skrouter._targets.routing_target import check_routing_target
from skrouter._targets.utility import routing_utility
from skrouter._utils.docstrings import with_shared_parts
from skrouter._utils.estimators import Classifier, own_cost_weight
from skrouter._utils.lengths import check_same_length
from skrouter._utils.param_validation import validate_params
from skrouter._utils.types import Chat, CostLike, Floats, Seed
from skrouter.metrics._robustness.perturbations import EDITS, Edit


class DecisionFlips(NamedTuple):
    """How often decisions flip, per kind of edit.

    Parameters
    ----------
    edit : list of str
        Names of the kinds of edits.
    flip_share : ndarray of shape (n_edits,)
        Share of the edited queries for which another LLM is chosen than for the query as it was,
        over all repetitions. NaN if the edit changed no query.
    edited_share : ndarray of shape (n_edits,)
        Share of the queries that the edit changed at all. Those that it did not, as there is
        nothing to contract in "Why?", do not count in `flip_share`.
    utility_lost : ndarray of shape (n_edits,) or None
        Mean utility, over the edited queries, of the LLM chosen for the query as it was minus
        that of the one chosen for the edited query; without costs, the performance. Queries for
        which one of the two outcomes was not observed are left out. None without `y`.
    flips : ndarray of shape (n_edits, n_queries)
        Share of the repetitions in which the decision on a query flipped; NaN where the edit
        never changed it. It shows on which queries the router is not robust.
    """

    edit: list[str]
    flip_share: Floats
    edited_share: Floats
    utility_lost: Floats | None
    flips: Floats


@with_shared_parts
@validate_params({"n_repeats": [Interval(Integral, 1, None, closed="left")]})
def decision_flips(
    router: Classifier,
    queries: Sequence[str | Chat],
    *,
    edits: str | Iterable[str] | Mapping[str, str | Edit] | None = None,
    n_repeats: int = 1,
    cost_weight: ArrayLike | None = None,
    y: ArrayLike | None = None,
    cost: CostLike | None = None,
    random_state: Seed = None,
) -> DecisionFlips:
    """Share of a router's decisions that flip when queries are edited.

    An edit that leaves the meaning should leave the decision. A flip is not yet a loss: where two
    LLMs do equally well, it costs nothing. With `y` the loss is measured, too.

    Parameters
    ----------
    router : estimator
        Any fitted classifier, or pipeline, whose `predict` takes text.
    queries : 1-D sequence of str or chats
        Queries that the router was not fitted on. Of a chat the text of the user's last message
        that has any is edited.
    edits : str, sequence of str, or mapping, default=None
        Names of built-in edits, or a mapping from names to edits of your own: callables
        ``edit(text, rng)`` that return the new text, with a :class:`numpy.random.Generator`; or
        to names of built-in ones. None is all built-in ones:

        - "typos": a letter swapped, dropped or doubled within a tenth of the words of four
          letters or more, at least in one; not the first letter or the last. Chinese, Japanese
          and Korean, numbers, and names with digits or underscores are left alone.
        - "case": all in lower case, or all in upper case.
        - "spacing": some spaces doubled, blanks or line breaks added at the end.
        - "punctuation": the mark at the end dropped or doubled; a full stop where there is none.
        - "politeness": an English phrase around it, "Could you tell me: ...", "... Thanks."; only
          where at least half of the letters are Latin.
        - "wording": English contractions ("do not", "don't") and exchanges ("for example", "for
          instance") by a small table.
    n_repeats : int, default=1
        How often each edit is drawn for every query.
    cost_weight : float or array-like of shape (n_queries,), default=None
        The trade-off at which the router chooses and its choices are judged. None is the
        router's own; `predict` is then called without it.
    y : array-like of shape (n_queries, n_llms) or (n_queries, n_llms, 2), default=None
        True performance, or the result of :func:`~skrouter.make_routing_target`, as for
        :func:`routing_score`. Columns follow `classes_` of the router, by name where they have
        names.
    %(cost)s
        They are charged in `utility_lost`.
    random_state : int, RandomState instance or None, default=None
        Seed of the edits. The edits of a kind do not depend on the router or on which other kinds
        there are: with the same int two routers are given the same texts.

    Returns
    -------
    result : DecisionFlips
        A named tuple ``(edit, flip_share, edited_share, utility_lost, flips)``.

    Raises
    ------
    ValueError
        If `queries` is one query or empty, an edit is unknown or there is none, a parameter is not
        as described, or `y` and `cost` do not fit or hold costs while the trade-off is not known.
    TypeError
        If `queries` holds something else than text and chats, or an edit returns no ``str``.

    Notes
    -----
    These are no paraphrases. Real ones change words and the order of thoughts, and no small table
    can make them; a router that passes here can fail there. Have paraphrases written, or let an
    LLM write them, check them, and pass them by an edit of your own. Nor are the edits harmless
    everywhere: case and spelling matter in code, a table of English words says nothing about
    other languages.

    A router that draws its decisions at random flips without any edit. Where `predict` takes no
    `cost_weight`, leave it out; subtract the costs beforehand then, and pass utilities as `y`.

    `predict` is called ``1 + n_edits * n_repeats`` times, and the edited texts enter the cache of
    a :class:`~skrouter.SentenceEncoder` like all others.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import HashingVectorizer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from skrouter.metrics import decision_flips
    >>> queries = ["What is two plus two?", "Write a short poem.", "What is a prime?"]
    >>> words = HashingVectorizer(n_features=64)  # lower case, no punctuation
    >>> router = make_pipeline(words, LogisticRegression(C=100))
    >>> router = router.fit(queries, ["maths", "prose", "maths"])
    >>> result = decision_flips(router, queries, edits=["case", "punctuation"], random_state=0)
    >>> dict(zip(result.edit, result.flip_share.tolist()))
    {'case': 0.0, 'punctuation': 0.0}
    """
    texts = check_queries(queries, "queries")
    checked_edits = _check_edits(edits)
    if isinstance(n_repeats, bool):
        raise ValueError(f"n_repeats must be an int, got {n_repeats!r}.")
    options = {}
    if cost_weight is not None:
        check_cost_weight(cost_weight, texts)
        options["cost_weight"] = cost_weight
    utility = _utility(router, texts, y, cost, cost_weight)
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)

    def choose(texts: list[Any]) -> NDArray[Any]:
        llms = np.asarray(router.predict(texts, **options))
        if llms.shape != (len(texts),):
            raise ValueError(
                f"router.predict returned shape {llms.shape} for {len(texts)} queries; one LLM "
                "each is wanted."
            )
        return llms

    before = choose(texts)
    flipped = np.zeros((len(checked_edits), n_repeats, len(texts)), dtype=bool)
    edited = np.zeros_like(flipped)
    lost = np.full(flipped.shape, np.nan)
    for i, (name, edit) in enumerate(checked_edits.items()):
        rng = np.random.default_rng([seed, zlib.crc32(name.encode("utf-8", "surrogatepass"))])
        for j in range(n_repeats):
            new_texts, edited[i, j] = _edit_all(texts, name, edit, rng)
            after = choose(new_texts)
            flipped[i, j] = edited[i, j] & (after != before)
            if utility is not None:
                lost[i, j] = _utility_of(before, utility, router) - _utility_of(
                    after, utility, router
                )
    counted = edited & ~np.isnan(lost)
    return DecisionFlips(
        edit=list(checked_edits),
        flip_share=_share(flipped.sum(axis=(1, 2)), edited.sum(axis=(1, 2))),
        edited_share=edited.mean(axis=(1, 2)),
        utility_lost=None
        if utility is None
        else _share(np.where(counted, lost, 0).sum(axis=(1, 2)), counted.sum(axis=(1, 2))),
        flips=_share(flipped.sum(axis=1), edited.sum(axis=1)),
    )


def _check_edits(
    edits: str | Iterable[str] | Mapping[str, str | Edit] | None,
) -> dict[str, Edit]:
    if edits is None:
        return dict(EDITS)
    if isinstance(edits, str):
        edits = [edits]
    by_name = edits if isinstance(edits, Mapping) else {name: name for name in edits}
    if not by_name:
        raise ValueError("edits is empty; name at least one, or None for all built-in ones.")
    checked = {}
    for name, edit in by_name.items():
        if not isinstance(name, str):
            raise ValueError(f"edits names {name!r}; names are str.")
        if callable(edit):
            checked[name] = edit
        elif isinstance(edit, str) and edit in EDITS:
            checked[name] = EDITS[edit]
        else:
            raise ValueError(
                f"edits holds {edit!r}; wanted one of {list(EDITS)} or, in a mapping from names, a "
                "callable edit(text, rng)."
            )
    return checked


def _utility(
    router: Classifier,
    queries: list[Any],
    y: ArrayLike | None,
    cost: CostLike | None,
    cost_weight: ArrayLike | None,
) -> Floats | None:
    """Utility of every LLM on every query, shape (n_queries, n_llms); None without `y`."""
    if y is None:
        if cost is not None:
            raise ValueError("cost was given without y; utility_lost needs both.")
        return None
    pool = np.asarray(router.classes_)
    target = check_routing_target(y, cost, known_llms=pool, allow_labels=False)
    check_same_length(queries=queries, y=target.performance)
    if target.cost is None:
        return target.performance
    weight = own_cost_weight(router) if cost_weight is None else cost_weight
    if weight is None:
        raise ValueError(
            "costs were given, but no cost_weight, and router has none of its own; pass it, or "
            "pass utilities as y."
        )
    return routing_utility(target.performance, target.cost, check_cost_weight(weight, queries))


def _edit_all(
    queries: list[Any], name: str, edit: Edit, rng: np.random.Generator
) -> tuple[list[Any], NDArray[np.bool_]]:
    """The edited queries, and which of them differ."""
    edited, changed = [], np.zeros(len(queries), dtype=bool)
    for position, query in enumerate(queries):

        def apply(text: str, position: int = position) -> str:
            new = edit(text, rng)
            if not isinstance(new, str):
                raise TypeError(
                    f"The edit {name!r} returned {type(new).__name__} for element {position} of "
                    "queries; it must return the new text, a str."
                )
            changed[position] = new != text
            return new

        edited.append(apply(query) if isinstance(query, str) else edit_last_user(query, apply))
    return edited, changed


def _utility_of(llms: NDArray[Any], utility: Floats, router: Classifier) -> Floats:
    """Utility of the chosen LLM of each query."""
    position = {name: column for column, name in enumerate(np.asarray(router.classes_).tolist())}
    columns = [position[llm] for llm in llms.tolist()]
    return utility[np.arange(len(columns)), columns]


def _share(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    """Their quotient; NaN where there is nothing to take a share of."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)
