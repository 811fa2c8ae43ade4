"""The report in Markdown, written from the results alone."""

from reproduce import comparisons
from reproduce.markdown import bold, markdown
from reproduce.settings import (
    BEST_PER_TASK,
    BEST_SINGLE,
    GRAPH,
    N_FOLDS,
    POOL_COST_WEIGHT,
    RADIAL,
    ROUTERS,
    SCENARIOS,
)

# Table 1 of the paper: performance, cost and score in its three scenarios, in this order.
PUBLISHED = {
    "Best candidate": (0.813, 7.185, 0.813, 0.709, 0.562, 0.698, 0.704, 0.439, 0.660),
    "Random": (0.627, 1.847, 0.627, 0.627, 1.847, 0.590, 0.627, 1.847, 0.442),
    "CosineClassifier": (0.662, 1.448, 0.662, 0.584, 0.189, 0.580, 0.566, 0.162, 0.549),
    "HybridLLM": (0.801, 6.869, 0.801, 0.791, 6.612, 0.659, 0.517, 0.107, 0.506),
    "FrugalGPT": (0.813, 7.185, 0.813, 0.671, 0.336, 0.664, 0.549, 0.124, 0.536),
    "RouterDC": (0.815, 6.768, 0.815, 0.716, 1.313, 0.690, 0.718, 0.418, 0.676),
    "GraphRouter": (0.813, 7.185, 0.813, 0.713, 0.987, 0.693, 0.709, 0.500, 0.659),
    "RadialRouter": (0.816, 6.759, 0.816, 0.781, 1.179, 0.757, 0.763, 0.476, 0.715),
    "Oracle": (0.925, 1.015, 0.925, 0.917, 0.393, 0.909, 0.891, 0.258, 0.865),
}
# Those of the published table, by their names in RouterBench's files.
TASKS = {"arc-challenge", "grade-school-math", "hellaswag", "mbpp", "mmlu", "winogrande"}
# Names of ours for the same rows; the others have the same name, or none here.
OURS = {
    "Best candidate": BEST_SINGLE,
    "Random": "random (expectation)",
    "Oracle": "oracle, first of equals",
}


def report(results, figures):
    """The whole report; `figures` are file names by title."""
    run = results["run"]
    source = f"Tasks: {run['tasks_text']}. Command: `{run['command']}`."
    parts = [
        "# RadialRouter and other routers on RouterBench rows",
        _introduction(run),
        "## Table 1: routers by scenario",
        _table_1(results, "micro", "Micro average: every query counts the same.", source),
        _table_1(results, "macro", "Macro average: every task counts the same.", source),
        _chosen(results, source),
        "## Learned routers against the best single LLM",
        comparisons.less_best_single(results, source),
        f"## {RADIAL} against the other learned routers",
        comparisons.less_others(results, source),
        "## Table 2: ablations",
        _table_2(results, source),
        comparisons.less_backbones(results, source),
        "## Latency in larger pools",
        comparisons.pool_latency(results, source),
        "## Growing pool",
        _growing_pool(results, source),
        "## Score against the trade-off",
        _trade_offs(results, source),
        "## Figures",
        *(f"{title}. {source}\n\n![{title}]({name})" for title, name in figures.items()),
        "## Published figures: not comparable",
        _published(results, source),
    ]
    return "\n\n".join(parts) + "\n"


def _introduction(run):
    search = (
        "All routers have their default parameters: a quick run has one candidate each."
        if run["n_candidates"] == 1
        else f"Each learned router has {run['n_candidates']} candidates, of which {N_FOLDS}-fold "
        "cross-validation on the train rows chooses one at every trade-off."
    )
    graph = "" if run["has_graph"] else f" {GRAPH} is left out: torch-geometric is not installed."
    return (
        f"skrouter {run['version']}, {run['date']}, encoder {run['encoder']} (frozen). "
        f"{run['n_train']} train rows, {run['n_test']} fully scored test rows, "
        f"{len(run['llms'])} LLMs, {run['n_seeds']} seed(s) for every router that has one. "
        f"Tasks (test rows): {run['tasks_text']}. Cost in US dollars per 1,000 queries; "
        f"score = performance − α · cost. {search} Test rows are used to report "
        "only. ± is the standard deviation over seeds. Differences are those of the mean over "
        "seeds to the best LLM per task, with a 95 % paired bootstrap interval over test queries; "
        "it does not contain what varies with "
        f"the train rows or the seed.{graph}"
    )


def _table_1(results, average, title, source):
    rows = results["table_1"][average]
    weights = list(next(iter(rows.values())))
    heads = [f"α={a} {what}" for a in weights for what in ("perf.", "cost", "score", "difference")]
    lines = []
    for name, by_weight in rows.items():
        cells = []
        for cell in by_weight.values():
            difference = cell["difference"]
            cells += [f"{cell['performance']:.4f}", f"{cell['cost']:.3f}", _score(cell)]
            cells.append("–" if name == BEST_PER_TASK else comparisons.interval(difference))
        lines.append([bold(name), *cells])
    scenarios = ", ".join(f"α={a:g} is {name}" for a, name in SCENARIOS.items())
    return f"{title} {scenarios}. {source}\n\n{markdown(['router', *heads], lines)}"


def _chosen(results, source):
    """Epochs of RadialRouter, and what the search chose."""
    epochs = "; ".join(
        f"α={a}: {', '.join(map(str, counts))}" for a, counts in results["epochs"].items()
    )
    text = f"Epochs of {RADIAL} by seed (0: it stays at the best single LLM): {epochs}."
    chosen = results["chosen"]
    if not chosen:
        return f"{text} {source}"
    weights = list(next(iter(chosen.values())))
    lines = [
        [
            bold(name),
            *(_parameters(by_weight[a]["parameters"]) for a in weights),
            "; ".join(map(_parameters, ROUTERS[name][1])),
        ]
        for name, by_weight in chosen.items()
    ]
    heads = ["router", *(f"chosen at α={a}" for a in weights), "candidates"]
    return (
        f"{text} Parameters chosen in cross-validation, in which early stopping of {RADIAL} is "
        f"off. {source}\n\n{markdown(heads, lines)}"
    )


def _table_2(results, source):
    rows = results["table_2"]["rows"]
    weights = list(next(iter(rows.values()))["micro"])
    heads = [f"α={a} {average}" for a in weights for average in ("micro", "macro")]
    lines = [
        [
            bold(name),
            *(_score(row[average][a]) for a in weights for average in ("micro", "macro")),
            "; ".join(",".join(map(str, row["epochs"][a])) for a in weights),
            f"{row['head_ms']:.2f}",
        ]
        for name, row in rows.items()
    ]
    return (
        "Scores at default parameters with one change each. Early stopping is off but in the first "
        "row, where 0 epochs are the best single LLM. Latency: median for one query on one thread, "
        "in the precision of predictions, from its embedding to the LLM. Encoding the text comes "
        f"on top: {results['table_2']['encoder_ms']:.1f} ms (median). {source}\n\n"
        + markdown(["variant", *heads, "epochs by α and seed", "head, ms"], lines)
    )


def _growing_pool(results, source):
    rows = results["growing_pool"]
    names = [RADIAL, BEST_SINGLE, "oracle"]
    llms = results["run"]["llms"]
    lines = [
        [str(row["n_llms"]), llms[row["added"]], *(_score(row[name]) for name in names)]
        for row in rows
    ]
    return (
        f"Score at α={POOL_COST_WEIGHT:g}, micro, default parameters. The pool grows by mean train "
        f"utility, best LLM first, so that the best single LLM stays the same. {source}\n\n"
        + markdown(["LLMs", "last added", *map(bold, names)], lines)
    )


def _trade_offs(results, source):
    rows = results["trade_offs"]
    weights = list(next(iter(rows.values())))
    lines = [[bold(name), *map(_score, by_weight.values())] for name, by_weight in rows.items()]
    return (
        f"Score, micro, parameters chosen at each trade-off as for Table 1. {source}\n\n"
        f"{markdown(['router', *(f'α={a}' for a in weights)], lines)}"
    )


def _published(results, source):
    run, ours = results["run"], results["table_1"]["macro"]
    lines = []
    for name, numbers in PUBLISHED.items():
        mine = ours.get(OURS.get(name, name))
        cells = []
        for position, a in enumerate(SCENARIOS):
            performance, cost, score = numbers[3 * position : 3 * position + 3]
            cells.append(f"{performance:.3f} / {cost:.3f} / {score:.3f}")
            cell = mine and mine.get(f"{a:g}")
            cells.append(_triple(cell) if cell else "–")
        lines.append([bold(name), *cells])
    heads = [f"α={a:g} {who}" for a in SCENARIOS for who in ("published", "here")]
    differ = "Rows, prompts and encoder" if set(run["tasks"]) == TASKS else "The tasks"
    return (
        f"**{differ} differ, so these columns must not be compared with each other.** Published: "
        "arXiv:2506.03880, Table 1, six tasks of RouterBench, with an encoder that is trained "
        f"along (inferred). Here: {run['tasks_text']} alone (5-shot where the files are those of "
        "RouterDC), a frozen encoder, and other prompts and rows. The best LLM per task is not in "
        "the published table, and is the reference to hold a router against. Performance / cost / "
        f"score, macro. {source}\n\n{markdown(['router', *heads], lines)}"
    )


def _triple(cell):
    return f"{cell['performance']:.3f} / {cell['cost']:.3f} / {cell['score']:.3f}"


def _score(cell):
    spread = "" if cell["sd"] is None else f" ± {cell['sd']:.4f}"
    return f"{cell['score']:.4f}{spread}"


def _parameters(parameters):
    return ", ".join(f"{key}={value}" for key, value in parameters.items()) or "defaults"
