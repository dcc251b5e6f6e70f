"""Where each convention puts the messages of a model request.

In the order in which they are asked: the GenAI attributes (JSON text, or structured); attributes
flattened into `llm.input_messages.0.message.role` (OpenInference) or `gen_ai.prompt.0.role`
(OpenLLMetry before 2026); the JSON list `events` (Pydantic AI); span events of older conventions
(`gen_ai.user.message`, `gen_ai.choice`, `gen_ai.content.prompt`); the whole input and output as
one value (`input.value`, `traceloop.entity.input`). Nothing raises.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, cast

from otel_agentperf import semconv
from otel_agentperf.reading import values
from otel_agentperf.reading.messages import Message, Part, message, messages, parts
from otel_agentperf.reading.values import Attributes

Events: TypeAlias = Sequence[tuple[str, Attributes]]
Tree: TypeAlias = dict[str, "object"]

_FLAT_REQUESTS = ("llm.input_messages.", "gen_ai.prompt.", "llm.prompts.")
_FLAT_ANSWERS = ("llm.output_messages.", "gen_ai.completion.", "llm.completions.")
_FLAT_TOOLS = ("llm.tools.", "llm.request.functions.")
_FLAT = (*_FLAT_REQUESTS, *_FLAT_ANSWERS, *_FLAT_TOOLS)
_MAX_STEPS = 12
_TOOL_DEFINITIONS = "gen_ai.tool.definitions"
_WHOLE_REQUEST = ("input.value", "traceloop.entity.input", "gen_ai.prompt")
_WHOLE_ANSWER = ("output.value", "traceloop.entity.output", "gen_ai.completion")
_EVENT_ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
_CHOICE = "gen_ai.choice"


@dataclass(slots=True)
class Exchange:
    """The content of one request, as far as it was recorded."""

    system: list[Part] = field(default_factory=list[Part])
    tools: object = None
    asked: list[Message] | None = None
    answered: list[Message] | None = None

    def settle(self) -> None:
        """Leading messages of the system are its instructions, which some repeat there."""
        asked = self.asked
        if not asked:
            return
        count = next((place for place, one in enumerate(asked) if one.role != "system"), len(asked))
        said = [part for one in asked[:count] for part in one.parts]
        self.system = self.system or said
        del asked[:count]


def exchange(attributes: Attributes, events: Events) -> Exchange:
    """Gather the content of a model request from wherever it stands."""
    found = Exchange()
    given = attributes.get(semconv.SYSTEM_INSTRUCTIONS)
    if given is not None:
        found.system = parts(values.decoded(given))
    found.tools = values.decoded(attributes.get(_TOOL_DEFINITIONS))
    given = attributes.get(semconv.INPUT_MESSAGES)
    if given is not None:
        found.asked = messages(given)
    given = attributes.get(semconv.OUTPUT_MESSAGES)
    if given is not None:
        found.answered = messages(given)
    if found.asked is None or found.answered is None:
        _from_flat(found, attributes)
    if found.asked is None and found.answered is None:
        _from_list(found, attributes.get("events"))
        if events:
            _from_events(found, events)
    if found.asked is None:
        found.asked = _whole(attributes, _WHOLE_REQUEST)
    if found.answered is None:
        found.answered = _whole(attributes, _WHOLE_ANSWER, "assistant")
    found.settle()
    return found


def _whole(attributes: Attributes, keys: Iterable[str], role: str = "user") -> list[Message] | None:
    for key in keys:
        value = attributes.get(key)
        if value is not None:
            return _of_generations(values.decoded(value), role)
    return None


def _of_generations(value: object, role: str) -> list[Message]:
    """The messages in the value of a whole request or answer; LangChain lists generations."""
    table = values.as_table(value)
    if table is None:
        return [message(value, role)] if values.as_list(value) is None else messages(value)
    generations = values.as_list(table.get("generations"))
    if generations:
        return [message(one, role) for one in values.as_list(generations[0]) or generations]
    candidates = values.as_list(table.get("candidates"))
    if candidates is not None:
        contents = [one for one in map(values.as_table, candidates) if one is not None]
        return [message(one.get("content"), role) for one in contents]
    if values.as_list(table.get("messages")) or values.as_list(table.get("contents")):
        return messages(table)
    return [message(table, role)]


# -- flattened attributes ------------------------------------------------------------------


def _from_flat(found: Exchange, attributes: Attributes) -> None:
    trees: dict[str, Tree] = {}
    for key, value in attributes.items():
        if key.startswith(_FLAT):
            prefix = next(one for one in _FLAT if key.startswith(one))
            _grow(trees.setdefault(prefix, {}), key[len(prefix) :].split(".", _MAX_STEPS), value)
    if not trees:
        return
    if found.asked is None:
        found.asked = _of_trees(trees, _FLAT_REQUESTS, "user")
    if found.answered is None:
        found.answered = _of_trees(trees, _FLAT_ANSWERS, "assistant")
    tools = [_listed(trees[prefix]) for prefix in _FLAT_TOOLS if prefix in trees]
    if tools and found.tools is None:
        found.tools = tools


def _grow(tree: Tree, path: list[str], value: object) -> None:
    for step in path[:-1]:
        inner = tree.setdefault(step, {})
        if not isinstance(inner, dict):
            return
        tree = cast("Tree", inner)
    tree.setdefault(path[-1], value)


def _listed(node: object) -> object:
    """The tree with lists where its keys are numbers."""
    if not isinstance(node, dict):
        return node
    tree = cast("Tree", node)
    if all(key.isdecimal() for key in tree):
        return [_listed(tree[key]) for key in sorted(tree, key=lambda key: (len(key), key))]
    return {key: _listed(value) for key, value in tree.items()}


def _of_trees(trees: Mapping[str, Tree], prefixes: Iterable[str], role: str) -> list[Message] | None:
    for prefix in prefixes:
        tree = trees.get(prefix)
        if tree is not None:
            listed = _listed(tree)
            items = values.as_list(listed) or (listed,)
            return [message(_content_decoded(item), role) for item in items]
    return None


def _content_decoded(value: object) -> object:
    """Old OpenLLMetry puts a list of parts into `content` as JSON text."""
    table = values.as_table(value)
    content = None if table is None else table.get("content")
    if table is not None and isinstance(content, str) and content.startswith("[{"):
        return {**table, "content": values.decoded(content)}
    return value


# -- events --------------------------------------------------------------------------------


def _from_list(found: Exchange, given: object) -> None:
    listed = values.as_list(values.decoded(given))
    if listed is not None:
        tables = [one for one in map(values.as_table, listed) if one is not None]
        _from_events(found, [(str(one.get("event.name", "")), one) for one in tables])


def _from_events(found: Exchange, events: Events) -> None:
    for name, attributes in events:
        if name in _EVENT_ROLES:
            found.asked = found.asked if found.asked is not None else []
            found.asked.append(message(_body(attributes), _EVENT_ROLES[name]))
        elif name == _CHOICE:
            found.answered = found.answered if found.answered is not None else []
            found.answered.append(message(_body(attributes), "assistant"))
        elif name == "gen_ai.content.prompt":
            found.asked = _whole(attributes, ("gen_ai.prompt",))
        elif name == "gen_ai.content.completion":
            found.answered = _whole(attributes, ("gen_ai.completion",), "assistant")
        elif name == semconv.EVENT_INFERENCE_DETAILS:
            inner = exchange(attributes, ())
            found.system, found.tools = inner.system, inner.tools
            found.asked, found.answered = inner.asked, inner.answered


def _body(attributes: Attributes) -> object:
    whole = values.as_table(values.decoded(attributes.get("gen_ai.event.content")))
    if whole is not None:
        return whole
    said = {key: attributes[key] for key in ("role", "content", "finish_reason") if key in attributes}
    for key in ("message", "tool_calls"):
        if key in attributes:
            said[key] = values.decoded(attributes[key])
    return said
