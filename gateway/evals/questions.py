"""Questions, grading rules, and the requests sent for them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from string import ascii_uppercase
from typing import Any

Message = Mapping[str, Any]


class Grader(StrEnum):
    """Grading rules. Of several references, the best match counts."""

    EXACT = "exact"
    """The same words, ignoring case, spacing and punctuation around words."""
    CHOICE = "choice"
    """The letter of the right choice, or its words."""
    NUMBER = "number"
    """The last number in the answer equals the reference."""
    CONTAINS = "contains"
    """The reference's words occur in the answer, in sequence."""
    F1 = "f1"
    """Overlap of the words as in SQuAD, in [0, 1]."""
    REGEX = "regex"
    """The reference, a regular expression, matches in the answer."""
    JUDGE = "judge"
    """A configured model decides if the answer is right."""


@dataclass(frozen=True, slots=True)
class EvalQuestion:
    """A labelled input.

    Attributes:
        text: the text that routing embeds.
        references: at least one, except for a judge; letters if the mark is a choice.
        choices: their texts, A first.
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
    """Sampling settings of a request. max_tokens: None uses the backend's default."""

    max_tokens: int | None = None
    temperature: float = 0.0
    logprobs: bool = False

    def body_members(self) -> dict[str, Any]:
        """Return the settings as members of a request's body."""
        members: dict[str, Any] = {"temperature": self.temperature}
        if self.max_tokens is not None:
            members["max_tokens"] = self.max_tokens
        if self.logprobs:
            members["logprobs"] = True
        return members


@dataclass(frozen=True, slots=True)
class EvalRequest:
    """A request to one model."""

    input_id: str
    model: str
    messages: tuple[Message, ...]
    settings: SamplingSettings

    @property
    def with_settings(self) -> str:
        """Digest of messages and settings, 32 hex digits: part of the journal's key."""
        content = json.dumps([self.messages, self.settings.body_members()], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:32]

    @property
    def journal_key(self) -> tuple[str, str, str]:
        """The key of the answer in the journal."""
        return self.input_id, self.model, self.with_settings

    def to_body(self, with_logprobs: bool) -> bytes:
        """Return the request's body. with_logprobs: keep the request for log-probabilities."""
        members = self.settings.body_members()
        if not with_logprobs:
            members.pop("logprobs", None)
        return json.dumps({"model": self.model, "messages": self.messages, **members}).encode()


def with_choices(text: str, choices: Sequence[str]) -> str:
    """Return an input followed by its choices, as it is sent."""
    listed = "\n".join(f"{letter}. {choice}" for letter, choice in zip(ascii_uppercase, choices, strict=False))
    return f"{text}\n\n{listed}\n\nAnswer with the letter of the right choice." if choices else text
