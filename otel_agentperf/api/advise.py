"""Advice before a step, from what the run has done so far and from what was learned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from otel_agentperf import guard
from otel_agentperf.advice import whole
from otel_agentperf.advice.parallel import MOST_STEPS
from otel_agentperf.advice.results import Advice
from otel_agentperf.api.refusals import refuse, shown
from otel_agentperf.api.switching import active_pipeline
from otel_agentperf.live import frames
from otel_agentperf.live.advising.advisor import Pending, Question

_OFF = "otel-agentperf is not switched on in this process"
_FAILED = "an internal error kept this advice from being made; it is counted in agentperf.internal.errors"
_MOST_MODELS = 100
_NONE_PENDING: Pending = {}


def advise(
    action: str = "",
    *,
    node: str | None = None,
    graph: str | None = None,
    arguments: Any = None,
    pending: Iterable[str] | Mapping[str, Iterable[str]] = (),
    models: Iterable[str] | None = None,
) -> Advice:
    """Say what to do before a step: which model, how long to wait, what may run at once, what to cache.

    Within a run it goes by the node that the calling code runs in, in any thread or task, sampled or
    not; outside of one by what it is told. It takes tens of microseconds and no I/O, the first time for a node
    milliseconds, in which its past is put together (and read, with a store), and never raises. A part
    that has too little to go by abstains, and says why.

    Args:
        action: what is about to be done, low in cardinality, such as ``"plan"`` or a tool's name.
        node: the node that the step is, where it is not the current one.
        graph: the graph that the node belongs to, where that is not the current one.
        arguments: what the action is called with, to see whether its result is known already. Only a
            fingerprint of it is made.
        pending: the steps that are still to be done: names, or names with the names that each one needs.
        models: the models that may be used; any may where absent.

    Returns:
        The advice; `as_dict()` gives it in plain types. `timeout_s` is for the whole step and can be below 10 s, which
        Gemini refuses as a request's `http_options.timeout` (milliseconds), since the SDK tells the server of it.
    """
    try:
        active = active_pipeline()
        if active is None:
            return whole.nothing(_OFF)
        question = Question(
            _name("action", action) or "",
            _name("node", node),
            _name("graph", graph),
            arguments,
            _pending(pending),
            _models(models) if models is not None else (),
        )
        return active.advisor.advise(question, frames.current())
    except Exception as error:  # noqa: BLE001 - an error of ours must not reach the program
        guard.report("api.advise", error)
        return whole.nothing(_FAILED)


def _name(argument: str, value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    refuse("advise", f"{argument}={shown(value)}", "a name")
    return None


def _models(models: object) -> tuple[str, ...]:
    given: object = (models,) if isinstance(models, str) else models
    try:
        names = tuple(cast("Iterable[object]", given))[:_MOST_MODELS]
    except TypeError:
        names = (given,)
    known = tuple(name for name in names if isinstance(name, str))
    if len(known) < len(names):
        refuse("advise", f"models={shown(models)}", "names of models")
    return known


def _pending(pending: object) -> Pending:
    if isinstance(pending, str):
        return {pending: None}
    if isinstance(pending, Mapping):
        needs = cast("Mapping[object, object]", pending)
        found = {name: _needed(needs[name]) for name in list(needs)[:MOST_STEPS] if isinstance(name, str)}
        if len(found) == min(len(needs), MOST_STEPS):
            return found
    else:
        try:
            names = list(cast("Iterable[object]", pending))[:MOST_STEPS]
        except TypeError:
            names = [pending]
        found = {name: None for name in names if isinstance(name, str)}
        if all(isinstance(name, str) for name in names):
            return found
    refuse(
        "advise",
        f"pending={shown(cast('object', pending))}",
        "names of steps, or names with the names that each one needs",
    )
    return found


def _needed(needs: object) -> tuple[str, ...] | None:
    if needs is None:
        return None
    if isinstance(needs, str):
        return (needs,)
    try:
        return tuple(name for name in cast("Iterable[object]", needs) if isinstance(name, str))
    except TypeError:
        return None
