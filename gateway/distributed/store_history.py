"""History in Redis: every gateway adds its counts to those of all."""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from gateway.distributed.history_scripts import ADD_CHANGES, ADD_HISTORY
from gateway.distributed.redis_client import RedisArg, RedisClient, translate_content
from gateway.distributed.scripts import Script
from gateway.errors import StateError
from gateway.usage.history import (
    HOUR_S,
    MAX_NAMES,
    MINUTE_S,
    RETENTION_S,
    Bucket,
    ChangeMark,
    HistoryRows,
    SeriesName,
    give_way,
)
from gateway.usage.history_counts import Counts, Slot, add_counts, decode_counts, encode_counts
from gateway.usage.ledger import OTHER_NAMES

MAX_SERIES = 50
"""Series that one call adds to: other commands wait meanwhile, for about 2 ms."""

MAX_CHANGES = 200
SEEN_S = 900
"""Seconds after its minute or hour for which a change is remembered: a gateway that sends it later counts it again."""

MAX_READ = 500
"""Minutes or hours that are read in one round trip."""


class StagedCall(NamedTuple):
    """A script that has not been answered yet."""

    script: Script
    keys: Sequence[str]
    arguments: Sequence[RedisArg]


class RedisHistory:
    """The part of a store that holds history."""

    def __init__(self, client: RedisClient, clock: Callable[[], float] = time.time) -> None:
        """clock: Unix time in seconds, by which minutes and hours expire."""
        self._redis = client
        self._clock = clock
        self._life = secrets.token_hex(8)
        self._call = 0
        self._staged: list[StagedCall] = []

    def add_history(self, rows: HistoryRows, changes: Sequence[ChangeMark] = ()) -> None:
        """Add to the stored history. changes: counted once, however many gateways add them."""
        # What an outage left unwritten goes first, and raises if it cannot go: the caller then keeps its rows.
        self.write_history()
        self._staged = [*self._stage_rows(rows), *self._stage_changes(changes)]
        with suppress(StateError):  # they are this store's now, and not the caller's to add again
            self.write_history()

    @property
    def has_unwritten(self) -> bool:
        """True while something that was added has not been written."""
        return bool(self._staged)

    def write_history(self) -> None:
        """Write what is staged. A call that is sent again adds nothing again. Raises StateError."""
        while self._staged:
            self._redis.eval_script(*self._staged[0])
            del self._staged[0]

    def read_history(
        self, series: SeriesName, step_s: int, first: int, last: int, merged: Sequence[str] = ()
    ) -> Mapping[int, Counts]:
        """Return the counts of a series by minute or hour, from number `first` to `last`, those without left out.

        merged: other names of its kind, whose counts are added.
        """
        found: dict[int, Counts] = {}
        fields = [f"{series[0]} {name}" for name in (series[1], *merged)]
        for start in range(first, last + 1, MAX_READ):
            numbers = range(start, min(start + MAX_READ, last + 1))
            commands = [("HMGET", self._bucket_key((step_s, number)), *fields) for number in numbers]
            for number, stored in zip(numbers, self._redis.pipeline(commands), strict=True):
                for data in filter(None, stored):
                    give_way(len(found))
                    with translate_content(self._bucket_key((step_s, number))):
                        add_counts(found.setdefault(number, {}), decode_counts(data))
        return found

    def prune_history(self, now: float) -> None:
        """Do nothing: minutes and hours expire by themselves."""

    def _stage_rows(self, rows: HistoryRows) -> Iterator[StagedCall]:
        for bucket, series in rows.items():
            places = list(series.items())
            for start in range(0, len(places), MAX_SERIES):
                self._call += 1
                words: list[RedisArg] = [self._life, self._call, self._ttl_s(bucket), MAX_NAMES[bucket[0]], OTHER_NAMES]
                for (kind, name), counts in places[start : start + MAX_SERIES]:
                    words += [kind, name, encode_counts(counts)]
                yield StagedCall(ADD_HISTORY, [self._bucket_key(bucket)], words)

    def _stage_changes(self, changes: Sequence[ChangeMark]) -> Iterator[StagedCall]:
        buckets: dict[Bucket, list[ChangeMark]] = {}
        for change in changes:
            for step_s in (MINUTE_S, HOUR_S):
                buckets.setdefault((step_s, int(change.at // step_s)), []).append(change)
        one = encode_counts({Slot.CHANGES: 1})
        for bucket, marks in buckets.items():
            key = self._bucket_key(bucket)
            for start in range(0, len(marks), MAX_CHANGES):
                words: list[RedisArg] = [
                    self._ttl_s(bucket),
                    bucket[0] + SEEN_S,
                    MAX_NAMES[bucket[0]],
                    OTHER_NAMES,
                    one,
                ]
                for mark in marks[start : start + MAX_CHANGES]:
                    words += [mark.identity, mark.name]
                yield StagedCall(ADD_CHANGES, [key, f"{key}:changes"], words)

    def _ttl_s(self, bucket: Bucket) -> int:
        step_s, number = bucket
        return max(1, int((number + 1) * step_s + RETENTION_S[step_s] - self._clock()))

    def _bucket_key(self, bucket: Bucket) -> str:
        return self._redis.keys.history(*bucket)
