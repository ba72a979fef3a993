import hashlib

import pytest

from gateway.http.headers import RequestHead, client_request_id, forwarded_headers, response_headers


def test_a_clients_credentials_and_hop_headers_stay_here() -> None:
    sent = forwarded_headers(
        [
            (b"authorization", b"Bearer secret"),
            (b"cookie", b"a=b"),
            (b"connection", b"keep-alive"),
            (b"x-task-id", b"t"),
            (b"traceparent", b"00-1-2-01"),
            (b"accept-encoding", b"gzip"),
        ]
    )
    assert sent.lines == b"traceparent: 00-1-2-01\r\n"
    assert not sent.names_agent


def test_a_backends_cookies_and_hop_headers_stay_here() -> None:
    came = [(b"set-cookie", b"a"), (b"transfer-encoding", b"chunked"), (b"content-type", b"x")]
    kept = response_headers([*came, (b"x-ratelimit-left", b"3")])
    assert kept == [(b"content-type", b"x"), (b"x-ratelimit-left", b"3")]


@pytest.mark.parametrize("given", [b"bad id", b"a\r\nb", b"", b"x" * 129])
def test_a_clients_request_id_that_could_do_harm_is_ignored(given: bytes) -> None:
    assert client_request_id([(b"x-request-id", given)]) is None


def test_a_clients_harmless_request_id_is_read() -> None:
    assert client_request_id([(b"x-request-id", b"abc-1")]) == "abc-1"


def test_a_head_is_read_once_and_says_the_same_afterwards() -> None:
    head = RequestHead(
        [
            (b"x-task-id", b"first"),
            (b"x-task-id", b"second"),
            (b"authorization", b"Bearer  key "),
            (b"x-benchroute-total-s", b"3"),
            (b"user-agent", b"me/1"),
            (b"cookie", b"a=b"),
        ]
    )
    assert (head.task, head.session) == ("first", None)
    assert head.digest == hashlib.sha256(b"key").digest()
    assert head.gateway_headers == [(b"x-benchroute-total-s", b"3")]
    assert head.forwarded.lines == b"user-agent: me/1\r\n"
    assert head.forwarded.names_agent


def test_a_clients_request_id_is_kept_apart() -> None:
    assert RequestHead([]).digest is None
    assert RequestHead([]).client_id is None
    assert RequestHead([(b"x-request-id", b"mine")]).client_id == "mine"
