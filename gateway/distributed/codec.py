"""A task's state as it lies in Redis, and a batch's changes as the arguments of one Lua call."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from gateway.distributed.redis_client import RedisArg
from gateway.distributed.redis_keys import GROUP, NEWS, Shard
from gateway.errors import StateError
from gateway.scorer.messages import Decision
from gateway.state.store import (
    NO_SAMPLING_STATES,
    RENAMED_REASONS,
    RING_SIZE,
    DecisionRecord,
    StateChange,
    TaskRecord,
    TaskSums,
)

MAX_CHANGES = 100
UNREADABLE = "*"
"""In place of how many inputs a task had: it was not read, and only its pace is written, where it is still there."""

FIELDS = ("basis", "n", "seen", "sums", "decision", "account", "pace")


class StoredChange(msgspec.Struct, frozen=True, array_like=True):
    """A decision without its account. at: Unix time in seconds."""

    version: int
    n: int
    model: str
    reason: str
    ranking: tuple[str, ...]
    at: float


class DecisionNews(msgspec.Struct, frozen=True, array_like=True):
    """What a batch says to the gateways."""

    decisions: tuple[Decision, ...] = ()
    forgotten: tuple[str, ...] = ()


class AckCounts(msgspec.Struct, frozen=True):
    """What a batch settles of one gateway's observations. done: the highest number; the rest are counts.

    skipped: of those observed, not embedded.
    """

    producer: str
    done: int
    observed: int
    faults: int
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Lease:
    """A scorer's hold on a shard. lease: empty for none; pack: the version of the pack that it works with."""

    lease: str = ""
    pack: int = 0
    lease_ms: int = 0
    kept: int = 0


@dataclass(frozen=True, slots=True)
class AckBatch:
    """What comes with the changes. ids: the stream's entries that they settle."""

    ids: Sequence[bytes] = ()
    settled: Sequence[AckCounts] = ()


EMPTY_BATCH = AckBatch()

_encode = msgspec.msgpack.Encoder().encode
_kept = msgspec.msgpack.Decoder(StoredChange)
_news = msgspec.msgpack.Decoder(DecisionNews)


def new_epoch() -> str:
    """A name for a life of Redis: whoever finds it empty begins one."""
    return secrets.token_hex(8)


def encode_decision(made: DecisionRecord) -> bytes:
    """A decision without its account."""
    return _encode(StoredChange(made.version, made.n, made.model, made.reason, tuple(made.ranking), made.at))


def decode_decision(data: bytes, account: bytes | None = None) -> DecisionRecord:
    """What kept_bytes has written. Raises StateError for anything else."""
    try:
        kept = _kept.decode(data)
        told = {} if account is None else json.loads(account)
    except (msgspec.MsgspecError, ValueError) as error:
        raise StateError(f"a decision in the state cannot be read: {error}") from error
    reason = RENAMED_REASONS.get(kept.reason, kept.reason)
    return DecisionRecord(kept.version, kept.n, kept.model, reason, kept.ranking, kept.at, told)


def decode_task(fields: Sequence[bytes | None]) -> TaskRecord:
    """What FIELDS hold of a task."""
    basis, n, seen, sums, made, account, pace = fields
    if basis is None or n is None or seen is None or sums is None:
        return TaskRecord(None, None)
    task = TaskSums(basis.decode(), int(n), int(seen), sums)
    return TaskRecord(task, decode_decision(made, account) if made is not None else None, pace or b"")


def encode_news(news: DecisionNews) -> bytes:
    """News as they are published."""
    return _encode(news)


def decode_news(data: bytes) -> DecisionNews:
    """Raises StateError for what news_bytes has not written."""
    try:
        return _news.decode(data)
    except msgspec.MsgspecError as error:
        raise StateError(f"what was published cannot be read: {error}") from error


def apply_keys(shard: Shard, tasks: Sequence[str]) -> list[str]:
    """The keys of scripts.APPLY."""
    own = [shard.stream_key, shard.info_key, shard.lease_key, shard.counts_key, shard.decisions_key, shard.tasks_key]
    return own + [
        key for task in tasks for key in (shard.task_key(task), shard.ring_key(task), shard.changes_key(task))
    ]


def apply_args(
    shard: Shard,
    hold: Lease,
    batch: AckBatch,
    before: Mapping[str, TaskRecord],
    changes: Mapping[str, StateChange],
    paces: Mapping[str, bytes] = NO_SAMPLING_STATES,
) -> list[RedisArg]:
    """The arguments of scripts.APPLY. before: what the changes were made of. paces: of other tasks."""
    told = [
        _told(task, change.decision)
        for task, change in changes.items()
        if change.decision and _is_news(before[task].decision, change.decision)
    ]
    words: list[RedisArg] = [
        hold.lease,
        hold.lease_ms,
        GROUP,
        hold.pack,
        hold.kept,
        RING_SIZE,
        MAX_CHANGES,
        NEWS,
        shard.number,
    ]
    words += [encode_news(DecisionNews(tuple(told))) if told else b"", new_epoch(), len(batch.ids), *batch.ids]
    words.append(len(batch.settled))
    for settled in batch.settled:
        words += [settled.producer, settled.done, settled.observed, settled.faults, settled.skipped]
    for task, change in changes.items():
        words += _changed(task, before[task], change)
    for task, pace in paces.items():
        words += [task, UNREADABLE, pace, *[b""] * 6, 0, 0]
    return words


def _changed(task: str, before: TaskRecord, change: StateChange) -> list[RedisArg]:
    sums, made = change.task, change.decision
    seen_before: RedisArg = before.task.total_seen if before.task else ""
    words: list[RedisArg] = [
        task,
        seen_before,
        change.sampling_state or b"",
        sums.sums_version,
        sums.n,
        sums.total_seen,
        sums.sums,
    ]
    words += [encode_decision(made), json.dumps(made.explanation)] if made else [b"", b""]
    words += [len(change.embeddings), *change.embeddings]
    words += [len(change.changes), *(encode_decision(turn) for turn in change.changes)]
    return words


def _is_news(before: DecisionRecord | None, made: DecisionRecord) -> bool:
    """Whether requests go another way, or for another reason: gateways need not hear of anything else."""
    if before is None:
        return True
    return (before.version, before.ranking, before.reason) != (made.version, tuple(made.ranking), made.reason)


def _told(task: str, made: DecisionRecord) -> Decision:
    return Decision(task, made.version, made.n, made.model, made.reason, made.ranking)
