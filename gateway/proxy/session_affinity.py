"""Session affinity: a conversation stays on its model when the task's decision changes, and on the model's backend.

A provider's prompt cache and a consistent style depend on it; a server of one's own has the prefix of its
conversations. A session is identified by client's key, task and session ID. It expires after its last request, and is
ignored where its model is not in the ranking of the request.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MAX_SESSIONS = 100_000
MAX_PENDING_UPDATES = 10_000
UNKNOWN_MODEL = ("", "", 0.0, 0.0)
"""Model and backend of a session, its expiry, and its expiry in the other gateways."""


@dataclass(frozen=True, slots=True)
class SessionPin:
    """A session, its model and backend. key: name of the client's key, None without authentication."""

    key: str | None
    task: str
    session: str
    model: str
    backend: str = ""


class SessionAffinity:
    """Models of live sessions."""

    def __init__(self, ttl_s: float, clock: Callable[[], float], max_sessions: int = MAX_SESSIONS) -> None:
        """clock: seconds, monotonic. max_sessions: above it the least recently used session is evicted."""
        self.ttl_s = ttl_s
        self._clock = clock
        self._max_sessions = max_sessions
        # A dict in the order of use. Own code, because a look-up takes 0.24 us; with cachetools' LRUCache 0.5, with its
        # TTLCache 1.6.
        self._live: OrderedDict[tuple[str | None, str, str], tuple[str, str, float, float]] = OrderedDict()
        self._pending: deque[SessionPin] = deque(maxlen=MAX_PENDING_UPDATES)
        self.are_shared = False
        """True if sessions are sent to other gateways."""

    def reorder_ranking(
        self, key: str | None, task: str, session: str, ranking: tuple[str, ...]
    ) -> tuple[tuple[str, ...], bool]:
        """Return the ranking with the session's model first, and True if that changed it."""
        model, _, expires_at, _ = self._live.get((key, task, session), UNKNOWN_MODEL)
        if expires_at < self._clock() or model not in ranking or ranking[0] == model:
            return ranking, False
        return (model, *(other for other in ranking if other != model)), True

    def find_backend(self, key: str | None, task: str, session: str, model: str) -> str | None:
        """Return the backend of that model which answers the session; None where it has another model, or none."""
        kept, backend, expires_at, _ = self._live.get((key, task, session), UNKNOWN_MODEL)
        return backend or None if kept == model and expires_at >= self._clock() else None

    def pin_model(self, key: str | None, task: str, session: str, model: str, backend: str = "") -> None:
        """Set the session's model and backend, and renew its expiry."""
        expires_at = self._clock() + self.ttl_s
        *previous, _, remote_expires_at = self._live.get((key, task, session), UNKNOWN_MODEL)
        # Other gateways hear of a change at once, and of a renewal only when half their time is over.
        is_changed = previous != [model, backend]
        if self.are_shared and (is_changed or remote_expires_at < expires_at - self.ttl_s / 2):
            self._pending.append(SessionPin(key, task, session, model, backend))
            remote_expires_at = expires_at
        self._store((key, task, session), (model, backend, expires_at, remote_expires_at))

    def apply_remote(self, pin: SessionPin) -> None:
        """Set the model and backend of a session that another gateway has served."""
        expires_at = self._clock() + self.ttl_s
        self._store((pin.key, pin.task, pin.session), (pin.model, pin.backend, expires_at, expires_at))

    def _store(self, identity: tuple[str | None, str, str], entry: tuple[str, str, float, float]) -> None:
        # Popped and inserted again: that moves it to the end of the eviction order.
        self._live.pop(identity, None)
        while len(self._live) >= self._max_sessions:
            self._live.popitem(last=False)  # of a dict, the first one is looked for among those that have gone: 45 us
        self._live[identity] = entry

    def drain_updates(self) -> Sequence[SessionPin]:
        """Return the changes for the other gateways since the last call."""
        # One by one: the event loop may append while another thread drains.
        drained = []
        while self._pending:
            drained.append(self._pending.popleft())
        return drained
