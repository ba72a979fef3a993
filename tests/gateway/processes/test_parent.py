"""A process whose parent was killed, whatever it is at then."""

import os
import signal
import subprocess
import sys

import pytest

from tests.gateway.waiting import eventually

PARENT = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1], str(os.getpid())], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
child.wait()
"""

CHILD = """
import os, re, sys, threading, time
from gateway.processes.parent import end_with_parent, exit_after_parent
parent = int(sys.argv[1])
{start}
print("ready", flush=True)
{work}
"""
KERNEL = "end_with_parent(parent)"
THREAD = "threading.Thread(target=exit_after_parent, args=(parent,), daemon=True).start()"
SLEEPS = "time.sleep(60)"
COMPUTES = "while True: sum(range(1000))"
KEEPS_THE_LOCK = "re.match('(a+)+b', 'a' * 200)"
"""One call into C that never returns, and lets no other thread run."""


@pytest.mark.parametrize(
    ("start", "work"), [(KERNEL, SLEEPS), (KERNEL, KEEPS_THE_LOCK), (THREAD, SLEEPS), (THREAD, COMPUTES)]
)
def test_it_ends_within_two_seconds(start: str, work: str) -> None:
    command = [sys.executable, "-c", PARENT, CHILD.format(start=start, work=work)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        os.kill(parent.pid, signal.SIGKILL)
    eventually(lambda: not is_running(child), 2)


def test_one_whose_parent_is_gone_already_does_not_begin() -> None:
    child = CHILD.format(start=KERNEL, work=SLEEPS)
    ended = subprocess.run([sys.executable, "-c", child, "1"], capture_output=True, check=False, timeout=30)
    assert (ended.returncode, ended.stdout) == (1, b"")


def test_while_the_parent_lives_the_child_goes_on() -> None:
    child = CHILD.format(start=THREAD, work=SLEEPS)
    with subprocess.Popen([sys.executable, "-c", child, str(os.getpid())], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.75)
        process.kill()


def is_running(pid: int) -> bool:
    """A zombie, which nobody has waited for yet, does not run."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
