"""The way of a query from `predict` to a name, and of a target from `fit` to the loss.

``python benchmarks/calls.py`` traces both with a small RadialRouterClassifier on text and prints
the files of skrouter in the order in which they are entered, with the functions called there.
Generator expressions, lambdas and the like do not count as calls. docs/architecture.rst is held
against this by tests/test_architecture_page.py.
"""

import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import torch

import skrouter
from skrouter import RadialRouterClassifier, SentenceEncoder
from skrouter.datasets import make_routing_problem

PACKAGE = Path(skrouter.__file__).parent


class Call(NamedTuple):
    """A call of a function of skrouter: its file, relative to the package, and its name."""

    file: str
    function: str


def trace(run: Callable[[], object], until: str = "") -> list[Call]:
    """Calls of functions of skrouter while `run` runs, up to the first of the function `until`."""
    calls: list[Call] = []
    over = False

    def note(frame, event, argument):
        nonlocal over
        code = frame.f_code
        if event != "call" or over or code.co_name.startswith("<"):
            return
        path = Path(code.co_filename)
        if PACKAGE in path.parents:
            calls.append(Call(path.relative_to(PACKAGE).as_posix(), code.co_qualname))
            over = code.co_name == until

    previous = sys.getprofile()
    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(previous)
    return calls


def way_of_a_query() -> list[Call]:
    """From `predict` on one text to the name of an LLM; nothing is cached."""
    data = make_routing_problem(40, n_llms=3, random_state=0)
    encoder = SentenceEncoder(cache=None)
    router = RadialRouterClassifier(encoder, llm_names=data.llm_names, cv=None, max_iter=1)
    router.fit(data.queries, data.performance, cost=data.cost)
    router.predict(["The model of the encoder is loaded by now."])
    return trace(lambda: router.predict(["What is the capital of France?"]))


def way_of_a_target() -> list[Call]:
    """From `fit` on texts to the first loss."""
    data = make_routing_problem(40, n_llms=3, random_state=0)
    encoder = SentenceEncoder(cache=None)
    router = RadialRouterClassifier(encoder, llm_names=data.llm_names, max_iter=1)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # otherwise the folds are trained in threads, which are not traced
    try:
        return trace(
            lambda: router.fit(data.queries, data.performance, cost=data.cost), until="kl_loss"
        )
    finally:
        torch.set_num_threads(n_threads)


def in_order(calls: list[Call]) -> dict[str, list[str]]:
    """The files in the order in which they are first entered, each with its functions."""
    files: dict[str, list[str]] = {}
    for call in calls:
        functions = files.setdefault(call.file, [])
        if call.function not in functions:
            functions.append(call.function)
    return files


def describe(calls: list[Call]) -> str:
    """One line: how many calls, files and changes of file."""
    changes = sum(a.file != b.file for a, b in pairwise(calls))
    return f"{len(calls)} calls, {len(in_order(calls))} files, {changes} changes of file"


if __name__ == "__main__":
    for title, calls in (
        ("predict, one text", way_of_a_query()),
        ("fit, up to the first loss", way_of_a_target()),
    ):
        print(f"{title}: {describe(calls)}")
        for file, functions in in_order(calls).items():
            print(f"  {file}: {', '.join(functions)}")
