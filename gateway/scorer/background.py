"""What a scorer does beside its inputs: looking at things for people, one after the other, in a thread of its own.

Comparing two packs takes seconds, opening the other one included; inputs are scored meanwhile.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable

log = logging.getLogger("benchroute.scorer")

BackgroundJob = Callable[[], None]


class BackgroundExecutor:
    """Jobs in the order in which they came. The thread is there while there are some, and ends with the program."""

    def __init__(self) -> None:
        self._jobs: deque[BackgroundJob] = deque()
        self._lock = threading.Lock()
        self._is_busy = False

    def submit_job(self, job: BackgroundJob) -> None:
        """Never waits."""
        with self._lock:
            self._jobs.append(job)
            begins, self._is_busy = not self._is_busy, True
        if begins:
            threading.Thread(target=self._run, name="aside", daemon=True).start()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._jobs:
                    self._is_busy = False
                    return
                job = self._jobs.popleft()
            try:
                job()
            except Exception:  # the edge of a background job
                log.exception("something that was asked for could not be shown")
