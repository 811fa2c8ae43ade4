"""What a forward pass of RadialFormer and of other networks takes, by the number of LLMs.

    python benchmarks/backbones.py [--plot FILE] [--most 10000]

times RadialFormer, Star-Transformer, torch's own Transformer encoder (on its fast path) and a
perceptron on each pair, at the size of the paper's experiments (6 layers of width 768, 4 heads)
and at that of the defaults, for one query and for a batch, in float32 and on one thread. Networks
of one size and number of LLMs take turns; each has a process of its own, of which the peak of
memory above what it took before is printed too. Slopes are of log time over log number of LLMs,
between the last two numbers: 1 is linear, 2 quadratic. It prints Markdown.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np

NAMES = {
    "radial": "RadialFormer",
    "star": "Star-Transformer",
    "transformer": "Transformer",
    "mlp": "perceptron",
}
SIZES = {"paper (6 × 768)": (768, 6), "defaults (2 × 64)": (64, 2)}
N_LLMS = (11, 100, 1000, 10_000)
N_HEADS = 4
# Satellites in a batch: with more LLMs it has fewer queries, and at least two.
SATELLITES = 2816
SECONDS = 1.0  # that are measured for, after a first pass


def measure(backbone, dim, n_layers, n_llms):
    """Median seconds for one query, and per query of a batch; bytes at the peak."""
    import torch

    from skrouter.nn.backbones import BACKBONES

    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = BACKBONES[backbone](n_llms, dim, n_layers, N_HEADS).eval()
    network.requires_grad_(False)
    network.freeze()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = {}
    with torch.inference_mode():
        for name, n_queries in (("one", 1), ("batch", max(2, SATELLITES // n_llms))):
            relay = torch.randn(n_queries, dim)
            network(relay)
            times = []
            while sum(times) < SECONDS and len(times) < 200:
                start = time.perf_counter()
                network(relay)
                times.append(time.perf_counter() - start)
            found[name] = float(np.median(times)) / n_queries
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {**found, "memory": 1024 * (peak - before)}


def in_a_process(*cell):
    command = [sys.executable, __file__, "--cell", json.dumps(cell)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])


def print_table(title, n_llms, cells):
    """The cells of one size: name of the network to what was found for each number of LLMs."""
    for what, unit, shape in (
        ("one", 1e3, "{:.2f}"),
        ("batch", 1e3, "{:.3f}"),
        ("memory", 1e-6, "{:.0f}"),
    ):
        named = {"one": "ms for one query", "batch": "ms per query of a batch"}
        print(f"\n{title}: {named.get(what, 'MB at the peak')}\n")
        slope = what != "memory"
        heads = [f"{n:,} LLMs" for n in n_llms] + (["slope"] if slope else [])
        print("| network | " + " | ".join(heads) + " |")
        print("|---|" + "---:|" * len(heads))
        for backbone, found in cells.items():
            values = [each[what] for each in found]
            texts = [shape.format(unit * value) for value in values]
            if slope:
                steps = np.diff(np.log(values[-2:])) / np.diff(np.log(n_llms[-2:]))
                texts.append(f"{steps[0]:.2f}")
            print(f"| {NAMES[backbone]} | " + " | ".join(texts) + " |")


def draw(path, n_llms, found):
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(found), figsize=(9, 3.8), layout="constrained")
    styles = zip(("C0", "C1", "C2", "C3"), ("o", "s", "^", "D"), strict=True)
    styles = dict(zip(NAMES, styles, strict=True))
    with plt.style.context("tableau-colorblind10"):
        for axis, (title, cells) in zip(axes, found.items(), strict=True):
            for backbone, each in cells.items():
                color, marker = styles[backbone]
                times = [1e3 * cell["one"] for cell in each]
                axis.loglog(n_llms, times, color=color, marker=marker, label=NAMES[backbone])
            axis.set(title=title, xlabel="LLMs in the pool", ylabel="time for one query (ms)")
            axis.grid(alpha=0.3)
    axes[0].legend()
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plot", help="file of a plot of the times for one query")
    parser.add_argument("--most", type=int, default=N_LLMS[-1], help="LLMs at most")
    parser.add_argument("--cell", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.cell:
        print(json.dumps(measure(*json.loads(arguments.cell))))
        return
    n_llms = [n for n in N_LLMS if n <= arguments.most]
    found = {}
    for title, (dim, n_layers) in SIZES.items():
        cells = found[title] = {backbone: [] for backbone in NAMES}
        for n in n_llms:
            for backbone, each in cells.items():
                each.append(in_a_process(backbone, dim, n_layers, n))
        print_table(title, n_llms, cells)
        for n, ours, theirs in zip(n_llms, cells["radial"], cells["transformer"], strict=True):
            shares = [f"{ours[what] / theirs[what]:.2f} ({what})" for what in ("one", "batch")]
            print(f"\nTime of RadialFormer over that of the Transformer, {n:,} LLMs: ", end="")
            print(", ".join(shares))
    if arguments.plot:
        draw(arguments.plot, n_llms, found)


if __name__ == "__main__":
    main()
