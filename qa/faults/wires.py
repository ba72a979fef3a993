"""A gateway in a network namespace, with one cable to Redis and another to the rest of the machine (Linux, root).

The cable to Redis is cut by queues of length zero at both ends: packets vanish without an error.
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
"""One to Redis, one to the rest of the machine."""


@dataclass(frozen=True, slots=True)
class Wires:
    """A namespace and its addresses.

    Attributes:
        namespace: its name.
        redis: address of Redis, seen from inside.
        machine: address of the machine, seen from inside.
        gateway: address of the gateway, seen from outside.
    """

    namespace: str
    redis: str
    machine: str
    gateway: str

    @property
    def command(self) -> Sequence[str]:
        """The prefix of a command that runs inside."""
        return ("ip", "netns", "exec", self.namespace)

    def cut(self) -> None:
        """Drop all packets between the gateway and Redis. Raises CalledProcessError."""
        for end in self._ends():
            _run(*end, "tc", "qdisc", "add", "dev", self.cable, "root", "pfifo", "limit", "0")

    def restore(self) -> None:
        """Restore the cable. Raises CalledProcessError."""
        for end in self._ends():
            _run(*end, "tc", "qdisc", "del", "dev", self.cable, "root")

    @property
    def cable(self) -> str:
        """The name of the cable to Redis, the same at both ends."""
        return cable(self.namespace, "r")

    def _ends(self) -> Sequence[Sequence[str]]:
        return ((), self.command)


def are_wires_possible() -> bool:
    """Return True if this machine allows network namespaces."""
    if os.geteuid() != 0 or any(shutil.which(program) is None for program in ("ip", "tc")):
        return False
    try:
        with lay_wires() as wires:
            wires.cut()
            wires.restore()
    except subprocess.CalledProcessError:
        return False
    return True


@contextmanager
def lay_wires() -> Iterator[Wires]:
    """Create a namespace with its cables; delete them after the block. Raises CalledProcessError."""
    delete_leftovers()
    number = os.getpid()
    namespace, net = f"{PREFIX}{number}", f"10.{200 + number // 256 % 50}.{number % 256}"
    wires = Wires(namespace, f"{net}.1", f"{net}.5", f"{net}.6")
    _run("ip", "netns", "add", namespace)
    try:
        _run(*wires.command, "ip", "link", "set", "lo", "up")
        ends = ((wires.redis, f"{net}.2"), (wires.machine, wires.gateway))
        for which, (near, far_end) in zip(CABLES, ends, strict=True):
            _lay_cable(wires, cable(namespace, which), near, far_end)
        yield wires
    finally:
        for which in CABLES:  # the kernel deletes them with the namespace, but later
            with suppress(subprocess.CalledProcessError):  # it does not exist
                _run("ip", "link", "del", cable(namespace, which))
        _run("ip", "netns", "del", namespace)


def delete_leftovers() -> None:
    """Delete namespaces of killed runs."""
    for path in NAMESPACES.glob(f"{PREFIX}*"):
        if not Path("/proc", path.name.removeprefix(PREFIX)).exists():
            _run("ip", "netns", "del", path.name)


def cable(namespace: str, which: str) -> str:
    """A cable's name: 15 letters at most."""
    return f"br{which}{namespace.removeprefix(PREFIX)}"


def _lay_cable(wires: Wires, name: str, near: str, far_end: str) -> None:
    _run("ip", "link", "add", name, "type", "veth", "peer", "name", name, "netns", wires.namespace)
    for end, address in (((), near), (wires.command, far_end)):
        _run(*end, "ip", "address", "add", f"{address}/30", "dev", name)
        _run(*end, "ip", "link", "set", name, "up")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
