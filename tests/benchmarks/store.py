"""Many processes write one store at once, and some are killed: is anything lost or damaged?

    python tests/benchmarks store                             16 processes for a minute, one killed every 2 s
    python tests/benchmarks store --processes 4 --seconds 10

Each process adds one execution at a time, as fast as it can, and says how many it has added. Every two seconds
one is killed in whatever it does and another one begun. In the end the store must hold what was said to be added,
and at most one more for each that was killed: what it had added and could not say any more.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import processes

from otel_agentperf.baselines.store import Store

_KILL_EVERY_S = 2.0


class Writer:
    """A process that writes, and the last number that it said."""

    def __init__(self, path: Path, seconds: float) -> None:
        environment = {**os.environ, "PYTHONPATH": str(processes.ROOT)}
        program = processes.ROOT / "tests/programs/store_writer.py"
        command = [sys.executable, str(program), str(path), str(seconds)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        self.said = 0
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.endswith("\n"):
                self.said = int(line)

    def ended(self) -> int:
        """How many it said it had added, once it is over."""
        code = self.process.wait(120)
        self._thread.join()
        if code not in (0, -signal.SIGKILL):
            raise SystemExit(f"a writer ended with {code}")
        return self.said


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="agentperf-benchmark-") as folder:
        path = Path(folder) / "baseline.db"
        until = time.monotonic() + given.seconds
        running = [Writer(path, given.seconds) for _ in range(given.processes)]
        dead: list[Writer] = []
        while until - time.monotonic() > _KILL_EVERY_S:
            time.sleep(_KILL_EVERY_S)
            victim = running.pop(random.randrange(len(running)))  # noqa: S311 - whose turn it is
            victim.process.kill()
            dead.append(victim)
            running.append(Writer(path, max(0.0, until - time.monotonic())))
        said = sum(writer.ended() for writer in (*running, *dead))
        found = {subject.name: sum(cell.successes for cell in days.values()) for subject, days in Store(path).all()}
        with sqlite3.connect(path) as connection:
            (sound,) = connection.execute("PRAGMA integrity_check").fetchone()
        connection.close()
        print(f"{given.processes} processes, {given.seconds:.0f} s, {len(dead)} killed: {said:,} additions said")
        print(f"found {found}; the file is {sound}")
        for name, number in found.items():
            if not said <= number <= said + len(dead) or sound != "ok":
                raise SystemExit(f"{name}: {number - said} more than said")
        print("nothing was lost, nothing is damaged")


if __name__ == "__main__":
    main()
