"""A task's state as it lies in Redis, and a batch's changes as the arguments of one Lua call."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from gateway.distributed.redis_client import Word
from gateway.distributed.redis_keys import GROUP, NEWS, Shard
from gateway.errors import StateError
from gateway.scorer.messages import TaskDecision
from gateway.state.store import NO_PACES, RING, Change, Stored, StoredDecision, StoredTask

TURNS_KEPT = 100
NOT_READ = "*"
"""In place of how many inputs a task had: it was not read, and only its pace is written, where it is still there."""

FIELDS = ("basis", "n", "seen", "sums", "decision", "account", "pace")


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """A decision without its account. at: Unix time in seconds."""

    version: int
    n: int
    model: str
    reason: str
    ranking: tuple[str, ...]
    at: float


class News(msgspec.Struct, frozen=True, array_like=True):
    """What a batch says to the gateways."""

    decisions: tuple[TaskDecision, ...] = ()
    forgotten: tuple[str, ...] = ()


class Settled(msgspec.Struct, frozen=True):
    """What a batch settles of one gateway's observations. done: the highest number; the rest are counts.

    skipped: of those observed, not embedded.
    """

    producer: str
    done: int
    observed: int
    faults: int
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Hold:
    """A scorer's hold on a shard. lease: empty for none; pack: the version of the pack that it works with."""

    lease: str = ""
    pack: int = 0
    lease_ms: int = 0
    kept: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """What comes with the changes. ids: the stream's entries that they settle."""

    ids: Sequence[bytes] = ()
    settled: Sequence[Settled] = ()


NO_BATCH = Batch()

_encode = msgspec.msgpack.Encoder().encode
_kept = msgspec.msgpack.Decoder(Kept)
_news = msgspec.msgpack.Decoder(News)


def new_epoch() -> str:
    """A name for a life of Redis: whoever finds it empty begins one."""
    return secrets.token_hex(8)


def kept_bytes(made: StoredDecision) -> bytes:
    """A decision without its account."""
    return _encode(Kept(made.version, made.n, made.model, made.reason, tuple(made.ranking), made.at))


def decision(data: bytes, account: bytes | None = None) -> StoredDecision:
    """What kept_bytes has written. Raises StateError for anything else."""
    try:
        kept = _kept.decode(data)
        told = {} if account is None else json.loads(account)
    except (msgspec.MsgspecError, ValueError) as error:
        raise StateError(f"a decision in the state cannot be read: {error}") from error
    return StoredDecision(kept.version, kept.n, kept.model, kept.reason, kept.ranking, kept.at, told)


def stored(fields: Sequence[bytes | None]) -> Stored:
    """What FIELDS hold of a task."""
    basis, n, seen, sums, made, account, pace = fields
    if basis is None or n is None or seen is None or sums is None:
        return Stored(None, None)
    task = StoredTask(basis.decode(), int(n), int(seen), sums)
    return Stored(task, decision(made, account) if made is not None else None, pace or b"")


def news_bytes(news: News) -> bytes:
    """News as they are published."""
    return _encode(news)


def read_news(data: bytes) -> News:
    """Raises StateError for what news_bytes has not written."""
    try:
        return _news.decode(data)
    except msgspec.MsgspecError as error:
        raise StateError(f"what was published cannot be read: {error}") from error


def apply_keys(shard: Shard, tasks: Sequence[str]) -> list[str]:
    """The keys of scripts.APPLY."""
    own = [shard.stream, shard.about, shard.lease, shard.counts, shard.decisions, shard.tasks]
    return own + [key for task in tasks for key in (shard.task(task), shard.ring(task), shard.turns(task))]


def apply_arguments(
    shard: Shard,
    hold: Hold,
    batch: Batch,
    before: Mapping[str, Stored],
    changes: Mapping[str, Change],
    paces: Mapping[str, bytes] = NO_PACES,
) -> list[Word]:
    """The arguments of scripts.APPLY. before: what the changes were made of. paces: of other tasks."""
    told = [
        _told(task, change.decision)
        for task, change in changes.items()
        if change.decision and _is_news(before[task].decision, change.decision)
    ]
    words: list[Word] = [hold.lease, hold.lease_ms, GROUP, hold.pack, hold.kept, RING, TURNS_KEPT, NEWS, shard.number]
    words += [news_bytes(News(tuple(told))) if told else b"", new_epoch(), len(batch.ids), *batch.ids]
    words.append(len(batch.settled))
    for settled in batch.settled:
        words += [settled.producer, settled.done, settled.observed, settled.faults, settled.skipped]
    for task, change in changes.items():
        words += _changed(task, before[task], change)
    for task, pace in paces.items():
        words += [task, NOT_READ, pace, *[b""] * 6, 0, 0]
    return words


def _changed(task: str, before: Stored, change: Change) -> list[Word]:
    sums, made = change.task, change.decision
    seen_before: Word = before.task.seen if before.task else ""
    words: list[Word] = [task, seen_before, change.pace or b"", sums.basis, sums.n, sums.seen, sums.sums]
    words += [kept_bytes(made), json.dumps(made.account)] if made else [b"", b""]
    words += [len(change.embeddings), *change.embeddings]
    words += [len(change.turns), *(kept_bytes(turn) for turn in change.turns)]
    return words


def _is_news(before: StoredDecision | None, made: StoredDecision) -> bool:
    """Whether requests go another way, or for another reason: gateways need not hear of anything else."""
    if before is None:
        return True
    return (before.version, before.ranking, before.reason) != (made.version, tuple(made.ranking), made.reason)


def _told(task: str, made: StoredDecision) -> TaskDecision:
    return TaskDecision(task, made.version, made.n, made.model, made.reason, made.ranking)
