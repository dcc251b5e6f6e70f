"""All benchmarks, none of which the test run collects: `python tests/benchmarks NAME [options]`.

instructions  added machine instructions of a run, beside 11 plain SDK spans and beside peers; where they go
cpu           CPU time of a run, in one interleaved session of separate processes
startup       time and memory that importing and switching on add
growth        cost of a span along a run of 10,000; memory of 10,000 runs at once
replay        speed and memory of replaying 500,000 spans from a file, and 8 times as many
stack         spans a second through one process and through one Collector, and our share of the CPU
engine        CPU of an operation with every rule, along a run of 10,000 too; memory of a run; each rule's part
baselines     errors and sizes of sketches; asking, starting and learning with 10,000 subjects
store         16 processes write one store for a minute, some are killed: what is lost or damaged
baselines_rules  false alarms, detection delay and coverage of forecasts of the rules on baselines
advise        time of an advice with 10,000 learned nodes, tools and models, asked within a run
trials        how often a harmless change is taken back, and how soon one that does harm
loop          cost, time and success of four agents, without advice and with it, with a budget, with both; and applied
counterfactual  what suggestions claim on recorded conversations, beside the same worked out anew from raw usage

`--help` after the name tells more. The interpreter needs ours, LangGraph and google-genai; what
counts instructions needs Valgrind, and what compares needs uv, which fetches the peers once.
"""

from __future__ import annotations

import importlib
import sys

NAMES = (
    "instructions",
    "cpu",
    "startup",
    "growth",
    "replay",
    "stack",
    "engine",
    "baselines",
    "store",
    "baselines_rules",
    "advise",
    "trials",
    "loop",
    "counterfactual",
)


def main() -> None:
    """Run the benchmark that the first argument names."""
    if len(sys.argv) < 2 or sys.argv[1] not in NAMES:
        raise SystemExit(__doc__)
    name = sys.argv.pop(1)
    importlib.import_module(name).main()


if __name__ == "__main__":
    main()
