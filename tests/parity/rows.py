"""The table: what an upstream may do, and what is known of the right answer.

A row without `expects` is compared between the entrances alone.
"""

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.gateway.fake_upstream import chunk
from tests.parity.backend import End, Script, Step

CHAT, COMPLETIONS, EMBEDDINGS = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"
RESPONSES, MESSAGES = "/v1/responses", "/v1/messages"
GOOD = "good"
"""The model that answers when a row's own fails."""


class Client(enum.Enum):
    """STAYS: reads the answer to its end. LEAVES: closes its connection before. UPLOADS_HALF: sends half a request."""

    STAYS = "stays"
    LEAVES = "leaves"
    UPLOADS_HALF = "uploads half"


@dataclass(frozen=True)
class Expected:
    """What is known of the right answer; None: not compared.

    Attributes:
        status: That the client gets; counted: that metrics and log have, where it is another.
        tokens: Input and output, as counted in metrics and log; (0, 0) for none.
        code: Of our own error envelope, in the body or the stream's last event.
    """

    status: int | None = None
    counted: int | None = None
    tokens: tuple[int, int] | None = None
    code: str | None = None


@dataclass(frozen=True)
class Row:
    """One upstream behaviour.

    Attributes:
        name: Of the model and of the task.
        scripts: What its backend does, one script a request. None: nobody listens there.
        members: Added to the request's body; bytes are the whole body.
        falls_back: A second model, which is a candidate too; none by default.
        speaks_messages: Whether its backend answers /v1/messages.
        policy: Of its task.
        limits: Of its model.
        requests: Asked one after the other.
        until: What the client has got before it leaves, or the gateway stops; empty: the backend has been asked.
    """

    name: str
    scripts: tuple[Script, ...]
    expects: Expected = Expected()
    stream: bool = False
    path: str = CHAT
    members: Mapping[str, Any] | bytes = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    falls_back: str = ""
    speaks_messages: bool = True
    policy: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    requests: int = 1
    client: Client = Client.STAYS
    until: bytes = b""

    def body(self) -> bytes:
        """The request's body."""
        if isinstance(self.members, bytes):
            return self.members
        said = {EMBEDDINGS: {"input": "hi"}, RESPONSES: {"input": "hi"}, COMPLETIONS: {"prompt": "hi"}}
        content = said.get(self.path, {"messages": [{"role": "user", "content": "hi"}]})
        model = "auto" if self.falls_back else self.name
        stream = {"stream": True} if self.stream else {}
        return json.dumps({"model": model, **content, **stream, **self.members}).encode()


def whole(body: bytes, status: str = "200 OK", *lines: str) -> bytes:
    """An answer with a Content-Length. lines: more of its headers."""
    head = (f"HTTP/1.1 {status}", "content-type: application/json", f"content-length: {len(body)}", *lines)
    return "\r\n".join([*head, "\r\n"]).encode() + body


def completion(usage: str = '"usage":{"prompt_tokens":5,"completion_tokens":7}') -> bytes:
    """A chat completion with such a last member."""
    choice = '{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}'
    return f'{{"id":"c","object":"chat.completion","choices":[{choice}],{usage}}}'.encode()


def error(status: str, *lines: str) -> bytes:
    """OpenAI's envelope."""
    told = {"message": "told by the backend", "type": "x", "param": None, "code": "its-own"}
    return whole(json.dumps({"error": told}).encode(), status, *lines)


SSE_LINES = ("content-type: text/event-stream",)
CHUNKED = "transfer-encoding: chunked"
DONE = b"data: [DONE]\n\n"
USAGE = b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":7}}\n\n'
LAST_CHUNK = b"0\r\n\r\n"


def head(*lines: str) -> bytes:
    """Of an answer with status 200."""
    return "\r\n".join(["HTTP/1.1 200 OK", *lines, "\r\n"]).encode()


def framed(data: bytes) -> bytes:
    """A chunk (RFC 9112, 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def stream(*events: bytes, end: tuple[Step, ...] = (LAST_CHUNK,)) -> Script:
    """A chunked event stream, every event sent by itself."""
    steps: list[Step] = [head(*SSE_LINES, CHUNKED)]
    for event in events:
        steps += [0.005, framed(event)]
    return (*steps, *end)


GOOD_SCRIPT: Script = (whole(completion('"usage":{"prompt_tokens":1,"completion_tokens":1}')),)
HELLO = chunk("hel")
FINISHED = b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
ERROR_EVENT = b'data: {"error":{"message":"overloaded","type":"x","param":null,"code":503}}\n\n'
SECOND = chunk("lo")
OK_12 = Expected(200, tokens=(5, 7))
ESTIMATED, ESTIMATED_STREAM = Expected(200, tokens=(8, 2)), Expected(200, tokens=(8, 3))
"""A response whose backend reports no usage, or none that can be true: tokens are estimated from its text."""
ITS_OWN_500 = Expected(500, tokens=(0, 0), code="its-own")
FAILED = Expected(502, tokens=(0, 0), code="upstream_failed")
TIMED_OUT = Expected(504, tokens=(0, 0), code="upstream_timeout")
BROKEN = Expected(200, code="stream_interrupted")
GONE = Expected(counted=499, tokens=(0, 0))
GONE_IN_STREAM = Expected(counted=499, tokens=(8, 1))
STALL = (End.STALL,)
COMMENT = b": keepalive"
SHORT = {"first_byte_s": 0.3, "between_chunks_s": 0.3}
TOTAL = {"total_s": 0.4}
SLOW = 0.5
"""Longer than the keepalive: a comment has gone out before."""

NESTED_USAGE = (
    b'{"choices":[{"index":0}],"usage":{"prompt_tokens":5,"completion_tokens":7},'
    b'"timings":{"usage":{"prompt_tokens":100,"completion_tokens":200}}}'
)
HIDDEN_NESTED = (
    b'{"choices":[{"index":0}],"timings":{"usage":{"prompt_tokens":100,"completion_tokens":200}},'
    b'"usage":{"prompt_tokens":5,"completion_tokens":7}}'
)
ANSWERED_IN_TEXT = completion(
    '"note":"\\"usage\\":{\\"prompt_tokens\\":9}","usage":{"prompt_tokens":5,"completion_tokens":7}'
)
TRAILERS = framed(completion()) + b"0\r\nx-checksum: 1\r\n\r\n"
MANY_LINES = (
    "x-ratelimit-remaining: 3",
    "x-ratelimit-remaining: 4",
    "OpenAI-Processing-MS: 7",
    "set-cookie: a=b",
    "x-request-id: the-backends",
    "connection: keep-alive",
    "x-ratelimit-note: naïve",
)
LARGE = f'"pad":"{"é" * 100_000}","usage":{{"prompt_tokens":5,"completion_tokens":7}}'
BOTH_WORDS = '"usage":{"prompt_tokens":0,"input_tokens":9,"completion_tokens":0,"output_tokens":4}'
CACHED = {"cache": {"ttl_s": 60}}
MESSAGE = b'{"type":"message","content":[{"type":"text","text":"hi"}],"usage":{"input_tokens":3,"output_tokens":2}}'
MESSAGE_EVENTS = (
    b'event: message_start\ndata: {"message":{"usage":{"input_tokens":3,"output_tokens":1}}}\n\n',
    b'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":9}}\n\n',
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
)
RESPONSE_DONE = (
    b'event: response.completed\ndata: {"type":"response.completed",'
    b'"response":{"usage":{"input_tokens":5,"output_tokens":7}}}\n\n'
)
MANY = 65 * 1024 * 1024
"""Bytes: more than an answer may have."""

WHOLE_ANSWERS = (
    Row("whole", ((whole(completion()),),), OK_12),
    Row("whole-chunked", ((head("content-type: application/json", CHUNKED), framed(completion()), LAST_CHUNK),), OK_12),
    Row("whole-close-delimited", ((head("content-type: application/json"), completion(), End.CLOSE),), OK_12),
    Row("whole-with-trailers", ((head("content-type: application/json", CHUNKED), TRAILERS),), OK_12),
    Row("whole-after-interim", ((b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n", whole(completion())),), OK_12),
    Row("whole-with-headers", ((whole(completion(), "200 OK", *MANY_LINES),),), OK_12),
    Row("whole-last", ((whole(completion(), "200 OK", "connection: close"), End.CLOSE),), OK_12),
    Row("whole-untyped", ((head(f"content-length: {len(completion())}") + completion(),),), OK_12),
    Row("whole-large", ((whole(completion(LARGE)),),), OK_12),
    Row("whole-and-more", ((whole(completion()) + whole(completion()),),)),
    Row("whole-within-total", ((SLOW, whole(completion())),), TIMED_OUT, limits={"total_s": 0.3}),
    Row("cached", (GOOD_SCRIPT, (End.CLOSE,)), Expected(200), members={"temperature": 0}, policy=CACHED, requests=2),
    Row("204", ((b"HTTP/1.1 204 No Content\r\n\r\n",),)),
    Row("418", ((whole(b"{}", "418 I'm a teapot"),),), Expected(418, code="upstream_refused")),
    Row("whole-201", ((whole(completion(), "201 Created"),),)),
    Row("usage-then-nested", ((whole(NESTED_USAGE),),), OK_12),
    Row("usage-after-nested", ((whole(HIDDEN_NESTED),),), OK_12),
    Row("usage-nested-alone", ((whole(completion('"timings":{"usage":{"prompt_tokens":5,"completion_tokens":7}}')),),)),
    Row("usage-in-text-too", ((whole(ANSWERED_IN_TEXT),),), OK_12),
    Row("usage-null", ((whole(completion('"usage":null')),),), ESTIMATED),
    Row("usage-absent", ((whole(completion('"big":123456789012345678901234567890')),),), ESTIMATED),
    Row("usage-of-zero", ((whole(completion('"usage":{"prompt_tokens":0,"completion_tokens":0}')),),), ESTIMATED),
    Row("usage-input-alone", ((whole(completion('"usage":{"prompt_tokens":5}')),),), Expected(200, tokens=(5, 0))),
    Row("usage-as-text", ((whole(completion('"usage":{"prompt_tokens":"5","completion_tokens":"7"}')),),), ESTIMATED),
    Row("usage-twice", ((whole(completion('"usage":{"prompt_tokens":1},"usage":{"prompt_tokens":5}')),),)),
    Row("usage-in-both-words", ((whole(completion(BOTH_WORDS)),),), Expected(200, tokens=(9, 4))),
    Row("usage-as-floats", ((whole(completion('"usage":{"prompt_tokens":5.0,"completion_tokens":7.0}')),),)),
    Row("usage-escaped", ((whole(completion('"us\\u0061ge":{"prompt_tokens":5,"completion_tokens":7}')),),), OK_12),
    Row("closing-client", ((whole(completion()),),), OK_12, headers={"connection": "close"}),
    Row("embeddings", ((whole(b'{"data":[],"usage":{"prompt_tokens":5,"total_tokens":5}}'),),), path=EMBEDDINGS),
    Row("responses", ((whole(b'{"usage":{"input_tokens":5,"output_tokens":7}}'),),), OK_12, path=RESPONSES),
    Row("messages", ((whole(MESSAGE),),), Expected(200, tokens=(3, 2)), path=MESSAGES),
    Row("messages-unspoken", ((whole(MESSAGE),),), path=MESSAGES, speaks_messages=False),
)
BAD_ANSWERS = (
    Row("no-json", ((whole(b"<html>captive portal</html>"),),), FAILED),
    Row("json-array", ((whole(b"[1]"),),), FAILED),
    Row("empty-body", ((whole(b""),),), FAILED),
    Row("no-utf8", ((whole(b'{"a":"\xff"}'),),)),
    Row("no-http", ((b"\x00\x01 this is no HTTP\r\n\r\n", End.CLOSE),), FAILED),
    Row("too-large", ((whole(b" " * MANY),),), FAILED),
    Row("half-a-body", ((whole(completion())[:-20], End.CLOSE),), FAILED),
    Row("closes-unanswered", ((End.CLOSE,),), FAILED),
    Row("refused", (), FAILED),
    Row("stale-connection", (GOOD_SCRIPT, (End.CLOSE,), GOOD_SCRIPT), Expected(200), requests=2),
    Row("stale-twice", (GOOD_SCRIPT, (End.CLOSE,)), Expected(502, code="upstream_failed"), requests=2),
    Row("stalls", ((End.STALL,),), TIMED_OUT, limits=SHORT),
    Row("stalls-in-body", ((whole(completion())[:-20], End.STALL),), TIMED_OUT, limits=SHORT),
    Row("400-in-envelope", ((error("400 Bad Request"),),), Expected(400, tokens=(0, 0), code="its-own")),
    Row("422-in-other-words", ((whole(b'{"detail": "no"}', "422 No"),),), Expected(422, code="upstream_refused")),
    Row("400-empty", ((whole(b"", "400 Bad Request"),),), Expected(400, code="upstream_refused")),
    Row("400-with-usage", ((whole(completion(), "400 Bad Request"),),)),
    Row("401", ((error("401 Unauthorized"),),), FAILED),
    Row("404", ((error("404 Not Found"),),), Expected(404, tokens=(0, 0), code="its-own")),
    Row("429", ((error("429 Too Many Requests", "retry-after: 7"),),), Expected(429, code="its-own")),
    Row("429-in-turn", ((error("429 Too Many Requests", "retry-after: 7"),),), Expected(200), falls_back=GOOD),
    Row("500", ((error("500 Internal Server Error"),),), ITS_OWN_500),
    Row("500-in-turn", ((error("500 Internal Server Error"),),), Expected(200), falls_back=GOOD),
    Row("breaker-open", ((error("500 Internal Server Error"),),), ITS_OWN_500, requests=2),
    Row("breaker-open-in-turn", ((error("500 Oh"),),), Expected(200), falls_back=GOOD, requests=2),
    Row("200-error", ((whole(b'{"error":{"message":"no","code":429}}'),),), Expected(429, tokens=(0, 0))),
    Row("200-error-in-turn", ((whole(b'{"error":{"message":"no"}}'),),), Expected(200), falls_back=GOOD),
    Row("200-without-choices", ((whole(b'{"choices":[]}'),),), FAILED),
    Row("302", ((whole(b"", "302 Found", "location: http://127.0.0.1:1/"),),), FAILED),
)
STREAMS = (
    Row("stream", (stream(HELLO, SECOND, DONE),), ESTIMATED_STREAM, stream=True),
    Row("stream-hidden-usage", (stream(HELLO, USAGE, DONE),), OK_12, stream=True),
    Row(
        "stream-shown-usage",
        (stream(HELLO, USAGE, DONE),),
        OK_12,
        stream=True,
        members={"stream_options": {"include_usage": True}},
    ),
    Row("stream-usage-cut", (stream(HELLO, USAGE[:30], USAGE[30:], DONE),), OK_12, stream=True),
    Row("stream-in-one-chunk", (stream(HELLO + SECOND + USAGE + DONE),), OK_12, stream=True),
    Row("stream-close-delimited", ((head(*SSE_LINES), HELLO + DONE, End.CLOSE),), Expected(200), stream=True),
    Row("stream-close-undone", ((head(*SSE_LINES), HELLO, End.CLOSE),), BROKEN, stream=True),
    Row("stream-empty", (stream(),), FAILED, stream=True),
    Row("stream-empty-in-turn", (stream(),), Expected(200), stream=True, falls_back=GOOD),
    Row("stream-error-first", (stream(ERROR_EVENT),), Expected(200, counted=503, tokens=(0, 0)), stream=True),
    Row("stream-error-in-turn", (stream(ERROR_EVENT),), Expected(200), stream=True, falls_back=GOOD),
    Row("stream-error-last", (stream(HELLO, ERROR_EVENT),), Expected(200, tokens=(8, 2)), stream=True),
    Row("stream-finished", (stream(HELLO, FINISHED),), Expected(200, tokens=(8, 2)), stream=True),
    Row("stream-undone", (stream(HELLO),), BROKEN, stream=True),
    Row("stream-undone-after-usage", (stream(HELLO, USAGE),), Expected(200, tokens=(5, 7)), stream=True),
    Row("stream-breaks-off", (stream(HELLO, end=(End.CLOSE,)),), BROKEN, stream=True),
    Row("stream-breaks-in-event", (stream(HELLO, SECOND[:-8], end=(End.CLOSE,)),), BROKEN, stream=True),
    Row("stream-bad-chunk", (stream(HELLO, end=(b"zzzz\r\nnonsense", End.CLOSE)),), BROKEN, stream=True),
    Row("stream-stalls", (stream(HELLO, end=(End.STALL,)),), BROKEN, stream=True, limits=SHORT),
    Row(
        "stream-beyond-total", (stream(HELLO, end=(0.2, framed(SECOND), End.STALL)),), BROKEN, stream=True, limits=TOTAL
    ),
    Row("stream-breaks-when-done", (stream(HELLO, DONE, end=(End.CLOSE,)),), Expected(200), stream=True),
    Row("stream-asked-whole-given", ((whole(completion()),),), OK_12, stream=True),
    Row("whole-asked-stream-given", (stream(HELLO, USAGE, DONE),)),
    Row(
        "stream-for-closing-client",
        (stream(HELLO, DONE),),
        Expected(200, tokens=(8, 2)),
        stream=True,
        headers={"connection": "close"},
    ),
    Row("stream-refused", ((error("400 Bad Request"),),), Expected(400, code="its-own"), stream=True),
    Row("stream-500", ((error("500 Internal Server Error"),),), ITS_OWN_500, stream=True),
    Row("stream-messages", (stream(*MESSAGE_EVENTS),), Expected(200, tokens=(3, 9)), stream=True, path=MESSAGES),
    Row("stream-responses", (stream(RESPONSE_DONE),), OK_12, stream=True, path=RESPONSES),
    Row("late-stream", ((SLOW, *stream(HELLO, USAGE, DONE)),), OK_12, stream=True),
    Row("late-error", ((SLOW, error("500 Internal Server Error")),), Expected(200, code="its-own"), stream=True),
    Row("late-refusal", ((SLOW, error("400 Bad Request")),), Expected(200, code="its-own"), stream=True),
    Row("late-break", ((SLOW, *stream(HELLO, end=(End.CLOSE,))),), BROKEN, stream=True),
    Row("late-close", ((SLOW, End.CLOSE),), Expected(200, code="upstream_failed"), stream=True),
    Row("late-whole", ((SLOW, whole(completion())),), stream=True),
    Row(
        "late-stall",
        ((End.STALL,),),
        Expected(200, code="upstream_timeout"),
        stream=True,
        limits={"first_byte_s": SLOW},
    ),
)
LEAVING = (
    Row("leaves-waiting", ((End.STALL,),), GONE, client=Client.LEAVES),
    Row("leaves-after-comment", ((End.STALL,),), GONE, stream=True, client=Client.LEAVES, until=COMMENT),
    Row(
        "leaves-in-stream",
        (stream(HELLO, end=STALL),),
        Expected(counted=499, tokens=(8, 1)),
        stream=True,
        client=Client.LEAVES,
        until=b"hel",
    ),
    Row(
        "leaves-after-usage",
        (stream(HELLO, USAGE, end=STALL),),
        Expected(counted=499, tokens=(5, 7)),
        stream=True,
        members={"stream_options": {"include_usage": True}},
        client=Client.LEAVES,
        until=USAGE,
    ),
    Row("leaves-when-done", (stream(HELLO, DONE, end=STALL),), stream=True, client=Client.LEAVES, until=DONE),
)
OWN_ERRORS = (
    Row("no-such-json", (GOOD_SCRIPT,), Expected(400), members=b'{"model": '),
    Row("no-such-model", (GOOD_SCRIPT,), Expected(404, code="model_not_found"), members={"model": "unknown"}),
    Row("no-task-id", (GOOD_SCRIPT,), Expected(400), headers={"x-task-id": "not a task"}),
    Row("too-much-asked", (GOOD_SCRIPT,), Expected(413), members={"pad": "x" * 5000}),
)
PENDING_ROWS = (
    Row("pending", ((End.STALL,),)),
    Row("pending-in-turn", ((error("500 Internal Server Error"),),), falls_back="pending"),
    Row("pending-body", ((whole(completion())[:-20], End.STALL),)),
    Row("pending-upload", (GOOD_SCRIPT,), client=Client.UPLOADS_HALF),
    Row("streaming", (stream(HELLO, end=STALL),), stream=True, until=b"hel"),
    Row("streaming-after-usage", (stream(HELLO, USAGE, SECOND, end=STALL),), stream=True, until=b"lo"),
    Row("streaming-when-done", (stream(HELLO, DONE, end=STALL),), stream=True, until=DONE),
    Row("promised", ((End.STALL,),), stream=True, until=COMMENT),
)
"""Requests that are under way when the gateway stops."""

ROWS = (
    Row(GOOD, (GOOD_SCRIPT,), Expected(200, tokens=(1, 1))),
    *WHOLE_ANSWERS,
    *BAD_ANSWERS,
    *STREAMS,
    *LEAVING,
    *OWN_ERRORS,
)
