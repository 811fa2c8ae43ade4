"""The result in plain words. One test decides; what else is said describes."""

from __future__ import annotations

import numpy as np

from skrouter._utils.types import LLMName
from skrouter.metrics._bootstrap import PairedDifference
from skrouter.report._references import KNN, PER_TASK, ROUTERS, SINGLE


def write_verdict(
    *,
    single: LLMName,
    called: list[LLMName],
    differences: dict[str, PairedDifference],
    better_in_hindsight: LLMName | None,
) -> tuple[bool, str]:
    """Decide and say it.

    Parameters
    ----------
    single : str or int
        The best single LLM.
    called : list
        LLMs that the router calls.
    differences : dict of str to PairedDifference
        Utility of the router minus that of each reference.
    better_in_hindsight : str, int or None
        An LLM that, called always, scores above the router on these queries.

    Returns
    -------
    pays : bool
        Whether routing pays.
    verdict : str
        One to four sentences.
    """
    against = differences[SINGLE]
    pays = bool(against.low > 0) and len(called) > 1
    if pays:
        first = (
            f"On this data routing beats always calling {_name(single)} by {_interval(against)}."
        )
    else:
        first = (
            f"On this data routing does not beat always calling {_name(single)}: "
            f"{_why_not(single, called, against)}."
        )
    if pays and better_in_hindsight is not None:
        first += (
            f" But always calling {_name(better_in_hindsight)} would have scored more, which is "
            "known only in hindsight."
        )
    sentences = [first, *(_about_router(name, differences[name], pays) for name in ROUTERS)]
    if PER_TASK in differences and not np.isnan(differences[PER_TASK].low):
        sentences.insert(1, _about_tasks(differences[PER_TASK], pays))
    return pays, " ".join(filter(None, sentences))


def _why_not(single: LLMName, called: list[LLMName], against: PairedDifference) -> str:
    if called == [single]:
        return "the router does the same"
    if len(called) == 1:
        return (
            f"the router calls {_name(called[0])} on every query, so it does not route (difference "
            f"{_interval(against)})"
        )
    if against.high < 0:
        return f"it is worse, by {_interval(against)}"
    return f"the difference is {_interval(against)}"


def _about_tasks(against: PairedDifference, pays: bool) -> str:
    """The second claim is made after the first only, so that both together err as seldom."""
    if against.low > 0 and pays:
        return (
            f"It also beats the best LLM per task, by {_interval(against)}: something is gained "
            "per query."
        )
    if against.low > 0:
        return f"The best LLM per task is worse still (difference {_interval(against)})."
    if against.high < 0:
        return f"It is worse than the best LLM per task, by {_interval(against)}."
    return (
        f"It does not beat the best LLM per task (difference {_interval(against)}): nothing shows "
        "that it gains more than a table of tasks would."
    )


def _about_router(name: str, against: PairedDifference, pays: bool) -> str | None:
    what = name if name == KNN else name.capitalize()
    if against.high < 0:
        return f"{what} on the same embeddings is better (difference {_interval(against)})."
    if pays and not against.low > 0:
        return (
            f"{what} on the same embeddings is as good, as far as these queries can tell "
            f"(difference {_interval(against)})."
        )
    return None


def _name(llm: LLMName) -> str:
    """LLMs without a name are numbered."""
    return f"LLM {llm}" if isinstance(llm, int | np.integer) else str(llm)


def _interval(against: PairedDifference) -> str:
    return f"{against.difference:+.4f} [{against.low:+.4f}, {against.high:+.4f}]"
