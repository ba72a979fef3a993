"""A gateway that tells what held its event loop: `python -m benchmarks.speed.stalls REPORT serve --config …`.

A thread looks a thousand times a second at what the event loop's thread runs, and how much CPU time that thread has
used: other processes of the machine make the loop late, but not busy. Callbacks that used more than LIMIT_S in one
turn of the loop are counted by function, with the stack that was seen most often; so are garbage collections, and other
threads that kept the interpreter to themselves. The report is written when the gateway ends.
"""

import asyncio
import gc
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

LIMIT_S = 0.005
LOOK_S = 0.001
BEAT_S = 0.001
LOOP_FILES = ("asyncio/base_events.py", "asyncio/events.py", "selectors.py")
DEPTH = 8
"""Frames of a stack in the report, the innermost ones."""


@dataclass(slots=True)
class Found:
    """A function whose work took longer than the limit: how often, the longest, and where it was then."""

    times: int = 0
    worst_ms: float = 0.0
    stacks: Counter[str] = field(default_factory=Counter)

    def add(self, took_s: float, stack: str) -> None:
        """Count one more time."""
        self.times += 1
        self.worst_ms = max(self.worst_ms, 1000 * took_s)
        self.stacks[stack] += 1

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"times": self.times, "worst_ms": round(self.worst_ms, 1), "stacks": self.stacks.most_common(2)}


class StallWatch:
    """Looks at the main thread, whose event loop is the gateway's."""

    def __init__(self) -> None:
        self.callbacks: dict[str, Found] = {}
        self.collections: dict[str, Found] = {}
        self.threads: dict[str, Found] = {}
        self._beats = 0
        self._main = threading.main_thread().ident or 0
        self._clock = time.pthread_getcpuclockid(self._main)
        self._collecting_s = 0.0

    def start(self) -> None:
        """Look from now on, until the process ends."""
        gc.callbacks.append(self._on_collection)
        threading.Thread(target=self._run, daemon=True).start()

    async def beat(self) -> None:
        """Count the turns of the loop."""
        while True:
            self._beats += 1
            await asyncio.sleep(BEAT_S)

    def to_dict(self) -> dict[str, Any]:
        """Return the report, the worst first."""
        parts = {"callbacks": self.callbacks, "collections": self.collections, "other threads": self.threads}
        return {
            name: {where: one.to_dict() for where, one in sorted(part.items(), key=lambda pair: -pair[1].worst_ms)}
            for name, part in parts.items()
        }

    def _on_collection(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._collecting_s = time.thread_time()
        elif (took_s := time.thread_time() - self._collecting_s) > LIMIT_S:
            of = "event loop" if threading.get_ident() == self._main else "another thread"
            add(self.collections, f"generation {info['generation']}, {of}", took_s, "")

    def _run(self) -> None:
        sys.setswitchinterval(LOOK_S)
        before, began = self._look(), self._look()
        stacks = Counter[str]()
        while True:
            time.sleep(LOOK_S)
            now = self._look()
            if now.is_same_callback(before):
                stacks[describe_frames(now.frames)] += 1
            else:
                # What the thread did between two looks is counted as the callback's that was seen first.
                if before.frames and before.cpu_s - began.cpu_s > LIMIT_S:
                    stack = stacks.most_common(1)[0][0] if stacks else describe_frames(before.frames)
                    add(self.callbacks, describe_frames(before.frames[-1:]), before.cpu_s - began.cpu_s, stack)
                elif now.cpu_s - before.cpu_s > LIMIT_S and not now.frames:
                    add(self.callbacks, "not seen: it kept the interpreter", now.cpu_s - before.cpu_s, "")
                began = before
                stacks.clear()
            if (held_s := now.others_cpu_s - before.others_cpu_s) > LIMIT_S:
                for where in self._others():
                    add(self.threads, where, held_s, "")
            before = now

    def _look(self) -> "Look":
        """Return what the main thread runs. CPU first: reading the frames waits for the interpreter."""
        cpu_s = time.clock_gettime(self._clock)
        return Look(cpu_s, time.process_time() - cpu_s, self._beats, callback_frames(sys._current_frames()[self._main]))

    def _others(self) -> Iterator[str]:
        own = {self._main, threading.get_ident()}
        tops = [top for one, top in sys._current_frames().items() if one not in own]
        yield from (where for top in tops if "wait" not in (where := describe_frames(stack_of(top)[:4])))


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the main thread.

    Attributes:
        cpu_s: CPU time of the thread.
        others_cpu_s: CPU time of all other threads, the watch included.
        beats: turns of the loop.
        frames: of the callback that runs, innermost first; none while the loop waits.
    """

    cpu_s: float
    others_cpu_s: float
    beats: int
    frames: Sequence[FrameType]

    def is_same_callback(self, other: "Look") -> bool:
        """Return whether both saw one call of one callback."""
        if not self.frames or not other.frames:
            return False
        return self.frames[-1] is other.frames[-1] and self.beats == other.beats


def add(part: dict[str, Found], name: str, took_s: float, stack: str) -> None:
    """Count what took longer than the limit."""
    part.setdefault(name, Found()).add(took_s, stack)


def stack_of(top: FrameType) -> list[FrameType]:
    """Return a thread's frames, innermost first."""
    frames = [top]
    while (below := frames[-1].f_back) is not None:
        frames.append(below)
    return frames


def callback_frames(top: FrameType) -> list[FrameType]:
    """Return the frames above the event loop's own, innermost first: a callback, or a step of a task."""
    frames = stack_of(top)
    runners = [place for place, frame in enumerate(frames) if frame.f_code.co_filename.endswith("asyncio/runners.py")]
    base = runners[0] if runners else len(frames)
    # uvloop has no frames; asyncio's own loop has some of its own below a callback's.
    while base and frames[base - 1].f_code.co_filename.endswith(LOOP_FILES):
        base -= 1
    return frames[:base]


def describe_frames(frames: Sequence[FrameType]) -> str:
    """Return functions and lines, innermost first."""
    return " < ".join(
        f"{'/'.join(Path(frame.f_code.co_filename).parts[-2:])}:{frame.f_lineno} {frame.f_code.co_name}"
        for frame in frames[:DEPTH]
    )


def print_stalls(report: Path | None) -> None:
    """Print a report; nothing without one."""
    for part, found in {} if report is None else json.loads(report.read_text()).items():
        print(f"{part} of more than {1000 * LIMIT_S:g} ms:" + ("" if found else " none"))
        for where, one in list(found.items())[:10]:
            print(f"  {one['worst_ms']:6.1f} ms at most, {one['times']} times: {where}")
            print("".join(f"           {stack}\n" for stack, _ in one["stacks"][:1] if stack), end="")


def main() -> None:
    """Run the command line of the gateway, and write the report at its end."""
    report, sys.argv = Path(sys.argv[1]), sys.argv[1:]
    watch = StallWatch()

    def write() -> None:
        report.write_text(json.dumps(watch.to_dict(), indent=1))

    from gateway.cli import main as run
    from gateway.server.app import Gateway

    running = Gateway.running

    @asynccontextmanager
    async def watched(gateway: Gateway) -> AsyncIterator[None]:
        async with running(gateway):
            beating = asyncio.create_task(watch.beat())
            watch.start()
            yield
            beating.cancel()
            write()

    Gateway.running = watched  # type: ignore[method-assign,assignment]  # the gateway has no hook for a benchmark's watch
    run()


if __name__ == "__main__":
    main()
