"""Whether those that are treated fare worse than those that are not, judged after each of them.

What is looked at is something bad that happened to a unit or not. By lot a known share of the
units is treated, so of the units to which it happened at most that share should be treated if
treatment does no harm, whatever else changes with time for both. That makes a bet with a known
price: with `p` the share, `c` how often it happens without treatment and `t` how often it would
with it, a unit that is treated multiplies the stake by `r / (1 + p (r - 1))`, one that is not by
`1 / (1 + p (r - 1))`, where `r` is `t / c` if it happened and `(1 - t) / (1 - c)` if not. Without
harm no such factor is above 1 on average, whatever `c` and `t` are chosen from the past.

`t` is set by odds 1.5, 2, 4 and 8 times those of `c`, each with a stake of its own that is never
below 1 (so that a long good time does not hide a bad one); the evidence is their average. It
is an e-detector (Shin, Ramdas, Rinaldo: https://arxiv.org/abs/2203.03532): without harm it takes
on average at least `N` units until it reaches `N`, at any time, without a size fixed in advance.
"""

from __future__ import annotations

ODDS = (1.5, 2.0, 4.0, 8.0, 32.0)
_KEPT = 0.99
"""What a unit's weight in `c` is multiplied by with each further one: it forgets within some hundred."""
_PRIOR_BAD, _PRIOR = 0.2, 2.0
_MOST = 1e12
"""Of a stake: beyond every threshold, and far from infinity."""


class Evidence:
    """Evidence that one bad thing happens more often to those that are treated."""

    __slots__ = ("_bad", "_stakes", "_weight")

    def __init__(self) -> None:
        self._bad, self._weight = _PRIOR_BAD, _PRIOR
        self._stakes = [1.0] * len(ODDS)

    @property
    def value(self) -> float:
        """The evidence so far: about 1 without harm."""
        return sum(self._stakes) / len(self._stakes)

    def take(self, *, treated: bool, share: float, bad: bool) -> float:
        """Take in a unit.

        Args:
            treated: whether it was.
            share: how likely that was when the lot was drawn, between 0 and 1.
            bad: whether it happened.

        Returns:
            The evidence now.
        """
        control = self._bad / self._weight
        for place, times in enumerate(ODDS):
            odds = times * control / (1 - control)
            harmed = odds / (1 + odds)
            ratio = harmed / control if bad else (1 - harmed) / (1 - control)
            factor = (ratio if treated else 1.0) / (1 + share * (ratio - 1))
            self._stakes[place] = min(max(1.0, self._stakes[place]) * factor, _MOST)
        if not treated:
            self._bad = (self._bad - _PRIOR_BAD) * _KEPT + _PRIOR_BAD + bad
            self._weight = (self._weight - _PRIOR) * _KEPT + _PRIOR + 1
        return self.value
