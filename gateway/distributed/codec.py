"""Everything as bytes in Redis: tasks, decisions, news, stream entries, usage, and the arguments of Lua calls.

Names and order of what is encoded here are those of earlier versions, whatever the attributes are called: versions of
the program meet on one Redis during a rolling upgrade.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from gateway.decision import RENAMED_REASONS, Decision, ExplainedDecision, Explanation
from gateway.distributed.producer import DeliveryCounts
from gateway.distributed.redis_client import RedisArg
from gateway.distributed.redis_keys import GROUP, Shard
from gateway.distributed.usage_scripts import USAGE_FIELDS
from gateway.errors import StateError
from gateway.scorer.messages import BatchCounts, Question
from gateway.state.store import NO_SAMPLING_STATES, RING_SIZE, Eviction, StateChange, TaskRecord, TaskSums
from gateway.usage.ledger import NO_USAGE, UsageRows, UsageTotals

MAX_CHANGES = 100
"""Changes of the model stored per task."""

NOT_READ = "*"
"""In place of a task's number of inputs: it was not read, and only its sampling state is written, if it exists."""

FIELDS = ("basis", "n", "seen", "sums", "decision", "account", "pace")
"""Of a task's hash: version, n, total_seen and bytes of its sums, decision, explanation, sampling state."""

JSON, TEXT = b"j", b"t"
"""First byte of an observation's body: a request's JSON follows as it came, or its input's text, extracted before."""

PICO_USD = 10**12
"""Money in Redis is in units of 1e-12 US dollars, a millionth of the price of one token at a dollar a million: Redis
adds whole numbers exactly, and 64 bits hold nine million dollars a day.
"""


class DecisionNews(msgspec.Struct, frozen=True, array_like=True):
    """The part of a batch that is published: decisions that change routing, and forgotten tasks.

    evicted: those of the forgotten ones that were evicted, each with the reason; earlier versions do not read it.
    """

    decisions: tuple[Decision, ...] = ()
    forgotten: tuple[str, ...] = ()
    evicted: tuple[Eviction, ...] = ()


class AckCounts(msgspec.Struct, frozen=True):
    """One gateway's observations in an acknowledged batch.

    Attributes:
        producer: the gateway.
        last: the highest number among them.
        scored: what became of them.
    """

    producer: str
    last: int
    scored: BatchCounts


@dataclass(frozen=True, slots=True)
class Lease:
    """A scorer's lease of a shard.

    Attributes:
        lease: holder and fencing token; empty for none.
        pack: version of the pack that the scorer works with.
        lease_ms: how long the lease lasts without renewal.
        retention: scored observations that stay in the stream.
    """

    lease: str = ""
    pack: int = 0
    lease_ms: int = 0
    retention: int = 0


@dataclass(frozen=True, slots=True)
class AckBatch:
    """Acknowledgement that is written with the changes. ids: of the stream's entries."""

    ids: Sequence[bytes] = ()
    counts: Sequence[AckCounts] = ()


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
        """True where a gateway waits for a reply."""
        return self.number == 0


class StoredDecision(msgspec.Struct, frozen=True, array_like=True):
    """A decision under a key that names its task: see gateway.decision.Decision. Earlier versions wrote no figures."""

    version: int
    n: int
    model: str
    reason: str
    ranking: tuple[str, ...]
    at: float
    confidence: float | None = None
    measured_gain: float | None = None


_encode = msgspec.msgpack.Encoder().encode
_decision = msgspec.msgpack.Decoder(StoredDecision)
_news = msgspec.msgpack.Decoder(DecisionNews)
_question = msgspec.msgpack.Decoder(QueuedQuestion)


def new_epoch() -> str:
    """Return a name for a life of Redis: the first writer to an empty one sets it."""
    return secrets.token_hex(8)


def encode_decision(decision: Decision) -> bytes:
    """Encode a decision for a key that names its task."""
    made = decision
    figures = made.confidence, made.measured_gain
    return _encode((made.version, made.n, made.model, made.reason, made.ranking, made.at, *figures))


def decode_decision(task: str, data: bytes) -> Decision:
    """Decode a task's decision. Raises StateError."""
    try:
        made = _decision.decode(data)
    except msgspec.MsgspecError as error:
        raise StateError(f"a stored decision cannot be read: {error}") from error
    reason = RENAMED_REASONS.get(made.reason, made.reason)
    figures = made.confidence, made.measured_gain
    return Decision(task, made.version, made.n, made.model, reason, made.ranking, made.at, *figures)


def decode_explained(task: str, decision: bytes, explanation: bytes | None) -> ExplainedDecision:
    """Decode a task's decision and its explanation. Raises StateError."""
    # Not decoded here: most readers need the decision alone, and an explanation is most of a task's bytes.
    text = (explanation or b"{}").decode("utf-8", "replace")
    return ExplainedDecision(decode_decision(task, decision), Explanation(text))


def decode_task(task: str, fields: Sequence[bytes | None]) -> TaskRecord:
    """Decode FIELDS of a task. Raises StateError."""
    sums_version, n, seen, sums, decision, explanation, sampling_state = fields
    if sums_version is None or n is None or seen is None or sums is None:
        return TaskRecord(None, None)
    # A task that has only skipped inputs yet has a sampling state and no sums.
    task_sums = TaskSums(sums_version.decode(), int(n), int(seen), sums)
    if decision is None:
        return TaskRecord(task_sums, None, sampling_state or b"")
    explained = decode_explained(task, decision, explanation)
    return TaskRecord(task_sums, explained.decision, sampling_state or b"", explained.explanation)


def decode_deliveries(values: Sequence[bytes | None]) -> tuple[int, DeliveryCounts]:
    """Decode DELIVERY_FIELDS: the highest acknowledged number of a gateway, and the counts of its observations."""
    acked, dropped, parked, *scored = (int(value or 0) for value in values)
    return acked, DeliveryCounts(BatchCounts(*scored), dropped, parked)


def encode_news(news: DecisionNews) -> bytes:
    """Encode news for the channel of news."""
    return _encode(news)


def decode_news(data: bytes) -> DecisionNews:
    """Decode news. Raises StateError."""
    try:
        news = _news.decode(data)
    except msgspec.MsgspecError as error:
        raise StateError(f"published news cannot be read: {error}") from error
    return msgspec.structs.replace(news, decisions=tuple(map(_with_present_reason, news.decisions)))


def _with_present_reason(decision: Decision) -> Decision:
    """Rename the reason of a scorer of an earlier version."""
    reason = RENAMED_REASONS.get(decision.reason)
    return decision if reason is None else msgspec.structs.replace(decision, reason=reason)


def apply_keys(shard: Shard, tasks: Sequence[str]) -> list[str]:
    """Return the keys of scripts.APPLY."""
    own = [shard.stream_key, shard.info_key, shard.lease_key, shard.counts_key, shard.decisions_key, shard.tasks_key]
    return [*own, shard.used_key] + [
        key for task in tasks for key in (shard.task_key(task), shard.ring_key(task), shard.changes_key(task))
    ]


def apply_args(
    shard: Shard,
    lease: Lease,
    batch: AckBatch,
    before: Mapping[str, TaskRecord],
    changes: Mapping[str, StateChange],
    sampling_states: Mapping[str, bytes] = NO_SAMPLING_STATES,
    used_at: float | None = None,
) -> list[RedisArg]:
    """Return the arguments of scripts.APPLY.

    before: the tasks that the changes were made from. sampling_states: of other tasks, used at `used_at`.
    """
    decisions = tuple(
        change.decision
        for task, change in changes.items()
        if change.decision is not None and _changes_routing(before[task].decision, change.decision)
    )
    # Published by the script itself: news must not be lost between a write and its message, nor precede it.
    news = encode_news(DecisionNews(decisions)) if decisions else b""
    arguments: list[RedisArg] = [lease.lease, lease.lease_ms, GROUP, lease.pack, lease.retention]
    arguments += [RING_SIZE, MAX_CHANGES, shard.keys.news, shard.number, news, new_epoch()]
    arguments += [len(batch.ids), *batch.ids, len(batch.counts)]
    for counts in batch.counts:
        arguments += [counts.producer, counts.last, *msgspec.structs.astuple(counts.scored)]
    for task, change in changes.items():
        arguments += _task_args(task, before[task], change)
    for task, state in sampling_states.items():
        arguments += [task, NOT_READ, state, *[b""] * 6, _time(used_at), 0, 0]
    return arguments


def _task_args(task: str, before: TaskRecord, change: StateChange) -> list[RedisArg]:
    sums, decision = change.task, change.decision
    seen_before: RedisArg = before.task.total_seen if before.task else ""
    arguments: list[RedisArg] = [task, seen_before, change.sampling_state or b""]
    arguments += [sums.sums_version, sums.n, sums.total_seen, sums.sums]
    arguments += [
        encode_decision(decision) if decision else b"",
        change.explanation.json if change.explanation else b"",
        _time(change.used_at),
    ]
    arguments += [len(change.embeddings), *change.embeddings]
    return [*arguments, len(change.changes), *(encode_decision(changed) for changed in change.changes)]


def _time(at: float | None) -> RedisArg:
    return b"" if at is None else repr(at)


def _changes_routing(before: Decision | None, decision: Decision) -> bool:
    """True where requests go another way, for another reason, or the figures changed by which gateways sort tasks."""
    if before is None:
        return True
    return _shared_part(before) != _shared_part(decision)


def _shared_part(decision: Decision) -> tuple[object, ...]:
    return decision.version, decision.ranking, decision.reason, decision.confidence, decision.measured_gain


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
    """Encode usage as arguments of usage_scripts.SPEND, day by day, by kind and name."""
    words: dict[tuple[str, str], list[RedisArg]] = {}
    for (kind, name, day), used in rows.items():
        numbers = (used.requests, used.input_tokens, used.output_tokens)
        usd, baseline, compared = map(to_picodollars, (used.usd, used.baseline_usd, used.compared_usd))
        counts = used.unpriced, used.estimated
        words.setdefault((kind, name), []).extend([day, *numbers, usd, baseline, *counts, compared])
    return words


def decode_usage(found: Mapping[bytes, bytes]) -> Mapping[str, UsageTotals]:
    """Decode the sums of usage_scripts.SPEND, by day."""
    # One hash field per day and number ("2026-11-28 requests"), since HINCRBY adds to a field.
    days: dict[str, dict[str, int]] = {}
    for field, value in found.items():
        day, name = field.decode().split(" ")
        days.setdefault(day, {})[name] = int(value)
    return {
        day: NO_USAGE
        + UsageTotals(
            of["requests"],
            of["input"],
            of["output"],
            Decimal(of["usd"]) / PICO_USD,
            # Earlier versions compared every response, also of requests that had named their model.
            Decimal(of.get("routed_baseline", of.get("baseline", 0))) / PICO_USD,
            # Still earlier ones wrote neither.
            of.get("unpriced", 0),
            of.get("estimated", 0),
            Decimal(of.get("routed_usd", of["usd"])) / PICO_USD,
        )
        for day, of in days.items()
    }


def decode_day_counts(found: Mapping[bytes, bytes]) -> Mapping[str, tuple[int, ...]]:
    """Decode the sums of usage_scripts.SPEND, by day, as the numbers that they are in Redis."""
    days = {field.decode().split(" ")[0] for field in found}
    return {day: tuple(int(found.get(f"{day} {name}".encode(), 0)) for name in USAGE_FIELDS) for day in days}


def split_days(arguments: Sequence[RedisArg], sums: Sequence[bytes] | None) -> Mapping[str, tuple[int, ...]]:
    """Return what usage_scripts.SPEND added by day, or with its reply, the new sums. arguments: of `encode_usage`."""
    size = len(USAGE_FIELDS)
    days: dict[str, tuple[int, ...]] = {}
    for number, at in enumerate(range(0, len(arguments), size + 1)):
        new = arguments[at + 1 : at + 1 + size] if sums is None else sums[number * size : (number + 1) * size]
        days[str(arguments[at])] = tuple(map(int, new))
    return days


def to_picodollars(usd: Decimal) -> int:
    """Convert money for Redis; the only place where it is rounded."""
    return int((usd * PICO_USD).to_integral_value())
