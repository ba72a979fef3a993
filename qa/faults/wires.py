"""A gateway in a network namespace of its own, with one cable to Redis and another to everybody else (Linux, as root).

The cable to Redis is cut by queues without room at both of its ends: packets vanish, and nobody is told.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

PREFIX = "benchroute-"
NAMESPACES = Path("/run/netns")
CABLES = "rm"
"""To Redis, and to the rest of the machine."""


@dataclass(frozen=True, slots=True)
class Wires:
    """A namespace, and addresses: of Redis and of the machine from inside, of the gateway from outside."""

    namespace: str
    redis: str
    machine: str
    gateway: str

    @property
    def command(self) -> Sequence[str]:
        """What a program's command begins with that is to run inside."""
        return ("ip", "netns", "exec", self.namespace)

    def cut(self) -> None:
        """Nothing goes through between the gateway and Redis from now on. Raises CalledProcessError."""
        for end in self._ends():
            _run(*end, "tc", "qdisc", "add", "dev", self.cable, "root", "pfifo", "limit", "0")

    def mend(self) -> None:
        """As before. Raises CalledProcessError."""
        for end in self._ends():
            _run(*end, "tc", "qdisc", "del", "dev", self.cable, "root")

    @property
    def cable(self) -> str:
        """The name of the cable to Redis, at both of its ends."""
        return cable(self.namespace, "r")

    def _ends(self) -> Sequence[Sequence[str]]:
        return ((), self.command)


def are_possible() -> bool:
    """Whether this machine lets us."""
    if os.geteuid() != 0 or any(shutil.which(program) is None for program in ("ip", "tc")):
        return False
    try:
        with laid() as wires:
            wires.cut()
            wires.mend()
    except subprocess.CalledProcessError:
        return False
    return True


@contextmanager
def laid() -> Iterator[Wires]:
    """A namespace with its cables, gone afterwards. Raises CalledProcessError."""
    clear()
    number = os.getpid()
    namespace, net = f"{PREFIX}{number}", f"10.{200 + number // 256 % 50}.{number % 256}"
    wires = Wires(namespace, f"{net}.1", f"{net}.5", f"{net}.6")
    _run("ip", "netns", "add", namespace)
    try:
        _run(*wires.command, "ip", "link", "set", "lo", "up")
        ends = ((wires.redis, f"{net}.2"), (wires.machine, wires.gateway))
        for which, (ours, theirs) in zip(CABLES, ends, strict=True):
            _lay(wires, cable(namespace, which), ours, theirs)
        yield wires
    finally:
        for which in CABLES:  # with their namespace they would go too, but some time later
            with suppress(subprocess.CalledProcessError):  # it was not laid any more
                _run("ip", "link", "del", cable(namespace, which))
        _run("ip", "netns", "del", namespace)


def clear() -> None:
    """Takes away what runs have left that were killed."""
    for path in NAMESPACES.glob(f"{PREFIX}*"):
        if not Path("/proc", path.name.removeprefix(PREFIX)).exists():
            _run("ip", "netns", "del", path.name)


def cable(namespace: str, which: str) -> str:
    """A cable's name: 15 letters at most."""
    return f"br{which}{namespace.removeprefix(PREFIX)}"


def _lay(wires: Wires, name: str, ours: str, theirs: str) -> None:
    _run("ip", "link", "add", name, "type", "veth", "peer", "name", name, "netns", wires.namespace)
    for end, address in (((), ours), (wires.command, theirs)):
        _run(*end, "ip", "address", "add", f"{address}/30", "dev", name)
        _run(*end, "ip", "link", "set", name, "up")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
