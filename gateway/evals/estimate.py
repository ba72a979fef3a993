"""Cost estimate before asking: four characters per token, at the configured prices."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from gateway.config import ModelConfig
from gateway.evals.questions import EvalRequest, SamplingSettings
from gateway.http.token_usage import Usage
from gateway.usage.prices import Price

CHARACTERS_PER_TOKEN = 4
ANSWER_TOKENS = 256
"""Assumed length of an answer without --max-tokens."""


@dataclass(frozen=True, slots=True)
class ModelEstimate:
    """Estimate for one model. requests: without an answer in the journal. usd: None if the model has no price."""

    model: str
    requests: int
    usage: Usage
    usd: Decimal | None


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """Estimate for a run, models in the order of asking."""

    models: tuple[ModelEstimate, ...]

    @property
    def total_requests(self) -> int:
        """Number of requests to all models."""
        return sum(one.requests for one in self.models)

    @property
    def total_usd(self) -> Decimal | None:
        """Cost of all requests, US dollars; None if a model that is asked has no price."""
        costs = [one.usd for one in self.models if one.requests]
        known = [cost for cost in costs if cost is not None]
        return sum(known, Decimal(0)) if len(known) == len(costs) else None

    @property
    def is_free(self) -> bool:
        """True if no confirmation is needed: nothing is asked, or the cost is known to be zero."""
        return self.total_usd == 0


def model_price(model: ModelConfig) -> Price | None:
    """Return the price of a configured model, None without one."""
    price = model.price
    return Price.from_config(price) if price else None


def estimate_cost(models: Iterable[ModelConfig], jobs: Mapping[str, Sequence[EvalRequest]]) -> CostEstimate:
    """Estimate the cost. jobs: requests still to be sent, by model."""
    return CostEstimate(tuple(_of_model(model, jobs.get(model.name, ())) for model in models))


def assumed_answer_tokens(settings: SamplingSettings) -> str:
    """Return a placeholder for a future answer, of the assumed length."""
    return "x" * (CHARACTERS_PER_TOKEN * _answer_tokens(settings))


def _answer_tokens(settings: SamplingSettings) -> int:
    return ANSWER_TOKENS if settings.max_tokens is None else settings.max_tokens


def estimate_request(request: EvalRequest) -> Usage:
    """Estimate the tokens of one request."""
    return Usage(-(-_characters(request) // CHARACTERS_PER_TOKEN), _answer_tokens(request.settings))


def _of_model(model: ModelConfig, jobs: Sequence[EvalRequest]) -> ModelEstimate:
    estimates = [estimate_request(job) for job in jobs]
    usage = Usage(sum(one.input_tokens for one in estimates), sum(one.output_tokens for one in estimates))
    price = model_price(model)
    return ModelEstimate(model.name, len(jobs), usage, price.cost_usd(usage) if price else None)


def _characters(job: EvalRequest) -> int:
    """Characters of the messages' texts; of other parts, such as images, of their JSON."""
    contents = (message.get("content") for message in job.messages)
    return sum(len(content) if isinstance(content, str) else len(json.dumps(content)) for content in contents)
