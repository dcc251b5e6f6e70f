"""Videos: what a request orders, since it is answered long before they are made.

Veo is sold by the second of video. The request is counted when it is accepted, with the seconds it
asks for; polling the operation counts nothing more. That errs towards too much where a video is
withheld by a filter or fails later, which Google does not charge; the cost is marked estimated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from otel_agentperf.model import Usage

DEFAULT_S = 8.0
"""Seconds of a video where the request names none (https://ai.google.dev/gemini-api/docs/video)."""
_ALL_ARE_MADE = "every video that was ordered is made"
_DEFAULT_LENGTH = f"{_ALL_ARE_MADE}, {DEFAULT_S:.0f} seconds long as the request names no length"


def ordered(body: Mapping[str, Any]) -> Usage:
    """Return what a `predictLongRunning` request orders.

    Args:
        body: its JSON.
    """
    found = body.get("parameters")
    parameters: Mapping[str, Any] = cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else {}
    seconds = _number(parameters.get("durationSeconds"))
    videos = _number(parameters.get("sampleCount")) or 1
    resolution = parameters.get("resolution")
    return Usage(
        media_s=(seconds or DEFAULT_S) * videos,
        media_resolution=str(resolution).lower() if resolution else "",
        assumption=_ALL_ARE_MADE if seconds else _DEFAULT_LENGTH,
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and value > 0 else None
