"""A chat model that says what it is told to, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolCall
from langchain_core.outputs import ChatGeneration, ChatResult


class Scripted(BaseChatModel):
    """Says the next of its answers each time it is asked, by the number of answers it sees.

    Without state of its own, so that one model may serve many runs at once.
    """

    answers: list[AIMessage]

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Scripted:
        """The answers hold the calls already."""
        del tools, kwargs
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        del stop, run_manager, kwargs
        answered = sum(isinstance(message, AIMessage) for message in messages)
        answer = self.answers[answered].model_copy(update={"id": None})
        return ChatResult(generations=[ChatGeneration(message=answer)])


def calling(*calls: tuple[str, dict[str, Any]]) -> AIMessage:
    """An answer that calls tools."""
    made = [ToolCall(name=name, args=args, id=f"call-{place}") for place, (name, args) in enumerate(calls, 1)]
    return AIMessage("", tool_calls=made)
