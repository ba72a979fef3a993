"""openai for Python: every error arrives as the exception class that the library documents."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import openai

from qa.conformance.checks import Check, Mismatch, expect_equal, expect_true
from qa.conformance.clients.material import MODEL, chat_messages
from qa.conformance.clients.openai_python import client
from qa.conformance.servers import Target

SUITE = "openai-python errors"
Ask = Callable[[openai.OpenAI], Any]


def _raises(kind: type[openai.APIStatusError], code: str | None, ask: Ask, **options: Any) -> Callable[[Target], str]:
    def run(target: Target) -> str:
        with client(target, **options) as asking:
            try:
                ask(asking)
            except openai.APIStatusError as error:
                return _as_it_should(error, kind, code)
        raise Mismatch(f"a response in place of {kind.__name__}")

    return run


def _as_it_should(error: openai.APIStatusError, kind: type[openai.APIStatusError], code: str | None) -> str:
    expect_equal(type(error).__name__, kind.__name__, "the exception")
    expect_equal(error.code, code, "code")
    expect_true(
        isinstance(error.body, dict) and {"message", "type", "param", "code"} <= set(error.body), f"{error.body!r}"
    )
    expect_true(error.request_id, "no x-request-id")
    return f"{kind.__name__} {error.status_code}, code {error.code}: {error.body['message']}"  # type: ignore[index]  # a dict, see above


def _create(model: str, **more: Any) -> Ask:
    return lambda asking: asking.chat.completions.create(model=model, messages=chat_messages("errors"), **more)


def _wrong_key(target: Target) -> str:
    return _raises(openai.AuthenticationError, "invalid_api_key", _create(MODEL))(replace(target, key="sk-wrong"))


def _retry_after(target: Target) -> str:
    with client(target) as asking:
        try:
            asking.chat.completions.create(model="e429", messages=chat_messages("errors"))
        except openai.RateLimitError as error:
            expect_equal(error.response.headers.get("retry-after"), "7", "retry-after")
            return "RateLimitError with the upstream's retry-after: 7"
    raise Mismatch("a response in place of an exception")


def _in_stream(target: Target) -> str:
    return _raises(openai.BadRequestError, "invalid_value", _create("e400", stream=True))(target)


WRONG: Any = "text"
BAD, LOST = openai.BadRequestError, openai.NotFoundError
CHECKS = (
    Check(
        SUITE,
        "unknown model",
        "model='nobody'",
        "NotFoundError, code model_not_found",
        _raises(LOST, "model_not_found", _create("nobody")),
    ),
    Check(SUITE, "wrong key", "api_key='sk-wrong'", "AuthenticationError, code invalid_api_key", _wrong_key),
    Check(
        SUITE,
        "upstream 400",
        "model='e400'",
        "BadRequestError with the upstream's code",
        _raises(BAD, "invalid_value", _create("e400")),
    ),
    Check(SUITE, "upstream 400 to a stream", "model='e400', stream=True", "BadRequestError, no stream", _in_stream),
    Check(SUITE, "upstream 429", "model='e429'", "RateLimitError with retry-after", _retry_after),
    Check(
        SUITE,
        "upstream 401",
        "model='e401'",
        "502: it is the gateway's key that was refused, not the client's",
        _raises(openai.InternalServerError, "upstream_failed", _create("e401")),
    ),
    Check(
        SUITE,
        "upstream 404",
        "model='e404'",
        "NotFoundError with the upstream's code: nobody else is left to ask",
        _raises(LOST, "model_not_found", _create("e404")),
    ),
    Check(
        SUITE,
        "upstream 500",
        "model='e500'",
        "InternalServerError with the upstream's code, which is none",
        _raises(openai.InternalServerError, None, _create("e500")),
    ),
    Check(
        SUITE,
        "no messages",
        "create(model='auto', messages='text')",
        "BadRequestError from the gateway: nothing can be routed by it",
        _raises(BAD, None, lambda asking: asking.chat.completions.create(model="auto", messages=WRONG)),
    ),
    Check(
        SUITE,
        "bad task tag",
        "metadata.task_id='no spaces'",
        "BadRequestError, code invalid_task_id",
        _raises(BAD, "invalid_task_id", _create("auto", metadata={"task_id": "no spaces"})),
    ),
    Check(
        SUITE,
        "unknown path",
        "client.get('/nowhere')",
        "NotFoundError in OpenAI's envelope",
        _raises(LOST, "not_found", lambda asking: asking.get("/nowhere", cast_to=object)),
    ),
    Check(
        SUITE,
        "unknown model's account",
        "models.retrieve('nobody')",
        "NotFoundError, code model_not_found",
        _raises(LOST, "model_not_found", lambda asking: asking.models.retrieve("nobody")),
    ),
)
