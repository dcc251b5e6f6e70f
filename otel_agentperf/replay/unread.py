"""What is not read of each source: which forms it looks like, and how often. One line for each at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from otel_agentperf.replay.foreign import SIGNALS, Form
from otel_agentperf.replay.sources import Source
from otel_agentperf.replay.troubles import Trouble


@dataclass(slots=True)
class Unread:
    """Documents of forms that are not read."""

    counts: dict[Form, int] = field(default_factory=dict[Form, int])
    first: dict[Form, int] = field(default_factory=dict[Form, int])
    """Where the first of each form begins, in bytes of the unpacked source."""

    def add(self, form: Form, offset: int, count: int = 1) -> None:
        """Count a document."""
        self.counts[form] = self.counts.get(form, 0) + count
        self.first[form] = min(offset, self.first.get(form, offset))

    def merge(self, other: Unread) -> None:
        """Add the documents of another piece."""
        for form, count in other.counts.items():
            self.add(form, other.first[form], count)


@dataclass(slots=True)
class SourceTally:
    """What came of one file, or of one answer of a backend."""

    spans: int = 0
    troubles: int = 0
    unread: Unread = field(default_factory=Unread)

    def lines(self, name: str) -> Iterator[Trouble]:
        """What there is to say of its documents that are not read.

        Args:
            name: the file or address.
        """
        counts = self.unread.counts
        if not self.spans and counts:
            yield Trouble(name, max(counts, key=counts.__getitem__).described(), unit="file")
            return
        for form, count in counts.items():
            if form not in SIGNALS:
                more = f" and {count - 1:,} more like it" if count > 1 else ""
                yield Trouble(
                    name, f"left out{more}: it looks like {form.name}. {form.advice}", self.unread.first[form]
                )


class Tallies:
    """What came of each source, as its pieces come in."""

    def __init__(self) -> None:
        self._by_name: dict[str, SourceTally] = {}

    def of(self, name: str) -> SourceTally:
        """The tally of a file or address."""
        found = self._by_name.get(name)
        if found is None:
            found = self._by_name[name] = SourceTally()
        return found

    def unread(self) -> list[Trouble]:
        """What there is to say of documents that are not read, source by source."""
        return [line for name, tally in self._by_name.items() for line in tally.lines(name)]

    def without_spans(self, sources: Iterable[Source]) -> list[Trouble]:
        """The files of which there is nothing else to say than that they hold nothing.

        Args:
            sources: all that were read; backends are left out.
        """
        found: list[Trouble] = []
        for source in sources:
            tally = self._by_name.get(source.name)
            if source.pieces is not None or (tally and (tally.spans or tally.troubles or tally.unread.counts)):
                continue
            why = "it is empty" if tally is None else "there is no span in it"
            found.append(Trouble(source.name, why, unit="file"))
        return found
