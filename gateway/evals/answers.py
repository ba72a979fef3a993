"""What a backend's answer says: the text, the tokens it took, and how likely the model found it."""

import json
import math
from dataclasses import dataclass
from typing import Any

from gateway.http.token_usage import Usage, parse_usage

TRUNCATED = "length"
"""The finish_reason of an answer that max_tokens cut off."""


class EmptyAnswer(Exception):
    """A success that holds nothing to mark; str(): what is missing."""


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """What a model said. usage: None where it did not tell. loglik: mean natural log-probability a token, <= 0.

    asked: see Job.asked.
    """

    input_id: str
    model: str
    asked: str
    text: str
    finish_reason: str | None = None
    usage: Usage | None = None
    loglik: float | None = None

    @property
    def journal_key(self) -> tuple[str, str, str]:
        """See Job.key."""
        return self.input_id, self.model, self.asked


def read_answer(key: tuple[str, str, str], data: bytes) -> ModelAnswer:
    """The answer in a chat completion. Raises EmptyAnswer."""
    try:
        choice = json.loads(data)["choices"][0]
        message = choice["message"]
        text = message.get("content")
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise EmptyAnswer("answered without a message") from error
    if text is None:
        text = message.get("refusal")  # a model that refuses has answered, and badly
    reason = choice.get("finish_reason")
    if not isinstance(text, str) or reason == "content_filter":
        raise EmptyAnswer(f"answered without a text (finish_reason {reason})")
    return ModelAnswer(
        *key, text, reason if isinstance(reason, str) else None, parse_usage(data)[1], sum_logprobs(choice)
    )


def sum_logprobs(choice: Any) -> float | None:
    """Mean log-probability of a choice's tokens; None where they are not given for all, or are no logarithms."""
    try:
        found = [float(token["logprob"]) for token in choice["logprobs"]["content"]]
    except (LookupError, TypeError, ValueError):
        return None
    if not found or not all(math.isfinite(one) for one in found):
        return None
    return min(math.fsum(found) / len(found), 0.0)
