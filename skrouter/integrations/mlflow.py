"""Routers as models of MLflow: logged, loaded and served in files that run no code."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import numpy as np

from skrouter._encoders.sentence_encoder import SentenceEncoder
from skrouter._persistence.description import read_metadata
from skrouter._persistence.metadata import encoders_of
from skrouter._persistence.router_file import class_path, load, save
from skrouter._utils.estimators import innermost_estimator, innermost_input
from skrouter.integrations._served_router import FIRST_QUERY, off_the_disk, warmed_up

__all__ = ["load_router", "log_router"]

_FILE = "router.skops"
_TRUSTED = "trusted"  # in what MLflow calls the configuration of a model


def log_router(
    router: Any,
    name: str = "router",
    *,
    data: Mapping | None = None,
    trusted: Iterable[str | type] = (),
    extra_pip_requirements: Sequence[str] = (),
    **options: Any,
) -> Any:
    """Log a fitted router to MLflow, as a model that ``mlflow models serve`` serves.

    The model is a file of :func:`skrouter.save`. MLflow's ``pyfunc`` loads it, and takes text,
    chats or embeddings, whichever the router does, and the ``params`` ``cost_weight``, a number,
    and ``allowed``, a list of names.

    Parameters
    ----------
    router : estimator
        A fitted router, or a pipeline or search that ends in one.
    name : str, default="router"
        The name of the model.
    data : mapping, default=None
        As in :func:`skrouter.save`: what the router was fitted on, of which size and fingerprint
        are kept.
    trusted : iterable of str or type, default=()
        As in :func:`skrouter.load`: more types that the file may hold when MLflow loads it.
    extra_pip_requirements : sequence of str, default=()
        What the server needs beside skrouter and the versions installed here of what routers are
        made of: ``["skrouter[offline]"]``, or the package of an encoder of your own.
    **options
        All else that ``mlflow.pyfunc.log_model`` takes, such as ``registered_model_name``.

    Returns
    -------
    info : mlflow.models.model.ModelInfo
        Its ``model_uri`` is for :func:`load_router`, ``mlflow.pyfunc.load_model``, and
        ``mlflow models serve``.

    Raises
    ------
    ImportError
        If MLflow or skops is not installed.
    NotFittedError
        If the router is not fitted.
    ValueError
        If it holds types that are not trusted, or that are found in no module.

    See Also
    --------
    load_router : The router itself again.
    skrouter.save : The file alone.

    Notes
    -----
    MLflow loads the encoder with the model, before the first query, and the cache on disk of a
    :class:`~skrouter.SentenceEncoder` is switched off: live queries are not kept. Its weights are
    not in the model, unless they were tuned.

    The signature has the params alone. With one of the input, MLflow would make tables of the
    queries, and drop all messages of a chat but the first.

    Examples
    --------
    >>> import mlflow
    >>> from tempfile import TemporaryDirectory
    >>> from skrouter.baselines import LinearRouter
    >>> from skrouter.integrations.mlflow import load_router, log_router
    >>> router = LinearRouter(0.1, llm_names=["small", "large"])
    >>> router = router.fit([[0.0], [1.0], [2.0]], [[1, 0], [0, 1], [0, 1]], cost=[0.1, 1.0])
    >>> with TemporaryDirectory() as folder:
    ...     mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    ...     _ = mlflow.create_experiment("routing", artifact_location=f"{folder}/models")
    ...     _ = mlflow.set_experiment("routing")
    ...     model = log_router(router)
    ...     loaded = load_router(model.model_uri)
    ...     served = mlflow.pyfunc.load_model(model.model_uri)
    >>> loaded.predict([[0.0], [2.0]])
    array(['small', 'large'], dtype='<U5')
    >>> served.predict([[0.0], [2.0]], params={"cost_weight": 9.0})
    array(['small', 'small'], dtype='<U5')
    """
    mlflow = _import_mlflow()
    trusted = [name if isinstance(name, str) else class_path(name) for name in trusted]
    with TemporaryDirectory() as folder:
        path = Path(folder) / _FILE
        save(router, path, data=data)
        load(path, trusted=trusted)  # what MLflow could not load is refused now
        if not {"pip_requirements", "conda_env"} & options.keys():
            versions = read_metadata(path)["versions"]
            options["pip_requirements"] = [*_requirements(versions), *extra_pip_requirements]
        options.setdefault("signature", _signature(router.classes_))
        options.setdefault("input_example", _example(router))
        return mlflow.pyfunc.log_model(
            name=name,
            loader_module=__name__,
            data_path=str(path),
            model_config={_TRUSTED: trusted} if trusted else None,
            **options,
        )


def load_router(model_uri: str | os.PathLike, *, trusted: Iterable[str | type] = ()) -> Any:
    """Load a router that :func:`log_router` logged, as :func:`skrouter.load` does.

    No code of the model's is run, whoever made it: of its folder, only the description and the
    router's file are read. MLflow's own functions, and so ``mlflow models serve``, import what the
    description names: they are for models that you trust.

    Parameters
    ----------
    model_uri : str or path-like
        Where it is: ``models:/router/1``, ``runs:/.../router``, the ``model_uri`` of what
        :func:`log_router` returned, or a folder.
    trusted : iterable of str or type, default=()
        As in :func:`skrouter.load`. What was trusted when the model was logged has to be said
        again.

    Returns
    -------
    router : estimator
        The fitted router.

    Raises
    ------
    ImportError
        If MLflow or skops is not installed.
    ValueError
        If the model is none that :func:`log_router` logged, or its file is refused by
        :func:`skrouter.load`.

    See Also
    --------
    log_router : Logs it; the example there loads it, too.

    Examples
    --------
    >>> import mlflow
    >>> from tempfile import TemporaryDirectory
    >>> from skrouter.baselines import BestSingleRouter
    >>> from skrouter.integrations.mlflow import load_router, log_router
    >>> router = BestSingleRouter(llm_names=["small", "large"]).fit(["a", "b"], [[0, 1], [0, 1]])
    >>> with TemporaryDirectory() as folder:
    ...     mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    ...     _ = mlflow.create_experiment("routing", artifact_location=f"{folder}/models")
    ...     _ = mlflow.set_experiment("routing")
    ...     _ = log_router(router, registered_model_name="best")
    ...     load_router("models:/best/1").predict(["c"])
    array(['large'], dtype='<U5')
    """
    mlflow = _import_mlflow()
    folder = Path(mlflow.artifacts.download_artifacts(str(model_uri)))
    flavor = mlflow.models.Model.load(str(folder)).flavors.get(mlflow.pyfunc.FLAVOR_NAME, {})
    if flavor.get(mlflow.pyfunc.MAIN) != __name__ or mlflow.pyfunc.DATA not in flavor:
        raise ValueError(
            f"{str(model_uri)!r} is no model that log_router logged; nothing was loaded."
        )
    return load(folder / flavor[mlflow.pyfunc.DATA], trusted=trusted)


class _ServedRouter:
    """What MLflow calls."""

    def __init__(self, router: Any) -> None:
        self._router = router
        self._core = innermost_estimator(router)

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> np.ndarray:
        options = {name: value for name, value in (params or {}).items() if value is not None}
        if set(options.get("allowed", ())) == set(self._core.classes_.tolist()):
            del options["allowed"]  # the whole pool; some routers can be asked for nothing else
        X = [data] if isinstance(data, Mapping) else data  # the body of a chat request
        try:
            return self._core.predict(innermost_input(self._router, X), **options)
        except (TypeError, ValueError) as error:
            # MLflow's server tells the caller the message of no other error.
            from mlflow.exceptions import MlflowException

            raise MlflowException.invalid_parameter_value(str(error)) from error


def _load_pyfunc(path: str, model_config: Mapping[str, Any] | None = None) -> _ServedRouter:
    """Called by MLflow, with the path of the file and what was trusted."""
    router = off_the_disk(load(path, trusted=(model_config or {}).get(_TRUSTED, ())))
    if any(isinstance(encoder, SentenceEncoder) for encoder in encoders_of(router)):
        warmed_up(router)
    return _ServedRouter(router)


def _signature(llms: np.ndarray) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ParamSchema, ParamSpec

    names = llms.tolist()
    type_ = {str: "string", bool: "boolean", float: "double"}.get(type(names[0]), "long")
    return ModelSignature(
        params=ParamSchema(
            [
                ParamSpec("cost_weight", "double", None),
                ParamSpec("allowed", type_, names, shape=(-1,)),
            ]
        )
    )


def _example(router: Any) -> list[Any]:
    """A query, which MLflow asks the router before it is logged."""
    n_features = getattr(router, "n_features_in_", None)  # of numbers alone
    return [FIRST_QUERY] if n_features is None else [[0.0] * n_features]


def _requirements(versions: Mapping[str, str]) -> list[str]:
    """Pins of what a file says that it was made with; without "+cpu", which PyPI does not have."""
    extras = {"skrouter": "skrouter[mlflow]"}
    return [
        f"{extras.get(package, package)}=={version.partition('+')[0]}"
        for package, version in versions.items()
        if package != "python"
    ]


def _import_mlflow() -> ModuleType:
    try:
        return import_module("mlflow")
    except ImportError as error:
        raise ImportError('Routers in MLflow need it: pip install "skrouter[mlflow]"') from error
