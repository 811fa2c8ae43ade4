"""The most that one query can cost, from list prices and limits on tokens."""

from __future__ import annotations

from numbers import Real
from typing import Any

from sklearn.utils._param_validation import Interval, validate_params
from sklearn.utils.validation import column_or_1d

from skrouter._utils.types import NamesLike
from skrouter.datasets._log_prices import PriceList

# Prices are per million tokens, costs per 1,000 queries.
_TOKENS, _QUERIES = 1e6, 1e3


@validate_params(
    {
        "max_prompt_tokens": [Interval(Real, 0, None, closed="left")],
        "max_completion_tokens": [Interval(Real, 0, None, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def largest_query_cost(
    prices: Any,
    *,
    max_prompt_tokens: float,
    max_completion_tokens: float,
    llm_names: NamesLike | None = None,
) -> float:
    r"""Upper bound on the cost of one query, for what has to rest on one.

    The most expensive LLM, with a prompt and an answer as long as they can be:

    .. math::

        \max_j \; \frac{1000}{10^6} \left( \text{prompt price}_j \times
        \text{max\_prompt\_tokens} + \text{completion price}_j \times
        \text{max\_completion\_tokens} \right)

    Parameters
    ----------
    prices : mapping, DataFrame, str or path-like
        US dollars per million tokens, in the forms that :func:`skrouter.datasets.load_log` takes:
        ``{"large": (2.0, 8.0)}``, prompt first, a table with the columns `llm`, `input` and
        `output`, or the path of one, or of LiteLLM's ``model_prices_and_context_window.json``.
    max_prompt_tokens : float
        The longest prompt, with instructions, documents and the turns before. Enforce it where
        prompts are made, or take the context window.
    max_completion_tokens : float
        The longest answer, as the limit that is sent with each call. Tokens of reasoning are
        charged as such, too.
    llm_names : array-like of shape (n_llms,), default=None
        The pool, mostly the router's `classes_`. None takes every LLM in `prices`.

    Returns
    -------
    max_query_cost : float
        US dollars per 1,000 queries like that.

    Raises
    ------
    ValueError
        If an LLM has no price, prices are not as described, or all is free: then there is nothing
        to bound.
    TypeError
        If `prices` is of another type.

    See Also
    --------
    GuaranteedRouter : Takes it as `max_query_cost`.
    skrouter.metrics.paired_bootstrap : Takes it in `max_difference`.

    Notes
    -----
    It is of one call. A query that is sent again after a timeout, or a cascade that calls several
    LLMs, costs the sum.

    Examples
    --------
    >>> from skrouter import largest_query_cost
    >>> prices = {"small": (0.1, 0.4), "large": (2.0, 8.0)}
    >>> largest_query_cost(prices, max_prompt_tokens=4000, max_completion_tokens=1000)
    16.0
    """
    price_list = PriceList(prices)
    if llm_names is None:
        found = price_list.known()
    else:
        names = column_or_1d(llm_names, input_name="llm_names").tolist()
        by_name = [price_list.find([str(name)]) for name in names]
        found = [price for price in by_name if price is not None]
        unknown = [name for name, price in zip(names, by_name, strict=True) if price is None]
        if unknown:
            raise ValueError(
                f"prices has no price of {unknown}; it has {price_list.some()} and others. Add "
                "them, or leave them out of llm_names."
            )
    most = max(
        price.input * max_prompt_tokens + price.output * max_completion_tokens for price in found
    )
    if not most > 0:
        raise ValueError(
            f"max_prompt_tokens={max_prompt_tokens!r} and max_completion_tokens="
            f"{max_completion_tokens!r} cost nothing at these prices, so that there is no bound to "
            "give; leave max_query_cost out."
        )
    return float(most * _QUERIES / _TOKENS)
