"""Docstrings: every public class, method and function says what numpydoc asks for."""

import functools
import importlib
import inspect
import pkgutil

import pytest
from numpydoc.validate import validate

import skrouter

# What is not asked for.
LEFT_OUT = {
    "ES01": "a summary says it all where it does",
    "SA01": "related names are linked where the text speaks of them",
    "RT02": "what is returned has a name, as in scikit-learn",
    "SS05": "many summaries say what an object is",
}
# Examples are asked of classes and functions, not of each method, and not of what functions return.
EXAMPLE = "EX01"
RESULTS = {
    "skrouter.RoutingReport",
    "skrouter.SpendingPlan",
    "skrouter.TradeOffForecast",
    "skrouter.datasets.LogSummary",
    "skrouter.datasets.RoutingLog",
    "skrouter.metrics.CostQualityCurve",
    "skrouter.metrics.DecisionFlips",
    "skrouter.metrics.NonDecreasingHull",
    "skrouter.metrics.OffPolicyValue",
    "skrouter.metrics.PairedDifference",
    "skrouter.metrics.RoutingScore",
}
# The fields of a result are its attributes: nobody calls its constructor.
OF_CONSTRUCTORS = "PR01"


def public_objects():
    """Every public class and function by the first name under which it is public."""
    modules = ["skrouter"] + [
        f"skrouter.{module.name}"
        for module in pkgutil.iter_modules(skrouter.__path__)
        if not module.name.startswith("_")
    ]
    integrations = ("dask", "litellm", "mlflow", "parquet")
    modules += [f"skrouter.integrations.{name}" for name in integrations]
    found = {}
    for module_name in modules:
        module = importlib.import_module(module_name)
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isclass(thing) or inspect.isroutine(thing):
                found.setdefault(thing, f"{module_name}.{name}")
    return {name: thing for thing, name in found.items()}


def methods(cls):
    """The public methods and properties of a class that skrouter itself defines."""
    for name in dir(cls):
        owner = next((base for base in cls.__mro__ if name in vars(base)), None)
        if name.startswith("_") or owner is None or not owner.__module__.startswith("skrouter"):
            continue
        member = vars(owner)[name]
        is_property = isinstance(member, property | functools.cached_property)
        if is_property or callable(getattr(cls, name, None)):
            yield name


OBJECTS = public_objects()
METHODS = [
    f"{name}.{method}"
    for name, thing in OBJECTS.items()
    if inspect.isclass(thing)
    for method in methods(thing)
]


def complaints(name, left_out):
    return [
        f"{code}: {message}" for code, message in validate(name)["errors"] if code not in left_out
    ]


@pytest.mark.parametrize("name", OBJECTS)
def test_classes_and_functions(name):
    left_out = {*LEFT_OUT, EXAMPLE, OF_CONSTRUCTORS} if name in RESULTS else LEFT_OUT
    assert complaints(name, left_out) == []


@pytest.mark.parametrize("name", METHODS)
def test_methods(name):
    assert complaints(name, {*LEFT_OUT, EXAMPLE}) == []


def test_shared_parts_are_filled_in():
    for name in [*OBJECTS, *METHODS]:
        module, _, rest = name.partition(".")
        thing = functools.reduce(getattr, rest.split("."), importlib.import_module(module))
        assert "%(" not in (inspect.getdoc(thing) or ""), name


def test_results_are_what_they_are_called():
    assert RESULTS <= OBJECTS.keys()
    assert len(METHODS) > 100
    for name in RESULTS:
        assert inspect.isclass(OBJECTS[name])
