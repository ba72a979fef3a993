"""What a client says again on its connection is not read again; what it says anew is."""

import json
import re
import socket
import time
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gateway.fake_upstream import Upstream
from tests.gateway.serving import configuration, running_gateway, serving_gateway

KEYS = {"team-a": "secret-a", "team-b": "secret-b"}
VARYING = re.compile(rb"(x-request-id: req_|x-benchroute-overhead-ms: |date: )[^\r]*")


@pytest.fixture(scope="module")
def url(shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    keys = [
        {"name": name, "sha256": sha256(secret.encode()).hexdigest(), "default_task": name}
        for name, secret in KEYS.items()
    ]
    state = Path(tmp_path_factory.mktemp("again")) / "state.db"
    text = configuration(shared_upstream.base_url, ["good", "other"], keys=keys, state={"url": f"sqlite:///{state}"})
    with running_gateway(text) as running:
        yield running


SAID = [
    *(f"authorization: Bearer {secret}" for secret in KEYS.values()),
    "authorization: Bearer wrong",
    "x-task-id: one",
    "X-Task-Id: two",
    "x-task-id: no task",
    "x-session-id: mine",
    "x-request-id: mine",
    "x-benchroute-total-s: 5",
    "x-benchroute-total-s: never",
    "expect: 100-continue",
    "content-encoding: identity",
    "connection: keep-alive",
    "user-agent: me/1",
]
ALONG = st.lists(st.sampled_from(SAID), min_size=1, max_size=2).map(lambda lines: [SAID[0], *lines])
"""What is said with a key that is good, most of it about as long: heads of as many headers, of which one differs."""

PIECE_GAP_S = 0.001
"""So that the pieces of what is said arrive one by one."""

PIECES: st.SearchStrategy[list[int]] = st.just([]) | st.lists(st.integers(0, 1000), max_size=3)

REQUESTS = st.builds(
    lambda method, path, headers, first, content: request(method, path, headers, first, content),
    st.sampled_from(["POST"] * 5 + ["PUT"]),
    st.sampled_from(["/v1/chat/completions"] * 5 + ["/v1/embeddings", "/v1/models"]),
    ALONG | st.lists(st.sampled_from(SAID), max_size=3),
    st.just(True) | st.booleans(),
    st.sampled_from(["hi", "hello " * 50]),
)


def request(method: str, path: str, headers: list[str], first: bool, content: str) -> bytes:
    """first: the body's length stands before the other headers."""
    said = [{"role": "user", "content": content}]
    body = json.dumps({"model": "good", "messages": said, "input": content}) if method == "POST" else ""
    length = [f"content-length: {len(body)}"]
    lines = ["host: a", *(length if first else ()), *headers, *(() if first else length)]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", body]).encode()


def cut(said: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({0, len(said), *(place % len(said) for place in places)})
    return [said[start:end] for start, end in pairwise(ends)]


def asking(model: str, *headers: str) -> bytes:
    """A request with a good key."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hi"}]})
    lines = ["host: a", "authorization: Bearer secret-a", *headers, f"content-length: {len(body)}"]
    return "\r\n".join(["POST /v1/chat/completions HTTP/1.1", *lines, "", body]).encode()


def answered(connection: socket.socket, said: bytes, places: Sequence[int] = ()) -> bytes:
    """The answer, without what is another every time. places: where what is said is cut on its way."""
    for piece in cut(said, [*places]):
        connection.sendall(piece)
        if places:
            time.sleep(PIECE_GAP_S)
    told = b""
    while True:
        head, found, body = told.partition(b"\r\n\r\n")
        if found and head.startswith(b"HTTP/1.1 100"):
            told = body
            continue
        length = re.search(rb"content-length: (\d+)", head)
        if found and length is not None and len(body) >= int(length[1]):
            return VARYING.sub(b"", told)
        piece = connection.recv(65_536)
        assert piece, told
        told += piece


def connected(url: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=10)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(REQUESTS, min_size=2, max_size=3), st.lists(st.integers(0, 2), min_size=2, max_size=6), PIECES)
def test_on_one_connection_all_is_answered_as_on_connections_of_their_own(
    url: str, different: list[bytes], order: list[int], pieces: list[int]
) -> None:
    """Wherever they are cut on their way."""
    said = [different[place % len(different)] for place in order]
    alone = []
    for one in said:
        with connected(url) as connection:
            alone.append(answered(connection, one))
    with connected(url) as connection:
        assert [answered(connection, one, pieces[place % 2 :]) for place, one in enumerate(said)] == alone


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["good", "other"]), min_size=2, max_size=6), PIECES)
def test_requests_behind_each_other_are_answered_in_their_order(url: str, models: list[str], places: list[int]) -> None:
    """All with the head of one that was answered before, but for the last one, and cut anywhere."""
    said = [asking(model) for model in models]
    last = asking(models[0], "connection: close")
    with connected(url) as connection:
        answered(connection, said[0])
        for piece in cut(b"".join([*said, last]), places):
            connection.sendall(piece)
            time.sleep(PIECE_GAP_S)
        told = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert re.findall(rb"x-benchroute-model: (\w+)", told) == [model.encode() for model in [*models, models[0]]]


def test_a_key_that_is_revoked_is_not_known_any_more_on_an_open_connection(upstream: Upstream, tmp_path: Path) -> None:
    def text(*names: str) -> str:
        keys = [{"name": name, "sha256": sha256(KEYS[name].encode()).hexdigest()} for name in names]
        return configuration(upstream.base_url, ["good"], keys=keys, state={"url": f"sqlite:///{tmp_path}/s.db"})

    said = request("POST", "/v1/chat/completions", ["authorization: Bearer secret-a"], True, "hi")
    with serving_gateway(text("team-a", "team-b")) as serving, connected(serving.url) as connection:
        assert answered(connection, said).startswith(b"HTTP/1.1 200")
        assert answered(connection, said).startswith(b"HTTP/1.1 200")
        serving.reload(text("team-b"))
        assert answered(connection, said).startswith(b"HTTP/1.1 401")
