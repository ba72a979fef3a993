"""Questions to a scorer that wait for their answers, however those come."""

import asyncio
import itertools
from collections.abc import Callable, Mapping
from typing import Any

from gateway.errors import InvalidRequest, ScorerUnavailable
from gateway.scorer.messages import Reply


class PendingReplies:
    """By the questions' numbers. Lives in the event loop."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Mapping[str, Any]]] = {}

    def next_id(self) -> int:
        """Of the next question."""
        return next(self._numbers)

    async def request_reply(self, number: int, ask: Callable[[], None], limit_s: float) -> Mapping[str, Any]:
        """Asks, and waits. Raises ScorerUnavailable where no answer comes in time, InvalidRequest for a refusal."""
        reply: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = reply
        try:
            ask()
            return await asyncio.wait_for(reply, limit_s)
        except TimeoutError as error:
            raise ScorerUnavailable("the scorer does not answer") from error
        finally:
            del self._waiting[number]

    def resolve(self, reply: Reply) -> None:
        """An answer has come; one that nobody waits for any more is let go."""
        waiting = self._waiting.get(reply.id)
        if waiting is None or waiting.done():
            return
        if reply.document is not None:
            waiting.set_result(reply.document)
        else:
            waiting.set_exception(InvalidRequest(reply.error or "the scorer gave no answer"))

    def fail_all(self, message: str) -> None:
        """No answers come any more. message: why; everybody who waits is told (ScorerUnavailable)."""
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ScorerUnavailable(message))
