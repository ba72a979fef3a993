"""Clients that use the next gateway when a connection breaks, as a load balancer does."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import aiohttp

from qa.faults.material import Input

TRIES = 4


@dataclass
class FinishedRequest:
    """One finished request.

    Attributes:
        started: monotonic seconds.
        took_s: until the whole response.
        ok: True for status 200.
    """

    started: float
    took_s: float
    ok: bool


@dataclass
class Load:
    """Requests at a steady rate, to the gateways at these URLs in turn."""

    urls: Sequence[str]
    inputs: Iterator[Input]
    per_s: float
    finished: list[FinishedRequest] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    ended: bool = False
    started: float = 0.0

    async def run(self) -> None:
        """Send requests until `ended` is set."""
        timeout = aiohttp.ClientTimeout(total=20)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session, asyncio.TaskGroup() as group:
            started, count = time.monotonic(), 0
            self.started = started
            while not self.ended:
                group.create_task(self._one(session, count))
                count += 1
                await asyncio.sleep(max(0.0, started + count / self.per_s - time.monotonic()))

    async def _one(self, session: aiohttp.ClientSession, count: int) -> None:
        given = next(self.inputs)
        body = {"model": "auto", "messages": [{"role": "user", "content": given.text}]}
        started, result = time.monotonic(), ""
        for attempt in range(TRIES):
            url = self.urls[(count + attempt) % len(self.urls)]
            try:
                async with session.post(
                    f"{url}/v1/chat/completions", json=body, headers={"x-task-id": given.task}
                ) as answer:
                    await answer.read()
                    result = str(answer.status)
                    if answer.status in (502, 503):
                        continue
                    break
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                result = repr(error)
        self.finished.append(FinishedRequest(started, time.monotonic() - started, result == "200"))
        if result != "200":
            self.failures.append(result)

    def p99_ms(self, start: float, end: float) -> float:
        """Return the 99th percentile of latency of requests that began in between, in ms."""
        took = sorted(one.took_s for one in self.finished if start <= one.started < end)
        return 1000 * took[min(len(took) - 1, int(0.99 * len(took)))] if took else float("nan")
