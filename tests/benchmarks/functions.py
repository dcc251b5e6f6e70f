"""Counts instructions inside single functions of a running program, all that they call included."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import callgrind


class Collecting:
    """Lets callgrind collect inside one function at a time.

    Args:
        requests: the client requests; callgrind must have been started not collecting.
    """

    def __init__(self, requests: callgrind.Requests) -> None:
        self.calls = 0
        self._toggle = requests.toggle

    def nothing(self, number: int) -> int:
        """Collect inside an empty function, to learn what collecting itself adds to each call."""
        empty = self._wrapper(_empty)
        for _ in range(number):
            empty()
        return number

    @contextmanager
    def inside(self, target: str) -> Generator[None]:
        """Collect inside this function while the block runs; inside none where there is no such function.

        Args:
            target: ``module:qualified.name``, no class or static method; also found where it was imported by name.
        """
        self.calls = 0
        module, _, path = target.partition(":")
        *parents, name = path.split(".")
        owner: Any = sys.modules.get(module)
        for parent in parents:
            owner = getattr(owner, parent, None)
        held: Any = getattr(owner, "__dict__", {}).get(name)
        if held is None:
            self.calls = -1
            yield
            return
        wrapper = self._wrapper(held)
        owners = [owner]
        if not parents:
            owners += [m for m in list(sys.modules.values()) if m is not owner and _has(m, name, held)]
        for one in owners:
            setattr(one, name, wrapper)
        try:
            yield
        finally:
            for one in owners:
                setattr(one, name, held)

    def _wrapper(self, function: Callable[..., Any]) -> Callable[..., Any]:
        toggle, depth = self._toggle, 0

        def collecting(*args: Any, **kwargs: Any) -> Any:
            nonlocal depth
            if depth:
                return function(*args, **kwargs)
            self.calls += 1
            depth = 1
            toggle()
            try:
                return function(*args, **kwargs)
            finally:
                toggle()
                depth = 0

        return collecting


def _empty() -> None:
    pass


def _has(module: Any, name: str, value: object) -> bool:
    return getattr(module, "__dict__", {}).get(name) is value
