"""`skrouter route` and `skrouter explain`."""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, NamedTuple, TextIO

from skrouter._cli.checks import check_skops
from skrouter._cli.quick_import import import_skops_quickly
from skrouter._utils.plain import plain

_BATCH = 64
_KEYS = ("query", "prompt", "messages")


class Line(NamedTuple):
    """A line of input: the query, and the object that it came in."""

    query: Any
    row: dict[str, Any]


def route(arguments: argparse.Namespace) -> None:
    """Print the LLM for each query."""
    if arguments.batch_size is not None and arguments.batch_size < 1:
        raise ValueError(f"--batch-size must be at least 1, got {arguments.batch_size}.")
    _check_queries(arguments)
    router = _load(arguments)
    options = _options(arguments)
    as_json = arguments.json or arguments.input is not None
    for batch in _batches(arguments, arguments.batch_size):
        names = router.predict([line.query for line in batch], **options).tolist()
        for line, name in zip(batch, names, strict=True):
            print(_dumps({**line.row, "llm": name}) if as_json else name)
        sys.stdout.flush()


def explain(arguments: argparse.Namespace) -> None:
    """Print what each choice rests on."""
    _check_queries(arguments)
    if arguments.neighbors < 0:
        raise ValueError(f"--neighbors must be at least 0, got {arguments.neighbors}.")
    texts: Any = None
    if arguments.log is not None:
        from skrouter._cli.data import training_queries  # not quick, and seldom wanted

        texts = training_queries(arguments.router, arguments.log)
    router = _load(arguments)
    if not hasattr(router, "explain"):
        raise ValueError(
            f"The file holds a {type(router).__name__}, which does not explain its choices; "
            "routers of the kind radial do."
        )
    options = {**_options(arguments), "n_neighbors": arguments.neighbors}
    first = True
    for batch in _batches(arguments, 1):
        for line, decision in zip(
            batch, router.explain([line.query for line in batch], **options), strict=True
        ):
            if arguments.json:
                found = plain(decision)
                for neighbor in found["neighbors"] if texts is not None else []:
                    neighbor["query"] = texts[neighbor["row"]]
                print(_dumps({**line.row, "decision": found}))
                continue
            print(f"{'' if first else chr(10)}> {_shown(line.query)}\n{decision}")
            for neighbor in decision.neighbors if texts is not None else []:
                print(f"Training query {neighbor.row} is: {_shown(texts[neighbor.row])}")
            first = False
        sys.stdout.flush()
    if texts is None and arguments.neighbors and not arguments.json:
        print(
            "\nTraining queries are numbered from 0 in the order of the log, without those that "
            "were kept back; --log LOG shows them.",
            file=sys.stderr,
        )


def _shown(query: Any) -> str:
    return query if isinstance(query, str) else _dumps(query)


def _check_queries(arguments: argparse.Namespace) -> None:
    check_skops()
    if arguments.input is None:
        if not arguments.text:
            raise ValueError(
                "There is no query: give texts, or --input FILE (- for standard input)."
            )
    elif arguments.input != "-":
        os.stat(arguments.input)  # raises where there is none; a pipe must not be opened twice


def _load(arguments: argparse.Namespace) -> Any:
    import_skops_quickly()
    from skrouter._persistence.router_file import load

    return load(arguments.router, trusted=arguments.trusted)


def _options(arguments: argparse.Namespace) -> dict[str, Any]:
    options = {"cost_weight": arguments.cost_weight, "allowed": arguments.allowed}
    return {name: value for name, value in options.items() if value is not None}


def _batches(arguments: argparse.Namespace, size: int | None) -> Iterator[list[Line]]:
    """Queries from the command line, then those of the file, some at a time."""
    if arguments.text:
        yield [Line(text, {"query": text}) for text in arguments.text]
    if arguments.input is None:
        return
    with _open(arguments.input) as stream:
        numbered = ((n, text) for n, text in enumerate(stream, start=1) if text.strip())
        lines = (_read(text, n) for n, text in numbered)
        if size is None:
            size = 1 if arguments.input == "-" else _BATCH
        while batch := list(islice(lines, size)):
            yield batch
            gc.enable()  # the first batch has imported what there is to import


@contextmanager
def _open(name: str) -> Iterator[TextIO]:
    if name == "-":
        yield sys.stdin
        return
    with open(name, encoding="utf-8") as stream:
        yield stream


def _read(text: str, number: int) -> Line:
    """A line of text, or of JSON where it begins as JSON does."""
    text = text.strip()
    if text[0] not in '[{"':
        return Line(text, {"query": text})
    try:
        value = json.loads(text)
    except ValueError:
        return Line(text, {"query": text})
    if not isinstance(value, dict):
        return Line(value, {"query": value})
    for key in _KEYS:
        if key in value:
            return Line(value[key], value)
    raise ValueError(f"Line {number} has none of the keys {list(_KEYS)}; it has {sorted(value)}.")


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
