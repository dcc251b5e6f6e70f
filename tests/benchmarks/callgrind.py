"""Talks to Valgrind's callgrind from inside the program that it counts.

A client request is a sequence of instructions that does nothing on a bare processor and that
Valgrind recognises. The C header `valgrind/callgrind.h` expands to it; these bytes are the same
for x86-64, so that no compiler is needed. On another processor `available` is false.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import struct

_BASE = ord("C") << 24 | ord("T") << 16
DUMP = _BASE
ZERO = _BASE + 1
TOGGLE_COLLECT = _BASE + 2
START = _BASE + 4
STOP = _BASE + 5

# mov rax, rdi; xor edx, edx; rol rdi by 3, 13, 61, 51; xchg rbx, rbx; mov rax, rdx; ret
_CODE = bytes.fromhex("4889f8 31d2 48c1c703 48c1c70d 48c1c73d 48c1c733 4887db 4889d0 c3")

available = platform.machine() == "x86_64"


class Requests:
    """The client requests of callgrind, each one call. Harmless where Valgrind is absent."""

    def __init__(self) -> None:
        if not available:
            raise SystemExit("counting instructions needs an x86-64 processor")
        self._page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self._page.write(_CODE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._page))
        self._call = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)(address)
        self._arguments = {number: self._argument(number) for number in (DUMP, ZERO, TOGGLE_COLLECT, START, STOP)}
        self._toggle = ctypes.addressof(self._arguments[TOGGLE_COLLECT])

    @staticmethod
    def _argument(number: int) -> ctypes.Array[ctypes.c_char]:
        return ctypes.create_string_buffer(struct.pack("6Q", number, 0, 0, 0, 0, 0), 48)

    def request(self, number: int) -> None:
        """Make one client request."""
        self._call(ctypes.addressof(self._arguments[number]))

    def toggle(self) -> None:
        """Begin or end to collect in this thread, at the least cost."""
        self._call(self._toggle)
