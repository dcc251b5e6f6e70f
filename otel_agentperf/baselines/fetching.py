"""Fetches an exported baseline from its address."""

from __future__ import annotations

import encodings.idna  # noqa: F401 - sockets import it at the first host name, in a thread of ours
import http.client
import urllib.error
import urllib.request

from otel_agentperf.baselines.portable import UnreadableError

_MOST_BYTES = 256 << 20
"""Of what an address may answer with."""
_TIMEOUT_S = 30.0


def fetched(address: str) -> bytes:
    """What an address answers with.

    Args:
        address: with http or https.

    Raises:
        UnreadableError: it does not answer, or with an error, or with too much. The message names it.
    """
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - the caller looked at it
            data: bytes = answer.read(_MOST_BYTES + 1)
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else (str(error) or type(error).__name__)
        raise UnreadableError(f"{address} cannot be fetched: {reason}") from None
    if len(data) > _MOST_BYTES:
        raise UnreadableError(f"{address} is larger than {_MOST_BYTES >> 20} MB")
    return data
