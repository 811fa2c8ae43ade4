"""What an off-policy estimate refuses, and what it warns of."""

from __future__ import annotations

import warnings

# Below it, intervals of the bootstrap cover far less than they say (docs/user_guide/coverage.rst).
_FEW_EFFECTIVE = 50


def check_method(method, predicted):
    """Raise if predictions are missing, or of no use."""
    if method != "dr" and predicted is not None:
        raise ValueError(f"predicted was given, but method={method!r} has no use for it.")
    if method == "dr" and predicted is None:
        raise ValueError(
            "predicted is missing: method='dr' needs predicted outcomes of every LLM, as "
            "predict_outcomes of a router gives them; or take method='ips' or 'snips'."
        )


def refuse_bounds(bootstrap_method, min_propensity, max_query_cost):
    """Raise if a bound was given to an interval that does not rest on any."""
    for name, bound in (("min_propensity", min_propensity), ("max_query_cost", max_query_cost)):
        if bound is not None:
            raise ValueError(
                f"{name}={bound!r} was given, but bootstrap_method={bootstrap_method!r} has no use "
                "for it; leave it out, or take 'gaffke'."
            )


def warn_of_few(effective, consequence):
    """Warn if few queries agree, and say what follows."""
    if round(effective, 6) < _FEW_EFFECTIVE:
        warnings.warn(
            f"effective_sample_size is {effective:.1f}, below {_FEW_EFFECTIVE}: {consequence}. Or "
            "log more calls of the LLMs that the router chooses.",
            UserWarning,
            stacklevel=4,  # beyond the check of parameters
        )


def warn_of_free_calls():
    """Warn that costs are known and not charged."""
    warnings.warn(
        "cost was given, but no cost_weight: costs are not charged, and the utility is the "
        "performance. Pass cost_weight=, mostly that of the router, or 0 to judge performance "
        "alone.",
        UserWarning,
        stacklevel=4,  # beyond the check of parameters
    )
