"""Traffic of the demo's clients: a task's inputs, in order, through the official OpenAI client.

A client changes two things: the base URL, and a header with its task's name. Real traffic of a task is spread over
hours; here it comes in batches, and a batch waits until the gateway's scorer has processed the one before, as it
would have long before in real traffic. Each request gets the decision of that moment, the cold start included.
"""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from demo.errors import RequestFailed
from demo.fetch import get_json
from demo.marking import mark_answer
from demo.models import BY_NAME
from demo.questions import Question

if TYPE_CHECKING:
    from openai import OpenAI

BATCH = 5
CATCH_UP_S = 10.0
POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class TrafficCall:
    """One routed request.

    Attributes:
        model: the model that answered; likewise reason and decision.
        mark: of the answer, in [0, 1].
        cost_usd: price of the call.
    """

    model: str
    reason: str
    decision: str
    mark: float
    cost_usd: float


@dataclass(frozen=True, slots=True)
class TaskTraffic:
    """A task's requests in order, and the gateway's explanation of its last decision on it."""

    task: str
    questions: tuple[Question, ...]
    calls: tuple[TrafficCall, ...]
    explanation: Mapping[str, Any]


def send_all(port: int, tasks: Mapping[str, Sequence[Question]]) -> list[TaskTraffic]:
    """Send every task's inputs, the tasks in parallel. Raises RequestFailed if a request fails."""
    # Imported here: openai takes a second or two to import.
    from openai import OpenAI, OpenAIError

    client = OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="demo", max_retries=0)
    with client, ThreadPoolExecutor(max_workers=len(tasks)) as pool:
        jobs = [pool.submit(send_inputs, client, port, task, questions) for task, questions in tasks.items()]
        try:
            return [job.result() for job in jobs]
        except OpenAIError as error:
            raise RequestFailed(f"a request through the gateway failed: {error}") from error


def send_inputs(client: "OpenAI", port: int, task: str, questions: Sequence[Question]) -> TaskTraffic:
    """Send one task's inputs, one after the other, and fetch the gateway's explanation."""
    calls: list[TrafficCall] = []
    for start in range(0, len(questions), BATCH):
        calls += [_call(client, task, question) for question in questions[start : start + BATCH]]
        explanation = caught_up(port, task, len(calls))
    return TaskTraffic(task, tuple(questions), tuple(calls), explanation)


def caught_up(port: int, task: str, n: int) -> Mapping[str, Any]:
    """Return the gateway's explanation of a task, as soon as its scorer has processed n inputs.

    Raises RequestFailed if it has not after CATCH_UP_S.
    """
    deadline = time.monotonic() + CATCH_UP_S
    while True:
        found = get_json(port, f"/v1/tasks/{quote(task, safe='')}")
        if found is not None and int(found.get("n", 0)) >= n:
            return found
        if time.monotonic() > deadline:
            seen = "nothing" if found is None else f"{found.get('n')} inputs"
            raise RequestFailed(
                f"the gateway's scorer has processed {seen} of task {task} after {CATCH_UP_S:g} s, expected {n} inputs"
            )
        time.sleep(POLL_S)


def _call(client: "OpenAI", task: str, question: Question) -> TrafficCall:
    raw = client.chat.completions.with_raw_response.create(
        model="auto",
        messages=[{"role": "user", "content": question.text}],
        extra_headers={"X-Task-Id": task},
    )
    completion = raw.parse()
    answer = completion.choices[0].message.content or ""
    model = raw.headers["x-benchroute-model"]
    usage = completion.usage
    if usage is None:
        raise RequestFailed(f"{model} answered without usage")
    return TrafficCall(
        model=model,
        reason=raw.headers["x-benchroute-reason"],
        decision=raw.headers["x-benchroute-decision"],
        mark=mark_answer(answer, question.reference, question.rule),
        cost_usd=BY_NAME[model].cost_usd(usage.prompt_tokens, usage.completion_tokens),
    )
