"""What cross-validation found out about a router, kept for the user."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_WHAT_TO_TRY = (
    "More scored queries may help, or an encoder that shows what makes queries differ "
    "(truncation_side decides which end of a long text it sees); or one LLM is simply the best."
)


class Validation(NamedTuple):
    """What cross-validation says of a router.

    Attributes
    ----------
    shares : dict of str to float
        Share of each learner in the average. They sum to 1; empty if there are queries for none.
    factors : dict of str to float
        What the expected deviations from the mean performance, and from the mean cost, of an LLM
        are multiplied by so that they come true; those of the utility with ``trade_off="fixed"``.
        0 where the queries tell nothing.
    cost_weights : list of float
        Trade-offs at which the router was validated.
    gains, errors : list of float
        At each of them the mean utility on held-out queries less that of the best single LLM, and
        its standard error. Shares and factors were found on the same queries, so that it is a
        little too good. NaN where most queries have missing outcomes.
    elsewhere : list of float
        Share of the queries on which another than the best single LLM was called.
    """

    shares: dict
    factors: dict
    cost_weights: list
    gains: list
    errors: list
    elsewhere: list

    @property
    def stays_at_one_llm(self):
        """Whether the best single LLM was called throughout, whatever the trade-off."""
        return not any(self.elsewhere)

    def __str__(self):
        if self.stays_at_one_llm:
            return f"{self._reason()} {_WHAT_TO_TRY}"
        learners = ", ".join(f"{name} {share:.0%}" for name, share in self.shares.items())
        factors = ", ".join(f"{name} {factor:.2f}" for name, factor in self.factors.items())
        lines = [f"Learners: {learners}. What they expect is multiplied by: {factors}."]
        parts = zip(self.cost_weights, self.gains, self.errors, self.elsewhere, strict=True)
        for cost_weight, gain, error, elsewhere in parts:
            gained = "" if np.isnan(gain) else f", gain {gain:+.4f} ± {error:.4f}"
            lines.append(
                f"cost_weight={cost_weight:.3g}: {elsewhere:.0%} of held-out queries go to another "
                f"than the best single LLM{gained}."
            )
        return "\n".join(lines)

    def scaled(self, unit):
        """The same validation where performance is `unit` times as large."""
        parts = {name: getattr(self, name) for name in ("cost_weights", "gains", "errors")}
        return self._replace(**{k: [unit * x for x in each] for k, each in parts.items()})

    def of_utility(self, cost_weight):
        """The same validation where it is the utility at one trade-off that was learnt."""
        return self._replace(
            cost_weights=[cost_weight], factors={"utility": self.factors["performance"]}
        )

    def _reason(self):
        what = "The best single LLM was called for every held-out query"
        if not any(self.factors.values()):
            return f"{what}: nothing that was learnt from the others came true."
        return f"{what}: no other was expected to do better on any."
