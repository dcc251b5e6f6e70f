from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parents[2] / "programs" / "forking.py"


def test_a_child_process_has_a_sampler_readings_and_a_watch_of_its_own() -> None:
    environment = {**os.environ, "AGENTPERF_SAMPLE_INTERVAL": "0.1"}
    ran = subprocess.run(
        [sys.executable, "-W", "error", str(PROGRAM)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    child, parent = map(json.loads, ran.stdout.splitlines())
    assert (child["child"], parent["child"]) == (True, False)
    for process in (child, parent):
        assert process["errors"] == {}
        assert process["samplers"] == 1
        assert process["samples"] >= 2
        assert process["score"]
        assert process["watches"]
    assert child["pid"] != parent["pid"]
    assert child["lags"] == 0 < parent["lags"], "its parent's are not told again"
    assert child["begun_ns"] > child["forked_ns"], "no sample of its parent's"
    assert parent["begun_ns"] < parent["forked_ns"], "its own, from before"
    assert child["cpu_s"] < parent["cpu_s"], "its own CPU time, not its parent's"
