"""curl."""

import json
import shutil
import subprocess

from benchmarks.conforming.checks import holds, same
from benchmarks.conforming.target import KEY, Target
from benchmarks.conforming.upstream import PIECES, chat_events

NAME = "curl"
BODY = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "hi"}]})
LIMIT_S = 20


def missing() -> str | None:
    """Why it cannot be run."""
    return None if shutil.which("curl") else "there is no curl here"


def curl(target: Target, *options: str, path: str = "/chat/completions", data: str | None = BODY) -> str:
    """What it prints."""
    posted = [] if data is None else ["-H", "content-type: application/json", "--data-binary", "@-"]
    command = ["curl", "-sS", "--max-time", "15", "-H", f"Authorization: Bearer {KEY}", *options, *posted]
    done = subprocess.run(
        [*command, target.url + path], input=data or "", capture_output=True, text=True, timeout=LIMIT_S, check=True
    )
    return done.stdout


def plain(target: Target) -> None:
    """a POST, with the answer's headers"""
    told = curl(target, "-i", "-H", "X-Task-Id: curl")
    holds(told.startswith("HTTP/1.1 200"), told[:80])
    holds("x-benchroute-task: curl" in told, told[:600])
    holds("".join(PIECES[:2]) in told, told[-200:])


def stream(target: Target) -> None:
    """a stream (-N), byte for byte what the backend sent"""
    asked = {**json.loads(BODY), "stream": True, "stream_options": {"include_usage": True}}
    same(curl(target, "-N", data=json.dumps(asked)).encode(), b"".join(chat_events(asked)))


def chunked(target: Target) -> None:
    """a chunked request body"""
    holds('"chat.completion"' in curl(target, "-H", "Transfer-Encoding: chunked"), "no completion")


def http10(target: Target) -> None:
    """HTTP/1.0"""
    holds('"chat.completion"' in curl(target, "--http1.0"), "no completion")


def expect(target: Target) -> None:
    """Expect: 100-continue with 2 MB"""
    big = json.dumps({**json.loads(BODY), "user": "x" * 2_000_000})
    holds('"chat.completion"' in curl(target, "-H", "Expect: 100-continue", data=big), "no completion")
    same(len(target.seen.last()["user"]), 2_000_000)


def compressed(target: Target) -> None:
    """--compressed: an answer it can read"""
    holds('"chat.completion"' in curl(target, "--compressed"), "no completion")


def models(target: Target) -> None:
    """GET /v1/models"""
    holds('"auto"' in curl(target, path="/models", data=None), "no list")


CHECKS = (plain, stream, chunked, http10, expect, compressed, models)
