"""The methods of the SDK that turn an answer into its objects, which is where an answer that cannot be read fails.

`BaseApiClient.request` returns the text of an answer; the method that called it parses the text and
builds pydantic objects from it, and raises where the answer is not as it expects. A billed request
ends when that is done: well, or with the SDK's exception, and with its usage in both cases.

Each of these methods makes one HTTP request, also with automatic function calling, which calls them
once a round. Where one is missing in a version, the request ends when its text has come, as it also
does where a program calls `BaseApiClient.request` itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any

from otel_agentperf.instrumentation.patching import AnyFunction, Patches

if TYPE_CHECKING:
    from otel_agentperf.instrumentation.google_genai.call import Call

_MODELS = "google.genai.models"
_METHODS = (
    "_generate_content",
    "_embed_content",
    "embed_content",
    "_generate_images",
    "_edit_image",
    "_upscale_image",
    "recontext_image",
    "segment_image",
    "_generate_videos",
)
_STREAM = "_generate_content_stream"


class Conversion:
    """One execution of such a method, and the request that it has sent."""

    __slots__ = ("call",)

    def __init__(self) -> None:
        self.call: Call | None = None

    def begins(self, call: Call) -> None:
        """A request begins, which ends with this execution, or with the next request of it."""
        self.finish()
        self.call = call
        call.ends_above = True

    def finish(self) -> None:
        """The answer is the program's."""
        if self.call is not None:
            self.call.finish()

    def fail(self, error: BaseException) -> None:
        """The method raised."""
        if self.call is not None:
            self.call.fail(error)

    def abandon(self) -> None:
        """The program has left the stream."""
        if self.call is not None:
            self.call.abandon()


CURRENT: ContextVar[Conversion | None] = ContextVar("otel_agentperf_gemini_conversion", default=None)
"""The method that is at work; `None` where a request ends with its text."""


def patch(patches: Patches) -> None:
    """Wrap the methods that this version of the SDK has."""
    for name in _METHODS:
        patches.replace(_MODELS, f"Models.{name}", _wrap, required=name == _METHODS[0])
        patches.replace(_MODELS, f"AsyncModels.{name}", _wrap_async, required=name == _METHODS[0])
    patches.replace(_MODELS, f"Models.{_STREAM}", _wrap_stream)
    patches.replace(_MODELS, f"AsyncModels.{_STREAM}", _wrap_async_stream)


def _bound(function: Any, owner: Any) -> AnyFunction:
    """The function as the method that it is: wrappers of other libraries tell a method by being bound."""
    return function.__get__(owner, type(owner))


def _wrap(wrapped: AnyFunction) -> AnyFunction:
    @wraps(wrapped)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        conversion = Conversion()
        token = CURRENT.set(conversion)
        try:
            result = _bound(wrapped, self)(*args, **kwargs)
        except BaseException as error:
            conversion.fail(error)
            raise
        finally:
            CURRENT.reset(token)
        conversion.finish()
        return result

    return method


def _wrap_async(wrapped: AnyFunction) -> AnyFunction:
    @wraps(wrapped)
    async def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        conversion = Conversion()
        token = CURRENT.set(conversion)
        try:
            result = await _bound(wrapped, self)(*args, **kwargs)
        except BaseException as error:
            conversion.fail(error)
            raise
        finally:
            _leave(token)
        conversion.finish()
        return result

    return method


def _leave(token: Any) -> None:
    try:  # noqa: SIM105 - `suppress` takes 2,500 instructions
        CURRENT.reset(token)
    except ValueError:  # a coroutine that is destroyed from outside: its context is gone with it
        pass


# -- streams -------------------------------------------------------------------------------


def _wrap_stream(wrapped: AnyFunction) -> AnyFunction:
    @wraps(wrapped)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return _converted(_bound(wrapped, self)(*args, **kwargs))

    return method


def _converted(chunks: Generator[Any, None, None]) -> Generator[Any, None, None]:
    """The chunks of a stream as the SDK gives them; the request is sent at the first step."""
    conversion = Conversion()
    try:
        token = CURRENT.set(conversion)
        try:
            first = next(chunks)
        except StopIteration:
            return
        finally:
            CURRENT.reset(token)
        yield first
        yield from chunks
    except GeneratorExit:
        conversion.abandon()
        raise
    except BaseException as error:
        conversion.fail(error)
        raise
    finally:
        conversion.finish()


def _wrap_async_stream(wrapped: AnyFunction) -> AnyFunction:
    @wraps(wrapped)
    async def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        conversion = Conversion()
        token = CURRENT.set(conversion)
        try:
            chunks = await _bound(wrapped, self)(*args, **kwargs)
        except BaseException as error:
            conversion.fail(error)
            raise
        finally:
            _leave(token)
        return chunks if conversion.call is None else ConvertedStream(conversion, chunks)

    return method


class ConvertedStream:
    """The chunks of an asynchronous stream as the SDK gives them.

    It is an iterator object: an asynchronous generator around the SDK's would collide with it at close.
    """

    def __init__(self, conversion: Conversion, chunks: Any) -> None:
        self._conversion = conversion
        self._chunks = chunks

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self._chunks.__anext__()
        except StopAsyncIteration:
            self._conversion.finish()
            raise
        except GeneratorExit:  # destroyed while it waited
            self._conversion.abandon()
            raise
        except BaseException as error:
            self._conversion.fail(error)
            raise

    async def aclose(self) -> None:
        """Close the SDK's stream; what has come so far is what is counted."""
        try:
            await self._chunks.aclose()
        finally:
            self._conversion.abandon()

    def __del__(self) -> None:
        self._conversion.abandon()
