"""Request bodies of the endpoints, and the texts of their inputs."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.config.fields import PointInTime
from gateway.errors import InvalidRequest
from gateway.scorer.input_text import extract_text
from gateway.vocabulary import JSON_PATH

MAX_INPUTS = 1000
MAX_NAME = 100
"""Characters of a display name."""
MAX_MERGED = 100
"""Tasks that are merged by one request."""

MetadataWord = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9._:/-]*$")]


class RequestSchema(BaseModel):
    """Base class of request bodies: rejects unknown members."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Conversation(BaseModel):
    """An input in the form of a request. Other members than the messages are available to a task's JSONPath."""

    model_config = ConfigDict(extra="allow")
    messages: list[dict[str, Any]]


Input = Annotated[str, Field(min_length=1)] | Conversation
"""A text, or an object with `messages`, of which the task's selector takes its part."""


class InputsBody(RequestSchema):
    """A sample of a task's inputs."""

    inputs: list[Input] = Field(min_length=1, max_length=MAX_INPUTS)
    """Texts, or objects with `messages`."""


class InputLabel(RequestSchema):
    """An input of a task, and the outcomes of models on it."""

    input: Input
    """A text, or an object with `messages`."""
    outcomes: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(min_length=1)
    """Outcome by model: 1 is right, 0 is wrong."""


class JudgeCountsBody(RequestSchema):
    """Verdicts of a judge model, counted. Half a verdict is 0.5."""

    both_right: float = Field(default=0, ge=0, le=1e6)
    """Answers that it called right both times it was asked."""
    both_wrong: float = Field(default=0, ge=0, le=1e6)
    """Answers that it called wrong both times."""
    differ: float = Field(default=0, ge=0, le=1e6)
    """Answers that it called right once and wrong once."""
    right_as_right: float = Field(default=0, ge=0, le=1e6)
    """Verdicts `right` on answers that are right by a reference."""
    right_as_wrong: float = Field(default=0, ge=0, le=1e6)
    """Verdicts `wrong` on answers that are right by a reference."""
    wrong_as_right: float = Field(default=0, ge=0, le=1e6)
    """Verdicts `right` on answers that are wrong by a reference."""
    wrong_as_wrong: float = Field(default=0, ge=0, le=1e6)
    """Verdicts `wrong` on answers that are wrong by a reference."""


class JudgeBody(RequestSchema):
    """The judge model that gave labels, and its agreement, by which they are weighed."""

    model: str = Field(min_length=1, max_length=256)
    """Name of the judge. Its labels have the source `judge:NAME`."""
    method: Literal["score", "pairwise", "rubric"] = "score"
    """How it was asked. `pairwise`: outcome 1 for an answer that beats a fixed candidate's, 0.5 for a tie."""
    agreement: JudgeCountsBody
    """Agreement with itself and with references. It replaces that of its earlier labels of the task."""
    decided: float = Field(default=1, ge=0, le=1)
    """For `pairwise`: share of comparisons without a tie."""


class LabelsBody(RequestSchema):
    """Labelled inputs of a task. Labels of several models on the same input are the most informative."""

    labels: list[InputLabel] = Field(min_length=1, max_length=MAX_INPUTS)
    """The labelled inputs."""
    judge: JudgeBody | None = None
    """The judge model that gave the labels. Default: they are true."""


class DryRunBody(InputsBody):
    """Inputs to decide on without storing them."""

    task: str | None = None
    """Task whose candidates and input selector apply. Default: `default`."""
    candidates: list[str] | None = Field(default=None, min_length=1)
    """Candidates, in place of the task's."""


class FeedbackBody(RequestSchema):
    """A score of one response."""

    request_id: str = Field(min_length=1, max_length=128)
    """The response's x-request-id header, or the x-request-id that the request was sent with."""
    score: float = Field(ge=0, le=1)
    """1 is right, 0 is wrong."""
    metadata: dict[MetadataWord, MetadataWord] = Field(default_factory=dict, max_length=16)
    """Names and values for the log; not used otherwise."""


class RotationBody(RequestSchema):
    """The rotation of a key's secret."""

    old_expires_at: PointInTime | None = None
    """Time from which the former secret is rejected, for instance 2027-01-31T00:00:00Z. Default: until it is
    revoked."""


class RollbackBody(RequestSchema):
    """A configuration version to restore."""

    version: int
    """Number of a version that GET /v1/config/versions lists."""


class TaskNameBody(RequestSchema):
    """A task's display name."""

    name: (
        Annotated[str, Field(min_length=1, max_length=MAX_NAME, pattern=r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$")]
        | None
    )
    """Shown in place of the ID; null removes it."""


class MergeBody(RequestSchema):
    """Tasks to merge into the one of the path."""

    sources: list[str] = Field(min_length=1, max_length=MAX_MERGED)
    """IDs of the tasks to merge."""


def texts_of(inputs: Sequence[Input], selector: str) -> list[str]:
    """Return the texts to embed: of a thousand conversations, milliseconds of work for a thread.

    Raises InvalidRequest for the first input without a text.
    """
    texts = []
    for place, given in enumerate(inputs):
        text = given if isinstance(given, str) else _text_of(given, selector)
        if not text or not text.strip():
            raise InvalidRequest(f"inputs[{place}] contains no text.", param=f"inputs[{place}]")
        texts.append(text.encode("utf-8", "replace").decode())  # half a surrogate pair is not valid UTF-8
    return texts


def _text_of(given: Conversation, selector: str) -> str | None:
    read = given.model_dump() if selector.startswith(JSON_PATH) else given.messages
    return extract_text(json.dumps(read).encode(), selector)
