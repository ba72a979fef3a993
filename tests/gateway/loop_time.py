"""An event loop that knows how much CPU time its callbacks take: what one takes, every request waits for."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class LongCallback:
    """A callback, or a step of a task. cpu_s: of the loop's thread: other threads and processes are not in it."""

    cpu_s: float
    name: str


class MeasuredLoop(asyncio.SelectorEventLoop):
    """Measures every callback, and remembers the longest since `restart`."""

    def __init__(self) -> None:
        super().__init__()
        self._longest = LongCallback(0.0, "")

    def restart(self) -> LongCallback:
        """Return the longest callback since the last call."""
        longest, self._longest = self._longest, LongCallback(0.0, "")
        return longest

    # typeshed ties the arguments' types to the callback's.
    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:  # type: ignore[override]
        return super().call_soon(self._run, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        return super().call_at(when, self._run, callback, *args, context=context)

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.Handle:
        return super().call_soon_threadsafe(self._run, callback, *args, context=context)

    def _add_reader(self, fd: Any, callback: Callable[..., object], *args: Any) -> Any:
        return super()._add_reader(fd, self._run, callback, *args)  # type: ignore[misc]  # of asyncio's own

    def _run(self, callback: Callable[..., object], *args: Any) -> None:
        began = time.thread_time()
        try:
            callback(*args)
        finally:
            took_s = time.thread_time() - began
            if took_s > self._longest.cpu_s:
                self._longest = LongCallback(took_s, _name_of(callback))


def _name_of(callback: Callable[..., object]) -> str:
    """Return what tells of a callback; of a task's step, its coroutine."""
    task = getattr(callback, "__self__", None)
    return repr(task.get_coro()) if isinstance(task, asyncio.Task) else repr(callback)
