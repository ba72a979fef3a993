import hashlib

from gateway.http.request_head import RequestHead


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
