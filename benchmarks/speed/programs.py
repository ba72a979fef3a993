"""Processes: compiled, started on a core of their own, weighed, ended."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.speed.errors import NotReady

TARGET_CORE, OTHER_CORE = 0, 1
GRACE_S = 10.0
HERE = Path(__file__).parent
Command = Sequence[str | Path]
TICKS = os.sysconf("SC_CLK_TCK")


def compiled(name: str, folder: Path) -> Path:
    """The program of a C file beside this one. Raises NotReady where there is no compiler."""
    program, source = folder / name, HERE / f"{name}.c"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        compiler = shutil.which("cc")
        if compiler is None:
            raise NotReady("no C compiler (cc): the backend and the load are small C programs")
        subprocess.run([compiler, "-O2", "-o", program, source], check=True, timeout=60)
    return program


@contextmanager
def running(
    command: Command, core: int | None, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A program for as long as the block runs. core: where it and its children stay; None for anywhere."""
    pinned = ["taskset", "-c", str(core)] if core is not None else []
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*pinned, *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                found.extend(int(child) for child in (task / "children").read_text().split())
    return found


def cpu_s(pids: Sequence[int]) -> float:
    """User and system time that these have taken, and their children that have ended."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            ticks += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[11:15]))
    return ticks / TICKS


def memory_mb(pids: Sequence[int]) -> float:
    """Their share of memory (PSS): what several use together counts once."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def set_aside(pid: int) -> None:
    """Lets a process run where nobody else wants to: on the other core, and only while that is idle."""
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {OTHER_CORE})
            os.sched_setscheduler(int(task.name), os.SCHED_IDLE, os.sched_param(0))


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
