"""Processes: compile, start on one core, measure CPU and memory, end."""

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


def check_machine() -> None:
    """Raise NotReady if this machine cannot run the benchmark at all."""
    if not Path("/proc/self/stat").exists() or shutil.which("taskset") is None:
        raise NotReady("the benchmark needs Linux with taskset (package util-linux)")
    if not {TARGET_CORE, OTHER_CORE} <= os.sched_getaffinity(0):
        raise NotReady("the benchmark needs cores 0 and 1: one for the target, one for backend and load")


def compile_program(name: str, folder: Path) -> Path:
    """Compile NAME.c of this package into folder, unless it is up to date. Raises NotReady without a compiler."""
    program, source = folder / name, HERE / f"{name}.c"
    changed = max(one.stat().st_mtime for one in (source, HERE / "wait.h"))
    if not program.exists() or program.stat().st_mtime < changed:
        compiler = shutil.which("cc")
        if compiler is None:
            raise NotReady("no C compiler (cc): the backend and the load generator are C programs")
        subprocess.run([compiler, "-O2", "-o", program, source], check=True, timeout=60)
    return program


@contextmanager
def running(
    command: Command, core: int | None, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program during the block, output to log. core: for it and its children; None leaves them unpinned."""
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
    """Return a process and all its descendants."""
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                found.extend(int(child) for child in (task / "children").read_text().split())
    return found


def cpu_s(pids: Sequence[int]) -> float:
    """Return user and system time of these processes and of their ended children, in seconds."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            ticks += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[11:15]))
    return ticks / TICKS


def memory_mb(pids: Sequence[int]) -> float:
    """Return the proportional set size (PSS) of these processes in MB: shared pages count once."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def deprioritize(pid: int) -> None:
    """Move a process to the other core, scheduled only while that core is idle."""
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {OTHER_CORE})
            os.sched_setscheduler(int(task.name), os.SCHED_IDLE, os.sched_param(0))


def free_ports(count: int) -> list[int]:
    """Return free ports of 127.0.0.1."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
