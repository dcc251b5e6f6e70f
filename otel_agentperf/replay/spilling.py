"""What lies on disk between the rounds of a local replay: packs by bucket, appended by many workers.

Each worker process writes files of its own, so no lock is needed. A record is its length in
eight bytes and its bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

_LENGTH_BYTES = 8


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
        pid = os.getpid()
        for bucket, pack in packs.items():
            with (self.folder / f"{bucket}-{pid}").open("ab") as file:
                file.write(len(pack).to_bytes(_LENGTH_BYTES, "big"))
                file.write(pack)

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
