"""The service manager is told when a gateway serves, and when it stops; nobody else is told anything."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.processes.service_manager import READY, STOPPING, notify_service_manager
from tests.gateway.asking import ask
from tests.gateway.fake_upstream import Upstream
from tests.gateway.server.test_shutdown import config, running


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiving:
        receiving.bind(str(tmp_path / "notify"))
        receiving.settimeout(20)
        yield receiving


def test_a_message_is_one_datagram(manager: socket.socket) -> None:
    assert notify_service_manager(READY, {"NOTIFY_SOCKET": manager.getsockname()})
    assert manager.recv(100) == b"READY=1"


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="Linux's abstract namespace")
def test_an_abstract_address_begins_with_an_at_sign() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiving:
        receiving.bind("")  # Linux chooses an abstract name
        address = receiving.getsockname()
        assert address[:1] == b"\0"
        assert notify_service_manager(STOPPING, {"NOTIFY_SOCKET": "@" + address[1:].decode()})
        assert receiving.recv(100) == b"STOPPING=1"


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "relative/path", "/nowhere/at/all", "/" + "x" * 200])
def test_what_is_no_socket_is_no_error(address: str) -> None:
    assert not notify_service_manager(READY, {"NOTIFY_SOCKET": address})
    assert not notify_service_manager(READY, {})


@pytest.mark.slow
def test_a_gateway_is_ready_when_it_answers_and_says_that_it_stops(
    upstream: Upstream, manager: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
    with running(tmp_path, config(upstream, tmp_path, 5, server={"drain_s": 0.3})) as gateway:
        assert manager.recv(100) == b"READY=1"
        assert ask(gateway.url, "/health/ready").status == 200
        gateway.process.terminate()
        assert manager.recv(100) == b"STOPPING=1"
        gateway.ended()
