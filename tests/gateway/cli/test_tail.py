"""`benchroute tail` over what happens to a gateway meanwhile: it is restarted, and counts anew. And completion."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.gateway.cli.conftest import run_command

Answer = dict[str, Any] | None
"""None: the connection is closed without an answer."""


@contextmanager
def answering(*answers: Answer) -> Iterator[tuple[str, list[int]]]:
    """An endpoint that gives one answer after the other, and the numbers that it was asked to go on from."""
    left, asked = list(answers), list[int]()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(int(parse_qs(urlsplit(self.path).query)["after"][0]))
            answer = left.pop(0)
            if answer is None:
                self.close_connection = True
                return
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def made(number: int, task: str, model: str, before: str | None) -> dict[str, Any]:
    about = {"number": number, "at": "2026-11-26T10:11:12.000+00:00", "reason": "score", "n": number}
    return {**about, "task": task, "model": model, "before": before}


def page(last: int, *decisions: dict[str, Any]) -> Answer:
    return {"object": "list", "data": list(decisions), "last": last}


def test_it_goes_on_over_a_restart_from_the_beginning_of_the_new_count() -> None:
    first, second = made(7, "a", "m", None), made(1, "a", "n", "m")
    with answering(page(7, first), None, page(0), page(1, second)) as (url, asked):
        told = run_command("tail", "--limit", 2, "--url", url)
    assert asked == [0, 7, 7, 0]
    assert told.stdout == "10:11:12  a  m  score  n=7\n10:11:12  a  m → n  score  n=1\n"
    assert told.stderr.count("; retrying") == 1


def test_only_so_many_of_the_latest_are_shown_first() -> None:
    decisions = [made(number, f"t{number}", "m", "m") for number in range(1, 6)]
    with answering(page(5, *decisions), page(6, made(6, "t6", "m", "m"))) as (url, _):
        told = run_command("tail", "--last", 2, "--limit", 3, "--json", "--url", url)
    assert [json.loads(line)["task"] for line in told.stdout.splitlines()] == ["t4", "t5", "t6"]


def test_a_shell_completes_commands() -> None:
    code = "import sys; sys.argv = ['benchroute']; from gateway.cli.app import app; app(prog_name='benchroute')"
    asked = {"_BENCHROUTE_COMPLETE": "complete_bash", "COMP_WORDS": "benchroute ta", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert set(done.stdout.split()) == {"tail", "tasks"}, done.stderr
