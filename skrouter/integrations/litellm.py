"""A routing plugin for the LiteLLM proxy and its `Router`."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from skrouter._meta.exploration import check_exploration
from skrouter._utils.estimators import own_cost_weight
from skrouter._utils.types import LLMName
from skrouter.integrations._batches import Batches
from skrouter.integrations._choices import (
    Choice,
    Request,
    choose,
    deployments_of,
    permitted,
    pool_of,
)
from skrouter.integrations._decision_log import append_lines
from skrouter.integrations._operator_log import show_operators
from skrouter.integrations._served_router import ServedRouter

if TYPE_CHECKING:
    from litellm.types.router import RoutingContext

__all__ = ["RouterPlugin"]

logger = logging.getLogger("skrouter.integrations")

_KEY = "skrouter"  # of what we say in signals, and are told in metadata


class RouterPlugin:
    r"""Let a fitted router choose the deployment in LiteLLM.

    LiteLLM asks its routing plugins before each call which of the deployments of a model group may
    answer. This one leaves those of the LLM that the router chooses. If the call fails, and LiteLLM
    tries again (``num_retries``), it leaves those of the next best LLM.

    The caller may ask for more in the metadata of the request, in an object under "skrouter"::

        {"metadata": {"skrouter": {"cost_weight": 0.1, "allowed": ["gpt-4o"], "id": "42"}}}

    ``cost_weight`` is the trade-off, ``allowed`` lists the LLMs, or deployments, that may be
    called, ``budget`` names one of `budgets`, and ``id`` stands for the call in the log.

    Parameters
    ----------
    router : router, or str or path-like
        A fitted router that takes text; or the file of one: ``.joblib`` and ``.pkl`` are loaded
        with joblib, which **runs code of the file**, others with :func:`skrouter.load`. When the
        file is replaced, the new router takes over. The cache on disk of an encoder from a file is
        switched off; a router itself is used as it is:
        ``router.encoder_.set_params(cache=None)`` keeps live queries off the disk.
    models : mapping, default=None
        From the router's names of LLMs to LiteLLM's ``litellm_params.model``, one or a list. Names
        that are not in it must be the same, with or without the provider: "gpt-4o" is
        "openai/gpt-4o". At the first request of a group a warning names what is left over.
    cost_weight : float, default=None
        The trade-off of requests that ask for none, such as :func:`~skrouter.trade_off_for_budget`
        finds for so many dollars a month. None is the router's own.
    budgets : mapping of str to float, default=None
        Trade-offs by name, not dollars. A request gets that of its ``budget``, or of the first of
        LiteLLM's ``tags`` that is in here, in place of `cost_weight`; its own ``cost_weight`` goes
        before.
    fallback : str or int, default=None
        The LLM that is called where the router fails. None leaves the choice to LiteLLM.
    exploration : float, default=0.0
        Share of the requests, in [0, 1], whose LLM is drawn at random, all that may be called
        alike. A small one makes the log worth learning from. An :class:`~skrouter.ExploringRouter`
        goes on exploring by itself, on the other requests.
    log : str or path-like, default=None
        File to which each decision is added, as JSON on a line of its own, with the query in it.
    trusted : iterable of str or type, default=()
        As in :func:`skrouter.load`.
    check_every : float, default=1.0
        Seconds between two looks at whether the file of the router was replaced.
    max_batch_size : int, default=32
        How many requests that arrive together are encoded together.
    random_state : int, default=None
        Seed of the draws.

    Raises
    ------
    FileNotFoundError
        If there is no file of that name; the message has its absolute path.
    ValueError
        If the router takes no text; if it serves one trade-off only, and `cost_weight` or one of
        `budgets` is another; or if a parameter is not as described.

    See Also
    --------
    skrouter.save : Writes the file.
    skrouter.trade_off_for_budget : From dollars a month to `cost_weight`.
    skrouter.datasets.load_log : Reads the log, once it has a column with ratings.

    Notes
    -----
    The decision, with its propensity and what it rests on, is in the context's ``signals`` under
    "skrouter", which LiteLLM hands on as ``metadata["routing_plugin_signals"]``.

    Nothing that goes wrong in here fails a request. If the router raises an error, or knows none
    of the deployments, that is logged by the logger "skrouter.integrations", and `fallback` is
    called. What is malformed in a request is logged and left out. A request alone that allows none
    of the deployments, or whose ``allowed`` holds no names, is refused, with status 400.

    A new router is told by the same logger, with level INFO. Where nobody has set up logging, as in
    LiteLLM's proxy, what it says goes to the standard error, with time and name.

    The router works in one thread beside the event loop, which :meth:`close` ends. Groups of one
    deployment are left alone.

    Examples
    --------
    >>> import asyncio
    >>> from types import SimpleNamespace
    >>> from sklearn.decomposition import TruncatedSVD
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from sklearn.pipeline import make_pipeline
    >>> from skrouter.baselines import LinearRouter
    >>> from skrouter.integrations.litellm import RouterPlugin
    >>> words = make_pipeline(TfidfVectorizer(), TruncatedSVD(2, random_state=0))
    >>> router = LinearRouter(0.1, encoder=words, llm_names=["small", "large"])
    >>> queries = ["say hello", "say goodbye", "prove a theorem", "prove a lemma"]
    >>> router = router.fit(queries, [[1, 1], [1, 1], [0, 1], [0, 1]], cost=[0.1, 5.0])
    >>> plugin = RouterPlugin(router, models={"large": "anthropic/big"})
    >>> context = SimpleNamespace(  # as LiteLLM makes it
    ...     structured_messages=[{"role": "user", "content": "prove it"}],
    ...     candidate_models=["openai/small", "anthropic/big"],
    ...     metadata={},
    ...     signals={},
    ... )
    >>> asyncio.run(plugin.run(context)).candidate_models
    ['anthropic/big']
    """

    def __init__(
        self,
        router: Any,
        *,
        models: Mapping[LLMName, str | Sequence[str]] | None = None,
        cost_weight: float | None = None,
        budgets: Mapping[str, float] | None = None,
        fallback: LLMName | None = None,
        exploration: float = 0.0,
        log: str | os.PathLike | None = None,
        trusted: Iterable[str | type] = (),
        check_every: float = 1.0,
        max_batch_size: int = 32,
        random_state: int | None = None,
    ) -> None:
        check_exploration(exploration)
        trade_offs = {f"budgets: {name!r} is": weight for name, weight in (budgets or {}).items()}
        if cost_weight is not None:
            trade_offs = {"cost_weight is": cost_weight, **trade_offs}
        for words, weight in trade_offs.items():
            if not _is_cost_weight(weight):
                raise ValueError(f"{words} {weight!r}; wanted a finite number >= 0.")
        show_operators()
        self.models = dict(models or {})
        self.cost_weight = cost_weight
        self.budgets = dict(budgets or {})
        self.fallback = fallback
        self.exploration = exploration
        self.log = log
        self._told: list[set[str]] = []  # groups whose names were looked at
        self._rng = np.random.default_rng(random_state)
        self._served = ServedRouter(router, trusted, check_every, trade_offs)
        self._batches = Batches(self._answer, max_batch_size)
        unknown = set(self.models) - set(self._served.router.classes_.tolist())
        if unknown:
            logger.warning("models names %s, which the router does not know.", sorted(unknown))

    async def run(self, context: RoutingContext) -> RoutingContext:
        """Leave the deployments of the chosen LLM in the context.

        Parameters
        ----------
        context : RoutingContext
            Of LiteLLM: messages, candidate models and metadata of one request.

        Returns
        -------
        RoutingContext
            The same, narrowed.

        Raises
        ------
        litellm.BadRequestError
            If the request allows none of the deployments.
        """
        if len(set(context.candidate_models)) < 2 or not context.structured_messages:
            return context
        request = self._read(context)
        self._tell_names(request.deployments)
        choice, reason = None, None
        try:
            choice = await asyncio.wrap_future(self._batches.submit(request))
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            logger.exception("The router failed; the fallback is called.")
        else:
            if choice is None:
                reason = "The router knows no LLM that may be called."
                logger.warning("%s %s", reason, self._names(request.deployments))
        if choice is None:
            choice = self._fall_back(request)
        context.candidate_models = choice.deployments
        context.signals[_KEY] = self._signal(request, choice, reason)
        return context

    def _tell_names(self, deployments: Sequence[str]) -> None:
        """Say once, of each group, if LLMs and deployments are left over that may belong together.

        A deployment that is no LLM's is never called, and nothing else would tell.
        """
        if any(set(deployments) <= told for told in self._told):
            return  # a second try has fewer of them
        self._told.append(set(deployments))
        llms = self._served.router.classes_.tolist()
        known = deployments_of(llms, deployments, self.models)
        if len(known) < len(llms) and _all(known) < set(deployments):
            logger.warning("Names that may not fit: %s", self._names(deployments))
        if self.fallback is not None and not deployments_of(
            [self.fallback], deployments, self.models
        ):
            logger.warning("fallback: %r has no deployment in %s.", self.fallback, deployments)

    def _names(self, deployments: Sequence[str]) -> str:
        llms = self._served.router.classes_.tolist()
        known = deployments_of(llms, deployments, self.models)
        without = [llm for llm in llms if llm not in known]
        strange = [deployment for deployment in deployments if deployment not in _all(known)]
        return (
            f"LLMs of the router without a deployment here are {without}, deployments of none of "
            f"its LLMs {strange}; the latter are not called. Where two are the same, say so: "
            "models={name: deployment}."
        )

    def close(self) -> None:
        """End the thread of the router, once it has answered what waits for it.

        A later request starts another.
        """
        self._batches.close()

    def _answer(self, requests: Sequence[Request]) -> list[Choice | None]:
        """Choose for each request, and log it; runs in the thread of the router."""
        router = self._served.router
        choices = choose(router, requests, self.models, self.exploration, self._rng)
        if self.log is not None:
            time = datetime.now(UTC).isoformat(timespec="milliseconds")
            weight = own_cost_weight(router)
            pairs = zip(requests, choices, strict=True)
            records = [_record(time, request, c, weight) for request, c in pairs if c is not None]
            try:
                append_lines(self.log, records)
            except OSError:  # answers are worth more than the log
                logger.exception("%s decisions are not logged.", len(records))
        return choices

    def _read(self, context: Any) -> Request:
        """What the context asks for; what is wrong with it is logged, and left out."""
        metadata = _mapping(context.metadata)
        asked = metadata.get(_KEY) or _mapping(metadata.get("requester_metadata")).get(_KEY) or {}
        options = _mapping(asked)
        if options is not asked:
            logger.warning("metadata[%r] is %r; an object is wanted.", _KEY, asked)
        before = _mapping(_mapping(metadata.get("routing_plugin_signals")).get(_KEY))
        allowed = options.get("allowed")
        if allowed is not None:
            # Never None, for that allows all: without names in it the request is refused.
            allowed = _names(allowed)
            if not allowed:
                logger.warning("allowed is %r; names are wanted.", options["allowed"])
        return Request(
            id=str(options.get("id") or before.get("id") or uuid4()),
            query=context.structured_messages,
            deployments=list(context.candidate_models),
            cost_weight=self._cost_weight(options, _names(metadata.get("tags"))),
            allowed=allowed,
            tried=[*_names(before.get("tried")), *_names(before.get("llm"))],
        )

    def _cost_weight(self, options: Mapping[str, Any], tags: Iterable[str]) -> float | None:
        weight = options.get("cost_weight")
        if weight is not None:
            if _is_cost_weight(weight):
                return float(weight)
            logger.warning("cost_weight is %r; a finite number >= 0 is wanted.", weight)
        budget = options.get("budget")
        names = [budget] if isinstance(budget, str) and budget in self.budgets else []
        if budget is not None and not names:
            logger.warning("budget is %r; there are %s.", budget, sorted(self.budgets))
        named = (self.budgets[name] for name in (*names, *tags) if name in self.budgets)
        return next(named, self.cost_weight)

    def _fall_back(self, request: Request) -> Choice:
        """The fallback if it may be called, or all that may be: LiteLLM then chooses."""
        llms = self._served.router.classes_.tolist()
        known = deployments_of(llms, request.deployments, self.models)
        tried = {d for llm, mine in known.items() if str(llm) in request.tried for d in mine}
        pool = _all(pool_of(llms, request, self.models))
        by_name = permitted(request.deployments, request.allowed)
        allowed = {*by_name, *_all(pool_of(llms, replace(request, tried=()), self.models))}
        may = [d for d in request.deployments if d in allowed and (d in pool or d not in tried)]
        if not allowed:
            import litellm

            raise litellm.BadRequestError(
                f"allowed={request.allowed} holds none of {request.deployments}, nor an LLM of "
                f"the router that has a deployment here: {list(known)}.",
                model="",
                llm_provider="",
            )
        if self.fallback is not None:
            mine = deployments_of([self.fallback], may, self.models).get(self.fallback)
            if mine:
                return Choice(self.fallback, mine, [self.fallback])
        # Where all that are allowed were tried, any of them may be tried again.
        return Choice(None, may or [d for d in request.deployments if d in allowed], [])

    def _signal(self, request: Request, choice: Choice, reason: str | None) -> dict[str, Any]:
        return {
            "id": request.id,
            "llm": choice.llm,
            "order": choice.order,
            "propensity": choice.propensity,
            "explored": choice.explored,
            "tried": list(request.tried),
            "fallback": reason,
            "explanation": choice.explanation,
        }


def _record(
    time: str, request: Request, choice: Choice, own_weight: float | None
) -> dict[str, Any]:
    return {
        "time": time,
        "id": request.id,
        "query": request.query,
        "llm": choice.llm,
        "propensity": choice.propensity,
        "explored": choice.explored,
        "cost_weight": own_weight if request.cost_weight is None else request.cost_weight,
        "order": choice.order,
        "tried": list(request.tried),
    }


def _mapping(value: Any) -> Mapping[str, Any]:
    """The object in foreign data; an empty one where something else is there."""
    return value if isinstance(value, Mapping) else {}


def _names(value: Any) -> list[str]:
    """The names in foreign data: one or a list; what is no name is left out."""
    values = value if isinstance(value, list | tuple | set | frozenset) else [value]
    return [str(name) for name in values if isinstance(name, str | int)]


def _all(pool: Mapping[Any, list[str]]) -> set[str]:
    return {deployment for mine in pool.values() for deployment in mine}


def _is_cost_weight(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 <= value <= sys.float_info.max
