"""Save a router to a file, and load it without running code of the file's."""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from sklearn.utils.validation import check_is_fitted

from skrouter._encoders.sentence_encoder import SentenceEncoder
from skrouter._persistence.description import METADATA, read_description
from skrouter._persistence.metadata import describe, encoders_of, layers
from skrouter._persistence.trusted_types import is_trusted
from skrouter._utils.paths import written_at_once
from skrouter._utils.versions import warn_on_other_versions


def save(
    router: Any,
    path: str | os.PathLike,
    *,
    data: Mapping | None = None,
    metadata: Mapping | None = None,
) -> None:
    """Save a fitted router to a file that runs no code when it is loaded.

    The file is one of skops, a zip archive of arrays and JSON, with a description in it that can
    be read without loading anything: versions, LLMs, encoder and, if wanted, the data. It needs
    skops: ``pip install "skrouter[skops]"``.

    Parameters
    ----------
    router : estimator
        A fitted router, or a pipeline or search that ends in one.
    path : str or path-like
        The file, mostly ``.skops``. It is replaced at once, when all is written: who loads it
        meanwhile gets the old one or the new one.
    data : mapping, default=None
        What the router was fitted on, with the keys ``queries``, ``performance`` and ``cost``, as
        :func:`~skrouter.datasets.load_log` returns it. Its size and its fingerprint, a SHA-256,
        are put into the file, and nothing else of it.
    metadata : mapping, default=None
        Anything of your own that JSON can hold, kept in the file under "extra".

    Raises
    ------
    ImportError
        If skops is not installed.
    NotFittedError
        If the router is not fitted.
    ValueError
        If something in the router is found in no module, such as a lambda or a class within a
        function: it could not be loaded again.

    See Also
    --------
    load : Loads it.

    Examples
    --------
    >>> import tempfile
    >>> import skrouter
    >>> from skrouter.baselines import LinearRouter
    >>> router = LinearRouter(alpha=0.1, llm_names=["small", "large"])
    >>> router = router.fit([[0.0], [1.0], [2.0]], [[1, 0], [0, 1], [0, 1]])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     skrouter.save(router, folder + "/router.skops")
    ...     loaded = skrouter.load(folder + "/router.skops")
    >>> loaded.predict([[0.0], [2.0]])
    array(['small', 'large'], dtype='<U5')
    """
    skops_io = import_skops()
    check_is_fitted(router)
    if not hasattr(router, "classes_"):
        raise TypeError(f"router must be a fitted router, with classes_; got {router!r}.")
    description = describe(router, data, metadata)
    content = skops_io.dumps(router)
    types = skops_io.get_untrusted_types(data=content)
    lost = [name for name in types if not _can_be_found(name)]
    if lost:
        raise ValueError(
            f"The router holds what no module has under its name, so that it could not be loaded "
            f"again: {lost}. Define it at the top of a module."
        )
    description["types"] = types
    buffer = io.BytesIO(content)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(METADATA, json.dumps(description, indent=2, allow_nan=False))
    with written_at_once(Path(path)) as part:
        part.write_bytes(buffer.getvalue())


def load(path: str | os.PathLike, *, trusted: Iterable[str | type] = ()) -> Any:
    """Load a router that :func:`save` wrote, after looking at all that is in the file.

    Only types that this package lists by name are loaded, and those of scikit-learn, scipy and
    numpy that skops trusts. If there is anything else, nothing is loaded. So a file from others
    cannot run code; it can still be a bad router, or name an encoder of theirs:
    ``skrouter inspect`` shows which.

    Parameters
    ----------
    path : str or path-like
        The file.
    trusted : iterable of str or type, default=()
        More types that may be loaded, such as an encoder of your own: classes, or their full
        names. Whoever made the file chooses their content, so name only what you know.

    Returns
    -------
    router : estimator
        The fitted router.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If skops is not installed.
    ValueError
        If the file is none of a router, or holds types that are not trusted. The message names
        them.

    Warns
    -----
    InconsistentVersionWarning
        If it was saved with another version of scikit-learn.
    UserWarning
        If it was saved with another version of skrouter.

    See Also
    --------
    save : Writes it.

    Notes
    -----
    Nothing in the file is tied to a device: a router trained on CUDA is loaded on a machine
    without. With ``device="cuda"`` it then needs ``set_params(device="cpu")``.

    The weights of a :class:`SentenceEncoder` that was not tuned are not in the file; they must be
    had where it is loaded, and are compared with the fingerprint in it before they are used.

    Examples
    --------
    >>> import pickle, tempfile
    >>> import skrouter
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with open(folder + "/pickle.skops", "wb") as file:
    ...         pickle.dump("anything", file)
    ...     skrouter.load(folder + "/pickle.skops")
    Traceback (most recent call last):
        ...
    ValueError: ... is no file that skrouter.save wrote (File is not a zip file); nothing of it ...
    """
    content = Path(path).read_bytes()
    description = read_description(content, path)
    skops_io = import_skops()
    found = skops_io.get_untrusted_types(data=content)
    named = {name if isinstance(name, str) else class_path(name) for name in trusted}
    unknown = [name for name in found if name not in named and not is_trusted(name)]
    if unknown:
        raise ValueError(
            f"{os.fspath(path)!r} holds types that a file of a router has no need for: {unknown}. "
            "Nothing was loaded, and no code was run. If you know them, and trust who made the "
            "file, pass them as trusted=."
        )
    router = skops_io.loads(content, trusted=found)
    if not hasattr(router, "predict") or not hasattr(router, "classes_"):
        raise ValueError(
            f"{os.fspath(path)!r} holds a {type(router).__name__}, which is no router."
        )
    for encoder in encoders_of(router):
        # It becomes part of the name of a file, that of the cache.
        if isinstance(encoder, SentenceEncoder) and not _is_sha256(encoder.fingerprint_):
            raise ValueError(
                f"{os.fspath(path)!r} was tampered with: the fingerprint of its encoder is "
                f"{encoder.fingerprint_!r}, which is no SHA-256."
            )
    core = layers(router)[-1]
    if not hasattr(core, "_versions"):  # else it has warned itself
        warn_on_other_versions(type(core).__name__, description["versions"])
    return router


def import_skops() -> ModuleType:
    """Import skops, or say how to install it."""
    try:
        return import_module("skops.io")
    except ImportError as error:
        raise ImportError(
            'Saving and loading routers needs skops: pip install "skrouter[skops]"'
        ) from error


def _can_be_found(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    try:
        return hasattr(import_module(module), attribute)
    except (ImportError, ValueError):
        return False


def class_path(type_: type) -> str:
    """Where a class is found, as files name it."""
    return f"{type_.__module__}.{type_.__qualname__}"


def _is_sha256(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None
