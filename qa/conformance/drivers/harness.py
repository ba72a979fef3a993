"""Questions in, results out: the frame of every program in this folder."""

import json
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

HINTS = (
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
    "x-ratelimit-remaining-requests",
    "anthropic-ratelimit-requests-remaining",
    "request-id",
)
"""Headers of an error that a client acts on or shows."""

LONG = 2000


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes:
        operation: name of the operation.
        base_url: of the server, with `/v1`.
        key: API key.
        model: name of the model.
        mark: text by which the server's record of the request is found.
        headers: to add to the request.
        retries: times that the client may try again.
    """

    operation: str
    base_url: str
    key: str
    model: str
    mark: str
    headers: dict[str, str]
    retries: int

    @property
    def root_url(self) -> str:
        """The base URL without `/v1`."""
        return self.base_url.removesuffix("/v1")


Operation = Callable[[Question], Any]


def run(operations: Mapping[str, Operation]) -> None:
    """Answer the questions on standard input."""
    for line in sys.stdin:
        question = Question(**json.loads(line))
        result = _answer(operations.get(question.operation), question)
        sys.stdout.write(f"\nRESULT {json.dumps(result, default=str)}\n")
        sys.stdout.flush()


def _answer(operation: Operation | None, question: Question) -> dict[str, Any]:
    if operation is None:
        return {"missing": True}
    try:
        return {"seen": operation(question)}
    except Exception as error:  # the client's exception is the result
        return {"raised": describe_exception(error), "traceback": traceback.format_exc()[-LONG:]}


def describe_exception(error: BaseException) -> dict[str, Any]:
    """Return the class, and the fields by which programs tell errors apart."""
    found: dict[str, Any] = {"class": type(error).__name__, "message": str(error)[:LONG]}
    for name in ("status_code", "code", "type", "body"):
        value = getattr(error, name, None)
        if isinstance(value, str | int | dict):
            found[name] = value
    headers = getattr(getattr(error, "response", None), "headers", None)
    if headers is not None:
        found["headers"] = {name: headers[name] for name in HINTS if name in headers}
    return found
