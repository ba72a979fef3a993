import hashlib

import pytest

from gateway.http.forwarding import REQUEST_DENIALS, HeaderRules
from gateway.http.headers import RequestHead, client_request_id


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
    rules = HeaderRules(REQUEST_DENIALS)
    forwarded = head.forward_by(rules)
    assert (forwarded.lines, forwarded.names_agent) == (b"user-agent: me/1\r\n", True)
    assert head.forwarded is forwarded
    assert head.rules is rules


@pytest.mark.parametrize("header", [b"x-api-key", b"api-key"])
def test_a_key_may_come_as_anthropics_or_azures_clients_send_it(header: bytes) -> None:
    assert RequestHead([(header, b" key ")]).digest == hashlib.sha256(b"key").digest()


def test_a_clients_request_id_is_kept_apart() -> None:
    assert RequestHead([]).digest is None
    assert RequestHead([]).client_id is None
    assert RequestHead([(b"x-request-id", b"mine")]).client_id == "mine"
