"""Everything as bytes in Redis: tasks, decisions, news, stream entries, usage, and the arguments of Lua calls."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from gateway.distributed.redis_client import RedisArg
from gateway.distributed.redis_keys import GROUP, NEWS, Shard
from gateway.errors import StateError
from gateway.scorer.messages import Decision, Question
from gateway.state.store import (
    NO_SAMPLING_STATES,
    RENAMED_REASONS,
    RING_SIZE,
    DecisionRecord,
    StateChange,
    TaskRecord,
    TaskSums,
)
from gateway.usage.ledger import NO_USAGE, UsageRows, UsageTotals

MAX_CHANGES = 100
UNREADABLE = "*"
"""In place of how many inputs a task had: it was not read, and only its pace is written, where it is still there."""

FIELDS = ("basis", "n", "seen", "sums", "decision", "account", "pace")

JSON, TEXT = b"j", b"t"
"""First byte of an observation's body: a request's JSON follows as it came, or its input's text, extracted before."""

PICO_USD = 10**12
"""Money in Redis is in units of 1e-12 US dollars, a millionth of the price of one token at a dollar a million: Redis
adds whole numbers exactly, and 64 bits hold nine million dollars a day.
"""


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


class QueuedQuestion(msgspec.Struct, frozen=True):
    """A question, and the channel that its Reply goes to."""

    channel: str
    question: Question


@dataclass(frozen=True, slots=True)
class StreamEntry:
    """An observation or a question in a shard's stream.

    Attributes:
        id: of the entry.
        producer: the gateway that added an observation.
        number: its place among that gateway's observations in this shard; 0 for a question.
    """

    id: bytes
    task: str
    body: bytes
    producer: str = ""
    number: int = 0

    @property
    def is_question(self) -> bool:
        """True where somebody waits for a reply."""
        return self.number == 0


_encode = msgspec.msgpack.Encoder().encode
_kept = msgspec.msgpack.Decoder(StoredChange)
_news = msgspec.msgpack.Decoder(DecisionNews)
_question = msgspec.msgpack.Decoder(QueuedQuestion)


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


def parse_entries(answer: Sequence[tuple[bytes, Any]]) -> list[StreamEntry]:
    """Parse what scripts.READ_BATCH has read, or XRANGE.

    Lua gives fields and values in a row; redis-py makes a dict of XRANGE's.
    """
    return [
        _parse_entry(id_, fields if isinstance(fields, dict) else dict(zip(fields[::2], fields[1::2], strict=True)))
        for id_, fields in answer
    ]


def _parse_entry(id_: bytes, fields: Mapping[bytes, bytes]) -> StreamEntry:
    task = fields[b"t"].decode()
    if b"q" in fields:
        return StreamEntry(id_, task, fields[b"q"])
    return StreamEntry(id_, task, fields[b"b"], fields[b"p"].decode(), int(fields[b"c"]))


def encode_question(channel: str, question: Question) -> bytes:
    """Encode a question for a stream. channel: of its reply."""
    return _encode(QueuedQuestion(channel, question))


def decode_question(body: bytes) -> QueuedQuestion:
    """Decode a question of a stream. Raises StateError."""
    try:
        return _question.decode(body)
    except msgspec.MsgspecError as error:
        raise StateError(f"cannot read a question in a stream: {error}") from error


def encode_usage(rows: UsageRows) -> Mapping[tuple[str, str], list[RedisArg]]:
    """Encode usage as arguments of scripts.SPEND, day by day, by kind and name."""
    words: dict[tuple[str, str], list[RedisArg]] = {}
    for (kind, name, day), used in rows.items():
        numbers = (used.requests, used.input_tokens, used.output_tokens)
        money = to_picodollars(used.usd), to_picodollars(used.baseline_usd)
        words.setdefault((kind, name), []).extend([day, *numbers, *money])
    return words


def decode_usage(found: Mapping[bytes, bytes]) -> Mapping[str, UsageTotals]:
    """Decode the sums of scripts.SPEND, by day."""
    days: dict[str, dict[str, int]] = {}
    for field, value in found.items():
        day, name = field.decode().split(" ")
        days.setdefault(day, {})[name] = int(value)
    return {
        day: NO_USAGE
        + UsageTotals(
            of["requests"], of["input"], of["output"], Decimal(of["usd"]) / PICO_USD, Decimal(of["baseline"]) / PICO_USD
        )
        for day, of in days.items()
    }


def to_picodollars(usd: Decimal) -> int:
    """Convert money for Redis; the only place where it is rounded."""
    return int((usd * PICO_USD).to_integral_value())
