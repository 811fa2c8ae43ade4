"""The rows that the package paretobandit carries."""

import importlib
import json
from importlib.util import find_spec

import numpy as np
import pytest

from skrouter.baselines import BestSingleRouter
from skrouter.datasets import load_paretobandit


def row(prompt, source, **arms):
    return {
        "prompt": prompt,
        "source": source,
        "difficulty": "trivial",
        "arms": {name: {"reward": r, "cost": c} for name, (r, c) in arms.items()},
    }


ROWS = {
    "val.jsonl": [
        row("2 + 2?", "gsm8k", small=(0.5, 0.001), large=(1.0, 0.02)),
        # The order of the arms does not matter, their names do.
        row("Ça?\nNon.", "bbh/snarks", large=(0.9, 0.03), small=(0.0, 0.002)),
    ],
    "test_holdout.jsonl": [row("3 + 3?", "mmlu", small=(1.0, 0.001), large=(1.0, 0.01))],
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of that name whose code must not run; gives the folder of its files."""
    folder = tmp_path / "pareto_bandit" / "data" / "examples"
    folder.mkdir(parents=True)
    (tmp_path / "pareto_bandit" / "__init__.py").write_text("raise RuntimeError('it was run')")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    for name, rows in ROWS.items():
        text = "\n".join(json.dumps(r, ensure_ascii=False) for r in rows)
        (folder / name).write_text(text + "\n", encoding="utf-8")
    return folder


def test_rows_come_as_arrays(package):
    data = load_paretobandit()
    assert data.queries.tolist() == ["2 + 2?", "Ça?\nNon."]
    assert data.llm_names == ["small", "large"]
    np.testing.assert_array_equal(data.performance, [[0.5, 1.0], [0.0, 0.9]])
    np.testing.assert_allclose(data.cost, [[1.0, 20.0], [2.0, 30.0]])  # per 1,000 queries
    assert data.tasks.tolist() == ["gsm8k", "bbh"]
    assert data.sources.tolist() == ["gsm8k", "bbh/snarks"]
    assert "2 queries" in data.DESCR and "val.jsonl" in data.DESCR


def test_subsets(package):
    assert load_paretobandit(subset="test").queries.tolist() == ["3 + 3?"]
    together = load_paretobandit(subset="all")
    assert together.queries.tolist() == ["2 + 2?", "Ça?\nNon.", "3 + 3?"]
    assert together.performance.shape == (3, 2)
    with pytest.raises(ValueError, match="subset"):
        load_paretobandit(subset="val")


def test_as_frame(package):
    pytest.importorskip("pandas")
    data = load_paretobandit(as_frame=True)
    assert list(data.performance.columns) == list(data.cost.columns) == ["small", "large"]
    router = BestSingleRouter(cost_weight=0.0).fit(data.queries, data.performance, cost=data.cost)
    assert router.predict(["4 + 4?"]).tolist() == ["large"]


def test_without_the_package(monkeypatch):
    monkeypatch.setattr("skrouter.datasets._paretobandit.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'pip install "skrouter\[paretobandit\]"'):
        load_paretobandit()


def test_another_version_of_the_package(package):
    (package / "val.jsonl").unlink()
    with pytest.raises(ValueError, match=r"no file .*val.jsonl.*0\.1\.1"):
        load_paretobandit()


@pytest.mark.parametrize(
    "rows, message",
    [
        ([], "has no rows"),
        ([{"prompt": "x", "arms": {}}], r"row 1 must have prompt, source and arms"),
        ([ROWS["val.jsonl"][0], row("?", "mmlu", small=(1.0, 0.1))], "row 2 has the LLMs"),
    ],
)
def test_rows_that_are_not_as_described(package, rows, message):
    (package / "val.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(ValueError, match=message):
        load_paretobandit()


@pytest.mark.skipif(find_spec("pareto_bandit") is None, reason="paretobandit is not installed")
def test_the_real_files():
    train, test = load_paretobandit(), load_paretobandit(subset="test")
    assert train.performance.shape == (1785, 3) and test.performance.shape == (1824, 3)
    assert np.isfinite(train.performance).all() and np.isfinite(test.cost).all()
    assert 0.0 <= train.performance.min() and train.performance.max() <= 1.0
    # Dollars per 1,000 queries: gemini-2.5-pro costs some 15 of them.
    assert 10 < train.cost[:, train.llm_names.index("google/gemini-2.5-pro")].mean() < 20
