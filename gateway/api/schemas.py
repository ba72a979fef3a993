"""The bodies that our own endpoints take."""

import json
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from gateway.errors import InvalidRequest
from gateway.scorer.input_text import extract_text
from gateway.vocabulary import JSON_PATH

MAX_INPUTS = 1000


class Conversation(BaseModel):
    """An input as a request would bring it; a task's JSONPath reads more of it than the messages."""

    model_config = ConfigDict(extra="allow")
    messages: list[dict[str, Any]]


Input = Annotated[str, Field(min_length=1)] | Conversation
"""A text, or an object with `messages`, of which the task's selector takes its part."""


class InputsBody(BaseModel):
    """A sample of a task's inputs."""

    model_config = ConfigDict(extra="forbid")
    inputs: list[Input] = Field(min_length=1, max_length=MAX_INPUTS)


class InputLabel(BaseModel):
    """An input of a task, and how well models did on it, by name: 1 is right, 0 is wrong."""

    model_config = ConfigDict(extra="forbid")
    input: Input
    outcomes: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(min_length=1)


class LabelsBody(BaseModel):
    """Labelled inputs of a task. The more models were asked the same input, the more it tells."""

    model_config = ConfigDict(extra="forbid")
    labels: list[InputLabel] = Field(min_length=1, max_length=MAX_INPUTS)


class DryRunBody(InputsBody):
    """Inputs to decide on without storing them. task: whose candidates; candidates: these instead."""

    task: str | None = None
    candidates: list[str] | None = Field(default=None, min_length=1)


def texts_of(body: InputsBody, selector: str) -> list[str]:
    """What is embedded of the inputs. Raises InvalidRequest naming the first that has no text."""
    texts = []
    for place, given in enumerate(body.inputs):
        text = given if isinstance(given, str) else _text_of(given, selector)
        if not text or not text.strip():
            raise InvalidRequest(f"inputs[{place}] holds no text", param=f"inputs[{place}]")
        texts.append(text.encode("utf-8", "replace").decode())  # half a surrogate pair is no UTF-8
    return texts


def _text_of(given: Conversation, selector: str) -> str | None:
    read = given.model_dump() if selector.startswith(JSON_PATH) else given.messages
    return extract_text(json.dumps(read).encode(), selector)
