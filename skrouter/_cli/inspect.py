"""`skrouter inspect`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

from skrouter._persistence.description import read_metadata


def inspect(arguments: argparse.Namespace) -> None:
    """Print what a file says of its router."""
    description = read_metadata(arguments.file)
    if arguments.json:
        print(json.dumps(description, indent=2))
        return
    for line in _lines(description):
        # A file from others may hold what a terminal takes for orders.
        print("".join(sign if sign.isprintable() else "?" for sign in line))


def _lines(description: dict[str, Any]) -> Iterator[str]:
    router = description["router"]
    yield f"saved        {description['saved']}"
    yield f"router       {router.get('class')}"
    if router.get("core") != router.get("class"):
        yield f"             around {router.get('core')}"
    yield f"LLMs         {', '.join(map(str, router.get('llm_names', [])))}"
    yield f"cost_weight  {router.get('cost_weight')}"
    costs = "with" if router.get("uses_cost") else "without"
    yield f"fitted       {costs} costs, on {router.get('input')}"
    for encoder in description["encoders"]:
        yield f"encoder      {encoder['class']}"
        if "model" in encoder:
            weights = "tuned weights in the file" if encoder["weights_in_file"] else "weights of"
            yield f"             {weights} {encoder['model']}"
            yield f"             fingerprint {encoder['fingerprint']}"
    if data := description["data"]:
        yield f"data         {data['n_queries']:,} queries"
        yield f"             fingerprint {data['fingerprint']}"
    for name, value in description["extra"].items():
        yield f"{name:12} {json.dumps(value)}"
    for number, (package, version) in enumerate(description["versions"].items()):
        yield f"{'' if number else 'versions':12} {package} {version}"
    for number, name in enumerate(description["types"]):
        yield f"{'' if number else 'types':12} {name}"
