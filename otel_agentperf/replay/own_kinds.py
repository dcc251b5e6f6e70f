"""What stands on spans of ours, and how: each value is put where it belongs as soon as its key is met.

What is not as we write it sends its span the way of all spans, through `reading.read`: another
type, an empty text, what somebody else wrote on a span of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from otel_agentperf import semconv
from otel_agentperf.model import OperationKind, Resources
from otel_agentperf.reading import openllmetry
from otel_agentperf.replay.otlp_json_values import Attribute, Value, flag
from otel_agentperf.replay.packing import Row

Found: TypeAlias = list[Any]
"""What stands on a span, in the order of the keys of its kind."""
Recorded: TypeAlias = dict[str, object]
"""What our processor wrote about a run."""
Fields: TypeAlias = tuple[
    str, str, Row | None, Row | None, Row | None, Row | None, Row | None, Resources | None, Recorded | None
]
"""In this order: name, agent, usage, cost, inference, tool, node, what was used, and what was said of its run."""
Others: TypeAlias = dict[str, tuple[Callable[[Value], object], object]]
"""What is no text, by its key: how it is read, `None` where it is not as we write it, and its default."""

_TEXTS_ANYWHERE = (
    semconv.OPERATION_NAME,
    semconv.CONVERSATION_ID,
    semconv.ERROR_TYPE,
    semconv.LANGGRAPH_OUTCOME,
)
_ANYWHERE: Others = {semconv.STREAM_ABANDONED: (flag, False), semconv.COUNTED: (flag, True)}
_NOWHERE = (semconv.SESSION_ID, openllmetry.WORKFLOW, semconv.RUN_EFFICIENCY_SCORE)
"""What we do not write, or on a few kinds only."""


class Kind:
    """The spans of one kind.

    Args:
        kind: what they are.
        fields: makes the fields of an operation of what is found of `texts` and `others`; it is also
            given the kind and all attributes. `None` where something that always stands there does not.
        texts: the keys of texts.
        others: what is no text.
        never: what we do not write on them.
    """

    __slots__ = ("_defaults", "_places", "_readers", "_texts", "fields", "kind", "name")

    def __init__(
        self,
        kind: OperationKind,
        fields: Callable[[OperationKind, Found, list[Attribute]], Fields | None],
        texts: tuple[str, ...],
        others: Others,
        never: tuple[str, ...] = (),
    ) -> None:
        self.kind, self.name, self.fields = kind, kind.value, fields
        known = (*_TEXTS_ANYWHERE, *texts)
        more = {**others, **_ANYWHERE}
        self._texts = len(known)
        self._defaults = [*[None] * len(known), *(default for _, default in more.values())]
        self._readers = [*(read for read, _ in more.values()), _nothing]
        unwritten = dict.fromkeys((*_NOWHERE, *never), len(self._defaults))
        self._places = unwritten | {key: place for place, key in enumerate((*known, *more))}

    def found(self, attributes: list[Attribute]) -> Found | None:
        """The values of a span; `None` where one is not as we write it.

        First come its operation, session, error and outcome, then `texts` and `others`, then whether it
        was abandoned, and whether it counts.
        """
        found, places, texts = self._defaults.copy(), self._places, self._texts
        for attribute in attributes:
            place = places.get(attribute.key)
            if place is None:
                continue
            value = attribute.value
            if value is None:
                return None
            said = value.string_value or None if place < texts else self._readers[place - texts](value)
            if said is None:
                return None
            found[place] = said
        return found


def _nothing(value: Value) -> None:
    """Reads what we do not write there: the span was written on by others."""
    del value
