"""Types that the signatures of the public API share."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

# A message of a chat is a mapping with "role" and "content"; a chat is a list of them, or the body
# of a request that holds one.
Message: TypeAlias = Mapping[str, object]
Chat: TypeAlias = Sequence[Message] | Mapping[str, object]

LLMName: TypeAlias = str | int

# Text, chats, or ready embeddings; tables of any library have `__array__` or are sequences.
QueriesLike: TypeAlias = ArrayLike | Sequence[str] | Sequence[Chat] | Sequence[str | Chat]

# Performance (n_queries, n_llms), both (n_queries, n_llms, 2), labels, or the named tuple
# (performance, cost, llm_names) that `make_logged_target` returns.
TargetLike: TypeAlias = (
    ArrayLike | tuple[NDArray[np.float64], NDArray[np.float64] | None, NDArray[np.generic]]
)
CostLike: TypeAlias = ArrayLike | Mapping[LLMName, float]
AllowedLike: TypeAlias = ArrayLike | Sequence[LLMName] | Sequence[Sequence[LLMName]]
LabelsLike: TypeAlias = ArrayLike | Sequence[Hashable]
NamesLike: TypeAlias = ArrayLike | Sequence[LLMName]
Seed: TypeAlias = int | np.random.RandomState | None

Floats: TypeAlias = NDArray[np.float64]
Names: TypeAlias = NDArray[np.str_] | NDArray[np.int64]
