import hashlib

import pytest

from gateway.http.headers import RequestHead, forwarded_headers, request_id_of, response_headers


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
def test_a_request_id_that_could_do_harm_is_replaced(given: bytes) -> None:
    assert request_id_of([(b"x-request-id", given)]).startswith("req_")


def test_a_harmless_request_id_is_kept() -> None:
    assert request_id_of([(b"x-request-id", b"abc-1")]) == "abc-1"


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


def test_a_request_without_an_id_gets_a_new_one_every_time() -> None:
    head = RequestHead([])
    assert head.digest is None
    assert head.request_id != head.request_id
    named = RequestHead([(b"x-request-id", b"mine")])
    assert named.request_id == named.request_id == "mine"
