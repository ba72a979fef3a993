"""Clients of the fleet, as behind a load balancer that tries the next gateway where a connection breaks."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import aiohttp

from qa.faults.material import Input

TRIES = 4


@dataclass
class Answered:
    """begun: monotonic seconds; took_s: until the whole answer."""

    begun: float
    took_s: float
    ok: bool


@dataclass
class Load:
    """Requests at a steady rate. urls: of the gateways, in turn."""

    urls: Sequence[str]
    inputs: Iterator[Input]
    per_s: float
    answered: list[Answered] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    ended: bool = False
    begun: float = 0.0

    async def run(self) -> None:
        """Until `ended`."""
        timeout = aiohttp.ClientTimeout(total=20)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session, asyncio.TaskGroup() as group:
            begun, count = time.monotonic(), 0
            self.begun = begun
            while not self.ended:
                group.create_task(self._one(session, count))
                count += 1
                await asyncio.sleep(max(0.0, begun + count / self.per_s - time.monotonic()))

    async def _one(self, session: aiohttp.ClientSession, count: int) -> None:
        given = next(self.inputs)
        body = {"model": "auto", "messages": [{"role": "user", "content": given.text}]}
        begun, told = time.monotonic(), ""
        for attempt in range(TRIES):
            url = self.urls[(count + attempt) % len(self.urls)]
            try:
                async with session.post(
                    f"{url}/v1/chat/completions", json=body, headers={"x-task-id": given.task}
                ) as answer:
                    await answer.read()
                    told = str(answer.status)
                    if answer.status in (502, 503):
                        continue
                    break
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                told = repr(error)
        self.answered.append(Answered(begun, time.monotonic() - begun, told == "200"))
        if told != "200":
            self.failures.append(told)

    def p99_ms(self, start: float, end: float) -> float:
        """Of the requests that began in between."""
        took = sorted(one.took_s for one in self.answered if start <= one.begun < end)
        return 1000 * took[min(len(took) - 1, int(0.99 * len(took)))] if took else float("nan")
