"""The experiments of the RadialRouter paper on RouterBench rows: all routers, tables and figures.

    python benchmarks/reproduce_paper.py --data DIR --out OUT

trains on all ``*train*`` files of DIR, reports the fully scored rows of its ``*test*`` files, and
writes ``report.md``, ``results.json`` and PNG files to OUT. ``--docs docs/results`` copies the
report and the pictures into the documentation. ``--quick`` is a look at the whole, on fewer rows.

    python benchmarks/reproduce_paper.py --data routerbench_0shot.pkl --trusted --out OUT

splits one file, here an official one, by ``--split-seed``: of each task 30 % of the queries are
test rows. The official files are pickles, and unpickling can run any code: ``--trusted`` says that
you trust where yours is from. ``--tasks`` takes some of the tasks alone.

What was computed is kept in ``OUT/parts``: after an interruption the same command goes on where it
was. Parts are told apart by their settings, the data, the encoder and the version of skrouter, not
by its code: after a change of the code take another OUT. Latencies are measured at the end, with
nothing beside them by this command; leave the machine alone then.

The paper's own numbers are on six tasks. On other tasks they cannot be reproduced, and the report
says so beside each of them.
"""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
from reproduce import figures, tables
from reproduce.experiment import COMPARISONS, Experiment
from reproduce.parts import Data
from reproduce.settings import HAS_GRAPH, QUICK_ROWS, n_candidates
from reproduce.store import Store, hash_files
from routerbench import COST_WEIGHTS, files_of, read, rows_of, scored, split

import skrouter
from skrouter import SentenceEncoder, make_routing_target


def read_arguments(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data",
        required=True,
        type=Path,
        help="folder with *train* and *test* files of RouterBench, or one file to split",
    )
    parser.add_argument(
        "--trusted", action="store_true", help="read pickles, which can run any code"
    )
    parser.add_argument("--split-seed", type=int, help="seed of the split of one file (0)")
    parser.add_argument("--tasks", nargs="+", help="these tasks alone")
    parser.add_argument("--out", required=True, type=Path, help="folder for results")
    parser.add_argument("--seeds", type=int, default=3, help="fits of each seeded router")
    parser.add_argument("--alphas", type=float, nargs="+", default=COST_WEIGHTS, help="trade-offs")
    parser.add_argument(
        "--quick", action="store_true", help="fewer rows and points, one seed, no search"
    )
    parser.add_argument("--encoder", default="all-MiniLM-L6-v2", help="sentence-transformers model")
    parser.add_argument("--docs", type=Path, help="folder to copy the report and pictures to")
    parser.add_argument("--jobs", type=int, default=2, help="parts computed at the same time")
    arguments = parser.parse_args(arguments)
    if arguments.quick:
        arguments.seeds = 1
    if not arguments.data.is_dir():
        arguments.split_seed = arguments.split_seed or 0
    elif arguments.split_seed is not None:
        parser.error("--split-seed is for one file; a folder has *train* and *test* files.")
    return arguments


def command(arguments):
    """The command without the folders, which are others on every machine."""
    data = "DIR" if arguments.data.is_dir() else arguments.data.name
    words = [f"python benchmarks/reproduce_paper.py --data {data} --out OUT"]
    words += ["--trusted"] if arguments.trusted else []
    if arguments.split_seed is not None:
        words.append(f"--split-seed {arguments.split_seed}")
    if arguments.tasks:
        words.append("--tasks " + " ".join(arguments.tasks))
    words += ["--quick"] if arguments.quick else [f"--seeds {arguments.seeds}"]
    words.append("--alphas " + " ".join(f"{a:g}" for a in arguments.alphas))
    if arguments.encoder != "all-MiniLM-L6-v2":
        words.append(f"--encoder {Path(arguments.encoder).name}")
    return " ".join(words)


def thinned(data, n_rows):
    """Every k-th row, so that at most `n_rows` are left."""
    return rows_of(data, slice(None, None, -(-len(data.queries) // n_rows)))


def read_rows(arguments):
    """Train rows, fully scored test rows, and the files that they are from."""
    if arguments.data.is_dir():
        if not list(arguments.data.glob("*train*")):
            raise SystemExit(
                f"No *train* file in {arguments.data}. To split one file, name it: --data "
                f"{arguments.data / 'routerbench_0shot.pkl'} --trusted"
            )
        parts = [files_of(arguments.data, part) for part in ("train", "test")]
        train, test = (read(files, trusted=arguments.trusted) for files in parts)
        files = [*parts[0], *parts[1]]
    else:
        files = [arguments.data]
        train, test = split(read(files, trusted=arguments.trusted), arguments.split_seed)
    if arguments.tasks:
        unknown = set(arguments.tasks) - set(test.tasks)
        if unknown:
            raise SystemExit(
                f"No test rows of {sorted(unknown)}; tasks: {sorted(set(test.tasks))}."
            )
        train, test = (
            rows_of(part, np.isin(part.tasks.astype(str), arguments.tasks))
            for part in (train, test)
        )
    return train, scored(test), files


def main(arguments=None):
    arguments = read_arguments(arguments)
    train, test, files = read_rows(arguments)
    if arguments.quick:
        train, test = thinned(train, QUICK_ROWS), thinned(test, QUICK_ROWS)
    encoder = SentenceEncoder(arguments.encoder, device="cpu")
    data = Data(
        X_train=encoder.fit_transform(train.queries),
        # As plain arrays: LLMs are told apart by their column.
        y_train=np.asarray(make_routing_target(train.performance, train.cost)),
        tasks_train=np.array(train.tasks.tolist()),
        X_test=encoder.transform(test.queries),
        y_test=np.asarray(
            make_routing_target(test.performance[train.llm_names], test.cost[train.llm_names])
        ),
        tasks_test=np.array(test.tasks.tolist()),
        queries_test=list(test.queries),
    )
    digest = hash_files(files)
    context = {
        "data": digest,
        "encoder": encoder.fingerprint_,
        "skrouter": skrouter.__version__,
    }
    for name in ("split_seed", "tasks"):
        if getattr(arguments, name) is not None:
            context[name] = getattr(arguments, name)
    if arguments.quick:
        context["rows"] = [len(data.X_train), len(data.X_test)]
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
            "date": experiment.store.date(),
            "has_graph": HAS_GRAPH,
            "data_sha256": digest,
            "encoder": Path(arguments.encoder).name,
            "n_train": len(data.X_train),
            "n_test": len(data.X_test),
            "n_seeds": arguments.seeds,
            "n_candidates": n_candidates(arguments.quick),
            "llms": train.llm_names,
            "tasks": tasks.tolist(),
            "tasks_text": ", ".join(f"{t} ({n})" for t, n in zip(tasks, sizes, strict=True)),
        },
        "table_1": experiment.table_1(),
        "chosen": experiment.chosen(),
        "epochs": experiment.epochs(),
        "differences": {name: experiment.differences(name) for name in COMPARISONS},
        "table_2": experiment.table_2(),
        "pool_latency": experiment.pool_latency(),
        "growing_pool": experiment.growing_pool(),
        "trade_offs": experiment.trade_offs(),
    }
    text = json.dumps(results, indent=1, ensure_ascii=False)
    (arguments.out / "results.json").write_text(text + "\n", encoding="utf-8")
    names = figures.draw(experiment, results, arguments.out)
    report = tables.report(results, names)
    (arguments.out / "report.md").write_text(report, encoding="utf-8")
    if arguments.docs:
        arguments.docs.mkdir(parents=True, exist_ok=True)
        for name in ["report.md", *names.values()]:
            shutil.copyfile(arguments.out / name, arguments.docs / name)
    print(f"Written to {arguments.out}: report.md, results.json, {', '.join(names.values())}.")


if __name__ == "__main__":
    main()
