"""The clients of a replay: every task's inputs in order, tasks in parallel.

Real traffic of a task is spread over hours; here a client waits, every few inputs, until the gateway's scorer has
processed what was sent. A request is answered by the decision of that moment, cold start included.
"""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp

from benchmarks.replaying.material import Task
from demo.errors import RequestFailed

BATCH = 25
REQUEST_TIMEOUT_S = 30.0
CATCH_UP_S = 120.0
ALL_S = 1800.0
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Call:
    """One routed request: model, reason, and the recorded outcome (NaN if missing)."""

    model: str
    reason: str
    decision: str
    outcome: float
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Sent:
    """A task's requests in order, and the gateway's explanation after the last."""

    task: Task
    calls: tuple[Call, ...]
    account: Mapping[str, Any]


def send_all(port: int, tasks: Sequence[Task]) -> list[Sent]:
    """Send every task's inputs. Raises RequestFailed if a request fails or the scorer does not catch up."""
    try:
        return asyncio.run(_send_all(port, tasks))
    except ExceptionGroup as failed:  # the first failure cancelled the other tasks
        raise failed.exceptions[0] from failed
    except TimeoutError as error:
        raise RequestFailed(f"the tasks' inputs took more than {ALL_S:g} s") from error


async def _send_all(port: int, tasks: Sequence[Task]) -> list[Sent]:
    timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{port}", timeout=timeout) as session,
        asyncio.timeout(ALL_S),
        asyncio.TaskGroup() as group,
    ):
        jobs = [group.create_task(_send(session, task)) for task in tasks]
    return [job.result() for job in jobs]


async def _send(session: aiohttp.ClientSession, task: Task) -> Sent:
    calls: list[Call] = []
    account: Mapping[str, Any] = {}
    try:
        for start in range(0, len(task.texts), BATCH):
            some = slice(start, start + BATCH)
            for text, id_ in zip(task.texts[some], task.ids[some], strict=True):
                calls.append(await _call(session, task.name, text, id_))
            account = await _caught_up(session, task.name, len(calls))
    except (aiohttp.ClientError, TimeoutError) as error:
        raise RequestFailed(f"task {task.name}, after {len(calls)} inputs: {error!r}") from error
    return Sent(task, tuple(calls), account)


async def _call(session: aiohttp.ClientSession, task: str, text: str, id_: str) -> Call:
    body = {"model": "auto", "messages": [{"role": "user", "content": text}], "user": id_}
    async with session.post("/v1/chat/completions", json=body, headers={"X-Task-Id": task}) as response:
        if response.status != 200:
            raise RequestFailed(f"task {task}, {id_}: {response.status} {(await response.text())[:300]}")
        completion, headers = await response.json(), response.headers
    model = headers["x-benchroute-model"]
    if completion["model"] != model:
        raise RequestFailed(f"task {task}, {id_}: the headers name {model}, {completion['model']} answered")
    outcome = json.loads(completion["choices"][0]["message"]["content"])["outcome"]
    return Call(
        model=model,
        reason=headers["x-benchroute-reason"],
        decision=headers["x-benchroute-decision"],
        outcome=float("nan") if outcome is None else float(outcome),
        prompt_tokens=int(completion["usage"]["prompt_tokens"]),
        completion_tokens=int(completion["usage"]["completion_tokens"]),
    )


async def _caught_up(session: aiohttp.ClientSession, task: str, n: int) -> Mapping[str, Any]:
    """Return the gateway's explanation of a task once its scorer has processed n inputs."""
    deadline, seen = time.monotonic() + CATCH_UP_S, 0
    while time.monotonic() < deadline:
        async with session.get(f"/v1/tasks/{quote(task, safe='')}") as response:
            account: Mapping[str, Any] = await response.json() if response.status == 200 else {}
        seen = int(account.get("n", 0))
        if seen >= n:
            return account
        await asyncio.sleep(POLL_S)
    raise RequestFailed(f"the scorer has seen {seen} inputs of task {task} after {CATCH_UP_S:g} s, not {n}")
