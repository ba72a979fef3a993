"""Recent responses by request ID: what feedback on one of them has to be joined with.

The last N of this gateway, in memory: nothing is written for a response that nobody ever scores, and hardly anything is
done for it. A batch's columns are kept as they are, and indexed at the next look-up, or a thousand responses later.
With several gateways, feedback may reach another one than the one that answered, which then asks the others
(gateway.distributed.client).
"""

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress, count, repeat
from typing import Any

import msgspec

from gateway.proxy.record_columns import RecordColumns
from gateway.tasks.decision_table import Route

MAX_UNINDEXED = 1000
"""Responses that are indexed at a look-up: in 1 to 2 ms on a slow machine, in which no request is served."""

_SUCCESS = frozenset(range(200, 300))


class ResponseRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A response.

    Attributes:
        version: Of the decision by which it was routed.
        propensity: Probability with which this model was drawn for the request; None where chance had no part.
        exploration_set: Hash of the models and the share that it was drawn from, 0 where it was not.
        at: Unix time in seconds.
        request_id: The gateway's own; empty from a gateway of an earlier version.
    """

    task: str
    model: str
    version: int
    propensity: float | None
    exploration_set: int
    at: float
    request_id: str = ""

    @property
    def stratum(self) -> str:
        """Return a name that responses share between which nothing but chance decided."""
        return f"{self.version}/{self.exploration_set:x}"


def response_key(key: str | None, request: str) -> str:
    """Return what a response is found by: its request ID, which belongs to the API key that it was given to.

    Names of keys hold no line breaks.
    """
    return request if key is None else f"{key}\n{request}"


def client_response_key(key: str | None, request: str) -> str:
    """Return what a response is found by where its client has sent an ID of its own: never mistaken for one of ours.

    Two keys can have sent the same; neither finds the other's response.
    """
    return f"{key or ''}\n\n{request}"


@dataclass(frozen=True, slots=True)
class _Batch:
    """Responses that were counted together, one value each but for the first two.

    Attributes:
        at: Unix time in seconds.
        number: Of the first one, of all since the start.
        others: See RecordColumns.
    """

    at: float
    number: int
    request_id: Sequence[str]
    key: Sequence[str | None]
    client_id: Sequence[str | None]
    task: Sequence[str]
    model: Sequence[str]
    cached_model: Sequence[str | None]
    route: Sequence[Route]

    def record_at(self, place: int) -> ResponseRecord:
        """Return one of them."""
        route, model, propensity = self.route[place], self.model[place], None
        # A cached response was drawn for another request: its score says nothing of the draw. Nor does that of a
        # fallback, which chance did not choose.
        if self.cached_model[place] is None and model == route.ranking[0]:
            propensity = route.propensity
        return ResponseRecord(
            *(self.task[place], model, route.version, propensity, route.exploration_set, self.at),
            self.request_id[place],
        )

    def clients_names(self) -> Iterator[tuple[str, str]]:
        """Yield `client_response_key` and `response_key` of those with an ID of the client's: few clients send one."""
        if any(self.client_id):
            for key, request, client_id in zip(self.key, self.request_id, self.client_id, strict=True):
                if client_id is not None:
                    yield client_response_key(key, client_id), response_key(key, request)


class RecentResponses:
    """The last responses, by `response_key`, and those with an ID of the client's by `client_response_key` too.

    A repeated ID refers to the latest.
    """

    def __init__(
        self, capacity: int, clock: Callable[[], float] = time.time, max_unindexed: int = MAX_UNINDEXED
    ) -> None:
        """capacity: 0 for none. clock: Unix time, in seconds."""
        self._capacity = capacity
        self._clock = clock
        self._max_unindexed = max_unindexed
        self._recorded = 0
        self._batches: deque[_Batch] = deque()
        self._unindexed: deque[_Batch] = deque()
        """The last of them."""
        self._found: dict[str, tuple[_Batch, int]] = {}
        """The response with an ID, by its number."""
        self._named: dict[str, str] = {}

    def record_batch(self, of: RecordColumns) -> None:
        """Add requests that have ended, those of them that were a success."""
        columns: list[Sequence[Any]]
        columns = [of.request_id, of.key, of.client_id, of.task, of.model, of.cached_model, of.route]
        if not _can_be_scored(of.status, of.is_complete, of.task, of.route):
            each = zip(of.status, of.is_complete, of.task, of.route, strict=True)
            selected = [_can_be_scored((a,), (b,), (c,), (d,)) for a, b, c, d in each]
            columns = [tuple(compress(column, selected)) for column in columns]
        if not columns[0] or not self._capacity:
            return
        # As tuples: the garbage collector looks at them once, and at lists as long as they live.
        batch = _Batch(self._clock(), self._recorded, *map(tuple, columns))
        self._recorded += len(batch.request_id)
        self._batches.append(batch)
        self._unindexed.append(batch)
        while self._is_old(self._batches[0].number + len(self._batches[0].request_id) - 1):
            self._evict(self._batches.popleft())
        while self._unindexed and self._recorded - self._unindexed[0].number > self._max_unindexed:
            self._index(self._unindexed.popleft())

    def find_response(self, request: str) -> ResponseRecord | None:
        """Return the response, None where it is unknown or has been evicted."""
        while self._unindexed:
            self._index(self._unindexed.popleft())
        key, is_keyed, name = self._named.get(request, request).rpartition("\n")
        batch, number = self._found.get(name, (None, 0))
        if batch is None or self._is_old(number) or batch.key[number - batch.number] != (key if is_keyed else None):
            return None
        return batch.record_at(number - batch.number)

    def _is_old(self, number: int) -> bool:
        return number < self._recorded - self._capacity

    def _index(self, batch: _Batch) -> None:
        # By our own ID alone, though it belongs to a key: to make a text of both takes longer than all else.
        self._found.update(zip(batch.request_id, zip(repeat(batch), count(batch.number), strict=False), strict=False))
        self._named.update(batch.clients_names())

    def _evict(self, batch: _Batch) -> None:
        if self._unindexed[0] is batch:
            self._unindexed.popleft()
            return
        for number, request in enumerate(batch.request_id, batch.number):
            if self._found[request][1] == number:
                del self._found[request]
        for name, request in batch.clients_names():
            if self._named.get(name) == request:
                del self._named[name]


def _can_be_scored(
    status: Collection[int], is_complete: Iterable[bool], task: Iterable[str | None], route: Iterable[Route | None]
) -> bool:
    """Return True if all of these are successes that a task's route was chosen for."""
    return _SUCCESS.issuperset(status) and all(is_complete) and all(task) and all(route)
