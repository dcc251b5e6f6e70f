"""What a program may ask of a session while it runs."""

from __future__ import annotations

from difflib import get_close_matches

from otel_agentperf.live import in_process
from otel_agentperf.report.session import SessionReport, session_report

_MAX_SHOWN = 3
_MAX_LENGTH = 80


class UnknownSessionError(LookupError):
    """No session of this id is remembered. The message says how many are, and which come closest."""


def session(session_id: str) -> SessionReport:
    """What a session of this process amounts to so far.

    A session is the runs that share a conversation id: LangGraph's `thread_id`, else
    `session_id` or `conversation_id` in the config's metadata, `session.id` in the baggage, or
    a key of the input state. Its finished runs are summed up; those that go on are counted. The
    2,000 sessions used last are remembered (`AGENTPERF_MAX_SESSIONS`).

    Args:
        session_id: the conversation id.

    Returns:
        Money, time, tokens and errors in all and by agent, model, tool and service, scores,
        bottlenecks and suggestions; `.to_dict()` gives what the JSON report holds.

    Raises:
        UnknownSessionError: no such session is remembered, or nothing has been switched on.
    """
    active = in_process.current()
    if active is None:
        raise UnknownSessionError("otel-agentperf: no session is known: it is not switched on in this process")
    found = active.engine.session(session_id)
    if found is None:
        raise UnknownSessionError(_unknown(session_id, active.engine.session_ids()))
    return session_report(found)


def _unknown(session_id: str, known: list[str]) -> str:
    message = f"otel-agentperf: no session {_shown(session_id)} among the {len(known):,} that are remembered"
    close = get_close_matches(session_id, known[-10_000:], _MAX_SHOWN)
    return f"{message}; the closest: {', '.join(map(_shown, close))}" if close else message


def _shown(session_id: str) -> str:
    return repr(session_id if len(session_id) <= _MAX_LENGTH else session_id[: _MAX_LENGTH - 1] + "…")
