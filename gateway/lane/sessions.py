"""Conversations stay on their model: a provider's prompt cache, and a tone of voice, survive a change of decision.

A session is remembered by task and client's key, for a while after its last request; only as long as its model is still
among those the request may go to.
"""

from collections.abc import Callable

MAX_SESSIONS = 100_000


class Sessions:
    """Which model each live session is on."""

    def __init__(self, ttl_s: float, clock: Callable[[], float], max_sessions: int = MAX_SESSIONS) -> None:
        """clock: seconds, monotonic. The least recently used session is forgotten first."""
        self._ttl_s = ttl_s
        self._clock = clock
        self._max_sessions = max_sessions
        self._live: dict[tuple[str | None, str, str], tuple[str, float]] = {}

    def ranking(
        self, key: str | None, task: str, session: str, ranking: tuple[str, ...]
    ) -> tuple[tuple[str, ...], bool]:
        """The ranking with the session's model first, and whether that changed it."""
        model, until = self._live.get((key, task, session), ("", 0.0))
        if until < self._clock() or model not in ranking or ranking[0] == model:
            return ranking, False
        return (model, *(other for other in ranking if other != model)), True

    def answered(self, key: str | None, task: str, session: str, model: str) -> None:
        """The session is on this model from now on."""
        place = (key, task, session)
        self._live.pop(place, None)
        while len(self._live) >= self._max_sessions:
            del self._live[next(iter(self._live))]
        self._live[place] = (model, self._clock() + self._ttl_s)
