"""Messages between a worker and its parent, as msgpack (msgspec), each behind its length.

Those of the embedded scorer travel as they are: observations and questions to the parent, decisions and replies back.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.keys.quotas import QuotaUsage
from gateway.scorer.embedded.framing import read_message
from gateway.scorer.messages import BatchCounts, BatchDone, Configure, Observations, Question, Reply, TasksEvicted
from gateway.sharing.limits import LimitEvent


class StartScorer(msgspec.Struct, frozen=True, tag=True):
    """Start the scorer unless another worker has."""

    settings: Configure


class ReloadScorer(msgspec.Struct, frozen=True, tag=True):
    """Score with another pack, or other settings. Its reply has `refused`, why a pack is not taken, or null."""

    id: int
    settings: Configure


class NoteActive(msgspec.Struct, frozen=True, tag=True):
    """Keys that were used just now. Its reply has `active`, all keys of the last minute."""

    id: int
    used: Sequence[str]


class ExchangeQuotas(msgspec.Struct, frozen=True, tag=True):
    """Usage by key. Its reply has `shares`, requests and tokens by key."""

    id: int
    gateway: str
    usages: Mapping[str, QuotaUsage]


class Publish(msgspec.Struct, frozen=True, tag=True):
    """Changes for the other workers."""

    event: LimitEvent


class LocateResponse(msgspec.Struct, frozen=True, tag=True):
    """Find the worker that answered a request. Its reply has `answer`, a ResponseRecord or null. worker: that asks."""

    id: int
    request: str
    worker: int = 0


class FoundResponse(msgspec.Struct, frozen=True, tag=True):
    """A response that a worker has given. worker, id: of the search."""

    worker: int
    id: int
    answer: Any


class ConfigChanged(msgspec.Struct, frozen=True, tag=True):
    """The configuration of a worker has been replaced.

    Attributes:
        text: of the file, as it was read.
        pack: in place of the file's; None where it is as the file has it.
        by: see gateway.config.history.
        for_others: the other workers do not learn of it by themselves.
    """

    text: str
    pack: str | None
    by: str
    for_others: bool


class Events(msgspec.Struct, frozen=True, tag=True):
    """Changes of other workers, oldest first, each with its age in seconds."""

    items: Sequence[tuple[float, LimitEvent]]


class Peers(msgspec.Struct, frozen=True, tag=True):
    """Number of workers that run, the receiver among them."""

    count: int


class TasksForgotten(msgspec.Struct, frozen=True, tag=True):
    """Tasks that were deleted, or merged into another one."""

    tasks: Sequence[str]


class ScorerState(msgspec.Struct, frozen=True, tag=True):
    """State of the scorer, sent when it changes.

    Attributes:
        pid: of its process, None while there is none.
        scored, restarts, queued, scoring_s, dropped: see gateway.observability.metrics.ScorerStats. Of all workers;
            one worker gets them, the others zeros: so sums over workers are right.
    """

    status: str
    message: str
    pid: int | None = None
    scored: BatchCounts = BatchCounts()
    restarts: int = 0
    queued: int = 0
    scoring_s: float = 0.0
    dropped: Mapping[str, int] = {}


ToParent = (
    StartScorer
    | ReloadScorer
    | Observations
    | Question
    | NoteActive
    | ExchangeQuotas
    | Publish
    | LocateResponse
    | FoundResponse
    | ConfigChanged
)
ToWorker = (
    BatchDone | TasksEvicted | TasksForgotten | Reply | ScorerState | Events | Peers | LocateResponse | ConfigChanged
)

_to_parent = msgspec.msgpack.Decoder(ToParent)
_to_worker = msgspec.msgpack.Decoder(ToWorker)


async def read_from_worker(reader: asyncio.StreamReader) -> ToParent | None:
    """Return the next message of a worker; None when it is gone. Raises FrameError."""
    message: ToParent | None = await read_message(reader, _to_parent)
    return message


async def read_from_parent(reader: asyncio.StreamReader) -> ToWorker | None:
    """Return the next message of the parent; None when it is gone. Raises FrameError."""
    message: ToWorker | None = await read_message(reader, _to_worker)
    return message
