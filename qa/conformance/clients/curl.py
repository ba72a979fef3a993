"""The curl program, whichever version is installed."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from qa.conformance.checks import Check, NotRun, expect_equal, expect_true
from qa.conformance.clients.material import chat_body, sent_text
from qa.conformance.servers import Target

SUITE = "curl"
LARGE = 1_500_000
LIMIT_S = 30
NOT_BUILT_IN = 4


def _curl(target: Target, *options: str, body: bytes, path: str = "/chat/completions") -> tuple[bytes, str]:
    """Return what curl wrote, and its -v trace."""
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
    trace = found.stderr.decode("latin-1")
    if "doesn't support this" in trace or found.returncode == NOT_BUILT_IN:
        raise NotRun("this curl was built without it")
    expect_true(found.returncode == 0, f"exit code {found.returncode}: {trace[-400:]}")
    return found.stdout, trace


def _chat(mark: str, *options: str, text: str = "") -> Callable[[Target], str]:
    """Check that a completion is byte for byte the upstream's; observed: the status lines."""

    def run(target: Target) -> str:
        more = {"padding": text} if text else {}
        got, trace = _curl(target, "--data-binary", "@-", *options, body=chat_body(mark, **more))
        expect_true(target.exchanges(mark), f"nothing arrived at the upstream: {got[:300]!r}")
        expect_equal(got, target.exchanges(mark)[0].sent, "the body")
        expect_equal(json.loads(got)["choices"][0]["message"]["content"], sent_text(mark), "the text")
        return _status(trace)

    return run


def _status(trace: str) -> str:
    """Return the status lines of the trace."""
    return ", ".join(line[2:].strip() for line in trace.splitlines() if line.startswith("< HTTP/"))


def _stream(target: Target) -> str:
    mark = "curl-stream"
    body = chat_body(mark, stream=True, stream_options={"include_usage": True})
    got, trace = _curl(target, "-N", "--data-binary", "@-", body=body)
    expect_equal(got, target.exchanges(mark)[0].sent, "the stream")
    expect_true("text/event-stream" in trace, "no text/event-stream")
    return f"{len(got)} bytes as sent, {got.count(b'data: ')} events"


def _large(target: Target) -> str:
    mark = "curl-expect"
    observed = _chat(mark, "-H", "Expect: 100-continue", "--expect100-timeout", "20", text="x" * LARGE)(target)
    expect_true(observed.startswith("HTTP/1.1 100"), f"no 100: {observed}")
    return observed


def _old_stream(target: Target) -> str:
    mark = "curl-old-stream"
    body = chat_body(mark, stream=True, stream_options={"include_usage": True})
    got, trace = _curl(target, "-N", "--http1.0", "--data-binary", "@-", body=body)
    expect_equal(got, target.exchanges(mark)[0].sent, "the stream")
    return _status(trace)


def _two(target: Target) -> str:
    """Two requests of one curl: the connection is reused."""
    marks = ("curl-two", "curl-two")
    file = Path(target.work) / "body.json"
    file.write_bytes(chat_body(marks[0]))
    _, trace = _curl(target, "--data-binary", f"@{file}", target.base_url + "/chat/completions", body=b"")
    expect_true(
        "Re-using existing connection" in trace or "Reusing existing" in trace, "curl opened another connection"
    )
    return f"{_status(trace)} on one connection"


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
