"""The experiments of the RadialRouter paper on RouterBench rows: all routers, tables and figures.

    python benchmarks/reproduce_paper.py --data DIR --out OUT

trains on all ``*train*`` files of DIR, reports the fully scored rows of its ``*test*`` files, and
writes ``report.md``, ``results.json`` and PNG files to OUT. ``--quick`` is a look at the whole in
some minutes. What was computed is kept in ``OUT/parts``: after an interruption the same command
goes on where it was. Times of one query are measured at the end, with nothing beside them by this
command; leave the machine alone then.

The paper's own numbers are on six tasks. On other tasks they cannot be reproduced, and the report
says so beside each of them.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from reproduce import figures, tables
from reproduce.experiment import Experiment
from reproduce.parts import Data
from reproduce.settings import n_candidates
from reproduce.store import Store, hash_files
from routerbench import COST_WEIGHTS, load, load_scored

import skrouter
from skrouter import SentenceEncoder, make_routing_target


def read_arguments(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=Path, help="folder with RouterBench files")
    parser.add_argument("--out", required=True, type=Path, help="folder for results")
    parser.add_argument("--seeds", type=int, default=3, help="fits of each seeded router")
    parser.add_argument("--alphas", type=float, nargs="+", default=COST_WEIGHTS, help="trade-offs")
    parser.add_argument("--quick", action="store_true", help="one seed, no search, fewer points")
    parser.add_argument("--encoder", default="all-MiniLM-L6-v2", help="sentence-transformers model")
    parser.add_argument("--jobs", type=int, default=2, help="parts computed at the same time")
    arguments = parser.parse_args(arguments)
    if arguments.quick:
        arguments.seeds = 1
    return arguments


def command(arguments):
    """The command without the folders, which are others on every machine."""
    words = ["python benchmarks/reproduce_paper.py --data DIR --out OUT"]
    words += ["--quick"] if arguments.quick else [f"--seeds {arguments.seeds}"]
    words.append("--alphas " + " ".join(f"{a:g}" for a in arguments.alphas))
    if arguments.encoder != "all-MiniLM-L6-v2":
        words.append(f"--encoder {Path(arguments.encoder).name}")
    return " ".join(words)


def main(arguments=None):
    arguments = read_arguments(arguments)
    train, test = load(arguments.data, "train"), load_scored(arguments.data, "test")
    encoder = SentenceEncoder(arguments.encoder, device="cpu")
    data = Data(
        X_train=encoder.fit_transform(train.queries),
        y_train=make_routing_target(train.performance, train.cost),
        tasks_train=np.array(train.tasks.tolist()),
        X_test=encoder.transform(test.queries),
        y_test=make_routing_target(test.performance[train.llm_names], test.cost[train.llm_names]),
        tasks_test=np.array(test.tasks.tolist()),
        queries_test=list(test.queries),
    )
    files = [*sorted(arguments.data.glob("*train*")), *sorted(arguments.data.glob("*test*"))]
    digest = hash_files(files)
    context = {
        "data": digest,
        "encoder": encoder.fingerprint_,
        "skrouter": skrouter.__version__,
    }
    experiment = Experiment(
        data,
        Store(arguments.out / "parts", context),
        cost_weights=arguments.alphas,
        n_seeds=arguments.seeds,
        quick=arguments.quick,
        encoder=arguments.encoder,
        n_jobs=arguments.jobs,
    )
    experiment.run()

    tasks, sizes = np.unique(data.tasks_test, return_counts=True)
    results = {
        "run": {
            "command": command(arguments),
            "version": skrouter.__version__,
            "data_sha256": digest,
            "encoder": Path(arguments.encoder).name,
            "n_train": len(data.X_train),
            "n_test": len(data.X_test),
            "n_seeds": arguments.seeds,
            "n_candidates": n_candidates(arguments.quick),
            "llms": train.llm_names,
            "tasks_text": ", ".join(f"{t} ({n})" for t, n in zip(tasks, sizes, strict=True)),
        },
        "table_1": experiment.table_1(),
        "chosen": experiment.chosen(),
        "epochs": experiment.epochs(),
        "table_2": experiment.table_2(),
        "growing_pool": experiment.growing_pool(),
        "trade_offs": experiment.trade_offs(),
    }
    text = json.dumps(results, indent=1, ensure_ascii=False)
    (arguments.out / "results.json").write_text(text + "\n", encoding="utf-8")
    names = figures.draw(experiment, results, arguments.out)
    report = tables.report(results, names)
    (arguments.out / "report.md").write_text(report, encoding="utf-8")
    print(f"Written to {arguments.out}: report.md, results.json, {', '.join(names.values())}.")


if __name__ == "__main__":
    main()
