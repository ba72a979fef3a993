import pytest

from gateway.http.headers import forwarded_headers, request_id_of, response_headers


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
