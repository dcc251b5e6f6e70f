"""How long what the past says is told before it is looked at again.

About a second while something of it has fewer samples than it needs: in the first seconds of a node there is more
to know each time. Ten seconds else. What has learned nothing since it was last looked at, such as a node that
asks no model, waits twice as long each time, up to those ten. With more than `MOST_A_SECOND` things to look at the
second grows in proportion, so that those in their first seconds take no more of the process than all others do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

FRESH_NS = 10 * 1_000_000_000
THIN_NS = 1_000_000_000
MOST_A_SECOND = 100
"""One takes some tenths of a millisecond, in a thread of its own."""


class Need(NamedTuple):
    """Samples of one thing."""

    have: int
    need: int


class Freshness(NamedTuple):
    """Until when something may be told."""

    until_ns: int
    life_ns: int
    known: tuple[int, ...]
    """Samples of each thing, up to those that it needs."""


def fresh(now_ns: int, needs: Iterable[Need], before: Freshness | None = None, kept: int = 1) -> Freshness:
    """Say until when what was just made is fresh.

    Args:
        now_ns: the present time.
        needs: the samples that it rests on.
        before: what was said of it the last time.
        kept: how many such things there are.
    """
    told = tuple(needs)
    known = tuple(min(each) for each in told)
    life_ns = FRESH_NS
    if any(each.have < each.need for each in told):
        life_ns = THIN_NS * max(1, kept // MOST_A_SECOND)
        if before is not None and before.known == known:
            life_ns = max(life_ns, 2 * before.life_ns)
    life_ns = min(FRESH_NS, life_ns)
    return Freshness(now_ns + life_ns, life_ns, known)
