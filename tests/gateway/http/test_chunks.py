"""Whole chunks, recognised by their length."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.chunks import SIZE_LINES, chunk_payload


@given(st.binary(min_size=1, max_size=5000))
def test_a_whole_chunk_begins_with_the_size_line_of_its_length(payload: bytes) -> None:
    chunk = b"%x\r\n%b\r\n" % (len(payload), payload)
    line = SIZE_LINES[len(chunk)]
    assert chunk.startswith(line)
    assert chunk[len(line) : -2] == payload == chunk_payload(chunk)


@pytest.mark.parametrize(
    "data",
    [
        b"0\r\n\r\n",
        b"\r\n",
        b"",
        b"0f\r\n" + b"x" * 15 + b"\r\n",
        b"A\r\n" + b"x" * 10 + b"\r\n",
        b"3;a=b\r\nxyz\r\n",
        b"3\r\nxyz\r\n3\r\nxyz\r\n",
        b"4\r\nxyz\r\n",
    ],
    ids=["the last one", "no size", "nothing", "leading zero", "upper case", "extension", "two chunks", "cut"],
)
def test_nothing_else_begins_with_it(data: bytes) -> None:
    assert not data.startswith(SIZE_LINES[len(data)])


def test_a_length_that_no_chunk_has_is_told_apart() -> None:
    # 15 bytes and their size line take 20, 16 bytes 22.
    assert SIZE_LINES[20] == b"f\r\n"
    assert SIZE_LINES[21] == ()
    assert SIZE_LINES[22] == b"10\r\n"


def test_a_backend_cannot_fill_the_memory_with_lengths() -> None:
    for length in range(10_000):
        assert isinstance(SIZE_LINES[length], bytes | tuple)
    assert len(SIZE_LINES) <= 4096
