"""The link and the scorer's real process, with the real embedder. Starting one takes seconds, so these are few."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path

import pytest

from gateway.decision import Decision
from gateway.errors import InvalidRequest, PackRejected, ScorerUnavailable
from gateway.scorer.embedded import process
from gateway.scorer.embedded.client import EmbeddedScorerClient, ScorerTimeouts
from gateway.scorer.messages import Configure, ScoreSettings, TaskPolicy
from gateway.scorer.observation_queue import ObservationQueue
from tests.gateway.letters import Letters
from tests.gateway.packs import inputs, saved_pack
from tests.gateway.waiting import eventually, eventually_async

MODELS = ("good", "other", "slow")
TOLD = list[Decision]


def start(pack: Path, folder: Path) -> Configure:
    url = f"sqlite:///{folder}/state.db"
    tasks = {"strange": TaskPolicy(("new",))}
    return Configure(str(pack), url, ScoreSettings(), TaskPolicy(MODELS), tasks)


def messages(text: str) -> bytes:
    return json.dumps([{"role": "user", "content": text}]).encode()


@contextlib.asynccontextmanager
async def linked(
    pack: Path, folder: Path, told: TOLD, max_items: int = 100, respond_s: float = 60.0
) -> AsyncIterator[EmbeddedScorerClient]:
    link = EmbeddedScorerClient(
        start(pack, folder),
        told.extend,
        lambda counts: ObservationQueue(counts, max_items=max_items),
        ScorerTimeouts(first_restart_s=0.05, answer_s=20, respond_s=respond_s),
        nice=4,
    )
    await link.start()
    try:
        yield link
    finally:
        await link.stop()


async def until(holds: Callable[[], bool]) -> None:
    await eventually_async(holds, 40)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_scorers_life(good_pack: Path, tmp_path: Path) -> None:
    """Starting, scoring, answering, dying, coming back with the same sums, refusing a bad pack, ending."""
    told: TOLD = []

    async def live() -> None:
        async with linked(good_pack, tmp_path, told, max_items=5) as link:
            assert link.status == "starting"
            with pytest.raises(ScorerUnavailable, match="starting"):
                await link.dry_run(["x"])
            for text in inputs("sums", 8):
                link.observe_input("t", messages(text))
            assert (link.counts.queued, link.counts.dropped["queue_full"]) == (5, 3)
            await until(lambda: link.counts.scored.observed == 5)
            assert (link.status, told[-1].task, told[-1].n) == ("ready", "t", 5)
            pid = link.pid
            assert pid is not None
            assert os.getpriority(os.PRIO_PROCESS, pid) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 4)
            await answers(link)
            await dies_and_comes_back(link, told)
            await keeps_its_pack(link, good_pack, tmp_path)
            pid = link.pid
            assert pid is not None
            os.kill(pid, signal.SIGINT)
            assert (await link.dry_run(["What is 1 plus 2?"]))["n"] == 1
        assert not is_alive(pid)

    asyncio.run(live())


async def answers(link: EmbeddedScorerClient) -> None:
    seeded = await link.seed_task("seeded", inputs("capitals", 12))
    assert (seeded["n"], seeded["decision"]["model"]) == (12, "other")
    assert (await link.dry_run(inputs("sums", 12)))["decision"]["model"] == "good"
    with pytest.raises(InvalidRequest, match="none of the candidates"):
        await link.dry_run(["x"], "strange")
    assert await link.forget_task("seeded")
    assert not await link.forget_task("seeded")


async def dies_and_comes_back(link: EmbeddedScorerClient, told: Sequence[Decision]) -> None:
    before = link.pid
    assert before is not None
    os.kill(before, signal.SIGSTOP)
    for text in inputs("sums", 3, seed=2):
        link.observe_input("t", messages(text))
    await until(lambda: link.counts.queued == 0)
    waiting = asyncio.create_task(link.dry_run(["x"]))
    await asyncio.sleep(0)  # the request is sent
    os.kill(before, signal.SIGKILL)
    await until(lambda: link.status == "down")
    assert link.counts.dropped["scorer_died"] == 3
    with pytest.raises(ScorerUnavailable):
        await waiting
    link.observe_input("t", messages("What is 3 plus 4?"))
    await until(lambda: link.counts.scored.observed == 6)
    assert link.status == "ready"
    assert link.counts.restarts >= 1
    assert (told[-1].task, told[-1].n) == ("t", 6)
    assert link.pid != before


async def keeps_its_pack(link: EmbeddedScorerClient, good_pack: Path, folder: Path) -> None:
    altered = folder / "altered"
    shutil.copytree(good_pack, altered)
    data = bytearray((altered / "outcomes.npy").read_bytes())
    data[-1] ^= 1
    (altered / "outcomes.npy").write_bytes(bytes(data))
    with pytest.raises(PackRejected, match=r"outcomes\.npy"):
        await link.reload(start(altered, folder))
    assert link.status == "ready"
    assert (await link.dry_run(["What is 1 plus 2?"]))["n"] == 1
    await link.reload(start(good_pack, folder))


@pytest.mark.slow
def test_a_pack_of_an_unknown_embedder_is_refused_until_a_good_one_comes(good_pack: Path, tmp_path: Path) -> None:
    strange = saved_pack(tmp_path / "strange", Letters())

    async def live() -> None:
        async with linked(strange, tmp_path, []) as link:
            await until(lambda: link.status == "down")
            assert "tests/letters" in link.message
            with pytest.raises(ScorerUnavailable, match="tests/letters"):
                await link.seed_task("t", ["x"])
            await link.reload(start(good_pack, tmp_path))
            assert link.status == "ready"
            assert (await link.seed_task("t", ["What is 1 plus 2?"]))["n"] == 1

    asyncio.run(live())


def test_a_mistake_around_the_scorer_is_told_and_another_one_starts(
    good_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries = iter((True, False))

    def mistaken(pid: int, nice: int) -> bool:
        if next(tries, False):
            raise IndexError(pid, nice)
        return True

    async def live() -> None:
        async with linked(good_pack, tmp_path, []) as link:
            await until(lambda: link.status == "ready")
            assert link.counts.restarts == 1

    monkeypatch.setattr(process, "lower_priority_of", mistaken)
    asyncio.run(live())
    (told,) = (record for record in caplog.records if record.exc_info)
    assert told.exc_info is not None
    assert isinstance(told.exc_info[1], IndexError)
    pid = told.exc_info[1].args[0]
    eventually(lambda: not is_alive(pid))


@pytest.mark.slow
def test_a_keys_one_input_is_decided_soon_behind_another_keys_flood(good_pack: Path, tmp_path: Path) -> None:
    """Thousands of observations, and questions with a thousand texts each. Counted in batches, not in seconds."""
    batches: list[list[str]] = []

    class Told(list[Decision]):
        def extend(self, decisions: Iterable[Decision]) -> None:
            batches.append([one.task for one in decisions])

    async def live() -> None:
        async with linked(good_pack, tmp_path, Told(), max_items=10_000) as link:
            await until(lambda: link.status == "ready")
            texts = inputs("sums", 1000)
            asking = [asyncio.ensure_future(link.seed_task(f"seeded-{one}", texts, key="a")) for one in range(3)]
            asking += [asyncio.ensure_future(link.dry_run(texts, key="a")) for _ in range(3)]
            for place in range(9000):
                link.observe_input("flood", messages(texts[place % 1000]), "a")
            await until(lambda: len(batches) >= 5)
            begun = len(batches)
            link.observe_input("one", messages("What is 1 plus 2?"), "b")
            await until(lambda: any("one" in tasks for tasks in batches))
            place = next(place for place, tasks in enumerate(batches) if "one" in tasks)
            # Five batches are on their way, and for each one of the other key's questions may be answered.
            assert place - begun <= 10
            begun = len(batches)
            assert (await link.dry_run(["What is 1 plus 2?"], key="b"))["n"] == 1
            assert len(batches) - begun <= 20
            assert link.counts.queued > 2000, "the flood was over too soon to show anything"
            for one in asking:
                one.cancel()
            await asyncio.gather(*asking, return_exceptions=True)

    asyncio.run(live())


def test_a_stopped_scorer_holds_a_bounded_number_of_questions(good_pack: Path, tmp_path: Path) -> None:
    async def live() -> None:
        async with linked(good_pack, tmp_path, []) as link:
            await until(lambda: link.status == "ready")
            assert link.pid is not None
            os.kill(link.pid, signal.SIGSTOP)
            asking = [asyncio.ensure_future(link.seed_task("t", ["What is 1 plus 2?"], key="a")) for _ in range(300)]
            asking += [asyncio.ensure_future(link.inspect_pack("evidence", "t", key="a")) for _ in range(300)]
            await until(lambda: sum(one.done() for one in asking) == 2 * (300 - 104))
            refused = [one.exception() for one in asking if one.done()]
            assert {getattr(error, "code", None) for error in refused} == {"scorer_busy"}
            assert link.counts.questions_dropped == {"queue_full": 2 * (300 - 104)}
            other = asyncio.ensure_future(link.dry_run(["What is 1 plus 2?"], key="b"))
            os.kill(link.pid, signal.SIGCONT)
            assert (await other)["n"] == 1
            found = await asyncio.gather(*asking, return_exceptions=True)
            assert sum(not isinstance(one, BaseException) for one in found) == 2 * 104

    asyncio.run(live())


def test_what_only_reads_is_refused_soon_where_the_scorer_is_stopped(good_pack: Path, tmp_path: Path) -> None:
    """With those that wait behind it; what writes is kept, and so is a read that the process has received."""

    async def live() -> None:
        async with linked(good_pack, tmp_path, [], respond_s=1.0) as link:
            await until(lambda: link.status == "ready")
            assert link.pid is not None
            os.kill(link.pid, signal.SIGSTOP)
            seeding = asyncio.ensure_future(link.seed_task("t", ["What is 1 plus 2?"]))
            asking = [asyncio.ensure_future(link.inspect_pack("evidence", "t")) for _ in range(20)]
            for error in await asyncio.wait_for(asyncio.gather(*asking, return_exceptions=True), 10):
                assert isinstance(error, ScorerUnavailable)
                assert "the scorer's process does not respond" in error.message
            assert not seeding.done()
            os.kill(link.pid, signal.SIGCONT)
            assert (await seeding)["n"] == 1
            assert (await link.inspect_pack("evidence", "t"))["n"] == 1

    asyncio.run(live())


def test_a_large_seed_is_added_in_order_and_as_a_whole(good_pack: Path, tmp_path: Path) -> None:
    """In batches, with the same result as one input at a time."""

    async def live() -> None:
        async with linked(good_pack, tmp_path, []) as link:
            await until(lambda: link.status == "ready")
            texts = [text for pair in zip(inputs("sums", 75), inputs("capitals", 75), strict=True) for text in pair]
            at_once = await link.seed_task("at-once", texts)
            for text in texts:
                one_by_one = await link.seed_task("one-by-one", [text])
            assert (at_once["n"], at_once["added"], one_by_one["n"]) == (150, 150, 150)
            # Of embeddings, the last digits depend on the batch.
            for member in ("version", "model", "reason", "ranking"):
                assert at_once["decision"][member] == one_by_one["decision"][member]

    asyncio.run(live())


GATEWAY = """
import asyncio, json, sys
from pathlib import Path
from tests.gateway.scorer.test_client import linked, messages
from tests.gateway.waiting import eventually_async
async def live():
    async with linked(Path(sys.argv[1]), Path(sys.argv[2]), []) as link:
        async with asyncio.timeout(60):
            await eventually_async(lambda: link.pid)
            if sys.argv[3] == "busy":
                await eventually_async(lambda: link.status == "ready", 40)
                texts = ["word %d " % place * 2000 for place in range(1000)]
                asking = asyncio.create_task(link.dry_run(texts))
                for text in texts:
                    link.observe_input("t", messages(text))
                await eventually_async(lambda: link.counts.queued == 0 or link.counts.scored.observed)
            print(link.pid, flush=True)
            await asyncio.Event().wait()
asyncio.run(live())
"""


@pytest.mark.parametrize("state", ["starting", "busy"])
def test_a_scorer_ends_with_its_gateway_however_that_ends(good_pack: Path, tmp_path: Path, state: str) -> None:
    """Within two seconds, while it imports its libraries and in the middle of inputs that take longer."""
    command = [sys.executable, "-c", GATEWAY, str(good_pack), str(tmp_path), state]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as gateway:
        assert gateway.stdout is not None
        scorer = int(gateway.stdout.readline())
        os.kill(gateway.pid, signal.SIGKILL)
    eventually(lambda: not is_alive(scorer), 2)
