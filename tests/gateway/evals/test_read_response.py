"""Whole responses with `await`: whose connection a response is, and until when."""

import asyncio

import pytest

from gateway.evals.read_response import ResponseReader
from gateway.upstream.errors import ErrorStatus
from gateway.upstream.interface import ResponseHandler


class Handle:
    """Counts what is asked of it."""

    def __init__(self) -> None:
        self.aborts = 0

    def pause_reading(self) -> None:
        raise AssertionError("a reader takes everything")

    def resume_reading(self) -> None:
        raise AssertionError("a reader never pauses")

    def set_handler(self, handler: ResponseHandler) -> None:
        raise AssertionError("a reader hands nothing on")

    def abort(self) -> None:
        self.aborts += 1


@pytest.mark.parametrize(("has_ended", "aborts"), [(False, 1), (True, 0)])
def test_a_refusal_closes_the_connection_only_while_it_is_its_own(has_ended: bool, aborts: int) -> None:
    """A response that has ended has given its connection back, and another request may use it by now."""

    async def read() -> int:
        reader, handle = ResponseReader(1000), Handle()
        reader.on_head(500, [])
        if has_ended:
            reader.on_data(b"{}")
            reader.on_complete()
        with pytest.raises(ErrorStatus):
            await reader.read_response(handle)
        return handle.aborts

    assert asyncio.run(read()) == aborts


def test_a_reader_that_is_cancelled_ends_the_backends_work() -> None:
    async def read() -> int:
        reader, handle = ResponseReader(1000), Handle()
        reading = asyncio.create_task(reader.read_response(handle))
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        return handle.aborts

    assert asyncio.run(read()) == 1
