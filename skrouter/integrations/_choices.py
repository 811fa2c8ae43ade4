"""From requests to decisions: whom a router may call, in which order, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from skrouter._meta.exploration import draw, exploration_shares
from skrouter._utils.estimators import innermost_estimator, innermost_input
from skrouter._utils.plain import plain


@dataclass(frozen=True)
class Request:
    """One query, and what may be done with it.

    Attributes
    ----------
    id : str
    query : str or list of messages
    deployments : list of str
        Those that could answer.
    cost_weight : float or None
        The trade-off; None for the router's own.
    allowed : list of str or None
        LLMs or deployments; None for all.
    tried : list of str
        LLMs that were called for this query before, and did not answer.
    """

    id: str
    query: Any
    deployments: Sequence[str]
    cost_weight: float | None = None
    allowed: Sequence[str] | None = None
    tried: Sequence[str] = ()


@dataclass
class Choice:
    """What a router makes of a request.

    Attributes
    ----------
    llm : str or int
    deployments : list of str
        Those of the LLM.
    order : list of str or int
        All LLMs that may be called, best first.
    propensity : float or None
        Probability with which `llm` was chosen; None after a failed call, which depends on more.
    explored : bool
        Whether it is one that the router by itself would not have called.
    explanation : dict
        Predictions by LLM, margin and runner-up, as far as the router knows them.
    """

    llm: Any
    deployments: list[str]
    order: list[Any]
    propensity: float | None = None
    explored: bool = False
    explanation: dict[str, Any] = field(default_factory=dict)


class _Values(NamedTuple):
    """What a router makes of one query, as far as it may call LLMs, best first.

    Attributes
    ----------
    utility : dict
        By name.
    usual : list of float
        The probability with which the router by itself calls each.
    exploration : float
        Share of the queries on which the router explores.
    explanation : dict
    """

    utility: dict[Any, float]
    usual: list[float]
    exploration: float
    explanation: dict[str, Any]


def deployments_of(
    llms: Sequence[Any], deployments: Sequence[str], models: Mapping[Any, Any]
) -> dict[Any, list[str]]:
    """The deployments of each LLM that has some.

    Parameters
    ----------
    llms : sequence
        Names of the LLMs.
    deployments : sequence of str
    models : mapping
        From names to deployments, one or a list. Of a name that is not in it the deployment is of
        the same name, with or without a provider before a slash, in any case.
    """
    found = {}
    for llm in llms:
        wanted = models.get(llm)
        if wanted is None:
            name = str(llm).casefold()
            mine = [
                d for d in deployments if name in (d.casefold(), d.casefold().partition("/")[2])
            ]
        else:
            wanted = [wanted] if isinstance(wanted, str) else wanted
            mine = [d for d in deployments if d in wanted]
        if mine:
            found[llm] = mine
    return found


def permitted(deployments: Sequence[str], allowed: Sequence[str] | None) -> list[str]:
    """Deployments that may be called, by their own names, with or without the provider."""
    if allowed is None:
        return list(deployments)
    return [d for d in deployments if d in allowed or d.partition("/")[2] in allowed]


def choose(
    router: Any,
    requests: Sequence[Request],
    models: Mapping[Any, Any],
    exploration: float,
    rng: np.random.Generator,
) -> list[Choice | None]:
    """Choose an LLM for each request; None where there is none to choose."""
    core = innermost_estimator(router)
    pools = [pool_of(core.classes_.tolist(), request, models) for request in requests]
    choices: list[Choice | None] = [None] * len(requests)
    # Two groups, for only a router that serves any trade-off can be asked for one.
    for asked in (False, True):
        rows = [
            i
            for i, pool in enumerate(pools)
            if pool and (requests[i].cost_weight is not None) == asked
        ]
        if not rows:
            continue
        weights = np.array([requests[i].cost_weight for i in rows]) if asked else None
        whole = all(len(pools[i]) == len(core.classes_) for i in rows)  # mostly: nothing to check
        values = _values(
            core,
            innermost_input(router, [requests[i].query for i in rows]),
            weights,
            None if whole else [list(pools[i]) for i in rows],
        )
        for i, valued in zip(rows, values, strict=True):
            choices[i] = _draw(valued, pools[i], exploration, rng, requests[i])
    return choices


def pool_of(llms: list[Any], request: Request, models: Mapping[Any, Any]) -> dict[Any, list[str]]:
    """Deployments of each LLM that may be called and was not tried."""
    pool = deployments_of(llms, request.deployments, models)
    if request.allowed is not None:
        by_name = set(permitted(request.deployments, request.allowed))
        for llm, mine in list(pool.items()):
            if str(llm) not in request.allowed:
                pool[llm] = [d for d in mine if d in by_name]
    return {llm: mine for llm, mine in pool.items() if mine and str(llm) not in request.tried}


def _values(
    core: Any, X: Any, cost_weight: np.ndarray | None, allowed: list[list[Any]] | None
) -> list[_Values]:
    """What the router makes of each query.

    Queries are encoded once, so the choice is taken out of the explanation where there is one.
    """
    if hasattr(core, "explain"):
        return [
            _Values(
                decision.utility,
                [float(name == decision.llm) for name in decision.utility],
                0.0,
                {k: v for k, v in decision._asdict().items() if k != "neighbors"},
            )
            for decision in core.explain(X, cost_weight=cost_weight, allowed=allowed, n_neighbors=0)
        ]
    routed = core._route(X, cost_weight, allowed)
    names, shares, usual = routed.names.tolist(), routed.shares, routed.usual_propensities
    found = []
    for i, row in enumerate(routed.values):
        order = [j for j in np.argsort(-row, kind="stable") if not np.isneginf(row[j])]
        utility = {names[j]: float(row[j]) for j in order}
        probability = {names[j]: float(shares[i, j]) for j in order}
        found.append(
            _Values(
                utility,
                usual[i, order].tolist(),
                routed.exploration,
                {"utility": utility, "probability": probability},
            )
        )
    return found


def _draw(
    valued: _Values,
    pool: dict[Any, list[str]],
    exploration: float,
    rng: np.random.Generator,
    request: Request,
) -> Choice:
    order, usual = list(valued.utility), np.array([valued.usual])
    # A router that explores by itself does so on the queries that are left to it.
    share = exploration + (1 - exploration) * valued.exploration
    shares = exploration_shares(np.array([list(valued.utility.values())]), usual, share)
    chosen = 0 if request.tried else int(draw(shares, rng)[0])
    return Choice(
        llm=order[chosen],
        deployments=pool[order[chosen]],
        order=order,
        propensity=None if request.tried else float(shares[0, chosen]),
        explored=bool(usual[0, chosen] == 0),
        explanation=plain(valued.explanation),
    )
