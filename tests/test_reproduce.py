"""benchmarks/reproduce_paper.py on few rows, with a tiny encoder."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from sklearn.utils import Bunch

from skrouter.datasets import make_routing_problem

pd = pytest.importorskip("pandas")
pytest.importorskip("matplotlib")

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def table_of(problem, rows):
    """Rows of a synthetic problem in the layout of RouterBench, one of them with a single score."""
    performance = problem.performance[rows].astype(float)
    cost = np.broadcast_to(problem.cost, problem.performance.shape)[rows] / 1000
    performance[0, :-1] = np.nan
    table = {
        "sample_id": [f"id.{row}" for row in range(len(performance))],
        "prompt": problem.queries[rows],
        "eval_name": np.resize(["sums", "proofs"], len(performance)),
    }
    for j, llm in enumerate(problem.llm_names):
        table |= {llm: performance[:, j], f"{llm}|total_cost": cost[:, j]}
    return pd.DataFrame(table)


def write_rows(problem, rows, path):
    table_of(problem, rows).to_csv(path, index=False)


def official(problem):
    """The table of an official file: prompts as lists, answers, and the oracle's choice."""
    table = table_of(problem, slice(None))
    table["prompt"] = [repr([text]) for text in table["prompt"]]
    answers = {f"{llm}|model_response": "text" for llm in problem.llm_names}
    return table.assign(**answers, oracle_model_to_route_to=problem.llm_names[0])


@pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="benchmarks are not installed")
def test_quick_run_and_again(tmp_path, tiny_encoder_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import reproduce_paper
    from reproduce.experiment import TOLD
    from reproduce.settings import ABLATIONS, BACKBONES, LEARNED, RADIAL, ROUTERS

    problem = make_routing_problem(110, random_state=0)
    write_rows(problem, slice(0, 80), tmp_path / "a_train.csv")
    write_rows(problem, slice(80, 110), tmp_path / "a_test.csv.gz")
    out = tmp_path / "out"
    arguments = ["--data", str(tmp_path), "--out", str(out), "--quick", "--jobs", "1"]
    arguments += ["--encoder", tiny_encoder_path, "--alphas", "0.02", "0.1"]
    arguments += ["--docs", str(tmp_path / "docs")]

    reproduce_paper.main(arguments)
    lines = capsys.readouterr().out.splitlines()
    assert any("router=RadialRouter" in line and line.endswith(" s") for line in lines)
    for name in ("trade_off.png", "cost_quality.png", "growing_pool.png", "tsne.png"):
        assert 5000 < (out / name).stat().st_size < 150_000
        assert (tmp_path / "docs" / name).read_bytes() == (out / name).read_bytes()
    assert (tmp_path / "docs" / "report.md").read_bytes() == (out / "report.md").read_bytes()
    report = (out / "report.md").read_text(encoding="utf-8")
    assert "tasks differ" in report and report.count("reproduce_paper.py --data") >= 10
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    for average in ("micro", "macro"):
        rows = results["table_1"][average]
        assert set(ROUTERS) < set(rows) and {"oracle, cheapest of equals"} < set(rows)
        for a in ("0.02", "0.1"):
            oracle = rows["oracle, first of equals"][a]["score"]
            assert oracle == pytest.approx(rows["oracle, cheapest of equals"][a]["score"])
            assert all(row[a]["score"] <= oracle + 1e-9 for row in rows.values())
            assert rows["best LLM per task (told the task)"][a]["difference"]["difference"] == 0
    differences = results["differences"]
    for average, rows in results["table_1"].items():
        for a in ("0.02", "0.1"):
            single = rows["best single LLM"][a]["score"]
            for name in [*LEARNED, *TOLD]:
                less = differences["best single LLM"][average][name][a]
                assert less["difference"] == pytest.approx(rows[name][a]["score"] - single)
                assert less["low"] <= less["difference"] <= less["high"]
            ours = rows[RADIAL][a]["score"]
            others = differences["other routers"][average]
            assert set(others) == {*LEARNED} - {RADIAL}
            for name, by_weight in others.items():
                expected = ours - rows[name][a]["score"]
                assert by_weight[a]["difference"] == pytest.approx(expected)
    assert set(differences["backbones"]["micro"]) == {*BACKBONES} - {"RadialFormer"}
    assert set(results["pool_latency"]) == {*BACKBONES}
    assert all(ms > 0 for row in results["pool_latency"].values() for ms in row.values())
    assert list(results["table_2"]["rows"]) == list(ABLATIONS)
    assert all(f"| {name} |" in report for name in {*ROUTERS, *ABLATIONS} - {"RadialRouter"})
    assert results["run"]["n_test"] == 29
    assert [row["n_llms"] for row in results["growing_pool"]] == [1, 2, 4, 6]

    before = {path: path.stat().st_mtime_ns for path in (out / "parts").iterdir()}
    text = (out / "results.json").read_bytes()
    reproduce_paper.main(arguments)
    assert capsys.readouterr().out.startswith("Written to")
    assert {path: path.stat().st_mtime_ns for path in (out / "parts").iterdir()} == before
    assert (out / "results.json").read_bytes() == text

    # One part is lost: that one alone is computed again, with the same result.
    next((out / "parts").glob("fit-*")).unlink()
    reproduce_paper.main(arguments)
    assert capsys.readouterr().out.startswith("[1/1] fit")
    assert (out / "results.json").read_bytes() == text


@pytest.fixture
def split_run(tmp_path, monkeypatch):
    """From arguments to the rows of a run on a pickle, and to the command that the report has."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import reproduce_paper

    problem = make_routing_problem(100, random_state=0)
    # The first query stands on two half-empty rows, as in the 5-shot release.
    table = pd.concat([official(problem), official(problem)[:1]], ignore_index=True)
    table.to_pickle(tmp_path / "routerbench_0shot.pkl")

    def run(*words, data="routerbench_0shot.pkl"):
        arguments = ["--data", str(tmp_path / data), "--out", str(tmp_path / "out"), *words]
        arguments = reproduce_paper.read_arguments(arguments)
        return (*reproduce_paper.read_rows(arguments), reproduce_paper.command(arguments))

    run.problem, run.folder = problem, tmp_path
    return run


def test_an_official_pickle_is_split_by_a_seed(split_run):
    train, test, files, command = split_run("--trusted")
    problem = split_run.problem
    assert files == [split_run.folder / "routerbench_0shot.pkl"]
    assert "--data routerbench_0shot.pkl --out OUT --trusted --split-seed 0 " in command
    assert train.llm_names == list(problem.llm_names)
    assert not set(train.queries) & set(test.queries)
    assert set(train.queries) | set(test.queries) | {problem.queries[0]} == set(problem.queries)
    assert test.performance.notna().all(axis=None)
    both = np.concatenate([train.queries, test.queries])
    for task in ("sums", "proofs"):
        n_test = (test.tasks == task).sum()
        assert abs(n_test - 0.3 * (np.concatenate([train.tasks, test.tasks]) == task).sum()) <= 2
    of_query = {text: row for row, text in enumerate(problem.queries)}
    rows = [of_query[text] for text in test.queries]
    np.testing.assert_allclose(test.performance, problem.performance[rows])
    np.testing.assert_allclose(
        test.cost, np.broadcast_to(problem.cost, problem.performance.shape)[rows]
    )
    again, _, _, _ = split_run("--trusted", "--split-seed", "0")
    assert again.queries.tolist() == train.queries.tolist()
    other, others, _, command = split_run("--trusted", "--split-seed", "1")
    assert other.queries.tolist() != train.queries.tolist() and "--split-seed 1 " in command
    assert abs(len(other.queries) + len(others.queries) - len(both)) <= 2


@pytest.mark.parametrize(
    "words", [[], ["--split-seed", "1"], ["--tasks", "sums"], ["--tasks", "proofs", "sums"]]
)
def test_parts_of_another_split_are_not_taken(split_run, words, tiny_encoder_path, monkeypatch):
    import reproduce_paper

    contexts = []

    def store(folder, context):
        contexts.append(context)
        raise InterruptedError

    monkeypatch.setattr(reproduce_paper, "Store", store)
    given = ["--data", str(split_run.folder / "routerbench_0shot.pkl"), "--trusted", "--quick"]
    given += ["--out", str(split_run.folder / "out"), "--encoder", tiny_encoder_path]
    for more in (["--split-seed", "0"], words):
        with pytest.raises(InterruptedError):
            reproduce_paper.main([*given, *more])
    assert (contexts[0] == contexts[1]) == (not words)


def test_some_of_the_tasks(split_run):
    train, test, _, command = split_run("--trusted", "--tasks", "sums")
    assert set(train.tasks) == set(test.tasks) == {"sums"} and "--tasks sums " in command
    with pytest.raises(SystemExit, match=r"No test rows of \['poems'\]; tasks: \['proofs', 'sums'"):
        split_run("--trusted", "--tasks", "poems")


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("form", ["file", "folder"])
def test_without_trust_nothing_is_unpickled(split_run, form):
    folder = split_run.folder
    names = ["routerbench_0shot.pkl"] if form == "file" else ["a_train.pkl", "a_test.pkl"]
    for name in names:
        (folder / name).write_bytes(pickle.dumps(Trap(folder / "sprung")))
    data = names[0] if form == "file" else "."
    with pytest.raises(SystemExit, match=f"{names[0]}: unpickling can run any code. Say --trusted"):
        split_run(data=data)
    assert not (folder / "sprung").exists()
    with pytest.raises(ValueError, match="must hold a pandas DataFrame"):
        split_run("--trusted", data=data)
    assert (folder / "sprung").exists()


def test_a_folder_is_not_split(split_run, capsys):
    with pytest.raises(SystemExit, match=r"No \*train\* file in .* name it: --data .*0shot.pkl"):
        split_run("--trusted", data=".")
    with pytest.raises(SystemExit):
        split_run("--split-seed", "0", data=".")
    assert "--split-seed is for one file" in capsys.readouterr().err


def test_a_quick_run_takes_every_so_many_th_row(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from reproduce_paper import thinned

    rows = np.arange(10)
    frame = pd.DataFrame({"a": rows, "b": -rows})
    data = Bunch(queries=rows, tasks=rows, performance=frame, cost=frame, llm_names=["a", "b"])
    assert thinned(data, 10).queries.tolist() == rows.tolist()
    few = thinned(data, 4)
    assert few.queries.tolist() == few.tasks.tolist() == few.cost["a"].tolist() == [0, 3, 6, 9]
    assert few.performance["b"].tolist() == [0, -3, -6, -9] and few.llm_names == ["a", "b"]


def test_words_say_on_which_side_of_zero_an_interval_lies(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from reproduce import comparisons
    from reproduce.markdown import signed

    def value(difference, low, high):
        return {"difference": difference, "low": low, "high": high}

    rows = {
        "kNN": {"0": value(-0.01, -0.02, -1e-5), "0.1": value(-0.01, -0.02, 0.0)},
        "SVR": {"0": value(0.0, 0.0, 0.0), "0.1": value(0.01, 0.002, 0.03)},
    }
    text = comparisons.against_others({"micro": rows, "macro": rows})
    assert "RadialRouter is worse, against: kNN (micro α=0, macro α=0)." in text
    assert "above 0 against: SVR (micro α=0.1, macro α=0.1)." in text
    assert "below it: kNN (micro α=0, 0.1)." in comparisons.below_single({"micro": rows})
    assert comparisons.below_single({"micro": {"SVR": rows["SVR"]}}).endswith("below it: none.")
    assert [signed(x) for x in (0.0, -1e-5, 0.25, -0.00004)] == [
        "+0.0000",
        "-1e-05",
        "+0.2500",
        "-4e-05",
    ]


def test_on_the_papers_tasks_the_report_says_what_else_differs(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from reproduce import tables

    for tasks, differ in ((tables.TASKS, "Rows, prompts and encoder"), ({"mbpp"}, "The tasks")):
        run = {"tasks": sorted(tasks), "tasks_text": "some"}
        text = tables._published({"run": run, "table_1": {"macro": {}}}, "Source.")
        assert text.startswith(f"**{differ} differ, so these columns must not be compared")


def test_candidates_are_as_many_for_each_router_and_valid(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from reproduce.settings import ABLATIONS, RADIAL, ROUTERS, make_router

    grids = {name: grid for name, (_, grid) in ROUTERS.items() if grid}
    assert {len(grid) for grid in grids.values()} == {4}
    assert all(grid[0] == {} for grid in grids.values())
    for name, grid in [*grids.items(), (RADIAL, ABLATIONS.values())]:
        for parameters in grid:
            router = make_router(name, parameters, 0.02, seed=0)
            assert parameters.items() <= router.get_params().items()
