"""The last model requests of this process: how long they took lately, and how those of a node began.

Noting a request takes two appends and no lock. Everything else is worked out when advice is asked
for: who never asks pays for nothing else. Of the pace, the last 4,096 requests within five minutes
count; of the prompts, the last 256 requests.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from time import monotonic_ns
from typing import TypeAlias

from otel_agentperf.advice.facts import Pace, Place
from otel_agentperf.live.frames import AGENTIC, Frame
from otel_agentperf.model import Operation, OperationKind

WINDOW_NS = 300 * 1_000_000_000
MAX_PACE = 4_096
MAX_REQUESTS = 256
_NODE = OperationKind.NODE


Request: TypeAlias = tuple[str, str, Operation]
"""The graph and the node that made a request, and the request. Of plain tuples, since every request passes here."""


class RecentInferences:
    """Remembers the last model requests.

    Args:
        clock: nanoseconds of a clock that never goes back.
    """

    def __init__(self, clock: Callable[[], int] = monotonic_ns) -> None:
        self._clock = clock
        self.renew()

    def renew(self) -> None:
        """Begin anew, in a child process: a thread that it does not have may hold the lock."""
        self._lock = threading.RLock()
        self._arrived: deque[tuple[int, int]] = deque(maxlen=MAX_PACE)
        self._window: deque[tuple[int, int]] = deque()
        self._sum_ns = 0
        self._requests: deque[Request] = deque(maxlen=MAX_REQUESTS)

    def add(self, frame: Frame, operation: Operation) -> None:
        """Note a request that was answered."""
        self._arrived.append((self._clock(), operation.end_ns - operation.start_ns))
        self._requests.append((*_place(frame), operation))

    def pace(self) -> Pace:
        """The average of the last five minutes."""
        since_ns = self._clock() - WINDOW_NS
        with self._lock:
            arrived, window = self._arrived, self._window
            while arrived:
                each = arrived.popleft()
                window.append(each)
                self._sum_ns += each[1]
            while window and (window[0][0] < since_ns or len(window) > MAX_PACE):
                self._sum_ns -= window.popleft()[1]
            requests = len(window)
            return Pace(requests, self._sum_ns / requests / 1e9) if requests else Pace()

    def of(self, graph: str, node: str) -> list[Operation]:
        """The requests of a node that are remembered, in the order in which they ended."""
        return [operation for of, by, operation in tuple(self._requests) if by == node and of == graph]

    def usual_model(self, graph: str, node: str) -> str:
        """The model of the last request of a node, else of the process; empty where there was none."""
        last = ""
        for of, by, operation in reversed(tuple(self._requests)):
            inference = operation.inference
            if inference is None or not inference.request_model:
                continue
            if by == node and of == graph:
                return inference.request_model
            last = last or inference.request_model
        return last


def node_of(frame: Frame | None) -> Frame | None:
    """The node that a frame is, or runs in."""
    while frame is not None and frame.kind is not _NODE:
        frame = frame.parent
    return frame


def place_of(frame: Frame | None) -> Place:
    """The graph and the node that a frame runs in; of work in no node, the graph alone."""
    return Place(*_place(frame))


def _place(frame: Frame | None) -> tuple[str, str]:
    above = node_of(frame)
    name = ""
    if above is not None:
        name, frame = above.name, above.parent
    while frame is not None and frame.kind not in AGENTIC:
        frame = frame.parent
    return frame.name if frame is not None else "", name
