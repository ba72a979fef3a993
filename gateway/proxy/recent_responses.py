"""Index of recent responses by request ID: what feedback on one of them has to be joined with.

The last N of this gateway, in memory: nothing is written for a response that nobody ever scores, and a request pays
for one entry in a dict. With several gateways, feedback may reach another one than the one that answered, which then
asks the others (gateway.distributed.client).
"""

import time
from collections.abc import Callable, Sequence

import msgspec

from gateway.proxy.request_record import RequestRecord


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


class RecentResponses:
    """The last responses, by `response_key`, and those with an ID of the client's by `client_response_key` too.

    A repeated ID refers to the latest.
    """

    def __init__(self, capacity: int, clock: Callable[[], float] = time.time) -> None:
        """capacity: 0 for none. clock: Unix time, in seconds."""
        self._capacity = capacity
        self._clock = clock
        self._found: dict[str, ResponseRecord] = {}
        # The IDs by age: next(iter(dict)) passes over every entry that was deleted before, and gets slower each time.
        self._ring: list[str] = []
        self._next = 0
        # The client's own IDs, by ours, and back: few clients send one.
        self._named: dict[str, str] = {}
        self._names: dict[str, str] = {}

    def record_batch(self, records: Sequence[RequestRecord]) -> None:
        """Add requests that have ended."""
        now = self._clock()
        for record in records:
            self._record(record, now)

    def record(self, record: RequestRecord) -> None:
        """Add a request that has ended, if it was a success."""
        self._record(record, self._clock())

    def _record(self, record: RequestRecord, now: float) -> None:
        route, attempts, task = record.route, record.trail.attempts, record.task
        if route is None or task is None or not record.is_complete or not 200 <= record.status < 300:
            return
        # A cached response was drawn for another request: its score says nothing of the draw.
        model, propensity = record.cached_model, None
        if model is None:
            # Nor does that of a fallback, which chance did not choose.
            model = attempts[-1].model
            if model == route.ranking[0]:
                propensity = route.propensity
        request, found = response_key(record.key, record.request_id), self._found
        if request not in found and not self._make_room(request):
            return
        found[request] = ResponseRecord(
            task, model, route.version, propensity, route.exploration_set, now, record.request_id
        )
        if record.client_id is not None:
            name = client_response_key(record.key, record.client_id)
            self._named[name], self._names[request] = request, name

    def find_response(self, request: str) -> ResponseRecord | None:
        """Return the response, None where it is unknown or has been evicted. Safe from any thread."""
        return self._found.get(self._named.get(request, request))

    def _make_room(self, request: str) -> bool:
        """Evict the oldest entry if necessary. Return whether there is room."""
        ring, place = self._ring, self._next
        if len(ring) < self._capacity:
            ring.append(request)
            return True
        if not ring:
            return False
        gone = ring[place]
        del self._found[gone]
        name = self._names.pop(gone, None)
        if name is not None and self._named[name] == gone:
            del self._named[name]
        ring[place] = request
        self._next = place + 1 if place + 1 < self._capacity else 0
        return True
