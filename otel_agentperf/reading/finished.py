"""What the engine of this process said of the runs that have just ended, until a report has asked.

The spans of a run carry only the suggestions that became events. A console exporter in the same
process shows all of them, and knows which of them claim the same money. Nothing is kept while
no exporter asks, and at most 1,000 runs otherwise.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from msgspec.structs import replace

from otel_agentperf.analysis.summary import RunSummary

MAX_RUNS = 1_000


class Finished:
    """Summaries of finished runs, by trace and root."""

    def __init__(self) -> None:
        self._wanted = False
        self._lock = threading.RLock()
        self._summaries: OrderedDict[tuple[str, str], RunSummary] = OrderedDict()

    def want(self) -> None:
        """Keep summaries from now on."""
        self._wanted = True

    def renew_lock(self) -> None:
        """Replace the lock, in a child process: a thread that it does not have may hold it."""
        self._lock = threading.RLock()

    def keep(self, trace_id: str, root_id: str, summary: RunSummary) -> None:
        """Keep a summary, without the rows: whoever asks has the spans."""
        if not self._wanted:
            return
        with self._lock:
            self._summaries[trace_id, root_id] = replace(summary, columns=None)
            if len(self._summaries) > MAX_RUNS:
                self._summaries.popitem(last=False)

    def get(self, trace_id: str, root_id: str) -> RunSummary | None:
        """The summary of a run, if it ended here lately; another exporter may ask for it too."""
        with self._lock:
            return self._summaries.get((trace_id, root_id))


finished = Finished()
"""Those of this process."""
