"""Answers to queries in Parquet files: the same as from memory, in little memory, file by file."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from skrouter.baselines import BestSingleRouter, KNNRouter, LinearRouter
from skrouter.datasets import make_routing_problem
from skrouter.integrations.parquet import predict_parquet

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

DATA = make_routing_problem(240, random_state=0)
TEXTS = list(DATA.queries)


@pytest.fixture(scope="module")
def router():
    words = make_pipeline(TfidfVectorizer(), TruncatedSVD(8, random_state=0))
    router = KNNRouter(10, encoder=words, llm_names=DATA.llm_names)
    return router.fit(TEXTS, DATA.performance, cost=DATA.cost)


@pytest.fixture
def folder(tmp_path):
    """Three files of 100, 0 and 140 rows, one of them in a folder below."""
    frame = pd.DataFrame({"id": range(240), "query": TEXTS, "team": ["a", None] * 120})
    folder = tmp_path / "queries"
    (folder / "day=2").mkdir(parents=True)
    frame[:100].to_parquet(folder / "one.parquet", row_group_size=30)
    frame[:0].to_parquet(folder / "none.parquet")
    frame[100:].to_parquet(folder / "day=2" / "two.parquet")
    (folder / "_SUCCESS").touch()
    (folder / ".half.parquet").write_bytes(b"not complete")
    return folder


def read(folder):
    # One by one: pandas would take "day=2" for a column.
    files = (folder / "one.parquet", folder / "none.parquet", folder / "day=2" / "two.parquet")
    return pd.concat([pd.read_parquet(pa.OSFile(str(file))) for file in files[::2]])


@pytest.mark.parametrize("batch_size", [1, 64, 1024])
def test_answers_are_those_from_memory(router, folder, tmp_path, batch_size):
    n_rows = predict_parquet(router, folder, tmp_path / "out", batch_size=batch_size)
    assert n_rows == 240
    names = [path.relative_to(tmp_path / "out").as_posix() for path in files(tmp_path / "out")]
    assert names == ["day=2/two.parquet", "none.parquet", "one.parquet"]
    found = read(tmp_path / "out")
    assert found.columns.tolist() == ["id", "team", "llm"]
    assert found["id"].tolist() == list(range(240))
    assert found["llm"].tolist() == router.predict(TEXTS).tolist()
    assert len(set(found["llm"])) > 1
    assert found["team"].isna().sum() == 120
    assert pq.read_schema(tmp_path / "out" / "none.parquet").names == ["id", "team", "llm"]


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_options_are_passed_on(router, folder, tmp_path):
    options = {"cost_weight": 1.0, "allowed": np.array(DATA.llm_names[:3])}
    predict_parquet(router, folder / "one.parquet", tmp_path, columns=["query"], **options)
    found = pd.read_parquet(tmp_path / "one.parquet")
    assert found.columns.tolist() == ["query", "llm"]
    assert found["query"].tolist() == TEXTS[:100]
    assert found["llm"].tolist() == router.predict(TEXTS[:100], **options).tolist()
    assert found["llm"].tolist() != router.predict(TEXTS[:100]).tolist()


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.list_(pa.float64(), 3)])
def test_embeddings(tmp_path, kind):
    X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    y = (X @ np.ones((3, 2)) * [1, -1] > 0).astype(float)
    router = LinearRouter().fit(X, y)
    pq.write_table(pa.table({"v": pa.array(X.tolist(), kind)}), tmp_path / "x.parquet")
    predict_parquet(router, tmp_path / "x.parquet", tmp_path / "out", query="v", batch_size=25)
    llms = pq.read_table(tmp_path / "out" / "x.parquet")["llm"]
    assert llms.type == pa.int64()
    assert llms.to_pylist() == router.predict(X).tolist()


def test_chats_and_other_kinds_of_text(router, tmp_path):
    chats = [[{"role": "user", "content": text}] for text in TEXTS]
    texts = pa.array(TEXTS)
    kinds = [pa.array(chats), texts.dictionary_encode(), texts.cast(pa.large_string())]
    for column in kinds:
        path = tmp_path / f"{len(files(tmp_path))}.parquet"
        pq.write_table(pa.table({"query": column}), path)
        predict_parquet(router, path, tmp_path / "out")
        found = pq.read_table(tmp_path / "out" / path.name)
        assert found.column_names == ["llm"]
        assert found["llm"].to_pylist() == router.predict(TEXTS).tolist()


class Fails(BestSingleRouter):
    """Is interrupted by the query number `_left`."""

    def predict(self, X, **options):
        self._left -= len(X)
        if self._left < 0:
            raise KeyboardInterrupt
        return super().predict(X, **options)


def test_an_interrupted_run_leaves_whole_files_and_goes_on(folder, tmp_path):
    out = tmp_path / "out"
    router = Fails(llm_names=DATA.llm_names).fit(TEXTS, DATA.performance)
    router._left = 200
    with pytest.raises(KeyboardInterrupt):
        predict_parquet(router, folder, out, batch_size=10)
    # In the order of their paths: the second was complete, the third was not.
    assert [path.name for path in files(out)] == ["two.parquet", "none.parquet"]
    before = (out / "day=2" / "two.parquet").stat()

    router._left = 1000
    with pytest.raises(FileExistsError, match="is there already; resume=True"):
        predict_parquet(router, folder, out)
    with pytest.raises(ValueError, match=r'was answered otherwise.*"cost_weight": 0.5'):
        predict_parquet(router, folder, out, cost_weight=0.5, resume=True)
    assert predict_parquet(router, folder, out, resume=True) == 100
    assert (out / "day=2" / "two.parquet").stat().st_mtime_ns == before.st_mtime_ns
    assert len(read(out)) == 240
    assert predict_parquet(router, folder, out, resume=True) == 0

    pd.DataFrame({"llm": [1]}).to_parquet(out / "one.parquet")
    with pytest.raises(ValueError, match="was answered otherwise: not by skrouter"):
        predict_parquet(router, folder, out, resume=True)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"query": "prompt"}, ValueError, "has no column 'prompt'; it has ['id', 'query', 'team']"),
        ({"columns": ["name"]}, ValueError, "has no column 'name'"),
        ({"columns": "id"}, ValueError, "columns='id': a list of names is wanted"),
        ({"allowed": [[True, False]]}, ValueError, "one list of names for all queries"),
        ({"source": "nowhere"}, FileNotFoundError, "source: 'nowhere' is no file"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
        ({"show_progress": "yes"}, ValueError, "show_progress='yes': 'auto', True or False"),
        ({"cost_weight": [0.1]}, ValueError, "one number for all queries"),
        ({"allowed": ["nobody"]}, ValueError, "allowed names ['nobody']"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(
    router, folder, tmp_path, options, error, message
):
    with pytest.raises(error) as raised:
        predict_parquet(
            **{"router": router, "source": folder, **options}, destination=tmp_path / "o"
        )
    assert message in str(raised.value)
    assert not (tmp_path / "o").exists()


def test_files_and_folders_that_do_not_go_together(router, folder, tmp_path):
    with pytest.raises(ValueError, match="is in the folder"):
        predict_parquet(router, folder, folder / "answers")
    pq.write_table(pa.table({"query": ["a"], "llm": ["b"]}), tmp_path / "one.parquet")
    with pytest.raises(ValueError, match="both be answered in"):
        predict_parquet(router, [folder, tmp_path / "one.parquet"], tmp_path / "out")
    with pytest.raises(ValueError, match="has a column 'llm'"):
        predict_parquet(router, tmp_path / "one.parquet", tmp_path / "out")
    assert predict_parquet(router, [tmp_path / "one.parquet"], tmp_path / "out", columns=[]) == 1


def test_a_wrong_query_is_found_by_file_and_rows(router, tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"query": [*TEXTS[:70], None]}), path)
    with pytest.raises(TypeError, match="element 6 of X is of type NoneType") as raised:
        predict_parquet(router, path, tmp_path / "out", batch_size=32)
    assert raised.value.__notes__ == [f"This was in rows 64 to 70 of {str(path)!r}."]
    assert files(tmp_path / "out") == []
    pq.write_table(pa.table({"query": [[1.0, 2.0], [1.0]]}), path)
    with pytest.raises(ValueError, match="must all have the same length"):
        predict_parquet(router, path, tmp_path / "out")


def test_progress(router, folder, tmp_path, capsys):
    predict_parquet(router, folder, tmp_path / "out", show_progress=True)
    assert "240/240" in capsys.readouterr().err
    predict_parquet(router, folder, tmp_path / "again")
    assert capsys.readouterr().err == ""  # no terminal


def test_without_pyarrow(router, folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ImportError, match=r'pip install "skrouter\[data\]"'):
        predict_parquet(router, folder, tmp_path / "out")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells the peak in /proc")
def test_memory_does_not_grow_with_the_file(tmp_path):
    """Texts of 200 MB in one row group take less than 50 MB more than a small file."""
    code = """
import sys
import pyarrow as pa, pyarrow.parquet as pq
from skrouter.baselines import BestSingleRouter
from skrouter.integrations.parquet import predict_parquet
folder = sys.argv[1]
router = BestSingleRouter(llm_names=["a", "b"]).fit(["x", "y"], [[0, 1], [0, 1]])
def peak():
    (line,) = (line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
predict_parquet(router, folder + "/small.parquet", folder + "/out")
before = peak()
assert predict_parquet(router, folder + "/large.parquet", folder + "/out") == 100_000
streamed = peak()
pq.read_table(folder + "/large.parquet")
print(streamed - before, peak() - before)
"""
    text = "x" * 2000
    for name, n in [("small", 2000), ("large", 100_000)]:
        # Distinct beginnings, so that Parquet does not keep one text for all.
        table = pa.table({"query": [f"{i} {text}" for i in range(n)]})
        path = tmp_path / f"{name}.parquet"
        pq.write_table(table, path, row_group_size=n, use_dictionary=False, compression="none")
        assert pq.read_metadata(path).num_row_groups == 1
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    streamed, whole = map(float, done.stdout.split())
    assert whole > 150  # MB, and so it can be told
    assert streamed < 50
