"""Heads that come again, as bytes."""

import pytest

from gateway.http.head_pattern import find_pattern

HEAD = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 12\r\nx: content-length: 5\r\n\r\n"


def test_a_head_is_known_again_by_all_but_its_length() -> None:
    found = find_pattern(HEAD + b"{")
    assert found is not None
    assert found.match_head(HEAD + b"{}") == (12, len(HEAD))
    longer = HEAD.replace(b"12", b"7654321")
    assert found.match_head(longer) == (7654321, len(longer))
    for other in (b"12345678", b"", b"+1", b"1 ", b"1_0", b"\xb2"):
        assert found.match_head(HEAD.replace(b"12", other)) is None, other
    for place in range(len(HEAD)):
        assert found.match_head(HEAD[:place]) is None
        if HEAD[place : place + 1] not in b"12" or place < HEAD.index(b"12"):
            assert found.match_head(HEAD[:place] + b"~" + HEAD[place + 1 :]) is None


@pytest.mark.parametrize(
    "data",
    [
        HEAD[:-1],
        HEAD + b"{}" * 6 + b"P",
        HEAD.replace(b"x: content-length: 5", b"Content-Length: 5"),
        HEAD.replace(b"content-length: 12", b"transfer-encoding: chunked"),
    ],
)
def test_what_is_not_one_plain_head_is_not_kept(data: bytes) -> None:
    assert find_pattern(data) is None
