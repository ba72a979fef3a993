"""Work beside the event loop: the loop goes on, errors arrive, and the garbage collector is as it was."""

import asyncio
import gc
import json
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
import yaml

from gateway.config import parse_config
from gateway.offload import MANY_OBJECTS, offload
from gateway.tasks.resolved_config import resolve_config


@pytest.fixture(autouse=True)
def collecting() -> Iterator[None]:
    """The collector is on, whatever ran before: a start that failed leaves it off."""
    was_enabled = gc.isenabled()
    gc.enable()
    yield
    if not was_enabled:
        gc.disable()


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


def test_what_is_large_is_not_looked_at_by_the_collector() -> None:
    """Else the next collection, which is the event loop's, looks at all of it."""
    made = asyncio.run(offload(lambda: [[number] for number in range(2 * MANY_OBJECTS)]))
    assert len(made) == 2 * MANY_OBJECTS > len(gc.get_objects())
    gc.unfreeze()


def test_what_is_small_is_collected_as_all_else() -> None:
    before = gc.get_freeze_count()
    asyncio.run(offload(lambda: [[number] for number in range(MANY_OBJECTS // 10)]))
    assert gc.get_freeze_count() == before


def test_a_collector_that_was_off_stays_off() -> None:
    """A gateway collects nothing before it has started."""
    gc.disable()
    asyncio.run(offload(gc.isenabled))
    assert not gc.isenabled()


def test_calls_at_the_same_time_leave_the_collector_on() -> None:
    async def main() -> None:
        for _ in range(50):
            await asyncio.gather(*[offload(gc.isenabled) for _ in range(4)])
            assert gc.isenabled()

    asyncio.run(main())


def test_an_error_is_raised_and_the_collector_is_on_again() -> None:
    def work() -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        asyncio.run(offload(work))
    assert gc.isenabled()


@pytest.mark.parametrize("is_json", [False, True])
def test_what_a_reload_makes_holds_no_cycles_that_grow(is_json: bool) -> None:
    """The collector looks at nothing of it: what is only reachable from itself would stay until the process ends."""

    def reload(count: int) -> None:
        backend = {"kind": "openai", "base_url": "http://127.0.0.1:9/v1"}
        config = {
            "models": [{"name": "m", "backends": [backend]}],
            "tasks": {f"t{number}": {"candidates": ["m"]} for number in range(count)},
            "keys": [{"name": f"k{number}", "sha256": f"{number:064x}"} for number in range(count)],
        }
        resolve_config(parse_config(json.dumps(config) if is_json else yaml.safe_dump(config), "config.yaml", {}))

    reload(3)
    assert _bytes_in_cycles(lambda: reload(300)) < _bytes_in_cycles(lambda: reload(3)) + 1_000


def _bytes_in_cycles(work: Callable[[], None]) -> int:
    """Return the size of what work leaves to the collector."""
    gc.collect()
    gc.disable()
    try:
        work()
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = {id(one) for one in gc.garbage}
        held = {id(one): one for found in gc.garbage for one in (found, *gc.get_referents(found))}
        # With what the collector does not track, as a dict of numbers.
        return sum([sys.getsizeof(one) for place, one in held.items() if place in left or not gc.is_tracked(one)])
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
