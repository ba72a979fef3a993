import asyncio
import socket

import pytest

from gateway.scorer.embedded import framing
from gateway.scorer.messages import Decided, Observation, Observations, TaskDecision

SENT = Observations([Observation("t", b'["x"]'), Observation("u", b"\xff" * 100_000)])
DECIDED = Decided([TaskDecision("t", 1, 2, "m", "score", ["m", "n"])], observed=2, faults=1)


def test_a_message_arrives_as_it_was_sent() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(framing.framed(SENT))
        ours.shutdown(socket.SHUT_WR)
        assert framing.read_blocking(theirs) == SENT
        assert framing.read_blocking(theirs) is None


async def read(data: bytes) -> object:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return await framing.read(reader)


def test_decisions_arrive_as_they_were_sent() -> None:
    assert asyncio.run(read(bytes(framing.framed(DECIDED)))) == DECIDED


def test_half_a_message_is_the_end() -> None:
    assert asyncio.run(read(bytes(framing.framed(DECIDED)[:-1]))) is None


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x01\xc1", b"\x00\x00\x00\x02\x81\xa0"])
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(framing.FrameError):
        asyncio.run(read(data))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(data)
        with pytest.raises(framing.FrameError):
            framing.read_blocking(theirs)
