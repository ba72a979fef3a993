"""Work in steps between batches of inputs: a dry run of many texts delays nobody's input by more than one step."""

from collections import deque
from collections.abc import Generator, Iterator
from typing import TypeVar

T = TypeVar("T")

Steps = Generator[None, None, T]
"""Work that yields after every step, and returns its result."""


def run_steps(steps: Steps[T]) -> T:
    """Run all steps in a row, and return the result."""
    while True:
        try:
            next(steps)
        except StopIteration as ended:
            result: T = ended.value
            return result


class StepwiseJobs:
    """Jobs at work, in turn: each runs one step, then the next one does."""

    def __init__(self) -> None:
        self._jobs: deque[Iterator[None]] = deque()

    def __len__(self) -> int:
        return len(self._jobs)

    def add_job(self, job: Iterator[None]) -> None:
        """Add a job behind the others; it has handled its own errors."""
        self._jobs.append(job)

    def run_step(self) -> bool:
        """Run one step of the job whose turn it is. Return False where there is no job."""
        if not self._jobs:
            return False
        job = self._jobs.popleft()
        for _ in job:
            self._jobs.append(job)
            break
        return True
