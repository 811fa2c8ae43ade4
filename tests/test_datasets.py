"""RouterBench files and the synthetic routing problem."""

import ast
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import RidgeCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline

from skrouter.datasets import (
    _routerbench,
    fetch_routerbench,
    get_data_home,
    load_routerbench,
    make_routing_problem,
)
from skrouter.datasets._fetch import REPO_ID, REVISION

pd = pytest.importorskip("pandas")

REAL_ROWS = os.environ.get("SKROUTER_ROUTERBENCH_DIR", "")
needs_real_rows = pytest.mark.skipif(
    not REAL_ROWS, reason="SKROUTER_ROUTERBENCH_DIR does not name a folder with RouterBench rows"
)


def rows(**columns):
    """Three rows in the official layout, with the columns that the loader has to ignore."""
    table = {
        "sample_id": ["mmlu-law.val.1", "mbpp.dev.2", "null"],
        "prompt": [repr(['It\'s a "test".\nYes?', "No."]), "plain [text]", "[not, a list]"],
        "eval_name": ["mmlu-law", "mbpp", "NA"],
        "b/large": [1.0, 0.25, np.nan],
        "a/small": [0.0, 1.0, 0.5],
        "b/large|model_response": ["x", "y", "z"],
        "a/small|model_response": ["x", "y", "z"],
        "a/small|total_cost": [0.001, 0.002, 0.003],
        "b/large|total_cost": [0.01, 0.02, np.nan],
        "oracle_model_to_route_to": ["b/large", "a/small", "a/small"],
    }
    return pd.DataFrame(table | columns)


def write(frame, path):
    if path.suffix == ".parquet":
        pytest.importorskip("pyarrow")
        frame.to_parquet(path)
    elif path.suffix == ".pkl":
        frame.to_pickle(path)
    else:
        frame.to_csv(path, index=False)
    return path


# ---------------------------------------------------------------- load_routerbench


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet", ".pkl"])
def test_load_all_formats(tmp_path, suffix):
    data = load_routerbench(write(rows(), tmp_path / f"r{suffix}"), trusted=suffix == ".pkl")
    assert data.llm_names == ["b/large", "a/small"]
    assert list(data.performance.columns) == list(data.cost.columns) == data.llm_names
    assert data.queries.dtype == object
    assert data.queries.tolist() == [
        'It\'s a "test".\nYes?\nNo.',
        "plain [text]",
        "[not, a list]",
    ]
    np.testing.assert_array_equal(data.performance, [[1.0, 0.0], [0.25, 1.0], [np.nan, 0.5]])
    np.testing.assert_allclose(data.cost, [[10.0, 1.0], [20.0, 2.0], [np.nan, 3.0]])
    assert data.eval_names.tolist() == ["mmlu-law", "mbpp", "NA"]
    assert data.tasks.tolist() == ["mmlu", "mbpp", "NA"]
    assert data.sample_ids.tolist() == ["mmlu-law.val.1", "mbpp.dev.2", "null"]
    assert "3 queries, 2 LLMs; 1 queries lack" in data.DESCR


def test_load_several_files_aligns_columns(tmp_path):
    one = write(rows(), tmp_path / "one.csv")
    swapped = rows()[["a/small", *rows().columns.drop("a/small")]]
    two = write(swapped, tmp_path / "two.csv.gz")
    data = load_routerbench([str(one), two])
    assert data.llm_names == ["b/large", "a/small"]
    assert data.performance.index.tolist() == list(range(6))
    np.testing.assert_array_equal(data.performance[:3], data.performance[3:])
    np.testing.assert_array_equal(data.cost[:3], data.cost[3:])
    assert load_routerbench(two).llm_names == ["a/small", "b/large"]


def test_load_rejects_other_llms(tmp_path):
    one = write(rows(), tmp_path / "one.csv")
    other = rows().rename(columns=lambda name: name.replace("a/small", "c/new"))
    two = write(other, tmp_path / "two.csv")
    with pytest.raises(ValueError, match=r"lacks \['a/small'\] and has \['c/new'\]"):
        load_routerbench([one, two])


@pytest.mark.parametrize(
    ("dropped", "message"),
    [
        (["prompt", "eval_name"], r"lacks the columns \['prompt', 'eval_name'\]"),
        (["a/small"], r"lacks the columns \['a/small'\]"),
        (["a/small|total_cost"], r"lacks the columns \['a/small\|total_cost'\]"),
        (
            ["a/small", "a/small|total_cost", "b/large", "b/large|total_cost"],
            r"lacks the columns \['<llm>', '<llm>\|total_cost'\]",
        ),
    ],
)
def test_load_names_missing_columns(tmp_path, dropped, message):
    path = write(rows().drop(columns=dropped), tmp_path / "r.csv")
    with pytest.raises(ValueError, match=message):
        load_routerbench(path)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("a/small", [0, 1.5, 0], r"'a/small', row 1 is 1.5, not a performance in \[0, 1\]"),
        ("a/small", [-0.1, 1, 0], r"'a/small', row 0 is -0.1, not a performance"),
        ("a/small", ["0", "good", "1"], r"'a/small' must hold numbers: .*good"),
        ("a/small|total_cost", [1, 2, -3], r"row 2 is -3.0, not a finite cost, not negative"),
        ("a/small|total_cost", [np.inf, 2, 3], r"row 0 is inf, not a finite cost"),
    ],
)
def test_load_rejects_bad_values(tmp_path, column, values, message):
    path = write(rows(**{column: values}), tmp_path / "r.csv")
    with pytest.raises(ValueError, match=message):
        load_routerbench(path)


def test_load_rejects_missing_prompts_and_empty_tables(tmp_path):
    path = write(rows(prompt=["a", None, "b"]), tmp_path / "r.pkl")
    with pytest.raises(ValueError, match="'prompt' must hold a text in each row"):
        load_routerbench(path, trusted=True)
    with pytest.raises(ValueError, match="has no rows"):
        load_routerbench(write(rows().iloc[:0], tmp_path / "r.csv"))


def test_load_rejects_bad_paths(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file .*absent.csv"):
        load_routerbench(tmp_path / "absent.csv")
    with pytest.raises(ValueError, match="must end in one of .csv, .csv.gz"):
        load_routerbench(tmp_path / "rows.json")
    with pytest.raises(ValueError, match="path is an empty list"):
        load_routerbench([])


def test_untrusted_pickle_is_not_opened(tmp_path):
    path = tmp_path / "r.pkl"
    path.write_bytes(b"not even a pickle")
    with pytest.raises(ValueError, match="unpickling can run any code.*trusted=True"):
        load_routerbench(path)


def test_pickle_of_something_else(tmp_path):
    path = tmp_path / "r.pkl"
    pd.to_pickle([1, 2], path)
    with pytest.raises(ValueError, match="must hold a pandas DataFrame; it holds a list"):
        load_routerbench(path, trusted=True)


def test_pickle_written_with_numpy_1(tmp_path):
    # The official files name modules that numpy 2 has moved and warns about. Names are preceded
    # by their length, and the frame that would fix the total length (opcode 0x95) is optional.
    current = pickle.dumps(rows(), protocol=5)
    assert current[2] == 0x95
    old = current[:2] + current[11:].replace(
        b"\x8c\x13numpy._core.numeric", b"\x8c\x12numpy.core.numeric"
    )
    assert b"numpy.core.numeric" in old
    path = tmp_path / "r.pkl"
    path.write_bytes(old)
    assert load_routerbench(path, trusted=True).llm_names == ["b/large", "a/small"]


def test_prompts_that_look_like_lists(tmp_path):
    prompts = ["['a', 1]", r"['\d+'] and ['\w']", "['\u00e9', \"b'c\"]"]
    data = load_routerbench(write(rows(prompt=prompts), tmp_path / "r.csv"))
    assert data.queries.tolist() == [prompts[0], prompts[1], "\u00e9\nb'c"]


NO_LISTS = [
    "[{[1]: 2}]",
    "[{{'a', ['b']}}]",
    r"[\frac{a}{b}] = ['x'][0]",
    "[{% for a in b %}{{ a['x'] }}{% endfor %}]",
    "[['a']]",
    "[*'ab']",
    "['a' + 'b']",
    "['a' 'b']",
    "['a', None]",
    r"['\x4', 'b']",
    r"['\N{no such name}']",
    "['a\nb']",
    "['a', b'b']",
    "['it's']",
    "[" * 5000 + "]" * 5000,
]


@pytest.mark.parametrize("suffix", [".csv", ".pkl"])
def test_text_that_is_no_list_of_strings_stays_text(suffix, tmp_path):
    table = pd.concat([rows()[:1]] * len(NO_LISTS)).assign(prompt=NO_LISTS)
    data = load_routerbench(write(table, tmp_path / f"r{suffix}"), trusted=True)
    assert data.queries.tolist() == NO_LISTS


@pytest.mark.filterwarnings("ignore:invalid escape sequence")
def test_lists_of_strings_are_read_as_python_reads_them():
    rng = np.random.default_rng(0)
    characters = list("ab'\"\\\n\r\t ,[]{}xuN01\x00\x85\u2028\u00e9\u6d4b\U0001f600\ud83d")
    for _ in range(3000):
        parts = [
            "".join(rng.choice(characters, rng.integers(8))) for _ in range(rng.integers(1, 4))
        ]
        assert _routerbench._decode_prompt(repr(parts)) == "\n".join(parts)
    for written in (r"""[ 'a\d' ,"\u00e9\x41\101"]""", r"['\测', '测\n']", "[u'a',\n 'b',]"):
        parts = ast.literal_eval(written)
        assert _routerbench._decode_prompt(written) == "\n".join(parts)


@pytest.mark.parametrize(
    "prompt",
    ["[" + "1, " * 1_300_000 + "]", repr(["line\n" * 800_000]), "[" + "'a', " * 800_000 + "]?]"],
    ids=["numbers", "one string", "not closed"],
)
def test_a_cell_of_four_megabytes_is_quick(prompt):
    start = time.process_time()
    _routerbench._decode_prompt(prompt)
    assert time.process_time() - start < 0.7  # 0.05 s; Python's parser takes 2 to 4 s


def test_pandas_is_needed_for_files_only(tmp_path):
    path = write(rows(), tmp_path / "r.csv")
    code = f"""
import sys
sys.modules["pandas"] = None
from skrouter.datasets import load_routerbench, make_routing_problem
assert make_routing_problem(20, random_state=0).performance.shape == (20, 6)
for call in (
    lambda: load_routerbench({str(path)!r}),
    lambda: make_routing_problem(20, as_frame=True, random_state=0),
):
    try:
        call()
    except ImportError as error:
        assert 'pip install "skrouter[data]"' in str(error), error
    else:
        raise AssertionError("no ImportError")
assert "torch" not in sys.modules and "huggingface_hub" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@needs_real_rows
def test_real_rows():
    folder = Path(REAL_ROWS)
    tasks = ("arc_challenge", "mbpp", "winogrande")
    train = load_routerbench([folder / f"five_shot_{task}_train.csv.gz" for task in tasks])
    test = load_routerbench([folder / f"five_shot_{task}_test.csv.gz" for task in tasks])
    assert train.performance.shape == train.cost.shape == (2225, 11)
    assert test.performance.shape == (953, 11)
    assert train.llm_names == test.llm_names
    assert test.performance.notna().all(axis=1).sum() == 945
    assert train.performance.notna().all(axis=1).sum() == 2205
    assert not train.cost.isna().any(axis=None)
    assert set(test.tasks) == {"arc-challenge", "mbpp", "winogrande"}
    assert not any(query.startswith("[") for query in train.queries)
    # The best single LLM on the fully scored test rows, a published reference figure.
    scored = test.performance.notna().all(axis=1)
    utility = test.performance[scored] - 0.1 * test.cost[scored]
    assert utility.mean().max() == pytest.approx(0.7459, abs=5e-5)

    sample = load_routerbench(folder / "zero_shot_sample.csv.gz")
    assert sample.performance.shape == (365, 11)
    six = {"mmlu", "hellaswag", "grade-school-math", "arc-challenge", "winogrande", "mbpp"}
    assert six < set(sample.tasks)
    assert not any(task.startswith("mmlu-") for task in sample.tasks)


# ---------------------------------------------------------------- fetch_routerbench


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Replace the hub by a function that writes a small pickle; return the calls it got."""
    calls = []

    def download(repo_id, filename, *, repo_type, revision, local_dir):
        calls.append((repo_id, filename, repo_type, revision))
        local_dir.mkdir(parents=True)
        return str(write(rows(), local_dir / filename))

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    return calls


def test_fetch_downloads_once_and_records_the_checksum(tmp_path, hub):
    data = fetch_routerbench(data_home=tmp_path, trusted=True)
    again = fetch_routerbench(data_home=tmp_path, trusted=True)
    assert hub == [(REPO_ID, "routerbench_0shot.pkl", "dataset", REVISION)]
    assert data.llm_names == ["b/large", "a/small"]
    pd.testing.assert_frame_equal(data.cost, again.cost)
    folder = tmp_path / "routerbench" / REVISION
    digest, name = (folder / "routerbench_0shot.pkl.sha256").read_text().split()
    assert len(digest) == 64 and name == "routerbench_0shot.pkl"
    fetch_routerbench(data_home=tmp_path, split="5shot", revision="v2", trusted=True)
    assert hub[1] == (REPO_ID, "routerbench_5shot.pkl", "dataset", "v2")


def test_fetch_notices_a_changed_file(tmp_path, hub):
    fetch_routerbench(data_home=tmp_path, trusted=True)
    file = tmp_path / "routerbench" / REVISION / "routerbench_0shot.pkl"
    write(rows(eval_name=["x", "y", "z"]), file)
    with pytest.raises(ValueError, match="routerbench_0shot.pkl has changed: its SHA-256"):
        fetch_routerbench(data_home=tmp_path, trusted=True)


def test_fetch_checks_before_it_downloads(tmp_path, hub):
    with pytest.raises(ValueError, match="routerbench_0shot.pkl is a pickle.*trusted=True"):
        fetch_routerbench(data_home=tmp_path)
    with pytest.raises(ValueError, match="split must be '0shot' or '5shot'; got '1shot'"):
        fetch_routerbench(data_home=tmp_path, split="1shot", trusted=True)
    with pytest.raises(OSError, match="download_if_missing=False.*place it at"):
        fetch_routerbench(data_home=tmp_path, download_if_missing=False, trusted=True)
    assert hub == []


def test_fetch_uses_a_file_placed_by_hand(tmp_path, hub):
    folder = tmp_path / "routerbench" / REVISION
    folder.mkdir(parents=True)
    write(rows(), folder / "routerbench_5shot.pkl")
    data = fetch_routerbench(
        data_home=tmp_path, split="5shot", download_if_missing=False, trusted=True
    )
    assert len(data.queries) == 3
    assert hub == []


def test_fetch_offline_says_what_to_do(tmp_path, monkeypatch):
    def download(*args, **kwargs):
        raise huggingface_hub.errors.LocalEntryNotFoundError("no connection")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(OSError) as error:
        fetch_routerbench(data_home=tmp_path, trusted=True)
    place = tmp_path / "routerbench" / REVISION / "routerbench_0shot.pkl"
    for part in ("routerbench_0shot.pkl", REPO_ID, f"place it at {place}", "SKROUTER_HOME"):
        assert part in str(error.value)
    assert isinstance(error.value.__cause__, huggingface_hub.errors.LocalEntryNotFoundError)
    assert not place.exists()


def test_data_home(tmp_path, monkeypatch):
    assert get_data_home(tmp_path / "own") == tmp_path / "own"
    assert (tmp_path / "own").is_dir()
    monkeypatch.setenv("SKROUTER_HOME", str(tmp_path / "home"))
    assert get_data_home() == tmp_path / "home" / "data"
    monkeypatch.delenv("SKROUTER_HOME")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert get_data_home() == tmp_path / ".cache" / "skrouter" / "data"


# ---------------------------------------------------------------- make_routing_problem


def references(data, cost_weight, n_train):
    """Mean test utility of the constants and of the router that knows the probabilities."""
    utility = data.performance - cost_weight * data.cost
    expected = data.success_probability - cost_weight * data.cost
    train, test = utility[:n_train], utility[n_train:]
    by_task = {
        task: train[data.tasks[:n_train] == task].mean(axis=0).argmax() for task in set(data.tasks)
    }
    task_choice = np.array([by_task[task] for task in data.tasks[n_train:]])
    return {
        "single": test[:, train.mean(axis=0).argmax()].mean(),
        "task": test[np.arange(len(test)), task_choice].mean(),
        "ideal": test[np.arange(len(test)), expected[n_train:].argmax(axis=1)].mean(),
        "oracle": test.max(axis=1).mean(),
    }


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("cost_weight", "margin"), [(0, 0.01), (0.02, 0.03), (0.1, 0.05)])
def test_routing_per_query_beats_best_per_task(seed, cost_weight, margin):
    data = make_routing_problem(4000, random_state=seed)
    mean = references(data, cost_weight, n_train=2000)
    assert mean["ideal"] > mean["task"] + margin
    assert mean["ideal"] > mean["single"] + margin
    assert mean["oracle"] > mean["ideal"]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    "model", [RidgeCV(np.logspace(-2, 3, 11)), KNeighborsRegressor(20)], ids=["ridge", "knn"]
)
def test_routing_can_be_learnt_from_the_text(seed, model):
    data = make_routing_problem(1400, random_state=seed)
    encode = make_pipeline(TfidfVectorizer(sublinear_tf=True), TruncatedSVD(100, random_state=0))
    X_train = encode.fit_transform(data.queries[:700])
    X_test = encode.transform(data.queries[700:])
    for cost_weight in (0.02, 0.1):
        utility = data.performance - cost_weight * data.cost
        choice = model.fit(X_train, utility[:700]).predict(X_test).argmax(axis=1)
        learnt = utility[700:][np.arange(700), choice].mean()
        assert learnt > references(data, cost_weight, n_train=700)["task"] + 0.005


def test_problem_is_reproducible():
    before = np.random.get_state()[1].copy()
    one, two = (make_routing_problem(200, random_state=3) for _ in range(2))
    other = make_routing_problem(200, random_state=np.random.RandomState(4))
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    assert one.queries.tolist() == two.queries.tolist()
    np.testing.assert_array_equal(one.performance, two.performance)
    np.testing.assert_array_equal(one.cost, two.cost)
    assert one.queries.tolist() != other.queries.tolist()


def test_problem_shapes_and_values():
    data = make_routing_problem(500, n_llms=7, n_topics=3, random_state=0)
    assert data.queries.shape == data.tasks.shape == data.difficulty.shape == (500,)
    assert data.performance.shape == data.cost.shape == data.success_probability.shape == (500, 7)
    assert set(np.unique(data.performance)) == {0.0, 1.0}
    assert set(data.tasks) == {"math", "code", "law"}
    assert data.difficulty.min() >= 0 and data.difficulty.max() <= 1
    assert (data.cost > 0).all()
    assert all(name.startswith("synthetic-") for name in data.llm_names)
    assert "ynthetic" in data.DESCR
    # Dearer generalists are better on the whole.
    assert (np.diff(data.cost[:, :4].mean(axis=0)) > 0).all()
    assert (np.diff(data.success_probability[:, :4].mean(axis=0)) > 0).all()


def test_outcomes_follow_the_probabilities():
    for graded in (False, True):
        data = make_routing_problem(20_000, graded=graded, random_state=0)
        assert data.performance.min() >= 0 and data.performance.max() <= 1
        for low in (0.1, 0.5, 0.8):
            there = (data.success_probability >= low) & (data.success_probability < low + 0.1)
            expected = data.success_probability[there].mean()
            assert data.performance[there].mean() == pytest.approx(expected, abs=0.02)
    assert len(np.unique(data.performance)) > 10_000  # the graded ones


def test_topic_and_difficulty_are_visible_in_the_text():
    data = make_routing_problem(4000, random_state=0)
    level = np.minimum((5 * data.difficulty).astype(int), 4)
    hard = np.array(["rigorous" in q.lower() or "formal" in q.lower() for q in data.queries])
    easy = np.array(["easy" in q.lower() or "simple" in q.lower() for q in data.queries])
    assert hard[level == 4].mean() > 0.9 and not hard[level < 4].any()
    assert easy[level == 0].mean() > 0.9 and not easy[level > 0].any()
    in_python = np.array([" in Python" in q for q in data.queries])
    assert in_python.any() and set(data.tasks[in_python]) == {"code"}


def test_texts_are_mostly_distinct_and_sentences():
    queries = make_routing_problem(20_000, random_state=0).queries
    assert len(set(queries)) > 0.9 * len(queries)
    assert all("{" not in q and "  " not in q and q == q.strip() for q in queries)
    assert all(q[0].isupper() and q[-1] in ".?" for q in queries)


def test_without_signal_outcomes_do_not_depend_on_the_query():
    data = make_routing_problem(4000, signal=0, random_state=0)
    assert np.ptp(data.success_probability, axis=0).max() < 1e-12
    assert abs(np.corrcoef(data.difficulty, data.performance[:, 0])[0, 1]) < 0.05
    informed = make_routing_problem(4000, random_state=0)
    assert np.corrcoef(informed.difficulty, informed.performance[:, 0])[0, 1] < -0.5


@pytest.mark.parametrize("n_llms", [6, 49])
def test_without_spread_llms_are_nearly_equal(n_llms):
    data = make_routing_problem(800, n_llms=n_llms, skill_spread=0, random_state=0)
    mean = data.success_probability.mean(axis=0)
    assert 0.005 < mean.std() < 0.03
    assert np.ptp(data.cost.mean(axis=0)) < 1e-12
    assert len(set(data.llm_names)) == n_llms


@pytest.mark.parametrize("n_llms", range(1, 14))
def test_pools_of_any_size_have_distinct_names(n_llms):
    data = make_routing_problem(5, n_llms=n_llms, n_topics=1, random_state=0)
    assert len(set(data.llm_names)) == n_llms


def test_problem_as_frame_and_as_target():
    data = make_routing_problem(50, random_state=0)
    frame = make_routing_problem(50, as_frame=True, random_state=0)
    for key in ("performance", "cost", "success_probability"):
        assert list(frame[key].columns) == data.llm_names
        np.testing.assert_array_equal(frame[key], data[key])
    queries, y = make_routing_problem(50, return_X_y=True, random_state=0)
    assert queries.tolist() == data.queries.tolist()
    np.testing.assert_array_equal(y[..., 0], data.performance)
    np.testing.assert_array_equal(y[..., 1], data.cost)
    with pytest.raises(ValueError, match="as_frame=True cannot go with return_X_y=True"):
        make_routing_problem(50, as_frame=True, return_X_y=True)


@pytest.mark.parametrize(
    "bad",
    [
        {"n_queries": 0},
        {"n_queries": 10.5},
        {"n_llms": 0},
        {"n_topics": 9},
        {"signal": 1.1},
        {"skill_spread": -0.1},
        {"graded": "yes"},
        {"random_state": "seed"},
    ],
)
def test_problem_rejects_bad_parameters(bad):
    (name,) = bad
    with pytest.raises(ValueError, match=f"The '{name}' parameter of make_routing_problem must"):
        make_routing_problem(**bad)
