"""A program that does nothing, started under `opentelemetry-instrument` with the same environment.

It shows what no list of variables can: another instrumentation that fails and ends everything, a value that the SDK
refuses, a Collector that answers and does not take the data.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from otel_agentperf.cli.checks.probe import MARK
from otel_agentperf.cli.finding import DISTRO, Finding, found_version, note, ok, wrong

TIMEOUT_S = 180
"""Importing everything that is instrumented takes seconds, and on a busy machine many."""
_START = "from opentelemetry.instrumentation.auto_instrumentation import run; run()"
_WHAT = "tried a program under opentelemetry-instrument"
_ERROR = re.compile(r"^(?:[\w.]+(?:Error|Exception|Conflict|Warning)|otel-agentperf): .*")
_EMPTY_IS_REFUSED = re.compile(r"\b(400|422|INVALID_ARGUMENT)\b")
"""What a backend answers that takes no empty request, and may take one with spans."""


def trial(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Start the program and judge what it found; it takes as long as a program takes to start.

    Args:
        environ: its whole environment.
    """
    command = [sys.executable, "-c", _START, sys.executable, "-m", "otel_agentperf.cli.checks.probe"]
    try:
        done = subprocess.run(  # noqa: S603 - its command is our own
            command, env=dict(environ), capture_output=True, text=True, timeout=TIMEOUT_S, check=False, errors="replace"
        )
    except subprocess.TimeoutExpired:
        yield wrong(f"{_WHAT}: it did not start within {TIMEOUT_S} s")
        return
    line = next((one for one in done.stdout.splitlines() if one.startswith(MARK)), None)
    reason = _reason(done.stderr)
    if line is None:
        yield wrong(f"{_WHAT}: it did not start ({reason or f'exit status {done.returncode}'})")
        return
    yield _judge(json.loads(line.removeprefix(MARK)), reason)


def _judge(found: dict[str, Any], reason: str) -> Finding:
    because = f" ({reason})" if reason else ""
    if not found["sdk"] and not reason and found_version(DISTRO) is None:
        return note(f"{_WHAT}: nothing sets up an SDK there, so nothing is traced unless your code does")
    if not found["sdk"]:
        return wrong(f"{_WHAT}: no SDK is set up, so nothing is traced{because}")
    if not found["recorded"]:
        return wrong(f"{_WHAT}: not one of its spans is recorded{because}")
    if not found["attached"]:
        return wrong(f"{_WHAT}: otel-agentperf is not started, so nothing is priced or judged{because}")
    if found["left_out"]:
        return wrong(
            f"{_WHAT}: {' and '.join(found['left_out'])} cannot be traced, since nothing instruments it{because}"
        )
    if found["refusal"]:
        sentence = f"{_WHAT}: what it sends is refused: {found['refusal']}"
        return note(sentence) if _EMPTY_IS_REFUSED.search(found["refusal"]) else wrong(sentence)
    return ok(f"{_WHAT}: its spans are recorded, and otel-agentperf is started")


def _reason(errors: str) -> str:
    """The last error on a program's error output, as one line."""
    lines = [line.strip() for line in errors.splitlines()]
    return next((line for line in reversed(lines) if _ERROR.match(line)), "")
