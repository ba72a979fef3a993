"""The parts of uvicorn that are not its interface, and that the gateway's protocols use.

pyproject.toml pins uvicorn to the minor version that these tests pass with: another one needs a look at its changes.
"""

import ast
import asyncio
import inspect
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

TOP = Path(__file__).parents[3]
PROTOCOLS = ("gateway/http/strict_protocol.py", "gateway/proxy/idle_timer.py", "gateway/proxy/protocol.py")
CLASSES = ("StrictHttpProtocol", "IdleTimedProtocol", "ProxyProtocol")

METHODS = frozenset(
    {
        *("connection_made", "connection_lost", "data_received", "pause_writing", "resume_writing"),
        *("on_message_begin", "on_url", "on_header", "on_headers_complete", "on_body", "on_message_complete"),
        *("send_400_response", "on_response_complete", "timeout_keep_alive_handler"),
        *("_start_asgi_task", "_unset_keepalive_if_required"),
    }
)
ATTRIBUTES = frozenset(
    {
        *("config", "app", "app_state", "loop", "logger", "access_log", "access_logger", "server_state"),
        *("transport", "flow", "server", "client", "scheme", "root_path", "asgi_version"),
        *("parser", "url", "headers", "expect_100_continue", "cycle", "pipeline"),
        *("timeout_keep_alive", "timeout_keep_alive_task"),
    }
)
SET_LATER = frozenset({"url"})
"""Attributes that uvicorn sets with the first request."""

CYCLE_ARGUMENTS = {
    *("scope", "transport", "flow", "logger", "access_logger", "access_log", "default_headers", "message_event"),
    *("expect_100_continue", "keep_alive", "on_response"),
}
CYCLE_ATTRIBUTES = frozenset(
    {
        *("body", "more_body", "message_event", "disconnected", "keep_alive"),
        *("response_started", "response_complete", "chunked_encoding", "expected_content_length"),
    }
)


async def _app(scope: Any, receive: Any, send: Any) -> None:
    """Answers nothing: it is never called."""


@pytest.fixture
def protocol() -> HttpToolsProtocol:
    async def connected() -> HttpToolsProtocol:
        return HttpToolsProtocol(uvicorn.Config(_app), ServerState(), {})

    return asyncio.run(connected())


def test_uvicorn_is_pinned_to_the_installed_minor_version() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    major, minor, *_ = map(int, version("uvicorn").split("."))
    assert f"uvicorn>={major}.{minor},<{major}.{minor + 1}" in project["dependencies"]


def test_the_protocol_has_the_methods_and_attributes_that_are_used(protocol: HttpToolsProtocol) -> None:
    assert [name for name in METHODS if not callable(getattr(HttpToolsProtocol, name, None))] == []
    assert [name for name in ATTRIBUTES - SET_LATER if not hasattr(protocol, name)] == []
    protocol.on_message_begin()
    assert [name for name in SET_LATER if not hasattr(protocol, name)] == []


def test_every_internal_that_the_protocols_use_is_named_above(protocol: HttpToolsProtocol) -> None:
    protocol.on_message_begin()
    used, own = _names_on_self()
    uvicorns = {name for name in used if hasattr(protocol, name)}
    assert uvicorns - METHODS - ATTRIBUTES == set()
    assert used - uvicorns - own == set()


def test_a_cycle_is_made_and_changed_as_the_protocols_do() -> None:
    assert set(inspect.signature(RequestResponseCycle).parameters) == CYCLE_ARGUMENTS
    arguments: dict[str, Any] = dict.fromkeys(CYCLE_ARGUMENTS)
    cycle = RequestResponseCycle(**arguments)
    assert [name for name in CYCLE_ATTRIBUTES if not hasattr(cycle, name)] == []


def test_status_lines_are_complete() -> None:
    assert STATUS_LINE[200] == b"HTTP/1.1 200 OK\r\n"
    assert {*range(100, 600)} <= STATUS_LINE.keys()


def _names_on_self() -> tuple[set[str], set[str]]:
    """Return the names that the protocols use on themselves, and those that they define or set."""
    used, own = set[str](), set[str]()
    for path in PROTOCOLS:
        tree = ast.parse((TOP / path).read_text())
        for node in (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name in CLASSES):
            methods = {child.name for child in node.body if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)}
            on_self = [
                child
                for child in ast.walk(node)
                if isinstance(child, ast.Attribute) and isinstance(child.value, ast.Name) and child.value.id == "self"
            ]
            used |= methods | {child.attr for child in on_self}
            own |= methods | {child.attr for child in on_self if isinstance(child.ctx, ast.Store)}
    return used, own
