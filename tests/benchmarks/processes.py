"""Runs `scenario.py` as its own process beside a Gemini server in another one.

The program is pinned to one core and the server to another where there are two, the environment
is the same for every variant, and hashes of strings are not randomised.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
TIMEOUT_S = 600
WARMUP_RUNS = 12
PROGRAM_CORE = min(os.sched_getaffinity(0))
SERVER_CORE = max(os.sched_getaffinity(0))
_TOTALS = re.compile(r"^totals: (\d+)", re.MULTILINE)


@contextmanager
def server(responder: str = "fixed") -> Generator[str]:
    """A loopback Gemini server in a process of its own; yields its URL."""
    command = [sys.executable, "-m", "otel_agentperf.demo.server", "--responder", responder]
    pinned = ["taskset", "-c", str(SERVER_CORE), *command]
    with subprocess.Popen(pinned, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            process.wait(30)


def environment() -> dict[str, str]:
    """The environment of every program that is measured. PYTHONPATH may name another checkout."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
    return {**kept, "PYTHONHASHSEED": "0", "LANGSMITH_TRACING": "false", "OTEL_PYTHON_LOG_CORRELATION": "false"}


def run(command: Sequence[str]) -> dict[str, Any]:
    """Run a pinned program that prints one line of JSON last; what it printed."""
    pinned = ["taskset", "-c", str(PROGRAM_CORE), *command]
    done = subprocess.run(pinned, env=environment(), capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-4000:]}")
    return json.loads(done.stdout.splitlines()[-1])


@dataclass(frozen=True)
class Count:
    """What callgrind counted in one process."""

    instructions: tuple[float, ...]
    """Per run, one for each section."""
    calls: tuple[float, ...]
    """Per run, of each function that was counted alone."""
    spans: float
    versions: dict[str, str]


def scenario(python: str | Path, variant: str, url: str, *options: str) -> dict[str, Any]:
    """Run the scenario once."""
    return run([str(python), str(HERE / "scenario.py"), variant, "--url", url, *options])


def count(
    python: str | Path, variant: str, url: str, *options: str, runs: int, sections: int, functions: Sequence[str] = ()
) -> Count:
    """Run the scenario once under callgrind.

    Args:
        python: the interpreter.
        variant: which instrumentation.
        url: of the server.
        options: further options of the scenario.
        runs: in one section.
        sections: how many are counted, where no functions are named.
        functions: count inside each of these alone, one section each, less what counting itself adds.
    """
    with tempfile.TemporaryDirectory(prefix="agentperf-callgrind-") as folder:
        out = Path(folder) / "out"
        told = run(
            [
                *("valgrind", "-q", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}"),
                f"--collect-atstart={'no' if functions else 'yes'}",
                *(str(python), str(HERE / "scenario.py"), variant, "--url", url, "--callgrind"),
                *("--runs", str(runs), "--sections", str(sections), "--warmup", str(WARMUP_RUNS)),
                *(("--functions", ",".join(functions)) if functions else ()),
                *options,
            ]
        )
        number = len(functions) or sections
        first, *totals = [total(out.with_name(f"out.{part + 1}")) for part in range(number + 1)]
    calls: list[float] = told["calls"]
    if functions:
        each = first / calls.pop(0)
        return Count(
            tuple(total / runs - each * called for total, called in zip(totals, calls, strict=True)),
            tuple(calls),
            told["spans"],
            told["versions"],
        )
    return Count(tuple(total / runs for total in totals), (), told["spans"], told["versions"])


def total(path: Path) -> int:
    found = _TOTALS.search(path.read_text(encoding="utf-8", errors="replace"))
    if found is None:
        raise RuntimeError(f"callgrind wrote no total into {path}")
    return int(found.group(1))


def need_valgrind() -> None:
    """Leave, and say so, where callgrind is absent."""
    for tool in ("valgrind", "taskset"):
        if shutil.which(tool) is None:
            raise SystemExit(
                f"{tool} is not installed, so no instructions were counted (apt-get install valgrind util-linux)"
            )
