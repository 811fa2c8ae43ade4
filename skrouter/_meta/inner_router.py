"""The router inside a meta-router."""

from __future__ import annotations

from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from skrouter._routers.base import BaseRouter


def read_inner_router(router):
    """The router to fit, or the fitted one.

    Parameters
    ----------
    router : router or FrozenEstimator

    Returns
    -------
    router : BaseRouter
        A clone, or the very router that is frozen.
    frozen : bool

    Raises
    ------
    TypeError
        If it is no router of this library, which keeps the contract of
        :class:`~skrouter._routers.base.BaseRouter`.
    ValueError
        If it wants the task of each query, which a meta-router cannot tell it.
    NotFittedError
        If a frozen one is not fitted.
    """
    frozen = isinstance(router, FrozenEstimator)
    inner = router.estimator if frozen else router
    if not isinstance(inner, BaseRouter):
        raise TypeError(
            "router must be a router of skrouter that is none around another one, bare or inside "
            f"FrozenEstimator, got {router!r}."
        )
    if inner._needs_tasks:
        raise ValueError(
            f"router is a {type(inner).__name__}, which must be told the task of each query, and "
            "there is no way to pass it on; use it by itself."
        )
    if frozen:
        check_is_fitted(inner)
        return inner, True
    return clone(inner), False
