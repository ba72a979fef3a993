"""Rounds over targets and loads, interleaved, so that other work of the machine falls on all targets alike."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from benchmarks.speed.errors import Failed, NotReady
from benchmarks.speed.loads import KEY, PATH, Load
from benchmarks.speed.programs import OTHER_CORE, TARGET_CORE, cpu_s, deprioritize, memory_mb, running, tree
from benchmarks.speed.targets import Target

READY_S = 120.0
QUIET_S, QUIET_SHARE, SETTLED_S = 0.25, 0.1, 20.0
POLL_S = 0.01
SMALLEST = b'{"model": "%s", "messages": [{"role": "user", "content": "hi"}]}'


@dataclass(frozen=True, slots=True)
class Sample:
    """One round of one load on one target.

    Attributes:
        cpu_us: CPU time per request, or per chunk of a stream.
        scorer_us: CPU time of the target's scorer per request or chunk.
        per_second: requests or chunks per second.
        p50_us: median latency.
        p99_us: latency at the 99th percentile.
    """

    cpu_us: float
    scorer_us: float
    per_second: float
    p50_us: float
    p99_us: float


@dataclass(frozen=True, slots=True)
class Started:
    """A running target. start_s: seconds from its start to its first response."""

    target: Target
    pid: int
    start_s: float

    @property
    def own(self) -> list[int]:
        """Its processes without the scorer, whose work is deferred."""
        return [pid for pid in tree(self.pid) if pid not in self.scorers]

    @property
    def scorers(self) -> list[int]:
        """Its scorer processes."""
        return [pid for pid in tree(self.pid) if _is_scorer(pid)]


@contextmanager
def started(target: Target, work: Path, core: int | None = TARGET_CORE) -> Iterator[Started]:
    """Run a target during the block. Raises NotReady, naming its log."""
    log = work / f"{target.name}.log"
    begun = time.perf_counter()
    with running(target.command, core, log, target.environment) as process:
        while not _answers(target):
            if process.poll() is not None or time.perf_counter() > begun + READY_S:
                raise NotReady(f"{target.name} does not answer; see {log}")
            time.sleep(POLL_S)
        made = Started(target, process.pid, time.perf_counter() - begun)
        for pid in made.scorers:
            deprioritize(pid)
        yield made


def measure_rounds(
    targets: Sequence[Started], loads: Sequence[Load], seconds: float, count: int, client: "Client"
) -> Mapping[tuple[str, str], list[Sample]]:
    """Return (target, load) -> one sample a round, without those that failed.

    The order of targets is reversed in every second round, so that a drift of the machine's speed favours none.
    """
    found: dict[tuple[str, str], list[Sample]] = {}
    for number in range(count):
        for load in loads:
            for one in targets if number % 2 == 0 else reversed(targets):
                try:
                    found.setdefault((one.target.name, load.name), []).append(client.take_sample(one, load, seconds))
                except Failed as error:
                    client.report_progress(f"left out: {error}")
    return found


@dataclass(frozen=True, slots=True)
class Client:
    """The load generator. report_progress: gets a line about each step."""

    program: Path
    work: Path
    report_progress: Callable[[str], None]
    warm_s: float = 1.0

    def take_sample(self, one: Started, load: Load, seconds: float) -> Sample:
        """Measure one round. Raises Failed if a response was an error."""
        self.report_progress(f"{load.about}: {one.target.name}")
        wait_until_idle(one)
        request = self.work / f"{one.target.name}-{load.name}.request"
        request.write_bytes(one.target.request(load))
        command: list[str | Path] = [
            "taskset",
            "-c",
            str(OTHER_CORE),
            self.program,
            str(one.target.port(load)),
            str(load.connections),
        ]
        timing: list[str | Path] = [str(self.warm_s), str(seconds), request]
        with subprocess.Popen([*command, *timing], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            process.stdout.readline()
            before, scorer_before = cpu_s(one.own), cpu_s(one.scorers)
            process.stdout.readline()
            spent, scorer_spent = cpu_s(one.own) - before, cpu_s(one.scorers) - scorer_before
            counted = json.loads(process.stdout.readline())
        count = counted["events"] if load.is_stream else counted["answers"]
        if counted["errors"] or not count:
            raise Failed(f"{one.target.name} under {load.about}: {counted}")
        return Sample(
            1e6 * spent / count,
            1e6 * scorer_spent / count,
            count / counted["seconds"],
            counted["p50_us"],
            counted["p99_us"],
        )


def wait_until_idle(one: Started) -> None:
    """Wait until a target uses no CPU: some continue requests of clients that have disconnected."""
    for pid in one.scorers:
        deprioritize(pid)
    deadline = time.monotonic() + SETTLED_S
    while time.monotonic() < deadline:
        before = cpu_s(one.own)
        time.sleep(QUIET_S)
        if cpu_s(one.own) - before < QUIET_SHARE * QUIET_S:
            return


@contextmanager
def start_all(targets: Sequence[Target], work: Path) -> Iterator[list[Started]]:
    """Run all targets during the block; only one at a time gets requests."""
    with ExitStack() as stack:
        yield [stack.enter_context(started(target, work)) for target in targets]


def memories(targets: Sequence[Started]) -> Mapping[str, float]:
    """Return MB of each target, without its scorer."""
    return {one.target.name: memory_mb(one.own) for one in targets}


def _answers(target: Target) -> bool:
    connection = HTTPConnection("127.0.0.1", target.ports["fast"], timeout=10)
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json", "x-task-id": "fast"}
    try:
        connection.request("POST", PATH, SMALLEST % (b"auto" if target.routes else b"fast"), headers)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _is_scorer(pid: int) -> bool:
    try:
        return b"gateway.scorer.embedded.start" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
