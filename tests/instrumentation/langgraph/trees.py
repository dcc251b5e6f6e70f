"""Span trees to compare: order among siblings that run at the same time does not count."""

from __future__ import annotations

from textwrap import dedent

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from tests.telemetry import Telemetry


def attributes(span: ReadableSpan) -> dict[str, object]:
    """The attributes of a span."""
    return dict(span.attributes or {})


def sorted_tree(lines: list[str]) -> list[str]:
    """A tree's lines with siblings in order of their names and of what is beneath them."""
    blocks: list[list[str]] = []
    for line in lines:
        if line.startswith("  "):
            blocks[-1].append(line[2:])
        else:
            blocks.append([line])
    ordered = sorted([block[0], *("  " + inner for inner in sorted_tree(block[1:]))] for block in blocks)
    return [line for block in ordered for line in block]


def lines(tree: str) -> list[str]:
    """A tree written down in a test, one span a line."""
    return dedent(tree).strip().splitlines()


def assert_tree(telemetry: Telemetry, expected: str | list[str], *, errors: bool = False) -> None:
    """The spans are exactly these, sound, one trace for each root, and none has failed unless said."""
    wanted = lines(expected) if isinstance(expected, str) else expected
    assert sorted_tree(telemetry.tree()) == sorted_tree(wanted), "\n" + "\n".join(telemetry.tree())
    telemetry.assert_sound()
    roots = [span for span in telemetry.spans if span.parent is None]
    assert len({trace_id(span) for span in telemetry.spans}) == len(roots)
    if not errors:
        failed = [span.name for span in telemetry.spans if span.status.status_code is StatusCode.ERROR]
        assert not failed, failed


def trace_id(span: ReadableSpan) -> int:
    """The id of the trace that a finished span is in."""
    context = span.get_span_context()
    assert context is not None
    return context.trace_id


def outcomes(telemetry: Telemetry) -> dict[str, object]:
    """How each span ended that says so, by name: its outcome or the class of its error."""
    return {
        span.name: said
        for span in telemetry.spans
        if (said := attributes(span).get("langgraph.outcome") or attributes(span).get("error.type")) is not None
    }
