"""Whether a call of a tool was wasted, told from the calls of that tool before it.

Worked out on labelled traces. Everything is compared by fingerprint. What a call before gave is
remembered for 256 different arguments of a tool, and the wording of its last 16 calls.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from otel_agentperf.model import Operation, ToolCall

WINDOW = 16
NEAR_BITS = 14
"""SimHash distance that stands for a Jaccard similarity of about 0.6."""
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
    """Nearly the same request in other words."""


class Calls(msgspec.Struct, gc=False):
    """What is remembered of the calls of one tool."""

    errors: dict[str, None] = {}
    """Since its last success."""
    results: dict[str, tuple[str | None, int, int]] = {}
    """By arguments: what was given last, how often it was given something, and when, in changes."""
    recent: list[tuple[str, int, str | None] | None] = []
    """Arguments, SimHash and context of the last calls; `None` for a call with few words."""

    def take(self, call: ToolCall, operation: Operation, changes: int = 0) -> Waste | None:
        """Take in the next call, and say whether it was wasted.

        Args:
            call: the call.
            operation: its operation.
            changes: calls of any tool so far that gave something new for the arguments of an earlier one.
        """
        failed = call.error_hash is not None or operation.error_type is not None
        waste = self._waste(call, changes, failed=failed)
        self._remember(call, changes, failed=failed)
        return waste

    def changes(self, call: ToolCall) -> bool:
        """Whether a call that was not taken in yet gives something new for the arguments of an earlier one."""
        result, _, _ = self.results.get(call.arguments_hash or "", (None, 0, 0))
        return result is not None and call.result_hash is not None and result != call.result_hash

    def _waste(self, call: ToolCall, changes: int, *, failed: bool) -> Waste | None:
        if failed:
            if call.error_hash in self.errors:
                return Waste.FAIL
        elif self._same_again(call, changes):
            return Waste.EXACT
        return Waste.NEAR if self._nearly_again(call) else None

    def _same_again(self, call: ToolCall, changes: int) -> bool:
        if call.arguments_hash is None:
            return False
        result, seen, then = self.results.get(call.arguments_hash, (None, 0, 0))
        if call.result_hash is None:
            return seen >= _THIRD and not call.no_arguments
        return seen > 0 and result == call.result_hash and then == changes

    def _nearly_again(self, call: ToolCall) -> bool:
        if call.arguments_simhash is None or call.arguments_hash is None:
            return False
        simhash, context, arguments = int(call.arguments_simhash, 16), call.context_hash, call.arguments_hash
        for before in self.recent:
            if (
                before is not None
                and before[2] == context
                and (simhash ^ before[1]).bit_count() <= NEAR_BITS
                and before[0] != arguments
            ):
                return True
        return False

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
        words = call.arguments_simhash
        self.recent.append(
            (arguments, int(words, 16), call.context_hash) if words is not None and arguments is not None else None
        )
        if len(self.recent) > WINDOW:
            del self.recent[0]
