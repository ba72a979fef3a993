"""Process 1 of a container: signals reach the program, orphans are reaped, the exit code is the program's."""

import functools
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.processes.init_process import FORWARDED
from tests.gateway.asking import HELLO, ask
from tests.gateway.fake_upstream import Upstream
from tests.gateway.server.test_shutdown import answers, asking, config, refused
from tests.gateway.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="containers are Linux")

INIT = """
import ctypes
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: orphans come to this process, as they do to process 1
from gateway.processes.init_process import run_as_init
run_as_init()
import os, signal, subprocess, sys, time
"""
ORPHANS = "for _ in range(5): subprocess.run(['/bin/sh', '-c', 'sleep 0.05 & exit 0'])"
NAMESPACE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")


@functools.cache
def can_unshare() -> bool:
    try:
        return subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def zombies(pid: int) -> list[int]:
    """Children of a process that have exited and wait to be reaped."""
    states = {one: Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()[0] for one in children(pid)}
    return [one for one, state in states.items() if state == "Z"]


@contextmanager
def started(program: str) -> Iterator[subprocess.Popen[str]]:
    """The program under an init process, once it has printed a line."""
    command = [sys.executable, "-c", INIT + program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("program", "code"), [("sys.exit(0)", 0), ("sys.exit(3)", 3), ("os.kill(os.getpid(), signal.SIGKILL)", 137)]
)
def test_the_exit_code_is_the_programs(program: str, code: int) -> None:
    assert subprocess.run([sys.executable, "-c", INIT + program], check=False, timeout=20).returncode == code


@pytest.mark.parametrize("number", sorted(FORWARDED))
def test_signals_reach_the_program_once(number: signal.Signals) -> None:
    program = f"""
got = []
signal.signal({int(number)}, lambda *_: got.append(1))
print("ready", flush=True)
while not got:
    time.sleep(0.01)
time.sleep(0.1)
sys.exit(40 + len(got))
"""
    with started(program) as process:
        process.send_signal(number)
        assert process.wait(20) == 41


def test_a_program_that_does_not_handle_a_signal_is_ended_by_it() -> None:
    with started('print("ready", flush=True); time.sleep(60)') as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 128 + signal.SIGTERM


def test_ctrl_c_in_a_terminal_reaches_the_program_once() -> None:
    program = """
got = []
signal.signal(signal.SIGINT, lambda *_: got.append(1))
print("ready", flush=True)
while not got:
    time.sleep(0.01)
time.sleep(0.2)
sys.exit(40 + len(got))
"""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", INIT + program])  # noqa: S606
    try:
        shown = b""
        while b"ready" not in shown:
            shown += os.read(terminal, 100)
        os.write(terminal, b"\x03")
        ended, status = eventually(lambda: found if (found := os.waitpid(pid, os.WNOHANG))[0] else None, 10) or (0, 0)
        assert (ended, os.waitstatus_to_exitcode(status)) == (pid, 41)
    finally:
        os.close(terminal)


def test_orphans_are_reaped_and_the_program_keeps_its_own_children() -> None:
    program = f"""
{ORPHANS}
own = subprocess.Popen(["/bin/sh", "-c", "sleep 0.3; exit 7"])
print("ready", flush=True)
code = own.wait()
sys.stdin.readline()
sys.exit(code)
"""
    command = [sys.executable, "-c", INIT + program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        # The program itself is left, and what it started.
        eventually(lambda: len(children(process.pid)) == 1, 10)
        process.communicate("end\n", timeout=20)
        assert process.returncode == 7


def test_other_processes_are_left_as_they_are() -> None:
    program = "import os; before = os.getpid(); from gateway.processes.init_process import fork_under_init\n"
    program += "fork_under_init(); print(os.getpid() == before)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"True\n"


@contextmanager
def served_as_process_1(folder: Path, text: str, options: Sequence[str] = ()) -> Iterator[tuple[str, int]]:
    """`benchroute serve` as process 1 of a PID namespace of its own. Yields its URL, and its process ID outside."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "config.yaml").write_text(text)
    serve = [str(Path(sys.executable).with_name("benchroute")), "serve", "--config", str(folder / "config.yaml")]
    with (folder / "log").open("wb") as log:
        outside = subprocess.Popen([*NAMESPACE, *serve, "--port", str(port), *options], stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: outside.poll() is None and answers(url))
        (init,) = children(outside.pid)
        yield url, init
        outside.wait(20)
    finally:
        outside.kill()
        outside.wait()
    (folder / "code").write_text(str(outside.returncode))


@pytest.mark.slow
@pytest.mark.skipif(not can_unshare(), reason="PID namespaces are not allowed here")
def test_a_gateway_as_process_1_reaps_drains_and_stops(upstream: Upstream, tmp_path: Path) -> None:
    text = config(upstream, tmp_path, 20, server={"shutdown_grace_s": 20, "drain_s": 1.0})
    with served_as_process_1(tmp_path, text) as (url, init):
        orphan = ["nsenter", "--target", str(init), "--pid", "/bin/sh", "-c", "(sleep 0.1 & exit 0) & exit 0"]
        for _ in range(5):
            subprocess.run(orphan, check=True, timeout=20)
        # An orphan of a health check comes to process 1 as well.
        eventually(lambda: len(children(init)) == 1 and not zombies(init), 10)
        with asking(url, "tells-slowly") as made:
            response = made.getresponse()
            first = response.read1()
            os.kill(init, signal.SIGTERM)
            eventually(lambda: ask(url, "/health/ready").status == 503, 5)
            assert ask(url, body={**HELLO, "model": "good"}).status == 200
            eventually(lambda: refused(url))
            assert (first + response.read()).endswith(b"data: [DONE]\n\n")
    assert (tmp_path / "code").read_text() == str(128 + signal.SIGTERM)
    assert "Traceback" not in (tmp_path / "log").read_text()
