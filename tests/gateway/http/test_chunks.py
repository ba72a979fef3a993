"""Whole chunks, recognised by their length."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.chunks import SIZE_LINES, chunk_payload, split_chunks


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


def _framed(payloads: list[bytes]) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(payload), payload) for payload in payloads)


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=20))
def test_whole_chunks_are_taken_apart(payloads: list[bytes]) -> None:
    assert split_chunks(_framed(payloads)) == payloads


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=4), st.integers(0), st.integers(0))
def test_what_lacks_a_byte_is_no_whole_chunks(payloads: list[bytes], place: int, byte: int) -> None:
    data = _framed(payloads)
    at = place % len(data)
    begun = split_chunks(data[:at])
    assert begun is None or (begun == payloads[: len(begun)] and _framed(begun) == data[:at])
    changed = data[:at] + bytes([byte % 256]) + data[at + 1 :]
    found = split_chunks(changed)
    # A changed byte of a payload is one of a payload still; one of a size may give other chunks, with other bytes.
    assert found is None or _framed(found) == changed


@pytest.mark.parametrize(
    "second",
    [
        b"0\r\n\r\n",
        b"03\r\nxyz\r\n",
        b"0x3\r\nxyz\r\n",
        b"+3\r\nxyz\r\n",
        b"-3\r\nxyz\r\n",
        b" 3\r\nxyz\r\n",
        b"1_0\r\n0123456789abcdef\r\n",
        b"A\r\n0123456789\r\n",
        b"3;a=b\r\nxyz\r\n",
        b"3\r\nxyz",
        b"3\r\nxyz\r",
        b"3\r\nxyzw\r\n",
        b"2\r\nxyz\r\n",
        b"3",
        b"3\r\n",
        b"3\nxyz\n",
        b"100000000\r\nx\r\n",
        b"\r\n",
    ],
)
def test_what_is_spelt_otherwise_or_cut_is_for_the_parser(second: bytes) -> None:
    assert split_chunks(b"2\r\nab\r\n" + second) is None
    assert split_chunks(second) is None


def test_nothing_is_no_chunks() -> None:
    assert split_chunks(b"") is None
