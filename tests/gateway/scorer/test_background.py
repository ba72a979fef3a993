"""Looking at things beside the inputs: a comparison that takes long keeps nobody waiting."""

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

from gateway.errors import InvalidRequest
from gateway.scorer.background import BackgroundExecutor
from tests.gateway.packs import inputs
from tests.gateway.scorer.test_client import TOLD, linked, messages, until


def test_jobs_are_done_one_after_the_other_and_one_that_fails_is_the_last_of_nothing() -> None:
    aside, done, ended = BackgroundExecutor(), list[int](), threading.Event()
    for number in range(50):
        aside.submit_job(lambda number=number: done.append(number))  # type: ignore[misc]
    aside.submit_job(lambda: 1 / 0)  # type: ignore[arg-type]
    aside.submit_job(ended.set)
    assert ended.wait(10)
    assert done == list(range(50))
    ended.clear()
    aside.submit_job(ended.set)  # also when the thread has ended meanwhile
    assert ended.wait(10)


def test_inputs_are_scored_while_packs_are_compared(good_pack: Path, tmp_path: Path) -> None:
    """The other pack's manifest is a pipe that nobody writes to, until its inputs are scored."""
    other = tmp_path / "other"
    other.mkdir()
    os.mkfifo(other / "manifest.json")
    told: TOLD = []

    async def live() -> None:
        async with linked(good_pack, tmp_path, told) as link:
            await until(lambda: link.status == "ready")
            comparing = asyncio.create_task(link.inspect_pack("difference", pack=str(other)))
            for text in inputs("sums", 5):
                link.observe_input("t", messages(text))
            await until(lambda: link.counts.scored.observed == 5)
            assert (await link.dry_run(["What is 1 plus 2?"]))["n"] == 1
            assert not comparing.done()
            await asyncio.to_thread((other / "manifest.json").write_text, "no manifest")
            found: list[Any] = await asyncio.gather(comparing, return_exceptions=True)
            assert isinstance(found[0], InvalidRequest)

    asyncio.run(live())
