"""The health check of containers: the gateway itself is asked, never a proxy."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

COMMAND = (sys.executable, "-m", "gateway.processes.health")


class Answers(BaseHTTPRequestHandler):
    """200 to /health/live, 503 to anything else."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health/live" else 503)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Nothing on standard error."""


@pytest.fixture
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def check(url: str, **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        [*COMMAND, url], capture_output=True, text=True, check=False, env={**os.environ, **environment}, timeout=20
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("path", ["", "/health/live"])
def test_a_gateway_that_lives_is_healthy(url: str, path: str) -> None:
    assert check(url + path) == (0, "")


def test_a_proxy_of_the_environment_is_not_asked(url: str) -> None:
    proxy = "http://127.0.0.1:9"
    found = check(url, HTTP_PROXY=proxy, http_proxy=proxy, HTTPS_PROXY=proxy, ALL_PROXY=proxy, NO_PROXY="", no_proxy="")
    assert found == (0, "")


def test_another_status_is_unhealthy(url: str) -> None:
    assert check(url + "/health/ready") == (1, f"{url}/health/ready: status 503\n")


def test_a_gateway_that_does_not_listen_is_unhealthy() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code, said = check(f"http://127.0.0.1:{port}")
    assert (code, "refused" in said) == (1, True)


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "https://127.0.0.1", "http://127.0.0.1:port/"])
def test_a_url_that_is_none_is_an_error_that_shows_it(url: str) -> None:
    code, said = check(url)
    assert code == 1
    assert said.startswith(f"{url}: ")
    assert "Traceback" not in said
