"""A day of a subject as bytes, as the store keeps it: MessagePack, some 100 to 500 bytes.

    [successes, failures, {measure: [sum, [distance, count, distance, count, ...]]}]

Measures are told by their place in `tally.MEASURES`, which only ever grows at its end.
"""

from __future__ import annotations

import msgspec

from otel_agentperf.baselines.sketch import Sketch
from otel_agentperf.baselines.tally import MEASURES, Cell

_MOST = 2**63 - 1
_PLACES = {measure: place for place, measure in enumerate(MEASURES)}
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[int, int, dict[int, tuple[int, list[int]]]]).decode


class DamagedError(ValueError):
    """Bytes that are no day of a subject."""


def packed(cell: Cell) -> bytes:
    """A day as bytes. Equal days are equal bytes."""
    sketches = {
        _PLACES[measure]: (min(sketch.total, _MOST), sketch.packed())
        for measure, sketch in sorted(cell.sketches.items(), key=lambda item: _PLACES[item[0]])
    }
    return _encode((cell.successes, cell.failures, sketches))


def unpacked(data: bytes) -> Cell:
    """Read what `packed` gave; measures that are not known here are left out.

    Raises:
        DamagedError: it is no such thing.
    """
    try:
        successes, failures, sketches = _decode(data)
        return Cell(
            successes,
            failures,
            {
                MEASURES[place]: Sketch.unpacked(bins, total)
                for place, (total, bins) in sketches.items()
                if 0 <= place < len(MEASURES)
            },
        )
    except (msgspec.MsgspecError, ValueError) as error:
        raise DamagedError(f"a day of a baseline cannot be read: {error}") from None
