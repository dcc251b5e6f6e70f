"""What suggestions claim to save on recorded Gemini conversations, beside the same worked out anew.

    python tests/benchmarks counterfactual FOLDER     # with gemini_exchanges.jsonl and traces/*.jsonl.gz

The claims are the engine's, over the recorded exchanges: once with the rules as they are, once with their
thresholds lowered so far that they speak of all there is. What they are held against comes from the
usage in the recorded response bodies and from genai-prices directly, without our pricing code or our
reading of usage; time comes from the timestamps in the raw files. Then: what the recordings say of
"the same tokens on another model", from requests that were recorded with several models.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import permutations
from pathlib import Path
from typing import Any, NamedTuple

import genai_prices

from tests.benchmarks.recordings import Exchange, Timed, exchanges, spans

LOW = {
    "COST002": {"min_calls": 1, "light_share": 0.01},
    "COST003": {"min_calls": 1, "budget_tokens": 128, "thought_share": 0.0},
    "CACHE001": {"min_requests": 1, "min_saving_usd": 0.0},
    "COST004": {},
}
"""Thresholds at which rules about money speak of nearly everything that they understand."""
PRICED_AT = datetime(2026, 5, 29, tzinfo=UTC)
"""The day that the runs made of the recordings are priced by."""
UNCHECKED = {
    "COST002": "whether the cheaper model answers as well, and with as many tokens (below: often it does not)",
    "COST003": "whether the answers stand after less thought, and whether a budget is kept",
    "COST004": "whether the prompt can be cut",
    "COST005": "nothing: the money is spent; whether the cause can be removed",
    "CACHE001": "whether Gemini would have cached: it does not promise to",
    "CACHE002": "whether the tool only reads, and for how long its results hold",
    "CTX001": "whether answers stand on a shorter context",
    "CTX002": "whether answers stand on a shorter tool output",
    "PAR001": "whether the calls had no effect on each other outside of the model",
    "REP001": "whether the model would have gone another way (anew: the named calls, without the requests for them)",
    "REP002": "whether a fresh answer was wanted",
    "REP004": "whether the tool has or could have a batch",
}
_ON = re.compile(r"On (\S+) the same tokens")


class Checked(NamedTuple):
    """A claim, and what came of working it out anew; `None` where the recording has not what it takes."""

    where: str
    rule: str
    basis: str
    unit: str
    claimed: float
    anew: float | None


def main() -> None:
    """Print all of it."""
    parser = argparse.ArgumentParser(
        prog="counterfactual", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    recorded = exchanges(given.folder / "gemini_exchanges.jsonl")
    os.environ["AGENTPERF_TEST_DATA"] = str(given.folder)
    for title, options in (("rules as they are", {}), ("thresholds lowered", LOW)):
        told = list(of_exchanges(recorded, options))
        print(f"\nRecorded exchanges, {title}: {len(recorded)} billed exchanges")
        print("\n".join(_table(told, in_full=not options)))
    for path in sorted((given.folder / "traces").glob("*.jsonl.gz")):
        told = list(of_traces(path))
        print(f"\n{path.name}")
        print("\n".join(_table(told, in_full=False)) if told else "no claim of a saving")
    print("\nThe same request on another model, as recorded")
    print("\n".join(other_models(recorded)))


# -- claims ------------------------------------------------------------------------------------


def of_exchanges(recorded: Sequence[Exchange], options: dict[str, Any]) -> Iterator[Checked]:
    """Each claim of money over the recorded exchanges, one run a conversation."""
    from otel_agentperf.analysis.engine import Engine
    from otel_agentperf.rules import make_rules
    from tests.rules.operations import PRICES, root
    from tests.rules.recorded import conversations

    by_span = {one.span_id: one for one in recorded}
    engine = Engine(make_rules(options), prices=PRICES)
    for name, operations in conversations().items():
        run = engine.begin("conversation", None, operations[0].start_ns)
        for operation in operations:
            engine.observe(run, operation)
        summary, _ = engine.finish(run, root(operations[0].start_ns, operations[-1].end_ns))
        for said in summary.suggestions:
            if said.savings is None or said.savings.cost_usd is None:
                continue
            claimed_of = [by_span.get(claim.span_id) for claim in said.claims]
            anew = [None if one is None else _anew(one, said, by_span) for one in claimed_of]
            whole = None if None in anew or not anew else float(sum(one for one in anew if one is not None))
            short = name.rpartition("/")[2].removesuffix(".yaml")
            claimed = float(said.savings.cost_usd)
            yield Checked(short, said.rule, said.savings.basis.value, "USD", claimed, whole)


def _anew(one: Exchange, said: Any, by_span: dict[str, Exchange]) -> Decimal | None:
    """What one claimed request would have saved, from its raw usage."""
    paid = price(one, one.model)
    if paid is None:
        return None
    if said.rule == "COST002":
        found = _ON.search(said.description)
        other = price(one, found[1]) if found else None
        return None if other is None else paid - other
    if said.rule == "COST003":
        excess = one.thoughts - int(said.evidence["budget_tokens"])
        less = price(one, one.model, output=one.output - excess)
        return None if less is None else paid - less
    if said.rule == "CACHE001":
        shared = shared_tokens(one, by_span)
        less = price(one, one.model, cached=shared) if shared is not None else None
        return None if less is None else paid - less
    return paid if said.rule == "COST005" else None


def shared_tokens(one: Exchange, by_span: dict[str, Exchange]) -> int | None:
    """Tokens of the longest earlier prompt of the same conversation and model that this one repeats whole."""
    earlier = [
        min(other.prompt, one.prompt)
        for other in by_span.values()
        if other.conversation == one.conversation and other.model == one.model and other.number < one.number
        if other.head == one.head and one.messages[: len(other.messages)] == other.messages
    ]
    return max(earlier, default=None)


def price(one: Exchange, model: str, *, output: int | None = None, cached: int | None = None) -> Decimal | None:
    """US dollars by genai-prices; `None` where it knows no price."""
    usage = genai_prices.Usage(
        input_tokens=one.input,
        output_tokens=one.output if output is None else output,
        cache_read_tokens=one.cached if cached is None else cached,
    )
    try:
        found = genai_prices.calc_price(usage, model, provider_id="google", genai_request_timestamp=PRICED_AT)
    except LookupError:
        return None
    return found.total_price


def of_traces(path: Path) -> Iterator[Checked]:
    """Each claim of time over a file of traces, beside the raw durations of the spans that it rests on."""
    raw = list(spans(path))
    by_id = {one.span_id: one for one in raw}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.json"
        program = "from otel_agentperf.cli import main; main()"
        command = [sys.executable, "-c", program, "analyze", str(path), "--format", "json", "--output", str(file)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AGENTPERF_")}
        subprocess.run(command, check=True, capture_output=True, env=environment)
        figures = json.loads(file.read_text(encoding="utf-8"))["figures"]
    for said in figures["suggestions"]:
        if said["time_s"] is None:
            continue
        target = said["applies_to"][0].partition(":")[2]
        if said["rule"] == "CACHE002":
            anew: float | None = repeated_s(raw, target)
        else:
            anew = sum(by_id[one].seconds for one in said["span_ids"]) if said["span_ids"] else None
        yield Checked(target, said["rule"], said["basis"], "s", said["time_s"], anew)


def repeated_s(raw: Sequence[Timed], tool: str) -> float:
    """How long the calls of a tool took that repeat an earlier one, of arguments that always gave the same result."""
    calls: dict[str, list[Timed]] = defaultdict(list)
    for one in raw:
        if one.attributes.get("gen_ai.tool.name") == tool:
            calls[str(one.attributes.get("gen_ai.tool.call.arguments"))].append(one)
    return sum(
        one.seconds
        for those in calls.values()
        if len({str(one.attributes.get("gen_ai.tool.call.result")) for one in those}) == 1
        for one in those[1:]
    )


# -- the same request on another model ----------------------------------------------------------


class Pair(NamedTuple):
    """A request of text that was recorded on two models."""

    dear: Exchange
    cheap: Exchange
    repriced: float
    """What the dear model's tokens cost on the cheap one, as a share of what they cost."""
    real: float
    """What the cheap model's answer cost, as a share of the dear one's."""


def other_models(recorded: Sequence[Exchange]) -> Iterator[str]:
    """How the tokens of the same request differ between models, and what that does to a repriced saving."""
    groups: dict[tuple[str, tuple[str, ...]], list[Exchange]] = defaultdict(list)
    for one in recorded:
        if not one.modalities and one.output and one.messages:
            groups[one.head, one.messages].append(one)
    pairs: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for group in groups.values():
        for dear, cheap in permutations(group, 2):
            paid, other, real = price(dear, dear.model), price(dear, cheap.model), price(cheap, cheap.model)
            if paid and other and real and other < paid:
                pair = Pair(dear, cheap, float(other / paid), float(real / paid))
                pairs[dear.model, cheap.model].append(pair)
    yield f"{'recorded on':<29}{'and on':<23}{'pairs':>5} {'output tokens':>14} {'repriced':>9} {'real':>9}   medians of the pairs"
    for (dear, cheap), found in sorted(pairs.items(), key=lambda item: -len(item[1])):
        tokens = statistics.median(one.cheap.output / one.dear.output for one in found)
        repriced, real = (statistics.median(figures) for figures in zip(*(one[2:] for one in found), strict=True))
        yield f"{dear:<29}{cheap:<23}{len(found):>5} {f'x {tokens:.2f}':>14} {repriced - 1:>9.0%} {real - 1:>+9.0%}"
    every = [one for found in pairs.values() for one in found]
    if not every:
        yield "none"
        return
    dearer = sum(one.real > 1 for one in every)
    within = sum(abs(one.real - one.repriced) <= NEAR for one in every)
    yield (
        f"of {len(every)} pairs, {within} cost within {NEAR * 100:.0f} percentage points of what repricing says, and {dearer} cost more "
        "than on the dear model"
    )


NEAR = 0.10
APART = 0.01
"""Claims that differ by a larger share are told one by one."""


def _table(told: Sequence[Checked], *, in_full: bool) -> Iterator[str]:
    """The claims one by one, or added up by rule."""
    yield f"{'rule':<9} {'basis':<9} {'claims':>6} {'claimed':>14} {'anew':>14} {'difference':>11} {'not worked out':>15}"
    for rule in sorted({one.rule for one in told}):
        those = [one for one in told if one.rule == rule]
        checked = [one for one in those if one.anew is not None]
        claimed, anew = (
            (sum(figures) for figures in zip(*((one.claimed, one.anew or 0.0) for one in checked), strict=True))
            if checked
            else (0.0, 0.0)
        )
        form = "{:>14.6f}" if those[0].unit == "USD" else "{:>14.1f}"
        off = f"{claimed / anew - 1:>+11.2%}" if anew else f"{'-':>11}"
        yield (
            f"{rule:<9} {those[0].basis:<9} {len(those):>6} {form.format(claimed)} {form.format(anew)} {off} "
            f"{len(those) - len(checked):>15}   {those[0].unit}"
        )
        for one in those:
            if in_full or (one.anew is not None and abs(one.claimed - one.anew) > APART * one.claimed):
                yield f"    {one.where[:70]:<70} {one.claimed:.8f} {_shown(one.anew)}"
        yield f"          not to be checked here: {UNCHECKED.get(rule, 'unknown')}"


def _shown(anew: float | None) -> str:
    return "-" if anew is None else f"{anew:.8f}"


if __name__ == "__main__":
    main()
