"""Background executor for questions that store nothing, one after the other.

Comparing two packs takes seconds, opening the other one included; inputs are scored meanwhile. The number of questions
that wait is bounded: whoever asks gives up after a while, and asks again.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable

log = logging.getLogger("benchroute.scorer")

BackgroundJob = Callable[[], None]

MAX_JOBS = 256
"""Jobs that wait: of a gateway's own scorer a few, of a distributed one all gateways' together."""


class BackgroundExecutor:
    """Runs jobs in order, in one thread that exists while there are jobs. The thread ends with the process."""

    def __init__(self) -> None:
        self._jobs: deque[BackgroundJob] = deque()
        self._lock = threading.Lock()
        self._is_busy = False

    def submit_job(self, job: BackgroundJob) -> bool:
        """Add a job. Never waits. Return False, and leave it, where too many wait."""
        with self._lock:
            if len(self._jobs) >= MAX_JOBS:
                return False
            self._jobs.append(job)
            is_first, self._is_busy = not self._is_busy, True
        if is_first:
            threading.Thread(target=self._run, name="background", daemon=True).start()
        return True

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
                log.exception("a background job failed")
