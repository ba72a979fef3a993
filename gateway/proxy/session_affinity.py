"""Conversations stay on their model: a provider's prompt cache, and a tone of voice, survive a change of decision.

A session is remembered by task and client's key, for a while after its last request; only as long as its model is still
among those the request may go to.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MAX_SESSIONS = 100_000
MAX_PENDING_UPDATES = 10_000
UNKNOWN_MODEL = ("", 0.0, 0.0)
"""A session's model, until when it is kept, and until when other gateways keep it."""


@dataclass(frozen=True, slots=True)
class SessionPin:
    """Which model a session is on. key: of the client, None where none is needed."""

    key: str | None
    task: str
    session: str
    model: str


class SessionAffinity:
    """Which model each live session is on."""

    def __init__(self, ttl_s: float, clock: Callable[[], float], max_sessions: int = MAX_SESSIONS) -> None:
        """clock: seconds, monotonic. The least recently used session is forgotten first."""
        self.ttl_s = ttl_s
        self._clock = clock
        self._max_sessions = max_sessions
        self._live: dict[tuple[str | None, str, str], tuple[str, float, float]] = {}
        self._untold: deque[SessionPin] = deque(maxlen=MAX_PENDING_UPDATES)
        self.are_shared = False
        """Whether other gateways are told."""

    def reorder_ranking(
        self, key: str | None, task: str, session: str, ranking: tuple[str, ...]
    ) -> tuple[tuple[str, ...], bool]:
        """The ranking with the session's model first, and whether that changed it."""
        model, until, _ = self._live.get((key, task, session), UNKNOWN_MODEL)
        if until < self._clock() or model not in ranking or ranking[0] == model:
            return ranking, False
        return (model, *(other for other in ranking if other != model)), True

    def pin_model(self, key: str | None, task: str, session: str, model: str) -> None:
        """The session is on this model from now on."""
        until = self._clock() + self.ttl_s
        before, _, told_until = self._live.get((key, task, session), UNKNOWN_MODEL)
        if self.are_shared and (before != model or told_until < until - self.ttl_s / 2):
            self._untold.append(SessionPin(key, task, session, model))
            told_until = until
        self._keep((key, task, session), (model, until, told_until))

    def apply_remote(self, one: SessionPin) -> None:
        """Another gateway has answered it."""
        until = self._clock() + self.ttl_s
        self._keep((one.key, one.task, one.session), (one.model, until, until))

    def _keep(self, place: tuple[str | None, str, str], kept: tuple[str, float, float]) -> None:
        self._live.pop(place, None)
        while len(self._live) >= self._max_sessions:
            del self._live[next(iter(self._live))]
        self._live[place] = kept

    def drain_updates(self) -> Sequence[SessionPin]:
        """What the other gateways do not know yet; they do after this."""
        told = []
        while self._untold:
            told.append(self._untold.popleft())
        return told
