"""What a question is, and what is sent of it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from string import ascii_uppercase
from typing import Any

Message = Mapping[str, Any]


class Grader(StrEnum):
    """How an answer is compared with its references; of several references the best fit counts."""

    EXACT = "exact"
    """The same words, whatever their case, spacing and the punctuation around them."""
    CHOICE = "choice"
    """The letter of the right choice, or its words."""
    NUMBER = "number"
    """The last number in the answer is the reference."""
    CONTAINS = "contains"
    """The reference's words occur in the answer, one after the other."""
    F1 = "f1"
    """How far the words are the same, as SQuAD counts it: in [0, 1]."""
    REGEX = "regex"
    """The reference, a regular expression, is found in the answer."""
    JUDGE = "judge"
    """A configured model says whether the answer is right."""


@dataclass(frozen=True, slots=True)
class EvalQuestion:
    """A labelled input. text: what routing would see of it. references: at least one, but for a judge; letters where
    the mark is a choice. choices: their texts, A first.
    """

    id: str
    dataset: str
    messages: tuple[Message, ...]
    text: str
    mark: Grader
    references: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """What is asked for beside the messages. max_tokens: None leaves it to the backend."""

    max_tokens: int | None = None
    temperature: float = 0.0
    logprobs: bool = False

    def body_members(self) -> dict[str, Any]:
        """As members of a request's body."""
        made: dict[str, Any] = {"temperature": self.temperature}
        if self.max_tokens is not None:
            made["max_tokens"] = self.max_tokens
        if self.logprobs:
            made["logprobs"] = True
        return made


@dataclass(frozen=True, slots=True)
class EvalRequest:
    """A model to be asked one thing."""

    input_id: str
    model: str
    messages: tuple[Message, ...]
    settings: SamplingSettings

    @property
    def with_settings(self) -> str:
        """32 hex digits over what is asked: with the input and the model the name of the answer."""
        said = json.dumps([self.messages, self.settings.body_members()], sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()[:32]

    @property
    def journal_key(self) -> tuple[str, str, str]:
        """The name of the answer in the journal."""
        return self.input_id, self.model, self.with_settings

    def to_body(self, with_logprobs: bool) -> bytes:
        """The request, with the wish for log-probabilities or without."""
        members = self.settings.body_members()
        if not with_logprobs:
            members.pop("logprobs", None)
        return json.dumps({"model": self.model, "messages": self.messages, **members}).encode()


def with_choices(text: str, choices: Sequence[str]) -> str:
    """An input with its choices under it, as it is sent."""
    listed = "\n".join(f"{letter}. {choice}" for letter, choice in zip(ascii_uppercase, choices, strict=False))
    return f"{text}\n\n{listed}\n\nAnswer with the letter of the right choice." if choices else text
