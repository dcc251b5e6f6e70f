"""The loop closed: the four agents of the demo without advice, with advice followed, with a budget, and with both.

    python tests/benchmarks loop [--seeds 10] [--scenarios all_pro,...] [--arms without,...] [--output FILE]

A real LangGraph program with the real google-genai SDK asks the loopback server. How long models take, what
they consume, how often they are right and what follows from it is assumed, all of it in `loop/model.toml`;
everything printed comes out of the runs. Time is the model's (`clock.py`): nothing is scaled, and the time
that the program itself computes is left out, ours included. Money is counted by the server from the tokens
that it handed out, at the prices of genai-prices. Arms share their luck (`draws.py`), and their figures are
compared seed by seed (`estimates.py`).
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path
from typing import Any

from tests.benchmarks.loop import clock as model_clock
from tests.benchmarks.loop import model, report

BEGIN_NS = 1_790_000_000 * 1_000_000_000
"""When the first run of a seed begins: an afternoon in September 2026."""


def main() -> None:
    """Play every arm of every scenario and seed, then print the table."""
    parser = argparse.ArgumentParser(
        prog="loop", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenarios", type=_names, help="those of the model file when absent")
    parser.add_argument("--arms", type=_names, default=(), help="those of the scenario when absent")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=0, help="measured runs of each seed, not the scenario's number")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once")
    parser.add_argument("--file", type=Path, default=model.FILE, help="another model file")
    parser.add_argument("--output", type=Path, help="keep every run, as a line of JSON each")
    parser.add_argument("--input", type=Path, help="print the table of such a file, and play nothing")
    given = parser.parse_args()
    facts = model.load(given.file)
    if given.input:
        rows = [json.loads(line) for line in given.input.read_text(encoding="utf-8").splitlines()]
    else:
        rows = _play(facts, given)
    if given.output:
        given.output.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    for line in report.lines(facts, rows):
        print(line)


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _play(facts: model.Model, given: argparse.Namespace) -> list[dict[str, Any]]:
    clock = model_clock.install(BEGIN_NS)
    from tests.benchmarks.loop import playing  # after the clock is in place, of which its imports take the time

    asked = list(product(given.scenarios or facts.scenarios, range(given.seeds)))
    return playing.play_all(clock, facts, asked, given.arms, given.runs, given.jobs)
