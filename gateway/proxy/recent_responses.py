"""Answers of late, by their request's id: what has to be known of one for a score of it to mean something.

The last so many of this gateway, in memory: nothing is written for an answer that nobody ever scores, and the request
path pays for one entry in a dict. In a fleet a score may come to another gateway than the one that answered; it then
asks the others (see gateway.distributed.client).
"""

import time
from collections.abc import Callable

import msgspec

from gateway.proxy.request_record import RequestRecord


class ResponseRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An answer. version: of the decision that it went by. at: Unix time in seconds.

    propensity: the probability with which this model was drawn for the request; None where chance had no part. among:
    a number for the models and the share that it was drawn from, 0 where it was not.
    """

    task: str
    model: str
    version: int
    propensity: float | None
    exploration_set: int
    at: float

    @property
    def stratum(self) -> str:
        """The same for answers between which nothing but chance decided."""
        return f"{self.version}/{self.exploration_set:x}"


class RecentResponses:
    """The last answers. An id that comes again stands for the latest."""

    def __init__(self, kept: int, clock: Callable[[], float] = time.time) -> None:
        """kept: how many, 0 for none. clock: Unix time in seconds."""
        self._kept = kept
        self._clock = clock
        self._found: dict[str, ResponseRecord] = {}
        self._ring: list[str] = []
        self._next = 0

    def record(self, progress: RequestRecord) -> None:
        """A request has ended. Every one comes through here: what can be left out is."""
        route, attempts, task = progress.route, progress.trail.attempts, progress.task
        if route is None or task is None or not progress.is_complete or not 200 <= progress.status < 300:
            return
        model, propensity = progress.cached_model, None
        if model is None:
            model = attempts[-1].model
            if model == route.ranking[0]:
                propensity = route.propensity
        request, found = progress.request_id, self._found
        if request not in found and not self._make_room(request):
            return
        found[request] = ResponseRecord(task, model, route.version, propensity, route.exploration_set, self._clock())

    def find_response(self, request: str) -> ResponseRecord | None:
        """The answer, None where it is not known, or not any more. May be asked from any thread."""
        return self._found.get(request)

    def _make_room(self, request: str) -> bool:
        """Whether there is any."""
        ring, place = self._ring, self._next
        if len(ring) < self._kept:
            ring.append(request)
            return True
        if not ring:
            return False
        del self._found[ring[place]]
        ring[place] = request
        self._next = place + 1 if place + 1 < self._kept else 0
        return True
