"""Backends that made responses and conversations: what refers to one by its ID goes there.

IDs belong to the key they were given to: no other key finds anything by them. The map holds what this gateway has seen,
and with a shared state what the others have seen; it is bounded, and entries expire.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

EVICTED_AT_ONCE = 4
MAX_OBJECTS = 100_000
MAX_PENDING_UPDATES = 10_000
MAX_ID_LENGTH = 256


@dataclass(frozen=True, slots=True)
class MadeObject:
    """A response or conversation, and who made it.

    Attributes:
        key: name of the client's key, None without authentication.
        is_open: a response that is still being made, whose usage has not been booked: whoever reads it later pays.
    """

    key: str | None
    object_id: str
    model: str
    backend: str
    is_open: bool = False


class ResponseAffinity:
    """Makers of responses and conversations by key and ID."""

    def __init__(self, ttl_s: float, clock: Callable[[], float], max_objects: int = MAX_OBJECTS) -> None:
        """ttl_s: from when an object was last seen. clock: seconds, monotonic. max_objects: the oldest is evicted."""
        self.ttl_s = ttl_s
        self._clock = clock
        self._max_objects = max_objects
        # By ID, then by key: two backends can give two keys the same ID. In the order in which they expire.
        self._found: dict[str, tuple[float, dict[str | None, MadeObject]]] = {}
        self._pending: deque[MadeObject] = deque(maxlen=MAX_PENDING_UPDATES)
        self.are_shared = False
        """True if objects are sent to other gateways."""

    def record_object(self, made: MadeObject) -> None:
        """Note who made an object; another gateway's is noted by apply_remote."""
        if not made.object_id or len(made.object_id) > MAX_ID_LENGTH:
            return
        if self.are_shared and self.find_maker(made.key, made.object_id) != made:
            self._pending.append(made)
        self.apply_remote(made)

    def close_object(self, key: str | None, object_id: str) -> bool:
        """Note that a response's usage is booked. Return True if it was not before."""
        made = self.find_maker(key, object_id)
        if made is None or not made.is_open:
            return False
        self.record_object(replace(made, is_open=False))
        return True

    def apply_remote(self, made: MadeObject) -> None:
        """Note who made an object that another gateway has seen."""
        now = self._clock()
        _, by_key = self._found.pop(made.object_id, (0.0, {}))
        # A few for each new one: after a quiet hour 100,000 have expired.
        for oldest in list(islice(self._found, EVICTED_AT_ONCE)):
            if len(self._found) < self._max_objects and self._found[oldest][0] > now:
                break
            del self._found[oldest]
        self._found[made.object_id] = now + self.ttl_s, {**by_key, made.key: made}

    def find_maker(self, key: str | None, object_id: str) -> MadeObject | None:
        """Return who made an object of this key; None where it is unknown, expired, or another key's."""
        return self._live(object_id).get(key)

    def is_of_others(self, key: str | None, object_id: str) -> bool:
        """Return True for an object that only other keys were given."""
        found = self._live(object_id)
        return bool(found) and key not in found

    def drain_updates(self) -> Sequence[MadeObject]:
        """Return the objects for the other gateways since the last call."""
        drained = []
        # One by one: the event loop may append while another thread drains.
        while self._pending:
            drained.append(self._pending.popleft())
        return drained

    def _live(self, object_id: str) -> dict[str | None, MadeObject]:
        expires_at, by_key = self._found.get(object_id, (0.0, {}))
        return by_key if expires_at > self._clock() else {}
