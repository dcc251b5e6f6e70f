"""Which of the steps that are pending may run at once.

What a step needs is what the caller says of it (`pending={"report": ["search", "read"]}`) and what
was seen: a step of which a request used an answer of another one needs that one. Steps are put
into batches, each of which needs only earlier ones. Of steps that need one another in a circle no order is
right: they come when nothing else may begin, one by one as they were named, and that is said; where a circle would come
first, it abstains.

Of names alone, two steps are called independent only where each made model requests in at least `MIN_RUNS` runs that
show what they used, and none used the other's answer; else it abstains: of a step that asks no model nothing is seen. The improvement is the sum of the average
durations of the first batch less the longest of them (estimated: as if none slowed another
down). Confidence is 0.9 where the caller said what each step needs, else 0.7, since what passes
between steps by other ways than an answer is not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from otel_agentperf.advice.results import Batches, Improvement, Part, abstain
from otel_agentperf.model import SavingBasis

MIN_RUNS = 3
MOST_STEPS = 100
SAID_CONFIDENCE, SEEN_CONFIDENCE = 0.9, 0.7


class Links(NamedTuple):
    """What was seen of steps in this process."""

    runs: Mapping[str, int]
    """In how many runs the requests of each step show what they used."""
    uses: Mapping[str, AbstractSet[str]]
    """The steps whose answers each one used."""


def decide(
    pending: Mapping[str, Sequence[str] | None], links: Links, average_s: Callable[[str], float | None]
) -> Part[Batches]:
    """Sort pending steps into batches.

    Args:
        pending: the steps, with the names that each one needs; `None` where the caller did not say.
        links: what was seen.
        average_s: how long a step takes, `None` where that is not known.
    """
    if not pending:
        return abstain("no pending steps were named")
    steps = list(pending)[:MOST_STEPS]
    if len(steps) == 1:
        return abstain("only one step is pending")
    unsaid = [step for step in steps if pending[step] is None]
    thin = [step for step in unsaid if links.runs.get(step, 0) < MIN_RUNS]
    if thin:
        fewest = min(links.runs.get(step, 0) for step in thin)
        return abstain(
            f"not enough data: of {len(thin)} of {len(steps)} steps model requests show in fewer than {MIN_RUNS} runs "
            "which answers they used, and what they need was not said",
            {"steps": len(steps), "unknown_steps": len(thin), "samples": fewest, "needed_samples": MIN_RUNS},
        )
    needs = {
        step: {name for name in (*(pending[step] or ()), *links.uses.get(step, ())) if name in pending and name != step}
        for step in steps
    }
    batches, circle = _batches(needs)
    first = batches[0]
    in_circle = f"{', '.join(circle)} need one another in a circle"
    if first[0] in circle:
        return abstain(f"{in_circle}, so that no step can be first", {"steps": len(steps), "in_circle": len(circle)})
    times = [each for each in map(average_s, first) if each is not None]
    saved_s = sum(times) - max(times) if len(times) == len(first) > 1 else None
    evidence = {"steps": len(steps), "at_once": len(first), "batches": len(batches), "steps_seen": len(unsaid)}
    shown = "used no answer of one another in their model requests" if unsaid else "need nothing of one another"
    reasoning = (
        f"{', '.join(first)} {shown} and may run at once."
        if len(first) > 1
        else f"The others wait for {next(iter(first))}, directly or not."
    )
    if circle:
        evidence["in_circle"] = len(circle)
        reasoning += f" {in_circle}, and come one by one."
    return Part(
        tuple(batches),
        SEEN_CONFIDENCE if unsaid else SAID_CONFIDENCE,
        reasoning,
        evidence,
        Improvement(SavingBasis.ESTIMATED, round(saved_s, 6)) if saved_s else None,
        source="seen" if unsaid else "said",
    )


def _batches(needs: Mapping[str, set[str]]) -> tuple[list[tuple[str, ...]], dict[str, None]]:
    """The batches, and the steps that need one another in a circle, in their order."""
    waiting = dict(needs)
    found: list[tuple[str, ...]] = []
    circles: dict[str, None] = {}
    while waiting:
        batch = tuple(step for step, needed in waiting.items() if not needed & waiting.keys())
        if not batch:
            behind = {step: _behind(step, waiting) for step in waiting}
            # A circle that waits for no other one; there is one.
            first = next(step for step in waiting if all(step in behind[other] for other in behind[step]))
            circles |= dict.fromkeys(step for step in waiting if step in behind[first])
            batch = (first,)
        for step in batch:
            del waiting[step]
        found.append(batch)
    return found, circles


def _behind(step: str, waiting: Mapping[str, set[str]]) -> set[str]:
    """All that a step waits for, directly or not; itself where it is in a circle."""
    found: set[str] = set()
    open_ = [step]
    while open_:
        fresh = (waiting[open_.pop()] & waiting.keys()) - found
        found |= fresh
        open_ += fresh
    return found
