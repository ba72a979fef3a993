"""A running target, and one sample of a load on it."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from benchmarks.speed.errors import Failed, NotReady
from benchmarks.speed.instructions import counted_instructions
from benchmarks.speed.lag import read_lag, subtract_lag
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
        instructions: per request or chunk, user and kernel; None where the processor counts none.
        lag: samples of a gateway's event loop lag by upper bound in seconds; those before the sample count too.
    """

    cpu_us: float
    scorer_us: float
    per_second: float
    p50_us: float
    p99_us: float
    instructions: float | None = None
    lag: Mapping[str, int] = field(default_factory=dict)


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


@dataclass(frozen=True, slots=True)
class Client:
    """The load generator.

    Attributes:
        report_progress: gets a line about each step.
        warm_s: seconds of load before a sample.
        counts_instructions: True where `perf` counts them.
    """

    program: Path
    work: Path
    report_progress: Callable[[str], None]
    warm_s: float = 1.0
    counts_instructions: bool = False

    def take_sample(self, one: Started, load: Load, seconds: float, beside: Sequence[Started] = ()) -> Sample:
        """Measure one load on one target. Raises Failed if a response was an error.

        beside: targets that have to be idle.
        """
        self.report_progress(f"{load.about}: {one.target.name}")
        wait_until_idle([*beside, one])
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
        lag = read_lag(one.target)
        with subprocess.Popen([*command, *timing], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            process.stdout.readline()
            before, scorer_before = cpu_s(one.own), cpu_s(one.scorers)
            with counted_instructions(one.own if self.counts_instructions else ()) as instructions:
                process.stdout.readline()
                spent, scorer_spent = cpu_s(one.own) - before, cpu_s(one.scorers) - scorer_before
            said = process.stdout.readline()
        if not said:
            raise Failed(f"{one.target.name} under {load.about}: it takes no connections any more; see its log")
        counted = json.loads(said)
        count = counted["events"] if load.is_stream else counted["answers"]
        if counted["errors"] or not count:
            raise Failed(f"{one.target.name} under {load.about}: {counted}")
        return Sample(
            1e6 * spent / count,
            1e6 * scorer_spent / count,
            count / counted["seconds"],
            counted["p50_us"],
            counted["p99_us"],
            instructions[0] / count if instructions else None,
            subtract_lag(read_lag(one.target), lag),
        )


def wait_until_idle(targets: Sequence[Started]) -> None:
    """Wait until targets and their scorers use no CPU.

    Some go on for seconds with requests of clients that have disconnected: on the core of the target that is next.
    """
    pids = [pid for one in targets for pid in tree(one.pid)]
    for pid in [pid for one in targets for pid in one.scorers]:
        deprioritize(pid)
    deadline = time.monotonic() + SETTLED_S
    while time.monotonic() < deadline:
        before = cpu_s(pids)
        time.sleep(QUIET_S)
        if cpu_s(pids) - before < QUIET_SHARE * QUIET_S:
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
