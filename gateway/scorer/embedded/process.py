"""Scorer process of an embedded deployment: it has one end of a socket pair, and ends when the other is closed."""

import asyncio
import contextlib
import os
import socket
import sys
from dataclasses import dataclass

from gateway.processes.priority import ATTEMPTS, PAUSE_S, lower_priority_of

GRACE_S = 3.0
COMMAND = (sys.executable, "-m", "gateway.scorer.embedded.start")

SCORER_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
"""Numpy's threads would spin for milliseconds after every product, and a batch's products are small. glibc would keep
what each embedding thread has used for that thread: 60 MB more.
"""


@dataclass(frozen=True, slots=True)
class ScorerProcess:
    """A running scorer process, and the gateway's end of the socket."""

    process: asyncio.subprocess.Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def start_process(cls, nice: int = 0) -> "ScorerProcess":
        """Start a process in a session of its own: Ctrl-C at a terminal is for the gateway alone. Raises OSError.

        nice: see gateway.processes.priority.
        """
        gateway_end, scorer_end = socket.socketpair()
        with scorer_end:
            try:
                process = await asyncio.create_subprocess_exec(
                    *COMMAND,
                    str(scorer_end.fileno()),
                    str(os.getpid()),
                    pass_fds=(scorer_end.fileno(),),
                    start_new_session=True,
                    env={**SCORER_ENVIRONMENT, **os.environ},
                )
            except BaseException:
                gateway_end.close()
                raise
        try:
            for _ in range(ATTEMPTS):
                if lower_priority_of(process.pid, nice):
                    break
                await asyncio.sleep(PAUSE_S)
            reader, writer = await asyncio.open_connection(sock=gateway_end)
        except BaseException:
            gateway_end.close()
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            raise
        return cls(process, reader, writer)

    async def end_process(self) -> None:
        """Close the socket, so that the scorer ends after its batch; kill it if it does not end in GRACE_S."""
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()
        try:
            await asyncio.wait_for(self.process.wait(), GRACE_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
        await self.process.wait()
