"""Adds executions to a store, one at a time, for some seconds; prints after each how many are in it: `store_writer.py PATH SECONDS`."""

from __future__ import annotations

import sys
import time

from otel_agentperf.baselines.advised import noted
from otel_agentperf.baselines.store import Store
from tests.baselines.made import PLAN, TODAY, WRITE, once, tally_of

CAME = noted(TODAY, {"model/learned": {"right": 1, "cost_ratios": 0.1}})


def main() -> None:
    store = Store(sys.argv[1])
    until = time.monotonic() + float(sys.argv[2])
    added = 0
    while not added or time.monotonic() < until:
        store.add(tally_of((PLAN, TODAY, once()), (WRITE, TODAY, once())).all(), TODAY, advised=CAME)
        added += 1
        print(added, flush=True)


main()
