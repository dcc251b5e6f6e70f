"""Whether a call of a tool was wasted, judged by the calls of that tool before it.

Worked out on labelled traces. Everything is compared by fingerprint. An agent is compared with
itself: what one agent has read, another may read again. What a call gave is remembered for 256
different arguments of a tool and agent, and what it asked for of the last 16 calls.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import msgspec

from otel_agentperf.model import Operation, ToolCall

WINDOW = 16
MAX_ARGUMENTS_REMEMBERED = 256
MAX_ERRORS_REMEMBERED = 16
_THIRD = 2


class Waste(StrEnum):
    """Why a call was wasted; the first that applies."""

    FAIL = "fail"
    """It failed as a call since the tool's last success had failed."""
    EXACT = "exact"
    """The same arguments and the same result as last time, and nothing else has changed since."""
    NEAR = "near"
    """The same question in other words, with the same result, and nothing else has changed since."""


class _Asked(NamedTuple):
    arguments: str
    context: str
    result: str
    changes: int
    is_sentence: bool


class Calls(msgspec.Struct, gc=False):
    """What is remembered of the calls of one tool by one agent."""

    errors: dict[str, None] = {}
    """Since its last success."""
    results: dict[str, tuple[str | None, int, int]] = {}
    """By arguments: what was given last, how often it was given something, and when, in changes."""
    recent: list[_Asked | None] = []
    """The last calls; `None` for one whose arguments are no text in words, or whose result is not known."""

    def take(self, call: ToolCall, operation: Operation, changes: int = 0) -> Waste | None:
        """Take in the next call, and return why it was wasted, if it was.

        Args:
            call: the call.
            operation: its operation.
            changes: calls of any tool so far that gave something new for the arguments of an earlier one.
        """
        failed = has_failed(call, operation)
        waste = self._waste(call, changes, failed=failed)
        self._remember(call, changes, failed=failed)
        return waste

    def _waste(self, call: ToolCall, changes: int, *, failed: bool) -> Waste | None:
        if failed:
            return Waste.FAIL if call.error_hash in self.errors else None
        if self._same_again(call, changes):
            return Waste.EXACT
        return Waste.NEAR if self._same_in_other_words(call, changes) else None

    def _same_again(self, call: ToolCall, changes: int) -> bool:
        if call.arguments_hash is None:
            return False
        result, seen, then = self.results.get(call.arguments_hash, (None, 0, 0))
        if call.result_hash is None:
            return seen >= _THIRD and not call.no_arguments
        return seen > 0 and result == call.result_hash and then == changes

    def _same_in_other_words(self, call: ToolCall, changes: int) -> bool:
        if call.context_hash is None or call.argument_is_sentence is None:
            return False
        return any(
            before is not None
            and before.context == call.context_hash
            and before.result == call.result_hash
            and before.changes == changes
            and before.arguments != call.arguments_hash
            and (before.is_sentence or call.argument_is_sentence)
            for before in self.recent
        )

    def _remember(self, call: ToolCall, changes: int, *, failed: bool) -> None:
        if not failed:
            self.errors.clear()
        elif call.error_hash is not None:
            self.errors[call.error_hash] = None
            if len(self.errors) > MAX_ERRORS_REMEMBERED:
                del self.errors[next(iter(self.errors))]
        arguments = call.arguments_hash
        if arguments is not None:
            _, seen, _ = self.results.pop(arguments, (None, 0, 0))
            # After a failure the same result as before it is what a second try is for.
            self.results[arguments] = (None, seen, changes) if failed else (call.result_hash, seen + 1, changes)
            if len(self.results) > MAX_ARGUMENTS_REMEMBERED:
                del self.results[next(iter(self.results))]
        self.recent.append(_asked(call, changes, failed=failed))
        if len(self.recent) > WINDOW:
            del self.recent[0]


def _asked(call: ToolCall, changes: int, *, failed: bool) -> _Asked | None:
    arguments, context, result = call.arguments_hash, call.context_hash, call.result_hash
    if failed or arguments is None or context is None or result is None or call.argument_is_sentence is None:
        return None
    return _Asked(arguments, context, result, changes, call.argument_is_sentence)


class Results(msgspec.Struct, gc=False):
    """What a tool gave last for its arguments, to whichever agent."""

    latest: dict[str, str] = {}

    def has_changed(self, call: ToolCall, operation: Operation) -> bool:
        """Take in the next call, and return whether it gave something new for the arguments of an earlier one."""
        arguments, result = call.arguments_hash, call.result_hash
        if arguments is None:
            return False
        before = self.latest.pop(arguments, None)
        if result is None or has_failed(call, operation):
            return False
        self.latest[arguments] = result
        if len(self.latest) > MAX_ARGUMENTS_REMEMBERED:
            del self.latest[next(iter(self.latest))]
        return before is not None and before != result


def has_failed(call: ToolCall, operation: Operation) -> bool:
    """Whether a call ended with an error."""
    return call.error_hash is not None or operation.error_type is not None
