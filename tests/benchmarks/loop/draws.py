"""Common random numbers: a draw depends on what it is for, not on what was drawn before.

So the same visit to the same step of the same run has the same luck in every arm, whichever model
is asked, and arms differ by what they decide.
"""

from __future__ import annotations

import hashlib
from statistics import NormalDist
from typing import NamedTuple

_NORMAL = NormalDist()


class Draws(NamedTuple):
    """The luck of one run."""

    seed: int
    run: int

    def uniform(self, *what: object) -> float:
        """Between 0 and 1, neither included."""
        key = repr((self.seed, self.run, *what)).encode()
        number = int.from_bytes(hashlib.blake2b(key, digest_size=7).digest())
        return (number + 0.5) / 2**56

    def normal(self, *what: object) -> float:
        """Standard normal."""
        return _NORMAL.inv_cdf(self.uniform(*what))
