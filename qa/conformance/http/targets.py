"""HTTP versions, Host, request targets, methods, upgrades."""

from collections.abc import Callable

from qa.conformance.http.cases import MODEL, OK, REFUSED, Expected, Pause, Step, body, head, make_case, post

SUITE = "http targets"
HOST = "RFC 9112, 3.2: 400 where Host is missing, occurs twice, or is invalid"
ABSOLUTE = "RFC 9112, 3.2.2: a server must accept the absolute form"
ORIGIN = "RFC 9112, 3: an invalid request line ought to be answered with 400; a target is not repaired"
METHOD = "RFC 9110, 15.5.6: 405 must name the allowed methods in Allow"
UNKNOWN_METHOD = "RFC 9110, 9.1: a method that is not known ought to be answered with 501"
VERSION = "RFC 9112, 2.3 and RFC 9110, 15.6.6: 505 (or 400) for a major version that is not served"
UPGRADE = "RFC 9110, 7.8: a server may ignore Upgrade, and must then answer as usual"
SPELLED = "a client joins its base URL and a path in its own way: what is meant is served, and not redirected"
PATHS = "DESIGN: these paths and no others; errors in OpenAI's envelope"

NOT_FOUND = Expected([[404]], [0], envelope=True)
NOWHERE = Expected([[404, 400]], [0], envelope=True)
NOT_ALLOWED = Expected([[405]], [0], envelope=True, allow=True)
SILENT_HEAD = Expected([[200, 405]], [0], ends=False, to_head=True)
NO_VERSION = Expected([[400, 505]], [0], ends=True, or_just_close=True)


def _raw(text: str) -> Callable[[str], list[Step]]:
    """A head unchanged; no body, no marker."""
    return lambda mark: [text.encode("latin-1")]


def _at(target: str, method: str = "POST") -> Callable[[str], list[Step]]:
    """A valid request to this target."""

    def write(mark: str) -> list[Step]:
        data = body(mark)
        return [head(f"content-length: {len(data)}", method=method, target=target) + data]

    return write


def _bare(method: str, target: str, *lines: str) -> Callable[[str], list[Step]]:
    """A request without a body."""
    return lambda mark: [head(*lines, method=method, target=target)]


def _host(*lines: str) -> Callable[[str], list[Step]]:
    """A valid request with these lines in place of its Host."""
    own = "".join(f"{line}\r\n" for line in lines).encode("latin-1")
    return lambda mark: [post(mark).replace(b"host: conformance\r\n", own)]


def _version(version: str) -> Callable[[str], list[Step]]:
    return lambda mark: [post(mark).replace(b"HTTP/1.1", version.encode(), 1)]


def _upgrading(name: str, *lines: str) -> Callable[[str], list[Step]]:
    return lambda mark: [post(mark, "connection: Upgrade", f"upgrade: {name}", *lines)]


def _hidden_upgrade(mark: str) -> list[Step]:
    """A request as the body of an upgrade request, a moment after its head."""
    hidden = post(mark)
    return [head("connection: upgrade", "upgrade: websocket", f"content-length: {len(hidden)}"), Pause(0.2), hidden]


WEBSOCKET = ("sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==", "sec-websocket-version: 13")

CHECKS = (
    make_case(SUITE, "no Host", HOST, _host()),
    make_case(SUITE, "two Hosts", HOST, _host("host: a", "host: b")),
    make_case(SUITE, "the same Host twice", HOST, _host("host: a", "host: a")),
    make_case(SUITE, "Host with a space", HOST, _host("host: a b")),
    make_case(SUITE, "Host with a path", HOST, _host("host: a/b")),
    make_case(SUITE, "Host with user information", HOST, _host("host: me@a")),
    make_case(SUITE, "Host list", HOST, _host("host: a, b")),
    make_case(SUITE, "Host with a bad port", HOST, _host("host: a:port")),
    make_case(
        SUITE,
        "empty Host",
        "RFC 9112, 3.2: empty where the target has no authority",
        _host("host:"),
        Expected([[200, 400]], [0, 1]),
    ),
    make_case(SUITE, "IPv6 Host", HOST, _host("host: [::1]:8100"), OK),
    make_case(
        SUITE,
        "no Host in HTTP/1.0",
        "RFC 9112, 3.2: Host is HTTP/1.1's",
        lambda mark: [post(mark).replace(b"host: conformance\r\n", b"").replace(b"HTTP/1.1", b"HTTP/1.0")],
        Expected([[200]], [1], ends=True),
    ),
    make_case(SUITE, "HTTP/2.0", VERSION, _version("HTTP/2.0"), NO_VERSION),
    make_case(SUITE, "HTTP/0.9", VERSION, _raw("GET /v1/models\r\n\r\n"), NO_VERSION),
    make_case(
        SUITE,
        "http/1.1 in small letters",
        "RFC 9112, 2.3: the name is case-sensitive",
        _version("http/1.1"),
        NO_VERSION,
    ),
    make_case(SUITE, "HTTP/1.1 misspelt", VERSION, _version("HTTP/1.1a"), NO_VERSION),
    make_case(
        SUITE,
        "HTTP/2's preface",
        "RFC 9113, 3.4: not to be mistaken for HTTP/1.1",
        _raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        NO_VERSION,
    ),
    make_case(
        SUITE,
        "a TLS hello",
        "RFC 9112, 3: no request line",
        _raw("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
        NO_VERSION,
    ),
    make_case(SUITE, "absolute form", ABSOLUTE, _at("http://conformance/v1/chat/completions"), OK),
    make_case(
        SUITE,
        "absolute form of another host",
        ABSOLUTE + ", and ignore Host",
        _at("http://other:1/v1/chat/completions"),
        OK,
    ),
    make_case(
        SUITE,
        "asterisk form",
        "RFC 9112, 3.2.4: OPTIONS * asks the server itself",
        _bare("OPTIONS", "*"),
        Expected([[200, 204, 400, 404, 405]], [0]),
    ),
    make_case(
        SUITE,
        "authority form",
        "RFC 9112, 3.2.3: CONNECT is for proxies",
        _bare("CONNECT", "conformance:443"),
        Expected([[400, 404, 405, 501]], [0], or_just_close=True),
    ),
    make_case(
        SUITE, "a query is no part of the path", "RFC 9112, 3.2.1", _at("/v1/chat/completions?api-version=1"), OK
    ),
    make_case(SUITE, "a fragment", ORIGIN, _at("/v1/chat/completions#top"), NOWHERE),
    make_case(SUITE, "a space in the target", ORIGIN, _at("/v1/chat completions"), REFUSED),
    make_case(SUITE, "NUL in the target", ORIGIN, _at("/v1/chat/completions\0"), REFUSED),
    make_case(SUITE, "bytes beyond ASCII in the target", ORIGIN, _at("/v1/chat/completions\xe4"), NOWHERE),
    make_case(SUITE, "no slash", ORIGIN, _at("v1/chat/completions"), NOWHERE),
    make_case(
        SUITE,
        "a path of 100 kB",
        "RFC 9112, 3: 414 for a target that is longer than is parsed",
        _at("/" + "a" * 100_000),
        Expected([[414, 431, 400, 404]], [0]),
    ),
    *(
        make_case(SUITE, f"path {target}", SPELLED, _at(target), OK)
        for target in (
            "//v1/chat/completions",
            "/v1//chat/completions",
            "/v1/chat/completions/",
            "/chat/completions",
            "/v1/v1/chat/completions",
        )
    ),
    *(
        make_case(SUITE, f"path {target}", PATHS, _at(target), NOWHERE)
        for target in (
            "/v1/./chat/completions",
            "/x/../v1/chat/completions",
            "/v1/chat%2fcompletions",
            "/v1/chat/%63ompletions",
            "/v1/chat/completions%00",
            "/v1/chat/completions%20",
            "/V1/CHAT/COMPLETIONS",
            "/v1/chat/completions;a=b",
            "/v1\\chat\\completions",
            "/v1/nowhere",
        )
    ),
    make_case(SUITE, "path /", "RFC 9110, 15.5.6: the root is for browsers", _at("/"), NOT_ALLOWED),
    *(
        make_case(SUITE, f"GET {target}", PATHS, _bare("GET", target), NOWHERE)
        for target in (
            "/v1/../metrics",
            "/v1/%2e%2e/metrics",
            "//metrics",
            "/metrics%00",
            "/v1/..%2fmetrics",
            "/ui/../config.yaml",
            "/ui/%2e%2e/config.yaml",
            "/v1/tasks/../../metrics",
        )
    ),
    make_case(SUITE, "GET of an endpoint for POST", METHOD, _bare("GET", "/v1/chat/completions"), NOT_ALLOWED),
    make_case(SUITE, "POST of an endpoint for GET", METHOD, _at("/v1/models"), NOT_ALLOWED),
    *(
        make_case(SUITE, f"{method}", METHOD, _at("/v1/chat/completions", method), NOT_ALLOWED)
        for method in ("PUT", "PATCH", "DELETE", "TRACE", "PROPFIND")
    ),
    make_case(
        SUITE,
        "OPTIONS",
        "RFC 9110, 9.3.7: what the endpoint allows",
        _bare("OPTIONS", "/v1/chat/completions"),
        Expected([[200, 204]], [0]),
    ),
    make_case(
        SUITE,
        "a WebSocket on an endpoint for POST",
        "RFC 9110, 15.5.22: 426 names the protocol that is served",
        _bare("GET", "/v1/responses", "connection: upgrade", "upgrade: websocket", *WEBSOCKET),
        Expected([[426]], [0], envelope=True),
    ),
    make_case(
        SUITE,
        "an unknown method",
        UNKNOWN_METHOD,
        _at("/v1/chat/completions", "BREW"),
        Expected([[501, 405, 400]], [0]),
    ),
    make_case(
        SUITE,
        "a method in small letters",
        "RFC 9110, 9.1: methods are case-sensitive",
        _at("/v1/chat/completions", "post"),
        Expected([[501, 405, 400]], [0]),
    ),
    make_case(
        SUITE,
        "HEAD of the models",
        "RFC 9110, 9.3.2: the same as GET, without a body",
        _bare("HEAD", "/v1/models"),
        SILENT_HEAD,
    ),
    make_case(
        SUITE,
        "HEAD of an endpoint for POST",
        "RFC 9110, 9.3.2: no body",
        _bare("HEAD", "/v1/chat/completions"),
        SILENT_HEAD,
    ),
    make_case(
        SUITE,
        "HEAD of an unknown path",
        "RFC 9110, 9.3.2: no body",
        _bare("HEAD", "/nowhere"),
        Expected([[404]], [0], ends=False, to_head=True),
    ),
    make_case(SUITE, "upgrade to a websocket", UPGRADE, _upgrading("websocket", *WEBSOCKET), OK),
    make_case(SUITE, "upgrade to h2c", UPGRADE, _upgrading("h2c", "http2-settings: AAMAAABkAAQAoAAAAAIAAAAA"), OK),
    make_case(
        SUITE,
        "upgrade with a body in chunks",
        UPGRADE,
        lambda mark: [
            head("connection: upgrade", "upgrade: websocket", "transfer-encoding: chunked")
            + f"{len(body(mark)):x}\r\n".encode()
            + body(mark)
            + b"\r\n0\r\n\r\n"
        ],
        OK,
    ),
    make_case(
        SUITE,
        "upgrade whose body is a request",
        UPGRADE + "; 11.2: the body must not be read as a request",
        _hidden_upgrade,
        Expected([[400]], [0]),
    ),
    make_case(
        SUITE,
        "GET with an upgrade",
        UPGRADE,
        lambda mark: [head("connection: upgrade", "upgrade: websocket", *WEBSOCKET, method="GET", target="/v1/models")],
        Expected([[200, 400, 426]], [0]),
    ),
    make_case(
        SUITE, "upgrade that Connection does not name", UPGRADE, lambda mark: [post(mark, "upgrade: websocket")], OK
    ),
    make_case(
        SUITE,
        "a body with GET",
        "RFC 9110, 9.3.1: no meaning, yet it must be read past",
        lambda mark: [head("content-length: 5", method="GET", target="/v1/models") + b"{...}"],
        Expected([[200]], [0], ends=False),
    ),
    make_case(
        SUITE,
        "the model's name in the path",
        PATHS,
        _bare("GET", f"/v1/models/{MODEL}"),
        Expected([[200]], [0], ends=False),
    ),
)
