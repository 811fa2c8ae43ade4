"""Fetch the official RouterBench files from the hub, and the folder that keeps them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Literal

from sklearn.utils import Bunch

from skrouter._utils.paths import cache_folder
from skrouter.datasets._routerbench import check_trusted, load_routerbench

REPO_ID = "withmartian/routerbench"
# The head of the data set's main branch. A commit cannot change; a branch can.
REVISION = "784021482c3f320c6619ed4b3bb3b41a21424fcb"


def fetch_routerbench(
    *,
    split: Literal["0shot", "5shot"] = "0shot",
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    revision: str = REVISION,
    trusted: bool = False,
) -> Bunch:
    """Fetch an official RouterBench file from the Hugging Face hub and load it.

    The file is downloaded once to
    ``<data home>/routerbench/<revision>/routerbench_<split>.pkl``. Its SHA-256 is recorded beside
    it when it is first seen and verified, before anything is unpickled, whenever it is loaded
    again. A file placed there by hand (on a machine without access to the hub) is used the same
    way.

    Parameters
    ----------
    split : {"0shot", "5shot"}, default="0shot"
        Which release. 0-shot is the default because its prompts are the plain questions; 5-shot
        prompts begin with worked examples that all queries of a task share.

    data_home : str or path-like, default=None
        Folder of the data sets, see :func:`get_data_home`.

    download_if_missing : bool, default=True
        If false, raise an error when the file is not at hand instead of downloading it.

    revision : str, default=the head of the data set's main branch at the time of this release
        Commit, tag or branch of the data set. The default is a full commit hash, so that the
        same file comes every time.

    trusted : bool, default=False
        Must be set to true: the official files are pickles, and unpickling can run any code.
        Checked before anything is downloaded.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        As :func:`load_routerbench` returns it.

    Raises
    ------
    ValueError
        If `split` is unknown, if `trusted` is not true, or if the file's SHA-256 is no longer the
        recorded one.
    OSError
        If the file is not at hand and cannot (or must not) be downloaded. The message says how to
        place it by hand.

    References
    ----------
    Q. J. Hu et al., "RouterBench: A Benchmark for Multi-LLM Routing System", arXiv 2403.12031.
    Data set ``withmartian/routerbench`` on https://huggingface.co.

    Examples
    --------
    >>> from skrouter.datasets import fetch_routerbench
    >>> data = fetch_routerbench(split="0shot", trusted=True)  # doctest: +SKIP
    """
    if split not in ("0shot", "5shot"):
        raise ValueError(f"split must be '0shot' or '5shot'; got {split!r}.")
    filename = f"routerbench_{split}.pkl"
    check_trusted(filename, trusted)
    folder = get_data_home(data_home) / "routerbench" / revision
    file = folder / filename
    if not file.exists():
        by_hand = (
            f"Download {filename} of the data set {REPO_ID!r} (revision {revision}) from "
            f"https://huggingface.co/datasets/{REPO_ID} elsewhere and place it at {file}; or pass "
            "another data_home, or set SKROUTER_HOME."
        )
        if not download_if_missing:
            raise OSError(f"{file} does not exist and download_if_missing=False. {by_hand}")
        # Lazy: the hub client is slow to import and needed once per file.
        from huggingface_hub import hf_hub_download

        try:
            hf_hub_download(
                REPO_ID, filename, repo_type="dataset", revision=revision, local_dir=folder
            )
        except OSError as error:
            raise OSError(
                f"Could not download {filename} of the data set {REPO_ID!r} from the Hugging "
                f"Face hub to {folder}. {by_hand}"
            ) from error
    _verify_checksum(file)
    return load_routerbench(file, trusted=trusted)


def get_data_home(data_home: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder in which fetched data sets are kept, creating it if needed.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder; ``~`` is expanded. If None, it is the folder ``data`` in ``$SKROUTER_HOME``,
        else in ``$XDG_CACHE_HOME/skrouter``, else in ``~/.cache/skrouter``.

    Returns
    -------
    data_home : pathlib.Path
        The folder, which exists.

    Examples
    --------
    >>> import tempfile
    >>> from skrouter.datasets import get_data_home
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     get_data_home(folder + "/mine").name
    'mine'
    """
    folder = cache_folder("auto") / "data" if data_home is None else Path(data_home).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _verify_checksum(file: Path) -> None:
    with open(file, "rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    record = file.with_name(file.name + ".sha256")
    if not record.exists():
        record.write_text(f"{digest}  {file.name}\n", encoding="utf-8")
        return
    recorded = record.read_text(encoding="utf-8").split()[:1]
    if recorded != [digest]:
        raise ValueError(
            f"{file} has changed: its SHA-256 is {digest}, and {record} has {recorded}. Nothing "
            "was loaded. Delete both files to fetch it again."
        )
