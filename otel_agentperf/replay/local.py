"""The engine for one machine: worker processes, and packs on disk between the rounds.

Memory is bounded: a worker holds one piece or one bucket, and a bucket that grew too large is
parted again before it is read. With one worker everything is done in this process.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ParamSpec, TypeVar

import msgspec

from otel_agentperf.replay import spilling
from otel_agentperf.replay.engines import Watcher, WorkerDiedError
from otel_agentperf.replay.mapping import Mapped
from otel_agentperf.replay.packing import parted
from otel_agentperf.replay.pieces import PIECE_BYTES, Piece
from otel_agentperf.replay.plan import Joined, Plan, Reduced
from otel_agentperf.replay.rounds import join_sessions, map_spans, prepare, reduce_spans
from otel_agentperf.replay.spilling import MAX_OPEN, Spill

P = ParamSpec("P")
T = TypeVar("T")

MAX_BUCKET_BYTES = 64 << 20
"""A larger bucket is parted again."""
_LITTLE_BYTES = 8 << 20
"""Read sooner than processes are started."""
_AHEAD = 2
"""Pieces of work for each worker that wait their turn."""
_SPANS, _AGAIN, _SESSIONS = "spans", "again", "sessions"


class _AtOnce(Executor):
    """Does everything at once, in this process."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Do it."""
        future: Future[T] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class _Workers(ProcessPoolExecutor):
    """Collects the garbage of each piece of work."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Hand it to a worker."""
        return super().submit(_tidily, fn, *args, **kwargs)


def _tidily(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return function(*args, **kwargs)
    finally:
        gc.collect()


class LocalEngine:
    """Runs the rounds in processes of this machine.

    Args:
        workers: how many processes; where absent, as many as there are cores, or none beside this
            one where there is little to do.
        folder: where packs are laid down; the folder for temporary files where absent.
    """

    piece_bytes = PIECE_BYTES

    def __init__(self, workers: int | None = None, folder: Path | None = None) -> None:
        self._asked = workers
        self._workers = workers or 1
        self._folder = folder

    def run(self, pieces: Iterable[Piece], plan: Plan, watcher: Watcher) -> None:
        """Carry out a plan; see `ReplayEngine`."""
        self._workers = self._asked or (_cores() if plan.size > _LITTLE_BYTES else 1)
        folder = Path(tempfile.mkdtemp(prefix="agentperf-", dir=self._folder))
        try:
            with self._pool(plan) as pool:
                self._rounds(pieces, plan, watcher, folder, pool)
        except BrokenProcessPool:
            raise WorkerDiedError("a worker process was killed; there may be too little memory") from None
        finally:
            spilling.close()
            shutil.rmtree(folder, ignore_errors=True)

    def _rounds(self, pieces: Iterable[Piece], plan: Plan, watcher: Watcher, folder: Path, pool: Executor) -> None:
        for mapped in self._in_turn(pool, map_and_spill, ((piece, plan, folder) for piece in pieces)):
            watcher.mapped(mapped)
        spans = Spill(folder / _SPANS).buckets()
        work = ((bucket, plan, folder) for bucket in spans)
        for done, reduced in enumerate(self._in_turn(pool, _reduce, work), 1):
            watcher.reduced(reduced, done, len(spans))
        sessions = Spill(folder / _SESSIONS).buckets()
        work = ((bucket, plan, folder) for bucket in sessions)
        for done, joined in enumerate(self._in_turn(pool, _join, work), 1):
            watcher.joined(joined, done, len(sessions))

    def _in_turn(self, pool: Executor, function: Callable[..., T], work: Iterable[tuple[object, ...]]) -> Iterator[T]:
        """The results in the order of the work, of which little is taken in advance."""
        waiting: deque[Future[T]] = deque()
        for arguments in work:
            waiting.append(pool.submit(function, *arguments))
            if len(waiting) > self._workers * _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    @contextmanager
    def _pool(self, plan: Plan) -> Generator[Executor]:
        if self._workers == 1:
            yield _AtOnce()
            return
        method = start_method()
        if method == "fork":
            prepare(plan)
            method = start_method()  # what was loaded may have started threads
        context = multiprocessing.get_context(method)
        if method == "forkserver":
            context.set_forkserver_preload([__name__])
        pool = _Workers(self._workers, context, initializer=_prepare)
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


def start_method() -> str:
    """How to start workers: a copy of this process has all imported, but is safe only where it has one thread.

    A thread that is not copied may hold a lock for ever. The system is asked, since libraries have
    threads that Python does not know of; only Linux says it, and only there no library of the system's minds.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            if len(os.listdir("/proc/self/task")) == 1:  # noqa: PTH208 - the names are not looked at
                return "fork"
    return "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _prepare() -> None:
    """Let garbage lie until a piece of work is done: there are many objects, and hardly a cycle among them."""
    gc.freeze()
    gc.disable()
    # An interrupt from the keyboard reaches all processes; the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def map_and_spill(piece: Piece, plan: Plan, folder: Path) -> Mapped:
    """The first round, its packs laid down."""
    mapped = map_spans(piece, plan)
    Spill(folder / _SPANS).write(mapped.packs)
    return msgspec.structs.replace(mapped, packs={})


def _reduce(bucket: int, plan: Plan, folder: Path) -> Reduced:
    spilling.close(folder / _SPANS)
    spill = Spill(folder / _SPANS)
    size = spill.size(bucket)
    if size <= MAX_BUCKET_BYTES:
        reduced = _reduced(spill, bucket, plan, folder)
    else:
        again = Spill(folder / f"{_AGAIN}-{bucket}")
        parts = min(MAX_OPEN, size // MAX_BUCKET_BYTES + 1)
        for pack in spill.read(bucket):
            again.write(parted(pack, plan.buckets, parts))
        spill.drop(bucket)
        reduced = Reduced()
        reduced.standouts.top = plan.top
        spilling.close(again.folder)
        for part in again.buckets():
            reduced.merge(_reduced(again, part, plan, folder))
    return reduced


def _reduced(spill: Spill, bucket: int, plan: Plan, folder: Path) -> Reduced:
    reduced = reduce_spans(spill.read(bucket), plan)
    spill.drop(bucket)
    Spill(folder / _SESSIONS).write(reduced.packs)
    reduced.packs = {}
    return reduced


def _join(bucket: int, plan: Plan, folder: Path) -> Joined:
    spilling.close(folder / _SESSIONS)
    spill = Spill(folder / _SESSIONS)
    joined = join_sessions(spill.read(bucket), plan)
    spill.drop(bucket)
    return joined
