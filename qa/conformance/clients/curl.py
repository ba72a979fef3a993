"""curl, as it is found here."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from qa.conformance.checks import Check, NotRun, equal, holds
from qa.conformance.clients.material import chat_body, sent_text
from qa.conformance.servers import Target

SUITE = "curl"
LARGE = 1_500_000
LIMIT_S = 30
NOT_BUILT_IN = 4


def _curl(target: Target, *options: str, body: bytes, path: str = "/chat/completions") -> tuple[bytes, str]:
    """What curl wrote, and what it told with -v."""
    program = shutil.which("curl")
    if program is None:
        raise NotRun("there is no curl here")
    command = [
        program,
        "-sSv",
        "--noproxy",
        "*",
        "--max-time",
        str(LIMIT_S),
        "-H",
        f"Authorization: Bearer {target.key}",
    ]
    command += ["-H", "Content-Type: application/json", *options, target.base_url + path]
    found = subprocess.run(command, input=body, capture_output=True, check=False, timeout=LIMIT_S + 5)
    told = found.stderr.decode("latin-1")
    if "doesn't support this" in told or found.returncode == NOT_BUILT_IN:
        raise NotRun("this curl was built without it")
    holds(found.returncode == 0, f"exit code {found.returncode}: {told[-400:]}")
    return found.stdout, told


def _chat(mark: str, *options: str, text: str = "") -> Callable[[Target], str]:
    """A completion, and how curl was answered."""

    def run(target: Target) -> str:
        more = {"padding": text} if text else {}
        got, told = _curl(target, "--data-binary", "@-", *options, body=chat_body(mark, **more))
        holds(target.exchanges(mark), f"nothing arrived at the upstream: {got[:300]!r}")
        equal(got, target.exchanges(mark)[0].sent, "the body")
        equal(json.loads(got)["choices"][0]["message"]["content"], sent_text(mark), "the text")
        return _status(told)

    return run


def _status(told: str) -> str:
    """The status lines that curl saw."""
    return ", ".join(line[2:].strip() for line in told.splitlines() if line.startswith("< HTTP/"))


def _stream(target: Target) -> str:
    mark = "curl-stream"
    asked = chat_body(mark, stream=True, stream_options={"include_usage": True})
    got, told = _curl(target, "-N", "--data-binary", "@-", body=asked)
    equal(got, target.exchanges(mark)[0].sent, "the stream")
    holds("text/event-stream" in told, "no text/event-stream")
    return f"{len(got)} bytes as sent, {got.count(b'data: ')} events"


def _large(target: Target) -> str:
    mark = "curl-expect"
    came = _chat(mark, "-H", "Expect: 100-continue", "--expect100-timeout", "20", text="x" * LARGE)(target)
    holds(came.startswith("HTTP/1.1 100"), f"no 100: {came}")
    return came


def _old_stream(target: Target) -> str:
    mark = "curl-old-stream"
    asked = chat_body(mark, stream=True, stream_options={"include_usage": True})
    got, told = _curl(target, "-N", "--http1.0", "--data-binary", "@-", body=asked)
    equal(got, target.exchanges(mark)[0].sent, "the stream")
    return _status(told)


def _two(target: Target) -> str:
    """Two requests of one curl: the connection is used again."""
    marks = ("curl-two", "curl-two")
    file = Path(target.work) / "body.json"
    file.write_bytes(chat_body(marks[0]))
    _, told = _curl(target, "--data-binary", f"@{file}", target.base_url + "/chat/completions", body=b"")
    holds("Re-using existing connection" in told or "Reusing existing" in told, "curl opened another connection")
    return f"{_status(told)} on one connection"


CHECKS = (
    Check(SUITE, "plain", "curl --data-binary", "the upstream's bytes", _chat("curl-plain")),
    Check(SUITE, "stream", "curl -N", "the upstream's bytes", _stream),
    Check(
        SUITE,
        "chunked",
        "curl -H 'Transfer-Encoding: chunked'",
        "the upstream's bytes",
        _chat("curl-chunked", "-H", "Transfer-Encoding: chunked"),
    ),
    Check(SUITE, "HTTP/1.0", "curl --http1.0", "the upstream's bytes", _chat("curl-old", "--http1.0")),
    Check(
        SUITE, "HTTP/1.0, stream", "curl --http1.0 -N", "the upstream's bytes, no chunk sizes among them", _old_stream
    ),
    Check(SUITE, "100-continue", "curl -H 'Expect: 100-continue', 1.5 MB", "100, then 200", _large),
    Check(
        SUITE,
        "compressed",
        "curl --compressed",
        "the upstream's bytes, packed or not",
        _chat("curl-gzip", "--compressed"),
    ),
    Check(
        SUITE,
        "accept gzip",
        "curl -H 'Accept-Encoding: gzip', nothing unpacked",
        "no packed bytes without Content-Encoding",
        _chat("curl-accept", "-H", "Accept-Encoding: gzip"),
    ),
    Check(SUITE, "reuse", "curl url url", "one connection", _two),
    Check(SUITE, "upgrade to HTTP/2", "curl --http2: Upgrade: h2c", "HTTP/1.1 200", _chat("curl-h2c", "--http2")),
)
