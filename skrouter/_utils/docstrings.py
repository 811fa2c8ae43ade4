"""One source for the parts of docstrings that many methods share.

A line that holds nothing but ``%(name)s`` stands for the part of that name, at its indentation.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any, TypeVar, overload

T = TypeVar("T", bound=Callable[..., Any])

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
    NaN means that an outcome was not observed. An LLM observed less than half as often as the
    best known one is learnt as somewhat worse than it looked, as if a few more calls had gone
    badly: see "Rarely tried LLMs" in the user guide on missing scores.""",
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
    The trade-off, one for all queries or one per query. None is the router's own. Routers that
    predict outcomes serve any other; those trained for one trade-off refuse it.""",
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
    Columns follow `classes_`. For two LLMs it is one column, as in scikit-learn: the value of
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
    If `cost_weight` is not one that this router can serve, or `allowed` names an LLM that is
    not in the pool, or leaves none to call.""",
    "raises_score": """\
ValueError
    If the router was fitted with costs and they are missing here, or if no chosen LLM has
    an observed outcome.""",
    "raises_tasks": """\
ValueError
    If `tasks` is missing, holds missing values, or has another length than `X`; if
    `cost_weight` is not the router's own; or if `allowed` names an LLM that is not in the pool,
    or leaves none to call.""",
    # Parameters and attributes of routers
    "encoder": """\
encoder : str or transformer, default="all-MiniLM-L6-v2"
    Turns text into embeddings: the name or path of a sentence-transformers model, a
    :class:`~skrouter.SentenceEncoder`, or any scikit-learn transformer of text. Not used on
    ready embeddings.""",
    "own_cost_weight": """\
cost_weight : float, default=0.02
    The trade-off: performance given up for one US dollar per 1,000 queries. The default is the
    RadialRouter paper's "balance" scenario.""",
    "trained_cost_weight": """\
cost_weight : float, default=0.02
    The trade-off: performance given up for one US dollar per 1,000 queries. The default is the
    RadialRouter paper's "balance" scenario. It is used in training: another one needs a new
    fit.""",
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
    # Baselines
    "adamw_weight_decay": """\
weight_decay : float, default=0.01
    Weight decay of AdamW; torch's default.""",
    "seed_of_folds": """\
random_state : int, RandomState instance or None, default=None
    Seed of the folds.""",
    "seed_of_draws": """\
random_state : int, RandomState instance or None, default=None
    Seed of the draws in `predict`. With an int every call draws the same sequence.""",
    "table_cost_weight": """\
cost_weight : float, default=None
    None, or the router's own: the means are taken at `fit`.""",
    "missing_outcomes": """\
Where outcomes are missing (NaN), each LLM is learnt from the queries on which it was observed.""",
    "outcome_models": """\
performance_model_, cost_model_ : object
    The fitted regressors of performance and cost; `cost_model_` is None without costs.""",
    "projection_": """\
projection_ : ndarray of shape (n_features, hidden_dim)
    The matrix :math:`W`, transposed, for embeddings that are not standardised.
intercept_ : ndarray of shape (hidden_dim,)
    The vector :math:`b`.""",
    "n_iter_": """\
n_iter_ : int
    Number of epochs.""",
    "loss_curve_": """\
loss_curve_ : list of float
    Mean loss of each epoch.""",
    "routerdc": """\
.. [1] S. Chen et al., "RouterDC: Query-Based Router by Dual Contrastive Learning for
   Assembling Large Language Models", NeurIPS 2024, arXiv:2409.19886.""",
    # Metrics
    "y_true_matrix": """\
y_true : array-like of shape (n_queries, n_llms) or (n_queries, n_llms, 2)
    Performance of each LLM on each query, or the result of
    :func:`~skrouter.make_routing_target`. NaN where not observed.""",
    "holes_in_a_picture": """\
Where outcomes are missing, all points are means over the queries on which those of all are
known; if these are fewer than a quarter, each is over its own, and the picture says so.""",
    "chosen_llms": """\
llms : array-like of shape (n_queries,) or (n_queries, n_llms)
    The chosen LLM of each query, by name, or the probability with which each LLM is called, as
    for :func:`~skrouter.metrics.routing_score`.""",
    "cost_of_pair": """\
cost : array-like of shape (n_queries, n_llms) or (n_llms,), or dict, default=None
    US dollars per 1,000 queries, as measured, or as list prices in the order of the LLMs or by
    their names. Needed unless `y_true` holds the costs.""",
    "pool": """\
llm_names : array-like of shape (n_llms,), default=None
    The pool, mostly the router's `classes_`. Columns of arrays are taken in this order, those
    of a DataFrame by name. None: the columns of a DataFrame `y_true`, else 0, 1, ...""",
    "judged_cost_weight": """\
cost_weight : float, default=0.0
    The trade-off: performance given up for one US dollar per 1,000 queries. The default
    judges performance alone, so that no trade-off is assumed unseen.""",
    "mean_costs": """\
cost : array-like of shape (n_points,)
    Mean cost of each setting of a router in US dollars per 1,000 queries, as from
    :func:`~skrouter.metrics.cost_quality_curve`, or of each LLM, in any order.""",
    "mean_performances": """\
performance : array-like of shape (n_points,)
    Mean performance of each.""",
    "router_points": """\
cost : float or array-like of shape (n_points,)
    Mean cost of the router at each setting in US dollars per 1,000 queries.
performance : float or array-like of shape (n_points,)
    Mean performance of the router at each setting.""",
    "single_llms": """\
single_cost : float or array-like of shape (n_llms,)
    Mean cost of each single LLM on the same queries, in US dollars per 1,000 queries, as from
    :func:`~skrouter.metrics.single_llm_points`.
single_performance : float or array-like of shape (n_llms,)
    Mean performance of each single LLM.""",
    "weak_and_strong": """\
weak, strong : str or int
    Names of the two LLMs.""",
    "strong_score": """\
strong_score : array-like of shape (n_queries,)
    How much the router prefers the strong LLM on each query: its column of `predict_proba`,
    say. Only the order counts. Among queries of equal score the strong calls are made at random,
    and what is computed is the expectation.""",
    # Displays
    "several_choices": """\
llms : array-like or dict
    What was chosen: names of shape (n_queries,) or probabilities of shape (n_queries,
    n_llms), as for :func:`~skrouter.metrics.routing_score`. For several routers a dict of such
    by name of the router, and in it, for a router at several trade-offs, a dict by trade-off:
    ``{"kNN": {0.02: llms, 0.1: other_llms}, "random": probabilities}``.""",
    "legend_name": """\
name : str, default="router"
    Name in the legend where there is one router and no dict.""",
    "ax": """\
ax : matplotlib Axes, default=None
    Where to draw. None makes a new figure.""",
    "ax_": """\
ax_ : matplotlib Axes
    Axes with the picture.
figure_ : matplotlib Figure
    Figure containing it.""",
    "plot_kwargs": """\
**plot_kwargs
    Passed to :meth:`plot`.""",
    "several_estimators": """\
estimator : classifier or dict
    A fitted classifier with `classes_` and `predict`. For several, a dict by name, and in it,
    for a router fitted at several trade-offs, a dict by trade-off.
X : object
    Queries, passed to `predict`.
y : array-like of shape (n_queries, n_llms) or (n_queries, n_llms, 2)
    Outcomes, as `y_true` of :meth:`from_predictions`. Columns of arrays follow `classes_`,
    which must then be the same for all estimators.""",
    "estimator_name": """\
name : str, default=None
    Name in the legend where `estimator` is not a dict. None is the name of its class.""",
    "raises_different_pools": """\
ValueError
    As :meth:`from_predictions`, and if the estimators have different `classes_`.""",
    "raises_matplotlib": """\
ImportError
    If matplotlib is not installed.""",
    "display": """\
display : object
    The display itself.""",
    # References
    "routerbench": """\
.. [1] Q. J. Hu et al., "RouterBench: A Benchmark for Multi-LLM Routing System", 2024,
   arXiv:2403.12031.""",
    "routellm": """\
.. [1] I. Ong et al., "RouteLLM: Learning to Route LLMs with Preference Data", 2024,
   arXiv:2406.18665.""",
    "llmrouterbench": """\
.. [1] H. Li et al., "LLMRouterBench: A Massive Benchmark and Unified Framework for LLM
   Routing", 2026, arXiv:2601.07206.""",
    "uniroute": """\
.. [1] W. Jitkrittum et al., "Universal Model Routing for Efficient LLM Inference", 2025,
   arXiv:2502.08773.""",
}


@overload
def with_shared_parts(documented: T, **parts: str) -> T: ...


@overload
def with_shared_parts(documented: None = None, **parts: str) -> Callable[[T], T]: ...


def with_shared_parts(documented: T | None = None, **parts: str) -> T | Callable[[T], T]:
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
            # The function in a class method, or in a method that is offered under a condition.
            for inside in ("__func__", "fn"):
                member = getattr(member, inside, member)
            if inspect.isfunction(member) or isinstance(member, property):
                _fill(member, parts)
    _fill(documented, parts)
    return documented


def _fill(documented: Callable | property, parts: dict[str, str]) -> None:
    def part(place: re.Match) -> str:
        indent, name = place.groups()
        return "\n".join(indent + line if line else "" for line in parts[name].splitlines())

    if documented.__doc__ and "%(" in documented.__doc__:
        documented.__doc__ = _PLACE.sub(part, documented.__doc__)
