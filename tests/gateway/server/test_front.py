"""What happens to a request before its endpoint, on both lanes: CORS, HEAD, OPTIONS, upgrades, paths, codings."""

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.config import parse_config
from gateway.errors import ConfigError
from gateway.http.content_coding import find_zstd
from gateway.http.request_decoding import MAX_MEMBERS
from tests.gateway.asking import HELLO, Response, ask
from tests.gateway.fake_upstream import BODY, Upstream
from tests.gateway.serving import Serving, configuration, serving_gateway

LANES = ("express", "asgi")
PAGE = "https://app.example.com"
LIMIT = 64 * 1024
SHA = "0" * 64
CHAT = "/v1/chat/completions"


@contextmanager
def running(upstream: Upstream, folder: Path, server: Mapping[str, Any], **sections: Any) -> Iterator[Serving]:
    state = {"url": f"sqlite:///{folder}/state.db"}
    text = configuration(upstream.base_url, ["good", "tells-slowly"], server=server, state=state, **sections)
    with serving_gateway(text) as serving:
        yield serving


@pytest.fixture(scope="module", params=LANES)
def gateway(
    request: pytest.FixtureRequest, shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serving]:
    """A gateway on each lane that a page may call, with small bodies."""
    server = {"lane": request.param, "cors_origins": [PAGE], "max_body_bytes": LIMIT}
    with running(shared_upstream, tmp_path_factory.mktemp("gateway"), server) as serving:
        yield serving


@pytest.fixture(scope="module", params=LANES)
def keyed(
    request: pytest.FixtureRequest, shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serving]:
    """A gateway on each lane with keys, which any page may call."""
    server, keys = {"lane": request.param, "cors_origins": ["*"]}, [{"name": "a", "sha256": SHA}]
    with running(shared_upstream, tmp_path_factory.mktemp("keyed"), server, keys=keys) as serving:
        yield serving


@pytest.fixture(scope="module", params=LANES)
def plain(
    request: pytest.FixtureRequest, shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serving]:
    """A gateway on each lane as it is without settings."""
    with running(shared_upstream, tmp_path_factory.mktemp("plain"), {"lane": request.param}) as serving:
        yield serving


def good(url: str, path: str = CHAT, **headers: str) -> Response:
    return ask(url, path, body={**HELLO, "model": "good"}, **headers)


# CORS


def preflight(url: str, path: str = CHAT, origin: str = PAGE) -> Response:
    asked = {"access_control_request_method": "POST", "access_control_request_headers": "authorization,x-task-id"}
    return ask(url, path, method="OPTIONS", origin=origin, **asked)


@pytest.mark.parametrize("path", [CHAT, "/v1/models", "/v1/nowhere"])
def test_a_preflight_is_answered_without_a_key(gateway: Serving, keyed: Serving, path: str) -> None:
    told = preflight(gateway.url, path)
    assert (told.status, told.body) == (204, b"")
    assert told.headers["access-control-allow-origin"] == PAGE
    assert told.headers["vary"] == "origin"
    assert told.headers["access-control-allow-headers"] == "authorization,x-task-id"
    assert "POST" in told.headers["access-control-allow-methods"].split(", ")
    assert int(told.headers["access-control-max-age"]) > 0
    assert preflight(keyed.url, path, "https://any.example").headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("stream", [False, True])
def test_a_page_reads_the_response_and_our_headers(gateway: Serving, stream: bool) -> None:
    told = ask(gateway.url, body={**HELLO, "model": "good", "stream": stream}, origin=PAGE, sec_fetch_site="cross-site")
    assert told.status == 200
    assert told.headers["access-control-allow-origin"] == PAGE
    exposed = told.headers["access-control-expose-headers"].split(", ")
    assert {"x-benchroute-model", "x-benchroute-reason", "x-request-id"} <= set(exposed)
    assert {name for name in told.headers if name.startswith(("x-benchroute-", "x-ratelimit-"))} <= set(exposed)
    assert "access-control-allow-credentials" not in told.headers


def test_a_page_reads_errors_too(keyed: Serving) -> None:
    for told, status in ((good(keyed.url, origin=PAGE), 401), (ask(keyed.url, "/v1/models", origin=PAGE), 401)):
        assert (told.status, told.headers["access-control-allow-origin"]) == (status, "*")
    missing = ask(keyed.url, "/v1/nowhere", origin=PAGE)
    assert (missing.status, missing.headers["access-control-allow-origin"]) == (404, "*")


def test_another_page_is_told_nothing(gateway: Serving) -> None:
    refused = preflight(gateway.url, origin="https://app.example.com.evil.example")
    assert (refused.status, refused.error["code"]) == (403, "origin_not_allowed")
    assert "server.cors_origins" in refused.error["message"]
    for told in (ask(gateway.url, "/v1/models", origin="null"), refused):
        assert "access-control-allow-origin" not in told.headers
        assert told.headers["vary"] == "origin"
    # Without keys, another site's page may not even send.
    assert good(gateway.url, origin="https://evil.example", sec_fetch_site="cross-site").status == 403


def test_cors_is_off_by_default(plain: Serving) -> None:
    told = preflight(plain.url)
    assert told.status == 204
    assert not [name for name in told.headers if name.startswith("access-control-")]
    assert not [name for name in ask(plain.url, "/v1/models", origin=PAGE).headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("origin", "fault"),
    [
        ("*", "configure `keys`"),
        ("app.example.com", "expected an http"),
        ("https://app.example.com/path", "without a path"),
        ("https://*.example.com", "without a path"),
        ("null", "expected an http"),
    ],
)
def test_an_origin_that_allows_nothing_or_too_much_is_refused(origin: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        parse_config(configuration("http://x/v1", ["m"], server={"cors_origins": [origin]}), "c", {})


# HEAD, OPTIONS, 405


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/v1/models", "/v1/tasks", "/metrics", "/ui/"])
def test_head_is_get_without_a_body(plain: Serving, path: str) -> None:
    got, told = ask(plain.url, path), ask(plain.url, path, method="HEAD")
    assert (got.status, told.status, told.body) == (200, 200, b"")
    assert told.headers["content-type"] == got.headers["content-type"]
    assert "content-length" in told.headers
    assert ask(plain.url, "/v1/nowhere", method="HEAD").status == 404


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (CHAT, "OPTIONS, POST"),
        ("/v1/models", "GET, HEAD, OPTIONS"),
        ("/v1/tasks/a/b", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("/health/ready", "GET, HEAD, OPTIONS"),
        ("/ui", "GET, HEAD, OPTIONS"),
    ],
)
def test_options_and_405_list_what_is_allowed(plain: Serving, keyed: Serving, path: str, allowed: str) -> None:
    for url in (plain.url, keyed.url):
        told = ask(url, path, method="OPTIONS")
        assert (told.status, told.body, told.headers["allow"]) == (204, b"", allowed)
        assert "content-length" not in told.headers
    for method in sorted({"PATCH", "PUT"} - set(allowed.split(", "))):
        refused = ask(plain.url, path, method=method)
        assert (refused.status, refused.error["code"]) == (405, "method_not_allowed")
        assert refused.headers["allow"] == allowed
    assert ask(plain.url, "/v1/nowhere", method="OPTIONS").status == 404


# Upgrades


@pytest.mark.parametrize("path", ["/v1/responses", CHAT, "/v1/realtime?model=good"])
def test_a_websocket_is_told_what_to_do(plain: Serving, path: str) -> None:
    asked = {"upgrade": "websocket", "connection": "Upgrade", "sec_websocket_key": "x", "sec_websocket_version": "13"}
    told = ask(plain.url, path, method="GET", **asked)
    assert (told.status, told.error["code"]) == (426, "websocket_not_supported")
    assert (told.headers["upgrade"], told.headers["connection"]) == ("HTTP/1.1", "upgrade")
    assert "POST" in told.error["message"]
    # A request that can be answered all the same is (RFC 9110, 7.8).
    assert good(plain.url, upgrade="h2c", connection="Upgrade").status == 200


# Paths


@pytest.mark.parametrize(
    "path",
    [
        "//v1//chat/completions",
        "/v1/chat/completions/",
        "/v1//chat//completions//",
        "/chat/completions",
        "/chat/completions/",
        "/v1/v1/chat/completions",
        "//v1/chat/completions?api-version=1",
    ],
)
def test_a_path_that_is_unmistakable_is_served(plain: Serving, path: str) -> None:
    told = good(plain.url, path, x_task_id="spelled")
    assert (told.status, told.body, told.ours("task")) == (200, BODY, "spelled")


def test_other_endpoints_of_clients_are_served_too(plain: Serving) -> None:
    for path in ("/models", "/v1/models/", "//v1/models", "/models/good", "/v1/models/good/", "/health/live/"):
        assert ask(plain.url, path).status == 200, path


@pytest.mark.parametrize(
    "path", ["/v1/chat%2Fcompletions", "//v1/keys", "/keys", "/v1/./models", "/x/chat/completions", "//metrics"]
)
def test_anything_else_is_not_guessed(plain: Serving, path: str) -> None:
    assert ask(plain.url, path).status == 404


# Content codings


def zstd(data: bytes) -> bytes:
    module = find_zstd()
    if module is None:
        pytest.skip("no zstd here")
    return bytes(module.compress(data))


def raw_deflate(data: bytes) -> bytes:
    made = zlib.compressobj(wbits=-15)
    return made.compress(data) + made.flush()


CODERS: Mapping[str, Any] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "GZIP": gzip.compress,
    "deflate": zlib.compress,
    " deflate ": raw_deflate,
    "zstd": zstd,
    "identity, gzip": gzip.compress,
    "identity": bytes,
}
QUESTION = json.dumps({**HELLO, "model": "good", "pad": "x" * 2000}).encode()


@pytest.mark.parametrize("coding", CODERS)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_compressed_body_is_read(plain: Serving, upstream: Upstream, coding: str, chunked: bool) -> None:
    coded = CODERS[coding](QUESTION)
    pieces = [coded[:1], coded[1:40], coded[40:]]
    sent: Any = (
        (b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n") if chunked else coded
    )
    framing = {"transfer_encoding": "chunked"} if chunked else {}
    told = ask(plain.url, body=sent, content_encoding=coding, **framing)
    assert (told.status, told.body) == (200, BODY)
    assert json.loads(upstream.last.body) == json.loads(QUESTION)
    assert "content-encoding" not in upstream.last.headers
    coded = CODERS[coding](b'{"inputs": ["hi"]}')
    route = ask(plain.url, "/v1/route", coded, content_encoding=coding, content_type="application/json")
    # Read and understood: what is missing is a pack.
    assert route.error["code"] == "scorer_unavailable"


@pytest.mark.parametrize("path", [CHAT, "/v1/route"])
@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_a_bomb_gets_413(gateway: Serving, path: str, coding: str) -> None:
    bomb = CODERS[coding](b" " * (300 * LIMIT))
    assert len(bomb) < LIMIT
    told = ask(gateway.url, path, body=bomb, content_encoding=coding)
    assert (told.status, told.error["code"]) == (413, "request_too_large")
    at_limit = ask(gateway.url, path, body=CODERS[coding](b" " * LIMIT), content_encoding=coding)
    assert at_limit.status == 400


@pytest.mark.parametrize("path", [CHAT, "/v1/route"])
@pytest.mark.parametrize("coding", ["br", "gzip, gzip", "compress", "gzip;q=1", "miracles"])
def test_an_unknown_coding_gets_415_and_is_told_those_that_are_known(plain: Serving, path: str, coding: str) -> None:
    told = ask(plain.url, path, body=gzip.compress(QUESTION), content_encoding=coding)
    assert (told.status, told.error["code"]) == (415, "unsupported_content_encoding")
    assert {"gzip", "deflate"} <= set(told.headers["accept-encoding"].split(", "))


@pytest.mark.parametrize("path", [CHAT, "/v1/route"])
@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_a_body_that_is_not_what_its_coding_says_gets_400(plain: Serving, path: str, coding: str) -> None:
    coded = CODERS[coding](QUESTION)
    cut, garbage, followed = coded[:-5], b"\x01" + QUESTION, coded + b"and more"
    for body in (cut, garbage, b"", followed):
        told = ask(plain.url, path, body=body, content_encoding=coding)
        assert (told.status, told.error["code"]) == (400, "invalid_content_encoding"), body[:20]
    # The next request of anybody is served.
    assert good(plain.url).status == 200


def test_members_are_joined_and_their_number_is_bounded(plain: Serving) -> None:
    halves = gzip.compress(QUESTION[:100]) + gzip.compress(QUESTION[100:])
    assert ask(plain.url, body=halves, content_encoding="gzip").status == 200
    many = gzip.compress(b"") * (MAX_MEMBERS + 1)
    assert ask(plain.url, body=many, content_encoding="gzip").error["code"] == "invalid_content_encoding"


def test_a_window_that_would_take_much_memory_is_refused(plain: Serving) -> None:
    module = find_zstd()
    if module is None:
        pytest.skip("no zstd here")
    options = {module.CompressionParameter.window_log: 27, module.CompressionParameter.enable_long_distance_matching: 1}
    made = module.ZstdCompressor(options=options)
    # Of unknown size, so that the frame keeps its window.
    coded = made.compress(QUESTION) + made.flush()
    told = ask(plain.url, body=coded, content_encoding="zstd")
    assert (told.status, told.error["code"]) == (400, "invalid_content_encoding")
