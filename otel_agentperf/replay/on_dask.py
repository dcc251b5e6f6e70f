"""The engine for traces that outgrow one machine: a Dask cluster carries the packs.

Pieces and buckets are tasks; a task whose worker is killed is done again elsewhere, with the same
result. Each worker needs otel-agentperf in the same version, and must reach the files by the
same names: a shared folder, or URLs that fsspec reads. Pieces that carry their bytes (compressed
files) are read on this machine and sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from typing import Any

from otel_agentperf.replay.engines import Watcher, WorkerDiedError
from otel_agentperf.replay.extras import needed
from otel_agentperf.replay.mapping import Mapped
from otel_agentperf.replay.pieces import Piece
from otel_agentperf.replay.plan import Joined, Plan, Reduced
from otel_agentperf.replay.rounds import join_sessions, map_spans, reduce_spans

_CONNECT_S = 20
_GROUPS = 16
"""Tasks of the last round; each joins the buckets of sessions whose numbers it divides evenly."""


class DaskEngine:
    """Runs the rounds on a Dask cluster.

    Args:
        scheduler: its address, such as `tcp://10.0.0.1:8786`.
    """

    piece_bytes = 32 << 20
    """Each piece and each bucket is a task, and a task costs about a millisecond."""

    def __init__(self, scheduler: str) -> None:
        self._scheduler = scheduler
        self._distributed = needed("distributed", "--engine dask", extra="dask")

    def run(self, pieces: Iterable[Piece], plan: Plan, watcher: Watcher) -> None:
        """Carry out a plan; see `ReplayEngine`."""
        distributed = self._distributed
        try:
            client = distributed.Client(self._scheduler, timeout=_CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise OSError(f"no Dask scheduler answers at {self._scheduler}: {error}") from None
        with client:
            try:
                _rounds(client, pieces, plan, watcher)
            except distributed.KilledWorker as error:
                raise WorkerDiedError(f"workers of the cluster were killed again and again: {error}") from None
            except (CancelledError, distributed.client.FutureCancelledError):
                raise WorkerDiedError("the Dask scheduler has gone") from None
            except ModuleNotFoundError as error:
                raise WorkerDiedError(f"a worker of the cluster has no {error.name}") from None


def _rounds(client: Any, pieces: Iterable[Piece], plan: Plan, watcher: Watcher) -> None:
    cut = [_submitted(client, piece, plan) for piece in pieces]
    for found in _in_turn([client.submit(_without_packs, each, pure=False) for each in cut]):
        watcher.mapped(found)
    judged: list[Any] = []
    for bucket in range(plan.buckets):
        packs = [client.submit(_pick, each, bucket, pure=False) for each in cut]
        judged.append(client.submit(_reduce, packs, plan, pure=False))
    cut.clear()
    told = [client.submit(_without_packs, each, pure=False) for each in judged]
    for done, reduced in enumerate(_in_turn(told), 1):
        watcher.reduced(reduced, done, plan.buckets)
    groups = [
        client.submit(_join, [client.submit(_pick_group, each, group, pure=False) for each in judged], plan, pure=False)
        for group in range(min(_GROUPS, plan.buckets))
    ]
    judged.clear()
    joined = dict(pair for pairs in _in_turn(groups) for pair in pairs)
    for done, bucket in enumerate(sorted(joined), 1):
        watcher.joined(joined[bucket], done, len(joined))


def _submitted(client: Any, piece: Piece, plan: Plan) -> Any:
    sent = client.scatter(piece, hash=False) if piece.data is not None else piece
    return client.submit(map_spans, sent, plan, pure=False)


def _in_turn(futures: list[Any]) -> Iterator[Any]:
    """The results in order, each let go of once it is here."""
    futures.reverse()
    while futures:
        yield futures.pop().result()


def _without_packs(found: Mapped | Reduced) -> Mapped | Reduced:
    """What there is to tell, without what is carried."""
    if isinstance(found, Mapped):
        return Mapped({}, found.spans, found.troubles, found.size, found.source, found.unread)
    told = Reduced()
    told.standouts.top = found.standouts.top
    told.merge(found)
    return told


def _pick(mapped: Mapped, bucket: int) -> bytes | None:
    return mapped.packs.get(bucket)


def _pick_group(reduced: Reduced, group: int) -> dict[int, bytes]:
    return {bucket: pack for bucket, pack in reduced.packs.items() if bucket % _GROUPS == group}


def _reduce(packs: list[bytes | None], plan: Plan) -> Reduced:
    return reduce_spans((pack for pack in packs if pack is not None), plan)


def _join(parts: list[dict[int, bytes]], plan: Plan) -> list[tuple[int, Joined]]:
    buckets: dict[int, list[bytes]] = {}
    for part in parts:
        for bucket, pack in part.items():
            buckets.setdefault(bucket, []).append(pack)
    return [(bucket, join_sessions(buckets[bucket], plan)) for bucket in sorted(buckets)]
