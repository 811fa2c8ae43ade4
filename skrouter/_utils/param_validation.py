"""scikit-learn's check of the parameters of functions and methods.

It is private there, so that it is imported for functions in this module alone; and it has no
types, so that a function would lose those of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from sklearn.utils import _param_validation

F = TypeVar("F", bound=Callable[..., Any])

Constraints = Mapping[str, list[Any]]


def validate_params(
    constraints: Constraints, *, prefer_skip_nested_validation: bool = True
) -> Callable[[F], F]:
    """Check the named parameters before a function is called.

    Parameters
    ----------
    constraints : dict of str to list
        What each parameter may be, in the form of scikit-learn's `_parameter_constraints`.
    prefer_skip_nested_validation : bool, default=True
        Whether functions that are called inside need not check theirs. Set it to False where
        keyword arguments are passed on to a function that has constraints of its own.

    Returns
    -------
    decorator : callable
        The decorated function raises ``sklearn.utils._param_validation.InvalidParameterError``,
        a ValueError and a TypeError.
    """
    decorator: Callable[[F], F] = _param_validation.validate_params(
        constraints, prefer_skip_nested_validation=prefer_skip_nested_validation
    )
    return decorator


def validate_each(name: str, values: Iterable[Any], constraints: list[Any], caller: str) -> None:
    """Check each of several values of the parameter `name` of `caller`.

    Parameters
    ----------
    name : str
    values : iterable
    constraints : list
        What each value may be, as for :func:`validate_params`.
    caller : str
        Name of the function that is called in the message.

    Raises
    ------
    ValueError
        For the first value that meets none of the constraints.
    """
    for value in values:
        _param_validation.validate_parameter_constraints({name: constraints}, {name: value}, caller)
