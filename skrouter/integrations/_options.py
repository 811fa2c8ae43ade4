"""What can be asked of all queries at once, where they come in parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from skrouter._targets.predict_options import check_allowed, check_cost_weight
from skrouter._utils.types import LLMName


def options_for_all(
    router: Any, cost_weight: float | None, allowed: Sequence[LLMName] | None
) -> dict[str, Any]:
    """Check options of `predict` that are the same for all queries.

    Parameters
    ----------
    router : router
        Fitted.
    cost_weight : float or None
    allowed : sequence of names or None

    Returns
    -------
    options : dict
        Those that were given, of plain Python types.

    Raises
    ------
    ValueError
        If one is not as described, or is given for each query.
    """
    options: dict[str, Any] = {}
    if cost_weight is not None:
        if np.ndim(cost_weight) != 0:
            raise ValueError(
                f"cost_weight has shape {np.shape(cost_weight)}; one number for all queries is "
                "wanted here."
            )
        options["cost_weight"] = check_cost_weight(cost_weight, ())
    if allowed is not None:
        if np.ndim(allowed) != 1 or np.asarray(allowed).dtype.kind == "b":
            raise ValueError(
                f"allowed={allowed!r}: one list of names for all queries is wanted here."
            )
        check_allowed(allowed, router.classes_, ())
        options["allowed"] = np.asarray(allowed).tolist()
    return options
