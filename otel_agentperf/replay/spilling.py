"""What lies on disk between the rounds of a local replay: packs by bucket, appended by many workers.

Each worker process writes files of its own, so no lock is needed, and keeps them open while it
writes. A record is its length in eight bytes and its bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

MAX_OPEN = 200
"""Files that a worker keeps open: many systems allow 256 at first."""
_LENGTH_BYTES = 8
_open: dict[str, BinaryIO] = {}


class Spill:
    """A folder with the packs of one round.

    Args:
        folder: where to write; it is made if need be.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, packs: Mapping[int, bytes]) -> None:
        """Append packs to their buckets.

        Raises:
            OSError: the disk is full, or the folder has gone.
        """
        for bucket, pack in packs.items():
            file = self._file(bucket)
            file.write(len(pack).to_bytes(_LENGTH_BYTES, "big"))
            file.write(pack)
            file.flush()

    def _file(self, bucket: int) -> BinaryIO:
        path = f"{self.folder}{os.sep}{bucket}-{os.getpid()}"
        file = _open.get(path)
        if file is None:
            if len(_open) >= MAX_OPEN:
                close()
            file = _open[path] = open(path, "ab")  # noqa: PTH123, SIM115 - closed when the round is over
        return file

    def buckets(self) -> list[int]:
        """The buckets that hold anything."""
        return sorted({int(path.name.partition("-")[0]) for path in self.folder.iterdir()})

    def size(self, bucket: int) -> int:
        """How much a bucket holds, in bytes."""
        return sum(path.stat().st_size for path in self._files(bucket))

    def read(self, bucket: int) -> Iterator[bytes]:
        """The packs of a bucket."""
        for path in self._files(bucket):
            with path.open("rb") as file:
                while length := file.read(_LENGTH_BYTES):
                    yield file.read(int.from_bytes(length, "big"))

    def drop(self, bucket: int) -> None:
        """Delete a bucket."""
        for path in self._files(bucket):
            path.unlink()

    def _files(self, bucket: int) -> list[Path]:
        return sorted(self.folder.glob(f"{bucket}-*"))


def close(folder: Path | None = None) -> None:
    """Close what this process keeps open; what is written next is opened again.

    Args:
        folder: closes the files in it; all of them where absent.
    """
    for path in [path for path in _open if folder is None or path.startswith(f"{folder}{os.sep}")]:
        _open.pop(path).close()
