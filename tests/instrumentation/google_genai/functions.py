"""Functions for automatic function calling. Early versions of the SDK cannot read annotations that are strings."""

# Hence no `from __future__ import annotations` here.
import asyncio
from collections.abc import Callable


def look_up(city: str) -> str:
    """Look a city up."""
    return f"{city} is a city"


def looks_up_with(inside: Callable[[str], object]) -> Callable[[str], str]:
    """A `look_up` that does something else first."""

    def look_up(city: str) -> str:
        """Look a city up."""
        inside(city)
        return f"{city} is a city"

    return look_up


def _raise(city: str) -> None:
    raise LookupError(f"no city is called {city}")


look_up_in_vain = looks_up_with(_raise)


async def look_up_async(city: str) -> str:
    """Look a city up."""
    await asyncio.sleep(0)
    return f"{city} is a city"


look_up_async.__name__ = "look_up"
