"""Handling of scikit-learn estimators of any kind."""

from contextlib import contextmanager


@contextmanager
def all_or_nothing(estimator):
    """Give the estimator its former state back if the block fails."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise
