"""What a client is told whose request is cut off, by how far its answer has come."""

import asyncio
import json

import pytest

from gateway.errors import ShuttingDown
from gateway.http.asgi import Message, Receive, Scope, Send, response_body, response_start
from gateway.proxy.inflight import InflightRequests

EVENTS = [(b"content-type", b"text/event-stream; charset=utf-8")]
WHOLE = b'data: {"a": 1}\n\n'


def cut_after(*messages: Message, path: str = "/v1/chat/completions") -> list[Message]:
    """All that a client gets whose answer has come so far."""
    sent: list[Message] = []
    begun = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)
        begun.set()
        await asyncio.Event().wait()

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    async def main() -> None:
        underway = InflightRequests()
        task = asyncio.create_task(underway.track(app, {"path": path}, receive, send))
        await begun.wait()
        assert underway.abort_all() == 1
        await task
        assert underway.abort_all() == 0
        assert not task.cancelled()

    asyncio.run(main())
    return sent[len(messages) :]


def test_before_its_answer_has_begun() -> None:
    start, body = cut_after()
    assert (start["status"], ShuttingDown.status) == (503, 503)
    assert json.loads(body["body"])["error"]["code"] == "shutting_down"
    assert not body["more_body"]


@pytest.mark.parametrize(("last", "begins"), [(WHOLE, b"data: "), (WHOLE[:-3], b"\n\ndata: ")])
def test_within_a_stream(last: bytes, begins: bytes) -> None:
    """An event that was half sent is closed first."""
    (told,) = cut_after(response_start(200, EVENTS), response_body(last, more=True))
    assert told["body"].startswith(begins + b'{"error"')
    assert told["more_body"]


def test_before_a_streams_first_event() -> None:
    (told,) = cut_after(response_start(200, EVENTS))
    assert told["body"].startswith(b"data: ")


def test_in_a_stream_of_messages_the_event_is_named() -> None:
    (told,) = cut_after(response_start(200, EVENTS), path="/v1/messages")
    assert told["body"].startswith(b"event: error\ndata: ")


def test_after_a_streams_last_event_it_ends_as_it_should() -> None:
    assert cut_after(response_start(200, EVENTS), response_body(b"data: [DONE]\n\n", more=True)) == [response_body(b"")]


def test_within_a_body_that_is_no_stream_there_are_no_words() -> None:
    assert cut_after(response_start(200, [(b"content-length", b"9")]), response_body(b"{", more=True)) == []
    assert cut_after(response_start(200, EVENTS), response_body(b"")) == []


def test_who_cancels_a_request_for_another_reason_has_it_cancelled() -> None:
    begun = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def nothing(*_: object) -> Message:
        return {}

    async def main() -> None:
        task = asyncio.create_task(InflightRequests().track(app, {"path": "/"}, nothing, nothing))  # type: ignore[arg-type]
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
