"""Session affinity (sticky sessions): a conversation stays on its model when the task's decision changes.

That keeps the provider's prompt cache warm, and the tone of voice. A session is known by task and client's key, until
ttl_s after its last request, and only as long as its model is among those the request may go to.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MAX_SESSIONS = 100_000
MAX_PENDING_UPDATES = 10_000
UNKNOWN_MODEL = ("", 0.0, 0.0)
"""A session's model, when it expires, and when it expires at the other gateways."""


@dataclass(frozen=True, slots=True)
class SessionPin:
    """The model of a session.

    Attributes:
        key: Of the client, None where none is needed.
    """

    key: str | None
    task: str
    session: str
    model: str


class SessionAffinity:
    """The models of all live sessions."""

    def __init__(self, ttl_s: float, clock: Callable[[], float], max_sessions: int = MAX_SESSIONS) -> None:
        """clock: seconds, monotonic. The least recently used session is evicted first."""
        self.ttl_s = ttl_s
        self._clock = clock
        self._max_sessions = max_sessions
        self._live: dict[tuple[str | None, str, str], tuple[str, float, float]] = {}
        self._pending_updates: deque[SessionPin] = deque(maxlen=MAX_PENDING_UPDATES)
        self.are_shared = False
        """True where updates are collected for other gateways."""

    def reorder_ranking(
        self, key: str | None, task: str, session: str, ranking: tuple[str, ...]
    ) -> tuple[tuple[str, ...], bool]:
        """Return the ranking with the session's model first, and whether that changed it."""
        model, until, _ = self._live.get((key, task, session), UNKNOWN_MODEL)
        if until < self._clock() or model not in ranking or ranking[0] == model:
            return ranking, False
        return (model, *(other for other in ranking if other != model)), True

    def pin_model(self, key: str | None, task: str, session: str, model: str) -> None:
        """Pin a session to a model, and collect the update for the other gateways where it is due."""
        until = self._clock() + self.ttl_s
        before, _, shared_until = self._live.get((key, task, session), UNKNOWN_MODEL)
        # Other gateways get a session's update at most twice in its lifetime, and before it expires there.
        if self.are_shared and (before != model or shared_until < until - self.ttl_s / 2):
            self._pending_updates.append(SessionPin(key, task, session, model))
            shared_until = until
        self._store((key, task, session), (model, until, shared_until))

    def apply_remote(self, one: SessionPin) -> None:
        """Take over another gateway's update."""
        until = self._clock() + self.ttl_s
        self._store((one.key, one.task, one.session), (one.model, until, until))

    def _store(self, place: tuple[str | None, str, str], pin: tuple[str, float, float]) -> None:
        self._live.pop(place, None)
        # A dict keeps the order of insertion: the first one is the least recently used.
        while len(self._live) >= self._max_sessions:
            del self._live[next(iter(self._live))]
        self._live[place] = pin

    def drain_updates(self) -> Sequence[SessionPin]:
        """Return the updates that the other gateways have not had yet."""
        updates = []
        while self._pending_updates:
            updates.append(self._pending_updates.popleft())
        return updates
