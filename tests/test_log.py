"""Long logs of LLM calls: read into matrices, and back."""

import json
import sys

import numpy as np
import pytest
from sklearn.preprocessing import FunctionTransformer

from skrouter.baselines import LinearRouter
from skrouter.datasets import load_log
from skrouter.metrics import off_policy_value

pd = pytest.importorskip("pandas")

NAMES = {"query": "prompt", "llm": "model", "performance": "rating"}
COLUMNS = NAMES | {"performance_range": (1, 5)}
TOKENS = {"prompt_tokens": "tokens_in", "completion_tokens": "tokens_out"}
PRICES = {"large": (2.0, 8.0), "small": (0.1, 0.4)}


def calls(**columns):
    """Three queries, two LLMs, one hole and no mistakes."""
    table = {
        "prompt": ["p", "q", "p", "q", "r"],
        "model": ["large", "small", "small", "large", "large"],
        "rating": [5.0, 1.0, 3.0, 4.0, 2.0],
        "tokens_in": [1000, 2000, 1000, 2000, 0],
        "tokens_out": [100, 50, 0, 300, 500],
        "dollars": [0.01, 0.002, 0.001, 0.02, 0.03],
        "unused": [None] * 5,
    }
    return pd.DataFrame(table | columns)


def with_rows(frame, *rows):
    return pd.DataFrame([*frame.to_dict("records"), *rows])


def notes(log):
    return "\n".join(log.summary.notes)


# ---------------------------------------------------------------- the matrices


def test_long_rows_become_aligned_matrices():
    log = load_log(calls(), **COLUMNS, cost="dollars")
    assert log.queries.tolist() == ["p", "q", "r"]
    assert log.llm_names == ["large", "small"] == list(log.performance) == list(log.cost)
    np.testing.assert_array_equal(log.performance, [[1.0, 0.5], [0.75, 0.0], [0.25, np.nan]])
    np.testing.assert_allclose(log.cost, [[10.0, 1.0], [20.0, 2.0], [30.0, np.nan]])
    assert log.tasks is log.sample_weight is log.propensity is log.logged is None


def test_costs_are_made_of_tokens_and_prices():
    log = load_log(calls(), **COLUMNS, **TOKENS, prices=PRICES)
    # dollars per million tokens, into dollars per 1,000 queries
    large, small = PRICES["large"], PRICES["small"]
    expected = [
        [1000 * large[0] + 100 * large[1], 1000 * small[0]],
        [2000 * large[0] + 300 * large[1], 2000 * small[0] + 50 * small[1]],
        [500 * large[1], np.nan],
    ]
    np.testing.assert_allclose(log.cost, np.array(expected) / 1e6 * 1000)


def test_logged_costs_go_before_prices():
    dollars = [0.01, np.nan, 0.001, np.nan, 0.03]
    log = load_log(calls(dollars=dollars), **COLUMNS, **TOKENS, cost="dollars", prices=PRICES)
    np.testing.assert_allclose(log.cost.loc[0], [10.0, 1.0])
    np.testing.assert_allclose(log.cost.loc[1], [6.4, 0.22])


def test_a_log_without_costs():
    log = load_log(calls(), **COLUMNS)
    assert log.cost is None
    assert "$" not in str(log)


def test_a_router_takes_what_comes():
    log = load_log(calls(), **COLUMNS, cost="dollars", sample_weight="tokens_in")
    X = np.arange(3.0)[:, None]
    router = LinearRouter(alpha=1.0).fit(
        X, log.performance, cost=log.cost, sample_weight=log.sample_weight + 1
    )
    assert router.classes_.tolist() == log.llm_names


@pytest.mark.parametrize(
    ("scale", "values", "expected"),
    [
        ((1, 5), [1, 3, 5, 4, 2], [0.0, 0.5, 1.0, 0.75, 0.25]),
        ((6, 1), [6, 1, 3.5, 1, 6], [0.0, 1.0, 0.5, 1.0, 0.0]),
        (None, [True, False, True, False, True], [1.0, 0.0, 1.0, 0.0, 1.0]),
        (None, [True, False, None, False, True], [1.0, 0.0, np.nan, 0.0, 1.0]),
        (None, ["0.5", "1", "NA", "0", ""], [0.5, 1.0, np.nan, 0.0, np.nan]),
    ],
)
def test_performance_is_brought_to_0_and_1(scale, values, expected):
    frame = calls(
        rating=values, model=["a", "b", "b", "a", "a"], prompt=["p"] * 2 + ["q"] * 2 + ["r"]
    )
    frame.loc[5] = frame.loc[0].to_dict() | {"prompt": "s"}
    log = load_log(frame, **COLUMNS | {"performance_range": scale})
    cells = {("p", "a"): 0, ("p", "b"): 1, ("q", "b"): 2, ("q", "a"): 3, ("r", "a"): 4}
    for (query, llm), row in cells.items():
        where = log.queries.tolist().index(query) if query in log.queries else None
        if where is None:
            assert np.isnan(expected[row])
        else:
            np.testing.assert_equal(log.performance.loc[where, llm], expected[row])


def test_tasks_and_weights_are_those_of_the_query():
    frame = calls(task=["math", None, "math", "code", None], weight=[1.0, 2.0, 1.0, 4.0, 0.5])
    log = load_log(frame, **COLUMNS, task="task", sample_weight="weight")
    assert log.tasks.tolist() == ["math", "code", "unknown"]
    np.testing.assert_allclose(log.sample_weight, [1.0, 3.0, 0.5])
    assert "- 1 query without a task, called 'unknown'." in log.summary.notes
    assert "- 1 query with several weights: the mean is taken." in log.summary.notes
    frame.loc[2, "task"] = "law"
    log = load_log(frame, **COLUMNS, task="task")
    assert log.tasks.tolist() == ["math", "code", "unknown"]
    assert "- 1 query with several tasks: the first is taken." in log.summary.notes


def test_the_log_is_not_modified():
    frame = calls()
    before = frame.copy(deep=True)
    load_log(frame, **COLUMNS, **TOKENS, prices=PRICES, cost="dollars")
    pd.testing.assert_frame_equal(frame, before)


# ---------------------------------------------------------------- what is wrong with a log


def test_a_log_without_mistakes_has_no_notes_but_those_of_its_size():
    many = pd.concat([calls(prompt=[f"{q}{i}" for q in "pqpqr"]) for i in range(40)])
    many = many[~many["prompt"].str.startswith("r")]
    log = load_log(many, **COLUMNS, cost="dollars")
    assert log.summary.notes == ()
    assert "160 rows: 80 queries, 2 LLMs, 100 % of the outcomes" in str(log)


def test_rows_without_query_or_name_are_left_out():
    frame = with_rows(
        calls(),
        {"prompt": None, "model": "large", "rating": 1},
        {"prompt": "  ", "model": "large", "rating": 1},
        {"prompt": None, "model": None, "rating": 1},
        {"prompt": "p", "model": " ", "rating": 1},
        {"prompt": "p", "model": "NaN", "rating": 1},
        {"prompt": "s", "model": np.nan, "rating": 1},
        {"prompt": "p", "model": "large", "rating": None},
    )
    log = load_log(frame, **COLUMNS)
    pd.testing.assert_frame_equal(log.performance, load_log(calls(), **COLUMNS).performance)
    summary = log.summary
    assert (summary.n_rows, summary.n_no_query, summary.n_no_llm) == (12, 3, 3)
    assert summary.n_no_performance == summary.n_queries_left_out == 1
    assert "- 6 rows left out: 3 without a query, 3 without the name of an LLM." in notes(log)
    assert "- 1 row without a performance." in notes(log)


def test_repeated_rows_give_their_mean():
    frame = with_rows(calls(), {"prompt": "p", "model": "large", "rating": 2.0, "dollars": 0.03})
    log = load_log(frame, **COLUMNS, cost="dollars")
    assert log.performance.loc[0, "large"] == (1.0 + 0.25) / 2
    assert log.cost.loc[0, "large"] == pytest.approx(20.0)
    assert log.summary.n_repeated == 1
    assert "- 1 row with the query and LLM of another one: the mean is taken." in notes(log)


def test_names_that_differ_by_case_or_space_are_one():
    frame = calls(model=["Large", "small", "small ", "large", "Large"])
    log = load_log(frame, **COLUMNS, **TOKENS, prices={"LARGE": (1, 1), "sm all": (1, 1)})
    assert log.llm_names == ["Large", "small"]
    assert log.summary.spellings == {"Large": ["Large", "large"], "small": ["small", "small "]}
    assert "taken for one: 'Large' is also 'large'; 'small' is also 'small '." in notes(log)
    np.testing.assert_array_equal(
        log.performance.to_numpy(), load_log(calls(), **COLUMNS).performance.to_numpy()
    )
    assert load_log(calls(model=["a", "b", "b", "a ", "a "]), **COLUMNS).llm_names == ["a", "b"]


def test_integers_are_names():
    log = load_log(calls(model=[70, 7, 7.0, 70, None]), **COLUMNS)
    assert log.llm_names == ["7", "70"]


def test_an_llm_without_a_price_is_left_out_and_said_once():
    with pytest.warns(UserWarning, match=r"not in the pool: \['small'\]"):
        log = load_log(calls(), **COLUMNS, **TOKENS, prices={"large": (2.0, 8.0)})
    assert log.llm_names == ["large"]
    assert log.summary.no_price == log.summary.left_out == {"small": 2}
    assert notes(log).count("small") == 1
    assert "- LLMs left out, as prices lacks them: 'small' (2 rows)." in notes(log)
    assert log.summary.n_no_cost == 0


def test_an_llm_without_a_price_but_with_logged_costs_stays():
    frame = calls(dollars=[np.nan, 0.002, np.nan, np.nan, np.nan])
    log = load_log(frame, **COLUMNS, **TOKENS, cost="dollars", prices={"large": (2.0, 8.0)})
    assert log.llm_names == ["large", "small"]
    assert "with their logged costs alone: 'small' (2 rows)" in notes(log)
    frame = calls(dollars=[np.nan, 0.002, 0.001, np.nan, np.nan])
    log = load_log(frame, **COLUMNS, **TOKENS, cost="dollars", prices={"large": (2.0, 8.0)})
    assert log.summary.no_price == {}


def test_outcomes_without_a_cost_are_not_complete():
    frame = calls(dollars=[0.01, 0.002, np.nan, 0.02, np.nan])
    log = load_log(frame, **COLUMNS, cost="dollars")
    assert log.queries.tolist() == ["p", "q"]
    assert log.performance.loc[0, "small"] == 0.5
    assert log.summary.n_no_cost == 2
    assert "- 1 query left out, without any complete outcome." in notes(log)
    with pytest.warns(UserWarning, match=r"not in the pool: \['small'\]"):
        log = load_log(
            calls(dollars=[0.01, np.nan, np.nan, 0.02, np.nan]), **COLUMNS, cost="dollars"
        )
    assert "- LLMs left out, without any complete outcome: 'small' (2 rows)." in notes(log)


def test_few_scores_and_single_llms_are_said():
    log = load_log(calls(), **COLUMNS)
    assert log.summary.few_scores == {"large": 3, "small": 2}
    assert "fewer than 30 scores: 'large' (3 scores), 'small' (2 scores)" in notes(log)
    assert log.summary.n_single == 1
    assert "- 1 query with the score of one LLM only." in notes(log)
    one = load_log(calls(prompt=list("pqrst")), **COLUMNS)
    assert "- Every query has the score of one LLM only." in one.summary.notes


def test_long_lists_of_names_are_cut():
    frame = pd.DataFrame({"prompt": "p", "model": [f"m{i}" for i in range(9)], "rating": 3})
    assert "'m4' (1 score) and 4 more." in notes(load_log(frame, **COLUMNS))


def test_the_summary_prints_a_table():
    lines = str(load_log(calls(), **COLUMNS, cost="dollars")).splitlines()
    assert lines[0] == "5 rows: 3 queries, 2 LLMs, 83 % of the outcomes"
    assert lines[2].split() == ["LLM", "scores", "performance", "$", "per", "1,000", "queries"]
    assert lines[3].split() == ["large", "3", "0.667", "20"]
    assert repr(load_log(calls(), **COLUMNS)) == "RoutingLog(3 queries, 2 LLMs, 2 notes; print it)"


# ---------------------------------------------------------------- propensities


def logged_calls():
    frame = calls(prompt=["p", "p", "p", "q", "r"], propensity=[0.5, 0.5, 0.5, 1.0, np.nan])
    return with_rows(
        frame,
        {"prompt": "s", "model": "small", "rating": None, "dollars": 1.0, "propensity": 0.1},
    )


def test_with_propensities_each_row_stays_a_call():
    log = load_log(logged_calls(), **COLUMNS, cost="dollars", propensity="propensity")
    assert log.queries.tolist() == ["p", "p", "p", "q"]
    np.testing.assert_array_equal(
        log.performance, [[1.0, np.nan], [np.nan, 0.0], [np.nan, 0.5], [0.75, np.nan]]
    )
    assert log.propensity.tolist() == [0.5, 0.5, 0.5, 1.0]
    assert log.summary.n_no_propensity == log.summary.n_queries_left_out == 1
    assert log.summary.n_repeated == 1
    assert "kept as calls of their own" in notes(log)
    assert "1 without a propensity" in notes(log)


@pytest.mark.filterwarnings("ignore:effective_sample_size")
def test_off_policy_value_takes_the_log_as_it_is():
    log = load_log(logged_calls(), **COLUMNS, cost="dollars", propensity="propensity")
    assert log.logged["logged_llms"].tolist() == ["large", "small", "small", "large"]
    names = {"llm_names": log.llm_names}
    value = off_policy_value(
        ["large"] * 4, **log.logged, **names, cost_weight=0, method="ips", random_state=0
    )
    assert value.performance == pytest.approx((1.0 / 0.5 + 0.75 / 1.0) / 4)
    assert value.cost == pytest.approx((10 / 0.5 + 20 / 1.0) / 4)
    assert load_log(logged_calls(), **COLUMNS, propensity="propensity").logged["cost"] is None


# ---------------------------------------------------------------- chats

CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]


def test_chats_of_the_same_messages_are_one_query():
    prompts = [
        CHAT,
        json.dumps(CHAT, indent=1),
        {"model": "large", "messages": CHAT},
        json.dumps({"model": "small", "messages": CHAT, "temperature": 0.5}),
        tuple(CHAT),
    ]
    log = load_log(calls(prompt=prompts, model=list("abcde")), **COLUMNS)
    assert log.queries.tolist() == [CHAT]
    assert log.performance.notna().all(axis=None)
    LinearRouter(encoder=FunctionTransformer(lengths)).fit(log.queries, log.performance)


def test_texts_are_told_apart_behind_a_nul_character():
    log = load_log(calls(prompt=["a\0b", "a\0c", "a\0b", "a\0c", "a"]), **COLUMNS)
    assert log.queries.tolist() == ["a\0b", "a\0c", "a"]


def lengths(texts):
    """The shortest encoder there is."""
    return np.array([[len(text)] for text in texts], dtype=float)


def test_the_system_prompt_beside_the_messages_counts():
    body = {"system": "Be brief.", "messages": CHAT[1:]}
    log = load_log(calls(prompt=[body, CHAT[1:], body, CHAT[1:], "r"]), **COLUMNS)
    assert log.queries.tolist() == [body, CHAT[1:], "r"]


@pytest.mark.parametrize("text", ["[not json", "[]", '[{"name": "x"}]', '{"a": 1}', "[1, 2]", "{}"])
def test_text_that_looks_like_a_chat_stays_text(text):
    log = load_log(calls(prompt=[text, "q", text, "q", "r"]), **COLUMNS)
    assert log.queries.tolist() == [text, "q", "r"]


@pytest.mark.parametrize(
    ("query", "error", "message"),
    [
        (5, TypeError, "row 1 of column 'prompt' is of type int; a query is a text or a chat"),
        ([], TypeError, "row 1 of column 'prompt' is of type list"),
        ([{"role": "user"}], ValueError, "message 0 of row 1 of column 'prompt' has no 'content'"),
        ('[{"role": "user"}]', ValueError, "message 0 of a chat in column 'prompt' has no"),
    ],
)
def test_what_is_no_query_is_refused(query, error, message):
    with pytest.raises(error, match=message):
        load_log(calls(prompt=["p", query, "p", "q", "r"]), **COLUMNS)


# ---------------------------------------------------------------- where logs are


def write(frame, path):
    name = path.name
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
        frame.to_parquet(path)
    elif ".csv" in name:
        frame.to_csv(path, index=False)
    else:
        frame.to_json(path, orient="records", lines=True)
    return path


@pytest.mark.parametrize(
    "name", ["l.csv", "l.csv.gz", "l.parquet", "l.jsonl", "l.jsonl.gz", "l.ndjson"]
)
def test_files(tmp_path, name):
    frame = calls(prompt=["null", "NA", "null", "NA", "1"], model=["7", "07", "07", "7", "7"])
    log = load_log(
        str(write(frame, tmp_path / name)),
        **COLUMNS,
        cost="dollars",
        **TOKENS,
        prices={"7": (2.0, 8.0), "07": (0.1, 0.4)},
    )
    assert log.queries.tolist() == ["null", "NA", "1"]
    assert log.llm_names == ["07", "7"]
    np.testing.assert_allclose(log.cost.loc[0], [1.0, 10.0])


@pytest.mark.parametrize("name", ["l.parquet", "l.jsonl"])
def test_chats_in_files(tmp_path, name):
    prompts = [CHAT, CHAT[1:], CHAT, CHAT[1:], CHAT]
    log = load_log(write(calls(prompt=prompts), tmp_path / name), **COLUMNS)
    assert log.queries.tolist() == [CHAT, CHAT[1:]]


def test_holes_in_files(tmp_path):
    frame = calls(rating=[5, None, 3, 4, None], model=["large", "small", "small", "large", None])
    for name in ("l.csv", "l.jsonl", "l.parquet"):
        log = load_log(write(frame, tmp_path / name), **COLUMNS)
        np.testing.assert_array_equal(log.performance, [[1.0, 0.5], [0.75, np.nan]])
        assert (log.summary.n_no_llm, log.summary.n_no_performance) == (1, 1)


def same_as_pandas(frame, prices):
    expected = load_log(calls(), **COLUMNS, **TOKENS, prices=PRICES)
    log = load_log(frame, **COLUMNS, **TOKENS, prices=prices)
    pd.testing.assert_frame_equal(log.performance, expected.performance)
    pd.testing.assert_frame_equal(log.cost, expected.cost)
    return log.queries.tolist() == expected.queries.tolist()


TABLE_OF_PRICES = {"llm": list(PRICES), "input": [2.0, 0.1], "output": [8.0, 0.4]}


def test_arrow_tables():
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table(calls().drop(columns="unused"))
    assert same_as_pandas(table, pyarrow.table(TABLE_OF_PRICES))
    chats = pyarrow.table({"prompt": [CHAT] * 2, "model": ["a", "b"], "rating": [1.0, 5.0]})
    assert load_log(chats, **COLUMNS).queries.tolist() == [CHAT]


def test_polars_frames():
    pytest.importorskip("pyarrow")
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(calls().drop(columns="unused").to_dict("list"))
    assert same_as_pandas(frame, polars.DataFrame(TABLE_OF_PRICES))
    chats = polars.DataFrame({"prompt": [CHAT] * 2, "model": ["a", "b"], "rating": [1.0, 5.0]})
    assert load_log(chats, **COLUMNS).queries.tolist() == [CHAT]
    with pytest.raises(TypeError, match="is a LazyFrame.* Collect it first"):
        load_log(frame.lazy(), **COLUMNS)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"query": "prompts"}, ValueError, "no column 'prompts'.*Did you mean 'prompt'"),
        ({"cost": "xyz"}, ValueError, r"no column 'xyz'; its columns: \['prompt'"),
        ({"performance": "model"}, ValueError, "'model' holds values that are no numbers.*'large'"),
        ({"performance_range": None}, ValueError, "goes from 1 to 5, but .0, 1. is wanted"),
        ({"performance_range": (1, 4)}, ValueError, r"beyond performance_range=\(1, 4\)"),
        ({"performance_range": (3, 3)}, ValueError, "two different numbers"),
        ({"performance_range": 5}, ValueError, "performance_range must be two numbers"),
        ({"performance": "unused"}, ValueError, "the column 'unused' holds no number"),
        ({"propensity": "tokens_in"}, ValueError, "'tokens_in' is 1000 in row 0"),
        ({"sample_weight": "unused"}, ValueError, "'unused' is missing in row 0"),
        ({"cost": "unused"}, ValueError, "a performance and a cost: there is nothing"),
        ({"propensity": "unused"}, ValueError, "a performance and a propensity: there is"),
        ({"prices": PRICES}, ValueError, "prices without prompt_tokens"),
        (TOKENS, ValueError, "prompt_tokens and completion_tokens without prices"),
        ({"prompt_tokens": "tokens_in"}, ValueError, "belong together"),
    ],
)
def test_mistakes_are_errors(change, error, message):
    with pytest.raises(error, match=message):
        load_log(calls(), **COLUMNS | change)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("rating", np.inf, "'rating' is infinite in row 2"),
        ("dollars", -1.0, "cost: the column 'dollars' is negative in row 2"),
        ("tokens_in", -1.0, "prompt_tokens: the column 'tokens_in' is negative in row 2"),
    ],
)
def test_values_that_cannot_be(column, value, message):
    frame = calls().astype({"tokens_in": float})
    frame.loc[2, column] = value
    with pytest.raises(ValueError, match=message):
        load_log(frame, **COLUMNS, **TOKENS, cost="dollars", prices=PRICES)


def test_sources_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load_log(tmp_path / "x.csv", **COLUMNS)
    with pytest.raises(ValueError, match=r"must end in one of \.csv"):
        load_log(tmp_path / "x.xlsx", **COLUMNS)
    with pytest.raises(TypeError, match="source is a list; a data frame"):
        load_log([1, 2], **COLUMNS)
    with pytest.raises(ValueError, match="source has no rows"):
        load_log(calls()[:0], **COLUMNS)
    (tmp_path / "empty.csv").touch()
    with pytest.raises(ValueError, match="is empty"):
        load_log(tmp_path / "empty.csv", **COLUMNS)
    twice = calls()
    twice.columns = ["prompt", "model", "rating", "rating", "a", "b", "c"]
    with pytest.raises(ValueError, match="several columns 'rating'"):
        load_log(twice, **COLUMNS)


def test_missing_libraries_are_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    (tmp_path / "x.parquet").touch()
    with pytest.raises(ImportError, match=r'needs pyarrow: pip install "skrouter\[data\]"'):
        load_log(tmp_path / "x.parquet", **COLUMNS)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r'needs pandas: pip install "skrouter\[data\]"'):
        load_log("x.csv", **COLUMNS)


# ---------------------------------------------------------------- prices

LITELLM = {
    "sample_spec": {"input_cost_per_token": 0.0, "output_cost_per_token": 0.0, "mode": "…"},
    "large": {
        "input_cost_per_token": 2e-06,
        "output_cost_per_token": 8e-06,
        "litellm_provider": "openai",
        "mode": "chat",
    },
    "groq/small": {
        "input_cost_per_token": 1e-07,
        "output_cost_per_token": 4e-07,
        "litellm_provider": "groq",
    },
    "dall-e-3": {"input_cost_per_pixel": 1e-08, "litellm_provider": "openai"},
}


def test_prices_in_every_form(tmp_path):
    expected = load_log(calls(), **COLUMNS, **TOKENS, prices=PRICES).cost
    table = pd.DataFrame({"llm": ["large", "small"], "input": [2.0, 0.1], "output": [8.0, 0.4]})
    files = {"prices.json": json.dumps(PRICES), "prices.csv": table.to_csv(index=False)}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    forms = [
        table,
        table.set_index("llm"),
        {name: {"input": in_, "output": out} for name, (in_, out) in PRICES.items()},
        tmp_path / "prices.json",
        str(tmp_path / "prices.csv"),
    ]
    for prices in forms:
        log = load_log(calls(), **COLUMNS, **TOKENS, prices=prices)
        pd.testing.assert_frame_equal(log.cost, expected)


def test_the_price_list_of_litellm(tmp_path):
    file = tmp_path / "model_prices_and_context_window.json"
    file.write_text(json.dumps(LITELLM), encoding="utf-8")
    frame = calls(
        model=["openai/large", "groq/small", "groq/small", "openai/large", "openai/large"]
    )
    log = load_log(frame, **COLUMNS, **TOKENS, prices=file)
    expected = load_log(calls(), **COLUMNS, **TOKENS, prices=PRICES).cost
    np.testing.assert_allclose(log.cost[["openai/large", "groq/small"]], expected)
    with pytest.warns(UserWarning, match="not in the pool: .'dall-e-3'"):
        load_log(
            calls(model=["large", "dall-e-3"] + ["large"] * 3), **COLUMNS, **TOKENS, prices=file
        )


@pytest.mark.parametrize(
    ("prices", "error", "message"),
    [
        ({}, ValueError, "prices has no price"),
        ({"large": 5.0}, ValueError, "prices: 'large' has 5.0; prices are US dollars per million"),
        ({"large": (1.0, 2.0, 3.0)}, ValueError, "prices: 'large' has"),
        ({"large": {"in": 1.0}}, ValueError, r"prices: 'large' has \['in'\]"),
        ({"large": (-1.0, 2.0)}, ValueError, "negative"),
        ({"large": (2e-6, 8e-6)}, ValueError, "looks like a price per token"),
        ({"other": (1.0, 1.0)}, ValueError, r"none of the LLMs of the log: .*it has \['other'\]"),
        ({"Large": (1.0, 1.0), "LARGE": (2.0, 1.0)}, ValueError, "several prices for 'large'"),
        ([1.0, 2.0], TypeError, "prices is a list"),
        ("nowhere.json", FileNotFoundError, "prices: there is no file"),
        ("nowhere.csv", FileNotFoundError, "prices: there is no file"),
    ],
)
def test_prices_that_are_none(prices, error, message):
    with pytest.raises(error, match=message):
        load_log(calls(), **COLUMNS, **TOKENS, prices=prices)


def test_price_files_that_are_none(tmp_path):
    for text, message in [("{", "is no JSON"), ("[]", "holds a list")]:
        (tmp_path / "p.json").write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=message):
            load_log(calls(), **COLUMNS, **TOKENS, prices=tmp_path / "p.json")


def test_a_hole_in_a_table_of_prices_is_a_missing_price():
    table = pd.DataFrame({"llm": ["large", "small"], "input": [2.0, np.nan], "output": [8.0, 1.0]})
    with pytest.warns(UserWarning, match="not in the pool"):
        log = load_log(calls(), **COLUMNS, **TOKENS, prices=table)
    assert log.summary.no_price == {"small": 2}


# ---------------------------------------------------------------- back


@pytest.mark.parametrize("extra", [{}, {"propensity": "propensity"}])
def test_there_and_back(extra):
    frame = logged_calls().assign(task=list("xyxyxy"), weight=2.0)
    columns = {"cost": "dollars", "task": "task", "sample_weight": "weight"} | extra
    log = load_log(frame, **COLUMNS, **columns)
    back = log.to_frame()
    assert len(back) == log.performance.notna().to_numpy().sum()
    same = {name: name for name in ("query", "llm", "performance", "cost", "task")}
    again = load_log(back, **same, sample_weight="sample_weight", **extra)
    assert again.queries.tolist() == log.queries.tolist()
    pd.testing.assert_frame_equal(again.performance, log.performance)
    pd.testing.assert_frame_equal(again.cost, log.cost)
    assert again.tasks.tolist() == log.tasks.tolist()
    np.testing.assert_array_equal(again.sample_weight, log.sample_weight)


def test_a_cost_without_a_performance_goes_back_too():
    frame = calls(
        rating=[5.0, 1.0, 3.0, 4.0, None],
        prompt=["p", "q", "p", "q", "p"],
        model=["large", "small", "small", "large", "tiny"],
    )
    frame.loc[5] = frame.loc[0].to_dict() | {"prompt": "q", "model": "tiny", "rating": 2}
    log = load_log(frame, **COLUMNS, cost="dollars")
    back = log.to_frame()
    assert len(back) == 6 and back["performance"].isna().sum() == 1
    assert list(load_log(calls(), **COLUMNS).to_frame()) == ["query", "llm", "performance"]
