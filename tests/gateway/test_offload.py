"""Work beside the event loop: the loop goes on, errors arrive, and the garbage collector is as it was."""

import asyncio
import gc
import threading

import pytest

from gateway.offload import offload


def test_the_event_loop_goes_on_meanwhile() -> None:
    async def main() -> str:
        loop, begun, go_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

        def work(name: str) -> str:
            loop.call_soon_threadsafe(begun.set)
            assert go_on.wait(30)
            return name

        working = asyncio.create_task(offload(work, "done"))
        await begun.wait()
        assert not working.done()
        go_on.set()
        return await working

    assert asyncio.run(main()) == "done"


def test_no_garbage_is_collected_while_it_works() -> None:
    assert asyncio.run(offload(gc.isenabled)) is False
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    """A gateway collects nothing before it has started."""
    gc.disable()
    try:
        asyncio.run(offload(gc.isenabled))
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_an_error_is_raised_and_the_collector_is_on_again() -> None:
    def work() -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        asyncio.run(offload(work))
    assert gc.isenabled()
