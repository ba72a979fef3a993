"""Questions on their way to the scorer: a few at a time, in turn by API key, and bounded while they wait.

Each question holds a request of a client's, and its texts, until it is answered. Behind a scorer that is busy, or has
stopped, they would pile up in the gateway, on the socket or in Redis; so only a few are sent, and of the rest a bounded
number waits. More are refused at once, and counted.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from gateway.errors import ScorerUnavailable
from gateway.observability.metrics import ScorerStats

QUEUE_FULL, NOT_ANSWERED = "queue_full", "not_answered"
"""Reasons for a question without a reply, as the metric names them."""


@dataclass(frozen=True, slots=True)
class QuestionLimits:
    """Bounds of a gateway's questions.

    Attributes:
        in_flight: sent and not answered.
        waiting: of all keys.
        waiting_per_key: of one key.
        waiting_bytes: texts of the waiting ones, of all keys.
    """

    in_flight: int = 4
    waiting: int = 1000
    waiting_per_key: int = 100
    waiting_bytes: int = 64 * 1024 * 1024


class QuestionGate:
    """Slots for questions. Lives in the event loop."""

    def __init__(self, stats: ScorerStats, limits: QuestionLimits | None = None) -> None:
        self._stats = stats
        self._limits = limits or QuestionLimits()
        self._in_flight = 0
        # Keys in the order of their turns; a key that has had its turn goes to the end.
        self._waiting: dict[str | None, deque[asyncio.Future[None]]] = {}
        self._count = 0
        self._bytes = 0

    @asynccontextmanager
    async def slot(self, key: str | None, size: int, timeout_s: float) -> AsyncIterator[None]:
        """Hold a slot, for which a question of `size` bytes may have to wait.

        Raises ScorerUnavailable where too many wait already, or no slot becomes free in time.
        """
        if self._in_flight < self._limits.in_flight:
            self._in_flight += 1
        else:
            await self._wait_turn(key, size, timeout_s)
        try:
            yield
        finally:
            self._pass_on()

    def refuse_waiting(self, message: str) -> None:
        """Raise ScorerUnavailable in all that wait for a slot. message: why none is worth waiting for."""
        lines, self._waiting = self._waiting.values(), {}
        for turn in (turn for line in lines for turn in line):
            if not turn.done():
                turn.set_exception(ScorerUnavailable(message))

    async def _wait_turn(self, key: str | None, size: int, timeout_s: float) -> None:
        limits, line = self._limits, self._waiting.get(key, ())
        is_full = self._count >= limits.waiting or len(line) >= limits.waiting_per_key
        if is_full or self._bytes + size > limits.waiting_bytes:
            self._stats.questions_dropped[QUEUE_FULL] += 1
            raise ScorerUnavailable(
                "The router is unavailable for this request: too many others wait for the scorer. Retry later.",
                code="scorer_busy",
            )
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, deque()).append(turn)
        self._count, self._bytes = self._count + 1, self._bytes + size
        try:
            async with asyncio.timeout(timeout_s):
                await turn
        except BaseException as error:
            # The slot may have been passed on to a client that left in the same moment.
            if turn.done() and not turn.cancelled():
                if turn.exception() is None:
                    self._pass_on()
            else:
                self._leave(key, turn)
            if isinstance(error, TimeoutError):
                self._stats.questions_dropped[NOT_ANSWERED] += 1
                raise ScorerUnavailable(f"the scorer is busy: no turn within {timeout_s:g} s") from error
            raise
        finally:
            self._count, self._bytes = self._count - 1, self._bytes - size

    def _leave(self, key: str | None, turn: asyncio.Future[None]) -> None:
        line = self._waiting.get(key, deque())
        if turn not in line:  # refused in the same moment
            return
        line.remove(turn)
        if not line:
            del self._waiting[key]

    def _pass_on(self) -> None:
        """Give the slot to the next key's oldest question, or take it back."""
        key = next(iter(self._waiting), None)
        if not self._waiting:
            self._in_flight -= 1
            return
        line = self._waiting.pop(key)
        turn = line.popleft()
        if line:
            self._waiting[key] = line
        if turn.done():  # its client has left, and has not been woken yet
            self._pass_on()
        else:
            turn.set_result(None)
