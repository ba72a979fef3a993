import asyncio
import socket

import pytest

from gateway.decision import Decision
from gateway.scorer.embedded import framing
from gateway.scorer.messages import BatchCounts, BatchDone, Observation, Observations

SENT = Observations([Observation("t", b'["x"]'), Observation("u", b"\xff" * 100_000)])
DECIDED = BatchDone([Decision("t", 1, 2, "m", "score", ("m", "n"))], received=2, counts=BatchCounts(1, 1))


def test_a_message_arrives_as_it_was_sent() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(framing.encode_frame(SENT))
        ours.shutdown(socket.SHUT_WR)
        assert framing.read_frame_blocking(theirs) == SENT
        assert framing.read_frame_blocking(theirs) is None


async def read(data: bytes) -> object:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return await framing.read_frame(reader)


def test_decisions_arrive_as_they_were_sent() -> None:
    assert asyncio.run(read(bytes(framing.encode_frame(DECIDED)))) == DECIDED


def test_half_a_message_is_the_end() -> None:
    assert asyncio.run(read(bytes(framing.encode_frame(DECIDED)[:-1]))) is None


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x01\xc1", b"\x00\x00\x00\x02\x81\xa0"])
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(framing.FrameError):
        asyncio.run(read(data))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(data)
        with pytest.raises(framing.FrameError):
            framing.read_frame_blocking(theirs)
