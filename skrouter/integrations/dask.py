"""Many queries at once: routers over Dask collections, and searches on a Dask cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skrouter._utils.types import LLMName
from skrouter.integrations._options import options_for_all

__all__ = ["encode", "parallel_config", "predict"]

_METHODS = ("predict", "predict_proba", "decision_function")

# Seconds after which data are sent again that were lost with a worker; new ones start in about two.
_SCATTER_WAITS = (0.1, 1.0, 3.0)


def predict(
    router: Any,
    X: Any,
    *,
    method: str = "predict",
    cost_weight: float | None = None,
    allowed: Sequence[LLMName] | None = None,
) -> Any:
    """Choose an LLM for each query of a Dask collection, lazily.

    Each partition is answered as a whole, by the worker that holds it. The router is sent to each
    worker once, as it is now: what is done to it later changes nothing. If a worker is lost, its
    partitions are answered by others.

    Parameters
    ----------
    router : router
        A fitted router. Its encoder is loaded by each process once, and not sent; the model must
        be found by the workers.
    X : dask.dataframe.Series or DataFrame, dask.array.Array, or dask.bag.Bag
        Queries as text, chats, or ready embeddings, whichever they were at `fit`. Text is a
        Series, a DataFrame of one column, a 1-D array or a bag; embeddings are a DataFrame or a
        2-D array.
    method : {"predict", "predict_proba", "decision_function"}, default="predict"
        The method of the router that is called.
    cost_weight : float, default=None
        The trade-off. None is the router's own.
    allowed : sequence of names, default=None
        The LLMs that may be called. None allows the whole pool.

    Returns
    -------
    llms : dask.dataframe.Series, dask.array.Array or dask.bag.Bag
        Partitioned as `X`, with its index. Of a DataFrame or Series it is a Series "llm", or for
        `predict_proba` a DataFrame with a column for each LLM.

    Raises
    ------
    ImportError
        If Dask is not installed.
    TypeError
        If `X` is no Dask collection.
    ValueError
        If `method`, `cost_weight` or `allowed` is not as described.
    sklearn.exceptions.NotFittedError
        If the router is not fitted.

    See Also
    --------
    encode : Embeddings of queries, by which a search encodes each text once.
    skrouter.integrations.parquet.predict_parquet : Files larger than memory, without Dask.

    Notes
    -----
    What is wrong with single queries is found by the worker that answers them, and raised by
    ``compute()``. An empty partition has an empty answer.

    Examples
    --------
    >>> import dask.dataframe as dd
    >>> import pandas as pd
    >>> from sklearn.decomposition import TruncatedSVD
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from sklearn.pipeline import make_pipeline
    >>> from skrouter.baselines import LinearRouter
    >>> from skrouter.integrations.dask import predict
    >>> words = make_pipeline(TfidfVectorizer(), TruncatedSVD(2, random_state=0))
    >>> router = LinearRouter(0.1, encoder=words, llm_names=["small", "large"])
    >>> queries = ["say hello", "say goodbye", "prove a theorem", "prove a lemma"]
    >>> router = router.fit(queries, [[1, 1], [1, 1], [0, 1], [0, 1]], cost=[0.1, 5.0])
    >>> frame = dd.from_pandas(pd.DataFrame({"prompt": ["say it", "prove it"]}), npartitions=2)
    >>> frame.assign(llm=predict(router, frame["prompt"])).compute()["llm"].tolist()
    ['small', 'large']
    """
    _check_installed()
    if method not in _METHODS:
        raise ValueError(f"method={method!r}: one of {', '.join(map(repr, _METHODS))} is wanted.")
    check_is_fitted(router)
    llms = router.classes_
    options = options_for_all(router, cost_weight, allowed)
    if method == "predict":
        nothing, columns = llms[:0], "llm"
    elif method == "decision_function" and len(llms) == 2:
        nothing, columns = np.empty(0), "value"
    else:
        nothing, columns = np.empty((0, len(llms))), llms.tolist()
    return _by_partition(X, router, method, options, nothing, columns)


def encode(encoder: Any, X: Any) -> Any:
    """Encode the texts of a Dask collection, lazily.

    With the cache on disk of :class:`~skrouter.SentenceEncoder`, in a folder that the workers
    share, this also prepares a search over parameters: whoever asks for the same texts later finds
    their embeddings.

    Parameters
    ----------
    encoder : transformer
        A fitted encoder, such as :class:`~skrouter.SentenceEncoder` or a router's ``encoder_``. It
        is asked for one text at once, to learn the shape of its embeddings.
    X : dask.dataframe.Series, dask.array.Array or dask.bag.Bag
        Texts.

    Returns
    -------
    embeddings : dask.dataframe.DataFrame, dask.array.Array or dask.bag.Bag
        Partitioned as `X`, with its index.

    Raises
    ------
    ImportError
        If Dask is not installed.
    TypeError
        If `X` is no Dask collection.
    sklearn.exceptions.NotFittedError
        If the encoder is not fitted.

    See Also
    --------
    predict : Choices of a router.

    Notes
    -----
    Texts that stand in several partitions may be encoded by several workers at the same time:
    leave duplicates out before.

    Examples
    --------
    >>> import dask.bag
    >>> from sklearn.decomposition import TruncatedSVD
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from sklearn.pipeline import make_pipeline
    >>> from skrouter.integrations.dask import encode
    >>> texts = ["say hello", "say goodbye", "prove a theorem"]
    >>> words = make_pipeline(TfidfVectorizer(), TruncatedSVD(2, random_state=0)).fit(texts)
    >>> bag = dask.bag.from_sequence(texts, npartitions=2)
    >>> rows = encode(words, bag).compute(scheduler="threads")
    >>> len(rows), len(rows[0])
    (3, 2)
    """
    _check_installed()
    nothing = np.asarray(encoder.transform(["What is 2 + 2?"]))[:0]
    return _by_partition(X, encoder, "transform", {}, nothing, list(range(nothing.shape[1])))


@contextmanager
def parallel_config(client: Any = None) -> Iterator[None]:
    """Run searches and cross-validation on a Dask cluster, one that may lose a worker.

    As ``joblib.parallel_config(backend="dask")``, which puts the data of a search on one of the
    workers, so that the search fails if that one is lost. Here every worker has them, and what a
    lost one was busy with is done by others.

    Parameters
    ----------
    client : dask.distributed.Client, default=None
        The cluster. None is the client that was made last.

    Yields
    ------
    None

    Raises
    ------
    ImportError
        If Dask is not installed.
    ValueError
        If there is no client.

    See Also
    --------
    encode : Before a search over text.

    Notes
    -----
    The estimator has to ask for several jobs: ``n_jobs=-1`` is all workers. Data are lost if all
    workers are lost that were there when the search began.

    Examples
    --------
    >>> from dask.distributed import Client
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skrouter.baselines import KNNRouter
    >>> from skrouter.datasets import make_routing_problem
    >>> from skrouter.integrations.dask import parallel_config
    >>> data = make_routing_problem(120, random_state=0)
    >>> search = GridSearchCV(KNNRouter(), {"n_neighbors": [5, 20]}, n_jobs=-1)
    >>> with Client() as client, parallel_config(client):  # doctest: +SKIP
    ...     search.fit(data.difficulty[:, None], data.performance)
    """
    _check_installed()
    import joblib
    from dask.distributed import get_client

    found = get_client() if client is None else client
    with joblib.parallel_config(backend="dask", client=_Replicating(found)):
        yield


class _Replicating:
    """A client that puts data on all workers, where joblib asks for one."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def scatter(self, data: Any, **options: Any) -> Any:
        """Put one object on all workers, again where a worker was lost on the way with it.

        Data go to one worker, and from there to the others: a worker lost in between takes them
        with it, and nobody can make them again. joblib asks while the first of its jobs run.
        """
        for wait in _SCATTER_WAITS:
            try:
                future = await self._client.scatter(data, **{**options, "broadcast": True})
                if (await self._client.scheduler.who_has(keys=[future.key]))[future.key]:
                    return future
            except OSError:  # Sent to a worker that the scheduler has not missed yet.
                pass
            await asyncio.sleep(wait)
        # joblib would wait for ever if this raised; so they travel with each job.
        return data


def _by_partition(
    X: Any, estimator: Any, method: str, options: dict[str, Any], nothing: Any, columns: Any
) -> Any:
    """Call a method of an estimator on each partition; `nothing` is what no queries give."""
    import cloudpickle
    import dask
    import dask.array
    import dask.bag

    # As bytes, which the scheduler passes on unread. A task of its own makes the estimator of them:
    # it runs once, other workers get its result, and if that is lost it runs again.
    content = cloudpickle.dumps(estimator)
    sent = dask.delayed(cloudpickle.loads, pure=True)(content)
    if isinstance(X, dask.array.Array):
        rows = "ij"[: X.ndim]
        width = {} if nothing.ndim == 1 else {"k": nothing.shape[1]}
        return dask.array.blockwise(
            _answer,
            "".join(["i", *width]),
            X,
            rows,
            sent,
            None,
            method,
            None,
            options,
            None,
            nothing,
            None,
            new_axes=width,
            concatenate=True,
            dtype=nothing.dtype,
            meta=nothing,
        )
    if isinstance(X, dask.bag.Bag):
        return X.map_partitions(_answer_bag, sent, method, options, nothing)
    if dask.is_dask_collection(X) and hasattr(X, "_meta"):
        meta = _as_frame(nothing, X._meta.index[:0], columns)
        return X.map_partitions(_answer_frame, sent, method, options, meta, meta=meta)
    raise TypeError(
        f"X is a {type(X).__module__}.{type(X).__name__}; a Dask Series, DataFrame, Array or Bag "
        f"is wanted. Give anything else to {method} of the {type(estimator).__name__} itself."
    )


def _answer(
    queries: Any, estimator: Any, method: str, options: dict[str, Any], nothing: Any
) -> Any:
    if len(queries) == 0:  # routers refuse it, but partitions may be empty after a filter
        return nothing
    return getattr(estimator, method)(queries, **options)


def _answer_bag(
    queries: Any, estimator: Any, method: str, options: dict[str, Any], nothing: Any
) -> list[Any]:
    answers: list[Any] = _answer(list(queries), estimator, method, options, nothing).tolist()
    return answers


def _answer_frame(
    queries: Any, estimator: Any, method: str, options: dict[str, Any], nothing: Any
) -> Any:
    if len(queries) == 0:
        return nothing
    columns = nothing.name if nothing.ndim == 1 else nothing.columns
    return _as_frame(_answer(queries, estimator, method, options, None), queries.index, columns)


def _as_frame(values: Any, index: Any, columns: Any) -> Any:
    import pandas

    if values.ndim == 1:
        return pandas.Series(values, index, name=columns)
    return pandas.DataFrame(values, index, columns)


def _check_installed() -> None:
    try:
        import dask.array
        import dask.bag
        import dask.dataframe
        import dask.distributed  # noqa: F401
    except ImportError as error:
        raise ImportError('This needs Dask: pip install "skrouter[dask]"') from error
