"""An array that knows the names of its LLMs, as long as only rows are taken from it."""

from __future__ import annotations

import numpy as np


class NamedTarget(np.ndarray):
    """Performance and cost of shape (n_queries, n_llms, 2), with the names of the LLMs.

    Searches and cross-validation take rows of `y`, and the names go along. Whatever else is done
    with it gives an array without names: nobody knows whose columns they are then.

    Attributes
    ----------
    llm_names : list or None
    """

    llm_names = None

    @classmethod
    def of(cls, array, llm_names):
        """An array with names."""
        target = np.asarray(array).view(cls)
        target.llm_names = list(llm_names)
        return target

    def __getitem__(self, key):
        part = super().__getitem__(key)
        rows = key
        if isinstance(key, tuple) and len(key) == 2 and key[1] is Ellipsis:
            rows = key[0]
        if isinstance(part, NamedTarget) and part.ndim == 3 and not isinstance(rows, tuple):
            part.llm_names = self.llm_names
            return part
        return np.asarray(part) if isinstance(part, NamedTarget) else part

    def __reduce__(self):
        rebuild, arguments, state = super().__reduce__()
        return rebuild, arguments, (state, self.llm_names)

    def __setstate__(self, state):
        state, self.llm_names = state
        super().__setstate__(state)
