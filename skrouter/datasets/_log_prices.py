"""Prices per token, in the forms in which people have them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from skrouter.datasets._log_source import as_numbers, read_columns

_PER_TOKEN = ("input_cost_per_token", "output_cost_per_token")
_PER_MILLION = ("input", "output")
_TOKENS = 1e6
# Dollars per million tokens. No LLM that is sold is as cheap; dollars per token are all below.
_LEAST = 1e-3

_WANTED = (
    "prices are US dollars per million tokens as {'gpt-4': (30.0, 60.0)}, input first, or a table "
    "with the columns llm, input and output, or the path of such a table (.csv), of such a "
    "mapping (.json) or of LiteLLM's model_prices_and_context_window.json"
)


class Price(NamedTuple):
    """US dollars per million tokens."""

    input: float
    output: float


def same_name(name: object) -> str:
    """What names have in common that differ by case or space."""
    return "".join(str(name).split()).casefold()


class PriceList:
    """Prices of LLMs by name.

    Parameters
    ----------
    prices : mapping, data frame, str or path-like
        As `load_log` takes them.

    Raises
    ------
    ValueError
        If they are none, negative, or look like prices per token.
    TypeError
        If they are of another type.
    """

    def __init__(self, prices: Any) -> None:
        entries = list(_read(prices))
        values = np.array([price for _, price in entries if price is not None]).reshape(-1, 2)
        if not len(values):
            raise ValueError(f"prices has no price; {_WANTED}.")
        if np.isinf(values).any() or not (values >= 0).all():
            raise ValueError(f"prices has one that is negative, infinite or NaN; {_WANTED}.")
        if 0 < values.max() < _LEAST:
            raise ValueError(
                f"The highest of all prices is {values.max():.3g} US dollars per million tokens, "
                f"which looks like a price per token; {_WANTED}."
            )
        self._exact = dict(entries)
        self._alike: dict[str, set[Price | None]] = {}
        for name, price in entries:
            self._alike.setdefault(same_name(name), set()).add(price)

    def some(self) -> list[str]:
        """A few of the names, for messages."""
        return list(self._exact)[:5]

    def known(self) -> list[Price]:
        """Of all LLMs that have one."""
        return [price for price in self._exact.values() if price is not None]

    def find(self, spellings: Iterable[str]) -> Price | None:
        """The price of an LLM, by any of its spellings.

        Parameters
        ----------
        spellings : iterable of str

        Returns
        -------
        price : Price or None

        Raises
        ------
        ValueError
            If several prices have names that differ by case or space only.
        """
        spellings = list(spellings)
        for name in spellings:
            if name in self._exact:
                return self._exact[name]
        alike = self._alike.get(same_name(spellings[0]), {None})
        if len(alike) > 1:
            raise ValueError(
                f"prices has several prices for {spellings[0]!r}, under names that differ by case "
                "or space."
            )
        return next(iter(alike))


def _read(prices: Any) -> Iterable[tuple[str, Price | None]]:
    if isinstance(prices, Mapping):
        return _from_mapping(prices)
    if isinstance(prices, str | os.PathLike):
        file = Path(prices)
        if file.name.lower().endswith(".json"):
            return _from_json(file)
    elif hasattr(prices, "columns") and "llm" not in prices.columns:
        index = getattr(prices, "index", None)
        if index is not None:
            prices = prices.assign(llm=index)
    elif not hasattr(prices, "columns") and not hasattr(prices, "column_names"):
        raise TypeError(f"prices is a {type(prices).__name__}; {_WANTED}.")
    table = read_columns(prices, ["llm"], _PER_MILLION, name="prices")
    numbers = [as_numbers(table[column], column, "prices") for column in _PER_MILLION]
    return (
        (str(name), None if in_ + out != in_ + out else Price(float(in_), float(out)))
        for name, in_, out in zip(table["llm"].tolist(), *numbers, strict=True)
    )


def _from_json(file: Path) -> Iterable[tuple[str, Price | None]]:
    if not file.is_file():
        raise FileNotFoundError(f"prices: there is no file {str(file)!r}.")
    try:
        prices = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"prices: {str(file)!r} is no JSON: {error}.") from error
    if not isinstance(prices, dict):
        raise ValueError(f"prices: {str(file)!r} holds a {type(prices).__name__}; {_WANTED}.")
    return _from_mapping(prices)


def _from_mapping(prices: Mapping) -> Iterable[tuple[str, Price | None]]:
    for name, entry in prices.items():
        if not isinstance(entry, Mapping):
            yield str(name), _pair(name, entry)
        elif all(key in entry for key in _PER_MILLION):
            yield str(name), _pair(name, [entry[key] for key in _PER_MILLION])
        elif all(isinstance(entry.get(key), int | float) for key in _PER_TOKEN):
            price = Price(*(entry[key] * _TOKENS for key in _PER_TOKEN))
            yield str(name), price
            # LiteLLM lists most LLMs by their plain names, and logs often have the provider's
            # before it.
            provider = entry.get("litellm_provider")
            full = f"{provider}/{name}"
            if provider and not str(name).startswith(f"{provider}/") and full not in prices:
                yield full, price
        elif "litellm_provider" in entry:
            yield str(name), None  # charged by the image, the second, the page
        else:
            raise ValueError(f"prices: {name!r} has {sorted(map(str, entry))}; {_WANTED}.")


def _pair(name: object, entry: Any) -> Price:
    try:
        in_, out = (float(value) for value in entry)
    except (TypeError, ValueError) as error:
        raise ValueError(f"prices: {name!r} has {entry!r}; {_WANTED}.") from error
    return Price(in_, out)
