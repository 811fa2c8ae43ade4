"""The scored queries that the package paretobandit carries (arXiv 2604.00136)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils._param_validation import StrOptions, validate_params

from skrouter.datasets._synthetic import _to_frame

_PACKAGE = "pareto_bandit"
_FOLDER = ("data", "examples")
_FILES: dict[str, tuple[str, ...]] = {"train": ("val.jsonl",), "test": ("test_holdout.jsonl",)}
_FILES["all"] = _FILES["train"] + _FILES["test"]
_QUERIES_PER_COST_UNIT = 1000  # the files hold dollars per query


@validate_params(
    {"subset": [StrOptions(set(_FILES))], "as_frame": ["boolean"]},
    prefer_skip_nested_validation=True,
)
def load_paretobandit(*, subset: str = "train", as_frame: bool = False) -> Bunch:
    """Load real queries with the measured quality and dollars of three LLMs.

    The package ``paretobandit`` [1]_ (Apache-2.0) carries 3,609 queries from public benchmarks
    (MMLU, GSM8K, HellaSwag, ARC, OpenBookQA, WinoGrande, TruthfulQA, MBPP, BIG-Bench Hard), each
    answered by llama-3.1-8b-instruct, mistral-large-2512 and gemini-2.5-pro. Nothing is downloaded
    here, and none of its code runs: ``pip install "skrouter[paretobandit]"`` brings the files.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        The 1,785 queries of its file ``val.jsonl``, the 1,824 of ``test_holdout.jsonl``, or the
        ones followed by the others.

    as_frame : bool, default=False
        If true, `performance` and `cost` are DataFrames with the names of the LLMs as columns.
        This needs pandas: ``pip install "skrouter[data]"``.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like, with these attributes.

        queries : ndarray of shape (n_queries,), dtype object
            Texts.
        performance : ndarray or DataFrame of shape (n_queries, n_llms)
            Reward of each LLM's answer, in [0, 1], as judged by the authors. Nothing is missing.
        cost : ndarray or DataFrame of shape (n_queries, n_llms)
            US dollars per 1,000 queries, measured.
        tasks : ndarray of shape (n_queries,), dtype object
            The benchmark of each query; the tasks of BIG-Bench Hard are one, ``"bbh"``.
        sources : ndarray of shape (n_queries,), dtype object
            As in the file: ``"bbh/snarks"`` for example.
        llm_names : list of str
            Names of the LLMs, in the order of the columns.
        DESCR : str
            Description.

    Raises
    ------
    ImportError
        If the package paretobandit is not installed, or pandas for `as_frame`.
    ValueError
        If the installed package has no such files, or their rows are not as described.

    References
    ----------
    .. [1] "ParetoBandit", arXiv 2604.00136; ``paretobandit`` 0.1.1 on the Python Package Index.

    Examples
    --------
    >>> from skrouter.datasets import load_paretobandit
    >>> data = load_paretobandit()  # doctest: +SKIP
    >>> data.performance.shape  # doctest: +SKIP
    (1785, 3)
    """
    rows: list[dict] = []
    for name in _FILES[subset]:
        rows += _read(_folder() / name)
    llm_names = list(rows[0]["arms"])
    performance, cost = _outcomes(rows, llm_names)
    sources = np.array([row["source"] for row in rows], dtype=object)
    queries = np.empty(len(rows), dtype=object)
    queries[:] = [row["prompt"] for row in rows]
    matrices = {"performance": performance, "cost": cost}
    if as_frame:
        matrices = {key: _to_frame(value, llm_names) for key, value in matrices.items()}
    return Bunch(
        queries=queries,
        tasks=np.array([source.partition("/")[0] for source in sources], dtype=object),
        sources=sources,
        llm_names=llm_names,
        DESCR=(
            f"{', '.join(_FILES[subset])} of the package paretobandit (arXiv 2604.00136, "
            f"Apache-2.0): {len(rows)} queries of public benchmarks, answered by "
            f"{', '.join(llm_names)}. Performance is a reward in [0, 1]; cost is in US dollars per "
            "1,000 queries."
        ),
        **matrices,
    )


def _folder() -> Path:
    # The place of a package is found without running it.
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(
            "load_paretobandit reads the files of the package paretobandit, which is not "
            'installed: pip install "skrouter[paretobandit]"'
        )
    return Path(spec.submodule_search_locations[0]).joinpath(*_FOLDER)


def _read(file: Path) -> list[dict[str, Any]]:
    if not file.is_file():
        raise ValueError(
            f"The installed package paretobandit has no file {file}; version 0.1.1 has it: pip "
            "install paretobandit==0.1.1"
        )
    with open(file, encoding="utf-8") as stream:
        rows = [json.loads(line) for line in stream if line.strip()]
    if not rows:
        raise ValueError(f"{file} has no rows.")
    for number, row in enumerate(rows, start=1):
        if not {"prompt", "source", "arms"} <= row.keys():
            raise ValueError(
                f"{file}, row {number} must have prompt, source and arms; it has {list(row)}."
            )
        if set(row["arms"]) != set(rows[0]["arms"]):
            raise ValueError(
                f"{file}, row {number} has the LLMs {list(row['arms'])}, but row 1 has "
                f"{list(rows[0]['arms'])}."
            )
    return rows


def _outcomes(
    rows: list[dict[str, Any]], llm_names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Rewards, and dollars per 1,000 queries."""
    values = np.array(
        [
            [(row["arms"][name]["reward"], row["arms"][name]["cost"]) for name in llm_names]
            for row in rows
        ],
        dtype=np.float64,
    )
    return values[..., 0], _QUERIES_PER_COST_UNIT * values[..., 1]
