"""Asks models questions with the product's own evaluation client (`bench run`), and grades their answers."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from demo.errors import RequestFailed
from demo.marking import mark_answer
from demo.models import BY_NAME
from demo.questions import Question
from gateway.config import Config
from gateway.config.schema import ModelConfig, OpenAIBackendConfig
from gateway.evals.answers import ModelAnswer
from gateway.evals.ask import EvalClient, FailedRequest
from gateway.evals.questions import EvalRequest, SamplingSettings
from gateway.upstream.pool import ConnectionPool

CONCURRENCY_PER_MODEL = 4


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
    """Return every model's marked answer to every question, question by question.

    base_url: an OpenAI-compatible one, ending in /v1. step: called after each answer.
    Raises RequestFailed where a model does not answer a question.
    """
    answers = asyncio.run(_ask_all(base_url, models, questions, step))
    return [_mark(answers[question.id, model], question) for question in questions for model in models]


async def _ask_all(
    base_url: str, models: Sequence[str], questions: Sequence[Question], step: Callable[[], None]
) -> dict[tuple[str, str], ModelAnswer]:
    answers: dict[tuple[str, str], ModelAnswer] = {}

    def record(answer: ModelAnswer | FailedRequest) -> None:
        if isinstance(answer, FailedRequest):
            raise RequestFailed(f"{base_url}: {answer.model}: {answer.reason}")
        answers[answer.input_id, answer.model] = answer
        step()

    with contextlib.closing(ConnectionPool()) as pool:
        client = EvalClient(Config(models=tuple(_model_config(name, base_url) for name in models)), pool)
        try:
            await asyncio.gather(
                *(client.ask_all(_requests(name, questions), CONCURRENCY_PER_MODEL, record) for name in models)
            )
        finally:
            await client.close_backends()
    return answers


def _model_config(name: str, base_url: str) -> ModelConfig:
    backend = OpenAIBackendConfig.model_validate({"kind": "openai", "base_url": base_url})
    return ModelConfig(name=name, backends=(backend,))


def _requests(model: str, questions: Sequence[Question]) -> list[EvalRequest]:
    settings = SamplingSettings()
    return [
        EvalRequest(question.id, model, ({"role": "user", "content": question.text},), settings)
        for question in questions
    ]


def _mark(answer: ModelAnswer, question: Question) -> MarkedAnswer:
    if answer.usage is None:
        raise RequestFailed(f"{answer.model} answered without usage")
    cost = BY_NAME[answer.model].cost_usd(answer.usage.input_tokens, answer.usage.output_tokens)
    mark = mark_answer(answer.text, question.reference, question.rule)
    return MarkedAnswer(answer.model, question, answer.text, mark, cost)
