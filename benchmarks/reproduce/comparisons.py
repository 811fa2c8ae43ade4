"""Tables of differences, and what they say in words: written from the numbers alone."""

from reproduce.markdown import bold, markdown, signed
from reproduce.settings import BACKBONES

TOLERANCE = 0.005  # a router this little below the best single LLM counts as not below it
RADIALFORMER = "RadialFormer"


def less_best_single(results, source):
    """Learned routers against the best single LLM: whether one of them is a straw man."""
    by_average = results["differences"]["best single LLM"]
    return (
        "Score less that of the best single LLM of the train rows, with its 95 % interval. Rows of "
        "a loss are no routers: they call the LLM that this loss puts first on the train rows of "
        "each task, if it is told the task and nothing else, which is what the loss asks for. "
        f"{below_single(by_average)} {source}\n\n{_table(by_average, 'router')}"
    )


def less_others(results, source):
    """RadialRouter against every other learned router."""
    by_average = results["differences"]["other routers"]
    return (
        "Score of RadialRouter, mean over seeds, less that of every other learned router, with its "
        f"95 % interval. {against_others(by_average)} {source}\n\n"
        f"{_table(by_average, 'RadialRouter less')}"
    )


def less_backbones(results, source):
    """RadialFormer against other backbones, in score and latency together."""
    by_average = results["differences"]["backbones"]
    return (
        "Score with RadialFormer less that with another backbone, always trained, with its 95 % "
        f"interval. {against_backbones(by_average, results['pool_latency'])} {source}\n\n"
        f"{_table(by_average, 'RadialFormer less')}"
    )


def pool_latency(results, source):
    """Latencies of untrained networks in larger pools."""
    rows = results["pool_latency"]
    cases = list(next(iter(rows.values())))
    lines = [[name, *(f"{row[case]:.3g}" for case in cases)] for name, row in rows.items()]
    return (
        "Milliseconds per query, median on one thread, in the precision of predictions: untrained "
        f"networks, from ready embeddings to LLMs. {fastest(rows)} {source}\n\n"
        f"{markdown(['backbone', *cases], lines)}"
    )


def below_single(by_average):
    """Which learned routers are below the best single LLM by more than the tolerance."""
    cases = _where(by_average, lambda value: value["difference"] < -TOLERANCE)
    return f"More than {TOLERANCE:g} below it: {cases}."


def against_others(by_average):
    """Where the interval excludes 0, for and against RadialRouter."""
    worse = _where(by_average, lambda value: value["high"] < 0)
    better = _where(by_average, lambda value: value["low"] > 0)
    return (
        f"The interval lies below 0, so that RadialRouter is worse, against: {worse}. It lies "
        f"above 0 against: {better}. Everywhere else these queries do not tell the two apart."
    )


def against_backbones(by_average, latency):
    """Against which backbones RadialFormer wins in score and latency together."""
    verdicts = []
    for name in BACKBONES:
        if name == RADIALFORMER:
            continue
        values = [v for rows in by_average.values() for v in rows[name].values()]
        higher = sum(value["low"] > 0 for value in values)
        lower = sum(value["high"] < 0 for value in values)
        faster = sum(
            latency[RADIALFORMER][case] < latency[name][case] for case in latency[RADIALFORMER]
        )
        verdicts.append(
            f"than {name} in {higher} of {len(values)} cells and lower in {lower}, and it is "
            f"faster in {faster} of the {len(latency[name])} cases of the latencies below"
        )
    return (
        f"By intervals that exclude 0 the score with RadialFormer is higher {'; '.join(verdicts)}."
    )


def fastest(rows):
    """The fastest backbone of each case, and where RadialFormer stands."""
    parts = []
    for case in rows[RADIALFORMER]:
        best = min(rows, key=lambda name: rows[name][case])
        ratio = rows[RADIALFORMER][case] / rows[best][case]
        slower = "" if best == RADIALFORMER else f" (RadialFormer takes {ratio:.1f} times as long)"
        parts.append(f"{case}: {best}{slower}")
    return f"Fastest with {'; '.join(parts)}."


def _table(by_average, head):
    """Rows by name; one column for each trade-off and kind of average."""
    names = list(next(iter(by_average.values())))
    weights = list(next(iter(by_average.values()))[names[0]])
    lines = [
        [
            bold(name),
            *(interval(rows[name][a]) for a in weights for rows in by_average.values()),
        ]
        for name in names
    ]
    heads = [f"α={a} {average}" for a in weights for average in by_average]
    return markdown([head, *heads], lines)


def interval(value):
    """A difference with its interval, as text."""
    return f"{signed(value['difference'])} [{signed(value['low'])}, {signed(value['high'])}]"


def _where(by_average, holds):
    """The names, trade-offs and averages of the cells for which it holds, as text."""
    cells = {}
    for average, rows in by_average.items():
        for name, by_weight in rows.items():
            weights = [a for a, value in by_weight.items() if holds(value)]
            if weights:
                cells.setdefault(name, []).append(f"{average} α={', '.join(weights)}")
    return "; ".join(f"{name} ({', '.join(where)})" for name, where in cells.items()) or "none"
