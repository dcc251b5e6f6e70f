"""Observable instruments of the process and its host, all fed from one reading a collection.

The first instrument that asks a second time begins the next reading. Utilization is told from two
readings a second or more apart, so a second reader of metrics does not shorten it. A part that
cannot be read has no observation.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from otel_agentperf import guard
from otel_agentperf.instrumentation.system import peers
from otel_agentperf.instrumentation.system.instruments import INSTRUMENTS, Instrument, Kind
from otel_agentperf.instrumentation.system.readings import Parts, Reading, take

_SHORTEST_S = 1.0
"""Between two readings that utilization is told from."""


class Gauges:
    """The instruments. They cannot be taken off a meter, so they fall silent when switched off.

    Args:
        meter: where they are made.
        parts: what they read.
    """

    def __init__(self, meter: Meter, parts: Parts) -> None:
        self._meter = meter
        self._served: set[str] = set()
        self._of_peer: frozenset[str] = frozenset()
        self.is_on = True
        self.renew(parts)
        for instrument in INSTRUMENTS:
            self._make(instrument)

    def renew(self, parts: Parts) -> None:
        """Begin anew, in a child process: a thread that it does not have may hold the lock.

        Args:
            parts: what is read there.
        """
        self._parts = parts
        self._lock = threading.RLock()
        self._reading = self._before = self._next_before = take(parts)
        self._served.clear()

    def _make(self, instrument: Instrument) -> None:
        name, unit, description = instrument.name, instrument.unit, instrument.description
        callbacks = [self._callback(instrument)]
        match instrument.kind:
            case Kind.COUNTER:
                self._meter.create_observable_counter(name, callbacks, unit, description)
            case Kind.UP_DOWN:
                self._meter.create_observable_up_down_counter(name, callbacks, unit, description)
            case Kind.GAUGE:
                self._meter.create_observable_gauge(name, callbacks, unit, description)

    def _callback(self, instrument: Instrument) -> Callable[[CallbackOptions], Iterable[Observation]]:
        @guard.guarded(f"system.gauge.{instrument.name}", ())
        def observe(_options: CallbackOptions) -> Iterable[Observation]:
            if not self.is_on:
                return ()
            with self._lock:
                reading, before = self._shared(instrument.name)
                if instrument.name in self._of_peer:
                    return ()
            values = instrument.values(reading, before)
            if values is None:
                return ()
            if isinstance(values, Mapping):
                return [Observation(value, {instrument.attribute: key}) for key, value in values.items()]
            return [Observation(values)]

        return observe

    def _shared(self, name: str) -> tuple[Reading, Reading]:
        """The reading of this collection, and the one to tell changes from."""
        if not self._served or name in self._served:
            self._served.clear()
            self._reading = take(self._parts)
            self._of_peer = peers.reported(self._meter)
            if self._reading.at_s - self._next_before.at_s >= _SHORTEST_S:
                self._before, self._next_before = self._next_before, self._reading
        self._served.add(name)
        return self._reading, self._before
