"""Headers go on by deny-lists: what may, does; what must not, does not, however it is spelled."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.service import ForwardingConfig
from gateway.http.forwarding import (
    MAX_VERDICTS,
    REQUEST_DENIALS,
    RESPONSE_DENIALS,
    BackendFilter,
    HeaderRules,
    forwarded_headers,
    parse_patterns,
    response_headers,
)
from gateway.upstream.factory import build_forwarding

REQUEST, RESPONSE = HeaderRules(REQUEST_DENIALS), HeaderRules(RESPONSE_DENIALS)
DOCS = Path(__file__).parents[3]

FORWARDED = [
    *("openai-organization", "openai-project", "openai-beta", "x-stainless-lang", "x-stainless-retry-count"),
    *("http-referer", "x-title", "anthropic-beta", "anthropic-version", "anthropic-dangerous-direct-browser-access"),
    *(
        "traceparent",
        "tracestate",
        "baggage",
        "b3",
        "x-b3-traceid",
        "x-request-id",
        "x-client-request-id",
        "x-my-trace",
    ),
    *("user-agent", "accept", "accept-language", "idempotency-key", "x-idempotency-key", "x-amzn-bedrock-trace"),
    *("x-ms-client-request-id", "cf-aig-metadata", "helicone-user-id", "x-goog-user-project", "priority", "x-my-trace"),
]
DENIED = [
    *(
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "proxy-connection",
        "http2-settings",
    ),
    *("host", "content-length", "content-type", "content-encoding", "accept-encoding", "expect", "content-md5"),
    *("authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "ocp-apim-subscription-key"),
    *("cookie", "x-auth-token", "x-amz-security-token", "cf-access-client-secret", "helicone-auth", "x-csrf-token"),
    *("cf-aig-authorization", "x-goog-iap-jwt-assertion", "x-ms-token-aad-id-token", "x-amzn-oidc-data"),
    *("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "cf-connecting-ip", "true-client-ip"),
    *("x-http-method-override", "x-original-url", "x-rewrite-url", "origin", "referer", "sec-fetch-site", "range"),
    *("x-benchroute-total-s", "x-task-id", "x-session-id", "if-none-match", "signature"),
]
SHOWN = [
    *("content-type", "retry-after", "retry-after-ms", "x-should-retry", "x-ratelimit-remaining-tokens"),
    *("anthropic-ratelimit-requests-remaining", "openai-processing-ms", "openai-version", "x-ms-region", "request-id"),
]
HIDDEN = [
    *("set-cookie", "set_cookie", "transfer-encoding", "content-length", "content-encoding", "trailer", "alt-svc"),
    *("connection", "date", "server", "x-request-id", "x-benchroute-model", "www-authenticate", "location"),
    *("access-control-allow-origin", "strict-transport-security", "content-security-policy", "cache-control"),
]


@pytest.mark.parametrize("name", FORWARDED)
def test_a_clients_header_goes_on(name: str) -> None:
    assert forwarded_headers([(name.encode(), b"v")], REQUEST).lines == f"{name}: v\r\n".encode()


@pytest.mark.parametrize("name", DENIED)
@pytest.mark.parametrize("spell", [str, lambda name: name.replace("-", "_")], ids=["as it is", "with underscores"])
def test_a_clients_header_stays(name: str, spell: type[str]) -> None:
    """A server that makes variables of headers (CGI, WSGI) takes `x_api_key` for `x-api-key`."""
    assert forwarded_headers([(spell(name).encode(), b"v")], REQUEST).lines == b""


def test_headers_that_connection_names_stay() -> None:
    sent = [(b"connection", b"close, X-Mine"), (b"x-mine", b"1"), (b"x-other", b"2"), (b"connection", b"x-third")]
    assert forwarded_headers([*sent, (b"x-third", b"3")], REQUEST).pairs == [(b"x-other", b"2")]


@pytest.mark.parametrize("name", SHOWN)
def test_a_backends_header_goes_on(name: str) -> None:
    assert response_headers([(name.encode(), b"v")], RESPONSE) == [(name.encode(), b"v")]


@pytest.mark.parametrize("name", HIDDEN)
def test_a_backends_header_stays(name: str) -> None:
    assert response_headers([(name.encode(), b"v")], RESPONSE) == []


def test_both_lists_are_configurable_and_a_denial_goes_before_a_permission() -> None:
    rules = build_forwarding(
        ForwardingConfig(
            deny_request=("OpenAI-*", "*-id"),
            allow_request=("x-forwarded-for", "authorization", "x-mine-id", "host", "te"),
            deny_response=("openai-*",),
            allow_response=("set-cookie", "content-length"),
        )
    )
    given = ("openai-project", "x-forwarded-for", "authorization", "x-mine-id", "host", "te", "x-other")
    assert [name for name in given if rules.request[name.encode()]] == ["x-forwarded-for", "authorization", "x-other"]
    shown = ("openai-version", "set-cookie", "content-length", "x-other")
    assert [name for name in shown if rules.response[name.encode()]] == ["set-cookie", "x-other"]


def test_a_backend_gets_no_second_header_of_a_name_that_it_sets() -> None:
    sent = forwarded_headers([(b"x-title", b"client"), (b"user-agent", b"me"), (b"x-a", b"1")], REQUEST)
    backend = BackendFilter(["x-title", "user-agent"], names_agent=True)
    got = backend.narrow_headers(sent)
    assert (got.lines, got.names_agent) == (b"x-a: 1\r\n", True)
    assert backend.narrow_headers(sent) is got
    assert sent.lines.startswith(b"x-title: client\r\n")


@given(st.lists(st.text(st.characters(codec="ascii"), min_size=1).map(str.encode), max_size=20))
def test_a_verdict_is_the_same_again_and_memory_is_bounded(names: list[bytes]) -> None:
    rules = HeaderRules(REQUEST_DENIALS)
    assert [rules[name] for name in names] == [rules[name] for name in names]
    for number in range(2 * MAX_VERDICTS):
        assert rules[b"x-%d" % number]
    assert len(rules) <= MAX_VERDICTS


@given(st.text("abc-", min_size=1, max_size=6), st.text("abc-", min_size=1, max_size=4))
def test_a_pattern_matches_names_by_beginning_or_end(name: str, part: str) -> None:
    assert parse_patterns([part]).match_name(name.encode()) is (name == part)
    assert parse_patterns([f"{part}*"]).match_name(name.encode()) is name.startswith(part)
    assert parse_patterns([f"*{part}"]).match_name(name.encode()) is name.endswith(part)


@pytest.mark.parametrize("page", ["docs/reference/headers.md", "SECURITY.md"])
def test_every_reason_is_documented(page: str) -> None:
    text = " ".join((DOCS / page).read_text().split())
    assert [one.reason for one in (*REQUEST_DENIALS, *RESPONSE_DENIALS) if one.reason not in text] == []


def test_every_denied_header_is_in_the_reference() -> None:
    text = (DOCS / "docs/reference/headers.md").read_text()
    patterns = [name for one in (*REQUEST_DENIALS, *RESPONSE_DENIALS) for name in one.patterns]
    assert [name for name in patterns if f"`{name}`" not in text] == []
