"""`skrouter inspect`."""

from __future__ import annotations

import argparse
import json

from skrouter._persistence.router_file import read_metadata


def inspect(arguments: argparse.Namespace) -> None:
    """Print what a file says of its router."""
    description = read_metadata(arguments.file)
    if arguments.json:
        print(json.dumps(description, indent=2))
        return
    router = description["router"]
    print(f"{arguments.file}, saved {description['saved']}")
    print(f"router       {router['class']}")
    if router["core"] != router["class"]:
        print(f"             around {router['core']}")
    print(f"LLMs         {', '.join(map(str, router['llm_names']))}")
    print(f"cost_weight  {router['cost_weight']}")
    print(
        f"fitted       {'with' if router['uses_cost'] else 'without'} costs, on {router['input']}"
    )
    for encoder in description["encoders"]:
        print(f"encoder      {encoder['class']}")
        if "model" in encoder:
            weights = "tuned weights in the file" if encoder["weights_in_file"] else "weights of"
            print(f"             {weights} {encoder['model']}")
            print(f"             fingerprint {encoder['fingerprint']}")
    if data := description["data"]:
        print(f"data         {data['n_queries']:,} queries")
        print(f"             fingerprint {data['fingerprint']}")
    for name, value in description["extra"].items():
        print(f"{name:12} {json.dumps(value)}")
    print("versions     " + ", ".join(f"{k} {v}" for k, v in description["versions"].items()))
    print("types        " + "\n             ".join(description["types"]))
