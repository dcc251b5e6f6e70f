"""The results of a replay as they come in from an engine, and what is made of them in the end."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from otel_agentperf.analysis.breakdown import Breakdown
from otel_agentperf.analysis.fold import Fold
from otel_agentperf.analysis.ledger import SessionSummary
from otel_agentperf.baselines.opening import normals_of, opened
from otel_agentperf.config import Settings
from otel_agentperf.model import Suggestion
from otel_agentperf.plugins import chosen_rules
from otel_agentperf.pricing.book import PriceBook
from otel_agentperf.replay.mapping import Mapped
from otel_agentperf.replay.plan import MAX_SUGGESTED_IDS, Joined, Plan, Reduced, dearest_first
from otel_agentperf.replay.standouts import Standouts
from otel_agentperf.replay.troubles import Troubles
from otel_agentperf.replay.unread import Tallies
from otel_agentperf.report.collection import By, Collector, ReportSet
from otel_agentperf.report.session import SessionReport, session_report
from otel_agentperf.report.text import counted
from otel_agentperf.rules.base import Scope


class UnknownSessionError(LookupError):
    """No run belongs to the session that is asked for. The message says what there is."""


def nothing(*_: object) -> None:
    """Told, and forgotten."""


class Outcome:
    """Gathers the results of all rounds; a `Watcher`.

    Args:
        plan: what is done.
        settings: rules and prices, for what is judged last.
        on_troubles: takes what could not be read, as it comes in.
        on_progress: takes the round, how much of it is done, and of how much (0 where not known).
    """

    def __init__(
        self,
        plan: Plan,
        settings: Settings,
        on_troubles: Callable[[Troubles], None] = nothing,
        on_progress: Callable[[str, int, int], None] = nothing,
    ) -> None:
        self.plan = plan
        self.sums = Reduced(standouts=Standouts(plan.top))
        self.whole = Breakdown()
        self.session_count = 0
        self.tallies = Tallies()
        self._settings = settings
        self._on_troubles = on_troubles
        self._on_progress = on_progress
        self._rules = chosen_rules(settings)
        self._prices = PriceBook(settings.prices)
        self._normals = normals_of(opened(plan.baseline)) if plan.baseline else None
        self._sessions: list[SessionSummary] = []
        self._close_ids: list[str] = []
        self._services: dict[str, Fold] = {}
        self._said: list[Suggestion] | None = None
        self._mapped_bytes = 0

    def mapped(self, mapped: Mapped) -> None:
        """A piece has been cut."""
        self._on_troubles(mapped.troubles)
        self.sums.troubles.merge(mapped.troubles)
        tally = self.tallies.of(mapped.source)
        tally.spans += mapped.spans
        tally.troubles += mapped.troubles.count
        tally.unread.merge(mapped.unread)
        self._mapped_bytes += mapped.size
        self._on_progress("reading", self._mapped_bytes, 0)

    def reduced(self, reduced: Reduced, done: int, of: int) -> None:
        """A bucket of spans has been judged."""
        self._on_troubles(reduced.troubles)
        self.sums.merge(reduced)
        self._on_progress("judging", done, of)

    def joined(self, joined: Joined, done: int, of: int) -> None:
        """A bucket of sessions has been joined."""
        self.whole.merge(joined.whole)
        self._sessions = sorted([*self._sessions, *joined.sessions], key=dearest_first)[: self.plan.top]
        self.session_count += joined.session_count
        self._close_ids.extend(joined.close_ids)
        self.sums.fired.update(joined.fired)
        self.sums.rule_errors.update(joined.rule_errors)
        for name, digest in joined.services.items():
            fold = self._services.get(name)
            if fold is None:
                fold = Fold(self._rules, Scope.PROCESS, name, self._prices, self._on_error, self._normals)
                self._services[name] = fold
            fold.add(digest)
        self._on_progress("joining", done, of)

    # -- what is made of it ----------------------------------------------------------------

    def _of_services(self) -> list[Suggestion]:
        """What the rules over services say, asked once."""
        if self._said is None:
            self._said = [said for _, fold in sorted(self._services.items()) for said in fold.judge()]
        return self._said

    def _on_error(self, site: str, error: Exception) -> None:
        self.sums.rule_errors[f"{site}: {error.__class__.__name__}"] += 1

    def fired(self) -> Counter[str]:
        """Suggestions with at least the impact of the threshold, by rule."""
        fired = Counter(self.sums.fired)
        threshold = self._settings.optimization_threshold
        fired.update(s.rule for s in self._of_services() if s.impact_score >= threshold)
        return fired

    def report(self, title: str, by: By) -> ReportSet:
        """The report on all runs.

        Args:
            title: where they come from.
            by: what it is laid out by.
        """
        dearest, slowest = self.sums.standouts.reports()
        collector = Collector(self.plan.top, self.whole, dearest, slowest)
        report = collector.report(
            title,
            by=by,
            suggestions=self._of_services(),
            sessions=self._sessions,
            notes=self.notes(),
            threshold=self._settings.optimization_threshold,
        )
        return replace(report, session_count=self.session_count)

    def session(self) -> SessionReport:
        """The report on the session that the plan asks for.

        Raises:
            UnknownSessionError: there is none of that id.
        """
        wanted = self.plan.session_id or ""
        found = next((session for session in self._sessions if session.id == wanted), None)
        if found is not None:
            return session_report(found)
        close = difflib.get_close_matches(wanted, sorted(set(self._close_ids)), MAX_SUGGESTED_IDS, 0.0)
        there_are = f"{self.session_count:,} {'session' if self.session_count == 1 else 'sessions'}"
        if not self.session_count:
            there_are = "no session: no run here has a conversation id"
        nearest = f"; the nearest: {', '.join(close)}" if close else ""
        raise UnknownSessionError(f"there is no session {wanted!r} here, but {there_are}{nearest}")

    def notes(self) -> tuple[str, ...]:
        """What a reader must know to read the rest rightly."""
        sums = self.sums
        notes: list[str] = []
        if sums.troubles.count:
            are = "is" if sums.troubles.count == 1 else "are"
            parts = counted(sums.troubles.count, "part")
            notes.append(f"{parts} of the input could not be read and {are} not in here.")
        if sums.left_out:
            notes.append(f"{counted(sums.left_out, 'span')} are left out: their traces have too many.")
        if sums.blind_runs:
            runs = counted(sums.blind_runs, "run")
            notes.append(f"Tool calls of {runs} carry no fingerprints: what would be found by comparing them is not.")
        notes.extend(
            f"{site} was raised {counted(n, 'time')}: that rule said nothing there."
            for site, n in sorted(sums.rule_errors.items())
        )
        return tuple(notes)
