"""A real gateway process that is told to stop: what is under way ends, and nothing that was seen or spent is lost."""

import contextlib
import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.gateway.asking import HELLO, ask
from tests.gateway.fake_upstream import Upstream
from tests.gateway.packs import inputs
from tests.gateway.serving import configuration
from tests.gateway.waiting import Settled, eventually

JSON = {"content-type": "application/json"}
PRICE = {"input_usd_per_mtok": 1_000_000, "output_usd_per_mtok": 1_000_000}
MODELS = ["good", "other", "slow", "tells-slowly", "endless", "stalls"]


@dataclass
class Running:
    """A gateway's process."""

    url: str
    process: subprocess.Popen[bytes]
    folder: Path

    def terminate(self) -> None:
        """As an init system does, which tells the scorer too."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in (self.process.pid, *map(int, children)):
            os.kill(pid, signal.SIGTERM)

    def ended(self, limit_s: float = 30) -> float:
        """Waits for its end, and says how long that took."""
        begun = time.monotonic()
        self.process.wait(limit_s)
        return time.monotonic() - begun

    def rows(self, query: str) -> list[Any]:
        """What the state says after the end."""
        with contextlib.closing(sqlite3.connect(self.folder / "state.db")) as connection:
            return connection.execute(query).fetchall()

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()


@contextlib.contextmanager
def running(folder: Path, text: str, *options: str) -> Iterator[Running]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "config.yaml").write_text(text)
    command = [sys.executable, "-m", "gateway.cli", "serve", "--config", str(folder / "config.yaml")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, "--port", str(port), *options], stdout=log, stderr=log)
    made = Running(f"http://127.0.0.1:{port}", process, folder)
    try:
        eventually(lambda: process.poll() is None and answers(made.url))
        yield made
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        return ask(url, "/health/live").status == 200
    except OSError:
        return False


def config(upstream: Upstream, folder: Path, grace_s: float, **sections: Any) -> str:
    made = yaml.safe_load(configuration(upstream.base_url, MODELS))
    for model in made["models"]:
        model["price"] = PRICE
    fixed = {"state": {"url": f"sqlite:///{folder}/state.db"}, "server": {"shutdown_grace_s": grace_s}}
    return yaml.safe_dump({**made, **fixed, **sections})


@contextlib.contextmanager
def asking(url: str, model: str, stream: bool = True) -> Iterator[http.client.HTTPConnection]:
    """A request that has been sent."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=15)
    body = {**HELLO, "model": model, "stream": stream}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {**JSON, "x-task-id": "last"})
    try:
        yield connection
    finally:
        connection.close()


def refused(url: str) -> bool:
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_stream_under_way_ends_as_it_should_and_is_paid_for(upstream: Upstream, tmp_path: Path) -> None:
    with running(tmp_path, config(upstream, tmp_path, 20)) as gateway:
        with asking(gateway.url, "tells-slowly") as connection:
            response = connection.getresponse()
            first = response.read1()
            gateway.terminate()
            eventually(lambda: refused(gateway.url))
            assert gateway.process.poll() is None
            told = first + response.read()
        assert told.endswith(b"data: [DONE]\n\n")
        assert gateway.ended() < 5
        assert gateway.process.returncode == -signal.SIGTERM
        spent = gateway.rows(
            "SELECT name, requests, input_tokens, output_tokens, usd FROM spending WHERE kind = 'task'"
        )
        assert spent == [("last", 1, 5, 6, "11")]


def test_what_takes_longer_than_the_grace_is_ended_in_words(upstream: Upstream, tmp_path: Path) -> None:
    with (
        running(tmp_path, config(upstream, tmp_path, 0.5)) as gateway,
        asking(gateway.url, "endless") as endless,
        asking(gateway.url, "stalls", stream=False) as stalls,
    ):
        stream = endless.getresponse()
        stream.read1()
        eventually(lambda: "stalls" in upstream.models())
        gateway.terminate()
        with pytest.raises(http.client.IncompleteRead) as cut:
            stream.read()
        event = cut.value.partial.rsplit(b"data: ", 1)[1]
        assert json.loads(event)["error"]["code"] == "shutting_down"
        answer = stalls.getresponse()
        assert (answer.status, json.loads(answer.read())["error"]["code"]) == (503, "shutting_down")
        assert gateway.ended() < 5
        assert "2 requests aborted" in gateway.log
        assert "Traceback" not in gateway.log
    eventually(lambda: upstream.closed.get("endless"))


def test_a_client_that_reads_nothing_does_not_hold_the_gateway(upstream: Upstream, tmp_path: Path) -> None:
    with running(tmp_path, config(upstream, tmp_path, 0)) as gateway, socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", urlsplit(gateway.url).port))
        body = json.dumps({**HELLO, "model": "endless", "stream": True}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
        deaf.sendall(head.encode() + body)
        deaf.recv(100)
        eventually(Settled(lambda: len(deaf.recv(2**20, socket.MSG_PEEK))))  # its window is full
        gateway.terminate()
        assert gateway.ended() < 9


def test_everything_that_was_seen_is_scored_before_the_end(upstream: Upstream, tmp_path: Path, good_pack: Path) -> None:
    text = config(upstream, tmp_path, 20, routing={"pack": str(good_pack), "adaptive_sampling": False})
    with running(tmp_path, text) as gateway:
        eventually(lambda: ask(gateway.url, "/health/ready").json["scorer"] == "ready", 60)

        def send(question: str) -> int:
            body = {**HELLO, "model": "good", "messages": [{"role": "user", "content": question}]}
            return ask(gateway.url, body=body, x_task_id="burst").status

        with ThreadPoolExecutor(16) as pool:
            assert set(pool.map(send, inputs("sums", 400, seed=11))) == {200}
        gateway.terminate()
        gateway.ended()
        assert gateway.rows("SELECT n FROM tasks WHERE task = 'burst'") == [(400,)]
        assert gateway.rows("SELECT requests, usd FROM spending WHERE name = 'burst'") == [(400, "800")]


@pytest.mark.slow
def test_a_changed_file_is_taken_over_by_a_watching_gateway(upstream: Upstream, tmp_path: Path) -> None:
    text = config(upstream, tmp_path, 20)
    with running(tmp_path, text, "--watch") as gateway:
        assert ask(gateway.url, "/v1/tasks/new").status == 404
        (tmp_path / "config.yaml").write_text("models: []")
        eventually(lambda: "reload failed, keeping the current configuration" in gateway.log)
        (tmp_path / "config.yaml").write_text(yaml.safe_dump({**yaml.safe_load(text), "tasks": {"new": {}}}))
        eventually(lambda: ask(gateway.url, "/v1/tasks/new").status == 200)
        (tmp_path / "config.yaml").write_text(text)
        gateway.process.send_signal(signal.SIGHUP)
        eventually(lambda: ask(gateway.url, "/v1/tasks/new").status == 404)
        (tmp_path / "config.yaml").write_text(yaml.safe_dump({**yaml.safe_load(text), "tasks": {"newer": {}}}))
        eventually(lambda: ask(gateway.url, "/v1/tasks/newer").status == 200)
        assert gateway.log.count("reload failed, keeping the current configuration") == 1
        assert gateway.log.count("INFO benchroute: reloaded ") == 3


def test_history_that_was_shown_once_survives_kill_nine(upstream: Upstream, tmp_path: Path) -> None:
    def total(url: str) -> int:
        found: int = ask(url, "/v1/activity?range=1h").json["total"]["requests"]
        return found

    with running(tmp_path, config(upstream, tmp_path, 5)) as gateway:
        for _ in range(5):
            assert ask(gateway.url, body=HELLO).status == 200
        assert total(gateway.url) == 5
        for _ in range(3):
            assert ask(gateway.url, body=HELLO).status == 200
        gateway.process.kill()
        gateway.ended()
    with running(tmp_path, config(upstream, tmp_path, 5)) as gateway:
        # At most the last five seconds are lost.
        assert 5 <= total(gateway.url) <= 8
