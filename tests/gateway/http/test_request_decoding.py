"""Laws of decoding: a body comes out as it went in, however it was cut, and never more than the limit of it."""

import gzip
import zlib
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidRequest, PayloadTooLarge, UnsupportedContentEncoding
from gateway.http.content_coding import find_zstd
from gateway.http.request_decoding import BodyDecoder, body_decoder, supported_codings

LIMIT = 10_000


def zstd(data: bytes) -> bytes:
    module = find_zstd()
    if module is None:
        pytest.skip("no zstd here")
    return bytes(module.compress(data))


def raw_deflate(data: bytes) -> bytes:
    made = zlib.compressobj(wbits=-15)
    return made.compress(data) + made.flush()


CODERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "raw": ("deflate", raw_deflate),
    "zstd": ("zstd", zstd),
}
formats = st.sampled_from(sorted(CODERS))
cuts = st.lists(st.integers(0, 400), max_size=6)


def decoded(coding: str, coded: bytes, places: list[int], limit: int = LIMIT) -> bytes:
    """Decode in pieces that are cut at these places."""
    decoder, ends = BodyDecoder(coding, limit), sorted({0, *(min(place, len(coded)) for place in places), len(coded)})
    body = b"".join(decoder.decode(coded[start:end]) for start, end in pairwise(ends))
    decoder.check_end()
    return body


@given(name=formats, data=st.binary(max_size=500), places=cuts)
def test_a_body_comes_out_as_it_went_in_however_it_is_cut(name: str, data: bytes, places: list[int]) -> None:
    coding, encode = CODERS[name]
    assert decoded(coding, encode(data), places) == data


@given(name=formats, size=st.integers(0, 3 * LIMIT), places=cuts)
def test_the_limit_is_that_of_the_decoded_body_to_the_byte(name: str, size: int, places: list[int]) -> None:
    coding, encode = CODERS[name]
    coded = encode(b" " * size)
    if size <= LIMIT:
        assert len(decoded(coding, coded, places)) == size
    else:
        with pytest.raises(PayloadTooLarge):
            decoded(coding, coded, places)


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_empty_members_before_the_text_lose_nothing(name: str) -> None:
    coding, encode = CODERS[name]
    assert decoded(coding, encode(b"") * 3 + encode(b"text") + encode(b"") + encode(b"more"), []) == b"textmore"


@given(name=formats, garbage=st.binary(max_size=300), places=cuts)
def test_garbage_is_an_error_of_the_client_or_decodes(name: str, garbage: bytes, places: list[int]) -> None:
    with suppress(InvalidRequest, PayloadTooLarge):
        assert len(decoded(CODERS[name][0], garbage, places)) <= LIMIT


def test_a_coded_body_over_the_limit_is_refused_whatever_it_holds() -> None:
    """A gzip header with an endless file name decodes to nothing."""
    decoder = BodyDecoder("gzip", LIMIT)
    decoder.decode(b"\x1f\x8b\x08\x08" + bytes(6) + b"x" * 1000)
    assert decoder.decode(b"x" * (LIMIT - 1010)) == b""
    with pytest.raises(PayloadTooLarge):
        decoder.decode(b"x")


@pytest.mark.parametrize("value", [b"identity", b"", b" Identity , identity"])
def test_identity_is_no_coding(value: bytes) -> None:
    assert body_decoder([(b"content-encoding", value)], LIMIT) is None
    assert body_decoder([], LIMIT) is None


@pytest.mark.parametrize("value", [b"br", b"gzip, zstd", b"GZIP2", b"deflate deflate", b"\xff"])
def test_another_coding_is_refused_with_those_that_are_known(value: bytes) -> None:
    with pytest.raises(UnsupportedContentEncoding, match=", ".join(supported_codings())):
        body_decoder([(b"content-encoding", value)], LIMIT)
