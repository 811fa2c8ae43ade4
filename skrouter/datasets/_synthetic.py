"""A seeded synthetic routing problem with readable queries."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval, validate_params

from skrouter.datasets._vocabulary import CLOSINGS, FRAMES, TOPICS

if TYPE_CHECKING:
    import pandas as pd

_SIZE_NAMES = ("small", "compact", "medium", "big", "large")

# Success of an LLM: floor + (ceiling - floor) * expit(slope * (skill - difficulty)).
_FLOOR = 0.05
_SLOPE = 20.0
_GENERALIST_SKILL = (0.35, 1.15)  # the smallest, the largest
_GENERALIST_CEILING = 0.9
_SPECIALIST_SKILL = 0.15  # off its topic
_SPECIALIST_BONUS = 0.5  # on its topic: enough up to the middle, not for hard queries
_SPECIALIST_CEILING = 0.99
# Without it, LLMs would be exactly equal at skill_spread=0, and no choice could be wrong.
_SKILL_JITTER = 0.02
# Dollars per million words: exp(intercept + slope * general skill). With about 120 words for a
# query and its answer the default pool spans about $0.08 to $4.6 per 1,000 queries.
_LOG_PRICE = (-1.1, 4.1)
_ANSWER_WORDS = (60.0, 140.0)  # the easiest query, the hardest


@overload
def make_routing_problem(
    n_queries: int = ...,
    *,
    n_llms: int = ...,
    n_topics: int = ...,
    signal: float = ...,
    skill_spread: float = ...,
    graded: bool = ...,
    as_frame: bool = ...,
    return_X_y: Literal[False] = ...,
    random_state: int | np.random.RandomState | None = ...,
) -> Bunch: ...
@overload
def make_routing_problem(
    n_queries: int = ...,
    *,
    n_llms: int = ...,
    n_topics: int = ...,
    signal: float = ...,
    skill_spread: float = ...,
    graded: bool = ...,
    as_frame: Literal[False] = ...,
    return_X_y: Literal[True],
    random_state: int | np.random.RandomState | None = ...,
) -> tuple[NDArray[np.object_], NDArray[np.float64]]: ...
@validate_params(
    {
        "n_queries": [Interval(Integral, 1, None, closed="left")],
        "n_llms": [Interval(Integral, 1, None, closed="left")],
        "n_topics": [Interval(Integral, 1, len(TOPICS), closed="both")],
        "signal": [Interval(Real, 0, 1, closed="both")],
        "skill_spread": [Interval(Real, 0, 1, closed="both")],
        "graded": ["boolean"],
        "as_frame": ["boolean"],
        "return_X_y": ["boolean"],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_routing_problem(
    n_queries: int = 1000,
    *,
    n_llms: int = 6,
    n_topics: int = 5,
    signal: float = 1.0,
    skill_spread: float = 1.0,
    graded: bool = False,
    as_frame: bool = False,
    return_X_y: bool = False,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch | tuple[NDArray[np.object_], NDArray[np.float64]]:
    r"""Make a synthetic routing problem with readable queries and a pool of made-up LLMs.

    Each query has a topic and a difficulty :math:`d \in [0, 1]`, and its wording shows both: the
    topic by its vocabulary, the difficulty by the kind of request, from "in one simple step" to
    "prove rigorously". LLM :math:`j` of skill :math:`s_{jt}` on topic :math:`t` succeeds with
    probability

    .. math::

        p_{ij} = 0.05 + (c_{jt} - 0.05) \, \sigma(20 (s_{jt} - d_i)), \qquad
        \sigma(x) = 1 / (1 + e^{-x}).

    Half of the pool (rounded up) are generalists, from small and cheap to large and expensive, with
    ceiling :math:`c_{jt} = 0.9`. The others are specialists: cheap, and on the one topic they are
    made for skilled on easy and medium queries, with ceiling 0.99. So within a topic the best
    choice depends on the difficulty of the query: at a trade-off above 0 a cheap LLM suffices for
    an easy query and only an expensive one solves a hard one; at a trade-off of 0 specialists are
    best on the easier queries of their topic, the largest generalist on the hard ones. Routing per
    query therefore beats the best LLM per topic.

    The problem is synthetic. Its figures say that a router works, not how well it will work on
    real data.

    Parameters
    ----------
    n_queries : int, default=1000
        Number of queries. Texts are mostly distinct (over 90 % for 20,000 queries and the default
        topics), but not all of them.

    n_llms : int, default=6
        Number of LLMs. The default has three generalists and three specialists.

    n_topics : int, default=5
        Number of topics, at most 8. Specialists are made for the first topics; where there are
        more specialists than topics, several share a topic.

    signal : float, default=1.0
        How much of the success depends on the query, in [0, 1]. The success probability is
        :math:`\bar p_j + \mathrm{signal} \, (p_{ij} - \bar p_j)` with :math:`\bar p_j` the mean
        over the queries. With 0, outcomes are independent of the query: pure noise around the
        mean of each LLM, and nothing to gain by routing on performance.

    skill_spread : float, default=1.0
        How much the LLMs differ, in [0, 1]: a factor on the differences of skill and ceiling from
        the mean of the pool. With 0, all LLMs are nearly equal in mean performance (standard
        deviation about 0.02) and in price; together with many LLMs and few rows this is the case
        in which a router must do no harm.

    graded : bool, default=False
        If false, performance is 0 or 1, drawn with the success probability. If true, it is drawn
        from a beta distribution on [0, 1] with the success probability as mean.

    as_frame : bool, default=False
        If true, `performance`, `cost` and `success_probability` are DataFrames with the names of
        the LLMs as columns. This needs pandas: ``pip install "skrouter[data]"``.

    return_X_y : bool, default=False
        If true, return ``(queries, y)`` instead of a Bunch, where ``y`` of shape (n_queries,
        n_llms, 2) is the routing target: performance in ``y[..., 0]`` and cost in ``y[..., 1]``.
        It cannot be a DataFrame, so not together with `as_frame`.

    random_state : int, RandomState instance or None, default=None
        Seed. The same int gives the same problem.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With these attributes:

        queries : ndarray of shape (n_queries,), dtype object
            Texts.
        performance : ndarray or DataFrame of shape (n_queries, n_llms)
            Observed performance of each LLM on each query, in [0, 1].
        cost : ndarray or DataFrame of shape (n_queries, n_llms)
            US dollars per 1,000 queries: the LLM's price per word, which grows with its general
            skill, times the words of query and answer; harder queries have longer answers.
        tasks : ndarray of shape (n_queries,), dtype object
            Topic of each query.
        difficulty : ndarray of shape (n_queries,)
            Difficulty of each query, uniform in [0, 1]; the wording shows its fifth.
        success_probability : ndarray or DataFrame of shape (n_queries, n_llms)
            The expected performance. The best possible router, which knows the truth but not the
            noise of the outcomes, takes the argmax of ``success_probability - alpha * cost``.
        llm_names : list of str
            Names of the LLMs, all beginning with ``"synthetic-"``.
        DESCR : str
            Description.

        With `return_X_y`, the tuple ``(queries, y)``.

    Raises
    ------
    ValueError
        If a parameter has a wrong type or lies outside its range, or if both `as_frame` and
        `return_X_y` are true.
    ImportError
        If `as_frame` is true and pandas is not installed.

    Examples
    --------
    >>> from skrouter.datasets import make_routing_problem
    >>> data = make_routing_problem(100, random_state=0)
    >>> data.performance.shape, data.cost.shape
    ((100, 6), (100, 6))
    >>> data.llm_names  # doctest: +NORMALIZE_WHITESPACE
    ['synthetic-small', 'synthetic-medium', 'synthetic-large',
     'synthetic-math', 'synthetic-code', 'synthetic-law']
    """
    if as_frame and return_X_y:
        raise ValueError("as_frame=True cannot go with return_X_y=True: the target is 3-D.")
    rng = check_random_state(random_state)
    topics = list(TOPICS)[:n_topics]
    topic = rng.randint(n_topics, size=n_queries)
    difficulty = rng.uniform(size=n_queries)
    queries = _make_queries(topics, topic, difficulty, rng)

    llm_names, general_skill, skill, ceiling = _make_pool(n_llms, topics, skill_spread, rng)
    probability = _FLOOR + (ceiling[:, topic].T - _FLOOR) * expit(
        _SLOPE * (skill[:, topic].T - difficulty[:, None])
    )
    mean = probability.mean(axis=0)
    probability = mean + signal * (probability - mean)
    if graded:
        # Concentration 4: spread out, with a good share of clear failures and successes.
        performance = rng.beta(4 * probability, 4 * (1 - probability))
    else:
        performance = (rng.uniform(size=probability.shape) < probability).astype(np.float64)

    words = np.array([len(query.split()) for query in queries])
    words = words + _ANSWER_WORDS[0] + (_ANSWER_WORDS[1] - _ANSWER_WORDS[0]) * difficulty
    price = np.exp(_LOG_PRICE[0] + _LOG_PRICE[1] * general_skill)  # dollars per million words
    cost = words[:, None] * price * (1000 / 1e6)

    if return_X_y:
        return queries, np.stack([performance, cost], axis=-1)
    matrices: dict[str, Any]
    matrices = {"performance": performance, "cost": cost, "success_probability": probability}
    if as_frame:
        matrices = {key: _to_frame(value, llm_names) for key, value in matrices.items()}
    return Bunch(
        queries=queries,
        tasks=np.array(topics, dtype=object)[topic],
        difficulty=difficulty,
        llm_names=llm_names,
        DESCR=(
            "Synthetic routing problem made by skrouter.datasets.make_routing_problem: "
            f"{n_queries} queries on {n_topics} topics ({', '.join(topics)}), {n_llms} made-up "
            f"LLMs, signal={signal}, skill_spread={skill_spread}. No real LLM was called. "
            "Performance is in [0, 1]; cost is in US dollars per 1,000 queries."
        ),
        **matrices,
    )


def _make_queries(
    topics: list[str],
    topic: NDArray[np.integer[Any]],
    difficulty: NDArray[np.float64],
    rng: np.random.RandomState,
) -> NDArray[np.object_]:
    banks = [[part.split(", ") for part in TOPICS[name]] for name in topics]
    level = np.minimum((difficulty * len(FRAMES)).astype(int), len(FRAMES) - 1)
    # One draw per slot, scaled to the length of the bank that the query uses.
    draws = rng.uniform(size=(len(topic), 4))
    queries = np.empty(len(topic), dtype=object)
    for i, (subject, setting, frame, closing) in enumerate(draws):
        subjects, settings = banks[topic[i]]
        what = f"{_pick(subjects, subject)} {_pick(settings, setting)}"
        text = _pick(FRAMES[level[i]], frame).format(what)
        queries[i] = f"{text} {_pick(CLOSINGS[level[i]], closing)}"
    return queries


def _pick(bank: Sequence[str], draw: float) -> str:
    return bank[int(draw * len(bank))]


def _make_pool(
    n_llms: int, topics: list[str], skill_spread: float, rng: np.random.RandomState
) -> tuple[list[str], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return names, general skill (n_llms,), and skill and ceiling (n_llms, n_topics)."""
    n_generalists = (n_llms + 1) // 2
    n_specialists = n_llms - n_generalists
    own_topic = np.arange(n_specialists) % len(topics)
    general = np.append(
        np.linspace(*_GENERALIST_SKILL, n_generalists), np.full(n_specialists, _SPECIALIST_SKILL)
    )
    skill = np.tile(general[:, None], len(topics))
    ceiling = np.full(skill.shape, _GENERALIST_CEILING)
    own = (n_generalists + np.arange(n_specialists), own_topic)
    skill[own] += _SPECIALIST_BONUS
    ceiling[own] = _SPECIALIST_CEILING

    def shrink(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return values.mean(axis=0) + skill_spread * (values - values.mean(axis=0))

    skill = shrink(skill) + rng.normal(scale=_SKILL_JITTER, size=(n_llms, 1))
    return _name_pool(n_generalists, own_topic, topics), shrink(general), skill, shrink(ceiling)


def _name_pool(
    n_generalists: int, own_topic: NDArray[np.integer[Any]], topics: list[str]
) -> list[str]:
    if n_generalists <= len(_SIZE_NAMES):
        picks = np.linspace(0, len(_SIZE_NAMES) - 1, n_generalists).round().astype(int)
        sizes = [_SIZE_NAMES[pick] for pick in picks]
    else:
        sizes = [f"size-{k + 1}" for k in range(n_generalists)]
    names = []
    for k, index in enumerate(own_topic):
        rank = k // len(topics) + 1
        names.append(topics[index] if rank == 1 else f"{topics[index]}-{rank}")
    return [f"synthetic-{name}" for name in sizes + names]


def _to_frame(values: NDArray[np.float64], llm_names: list[str]) -> pd.DataFrame:
    try:
        import pandas
    except ImportError as error:
        raise ImportError('as_frame=True needs pandas: pip install "skrouter[data]"') from error
    return pandas.DataFrame(values, columns=llm_names)
