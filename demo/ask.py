"""Asks models questions over HTTP, concurrently, and grades their answers."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import aiohttp

from demo.errors import RequestFailed
from demo.marking import mark_answer
from demo.models import BY_NAME
from demo.questions import Question

CONCURRENCY = 16
TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class MarkedAnswer:
    """A model's answer to a question.

    Attributes:
        mark: in [0, 1].
        cost_usd: price of the call.
    """

    model: str
    question: Question
    answer: str
    mark: float
    cost_usd: float


def ask_all(
    base_url: str,
    models: Sequence[str],
    questions: Sequence[Question],
    step: Callable[[], None] = lambda: None,
) -> list[MarkedAnswer]:
    """Every model's marked answer to every question, question by question.

    base_url: an OpenAI-compatible one, ending in /v1. step: called after each answer.
    Raises RequestFailed where the server does not answer with success.
    """
    return asyncio.run(_ask_all(base_url, models, questions, step))


async def _ask_all(
    base_url: str, models: Sequence[str], questions: Sequence[Question], step: Callable[[], None]
) -> list[MarkedAnswer]:
    jobs = [(question, model) for question in questions for model in models]
    answers: list[MarkedAnswer | None] = [None] * len(jobs)
    waiting = iter(range(len(jobs)))

    async def worker(session: aiohttp.ClientSession) -> None:
        for place in waiting:
            question, model = jobs[place]
            answers[place] = await _ask(session, f"{base_url}/chat/completions", model, question)
            step()

    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        await asyncio.gather(*(worker(session) for _ in range(CONCURRENCY)))
    return [answer for answer in answers if answer is not None]


async def _ask(session: aiohttp.ClientSession, url: str, model: str, question: Question) -> MarkedAnswer:
    body = {"model": model, "messages": [{"role": "user", "content": question.text}]}
    try:
        async with session.post(url, json=body) as response:
            if response.status != 200:
                raise RequestFailed(f"{url} answered {response.status} to {model}: {(await response.text())[:300]}")
            said = await response.json()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise RequestFailed(f"{url} did not answer {model}: {error!r}") from error
    answer = str(said["choices"][0]["message"]["content"])
    usage = said["usage"]
    cost = BY_NAME[model].cost_usd(usage["prompt_tokens"], usage["completion_tokens"])
    return MarkedAnswer(model, question, answer, mark_answer(answer, question.reference, question.rule), cost)
