"""Rounds over targets and loads, interleaved, so that what else the machine does falls on all alike."""

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
from benchmarks.speed.programs import OTHER_CORE, TARGET_CORE, cpu_s, memory_mb, running, set_aside, tree
from benchmarks.speed.targets import Target

READY_S = 120.0
QUIET_S, QUIET_SHARE, SETTLED_S = 0.25, 0.1, 20.0
POLL_S = 0.01
SMALLEST = b'{"model": "%s", "messages": [{"role": "user", "content": "hi"}]}'


@dataclass(frozen=True, slots=True)
class Sample:
    """One round of one load on one target. cpu_us: of a request, or of a stream's chunk; beside_us: of its scorer."""

    cpu_us: float
    beside_us: float
    per_second: float
    p50_us: float
    p99_us: float


@dataclass(frozen=True, slots=True)
class Started:
    """A target that answers. start_s: from its start to its first answer."""

    target: Target
    pid: int
    start_s: float

    @property
    def own(self) -> list[int]:
        """Its processes but for the scorer, whose work waits until there is time."""
        return [pid for pid in tree(self.pid) if pid not in self.beside]

    @property
    def beside(self) -> list[int]:
        """Its scorer."""
        return [pid for pid in tree(self.pid) if _is_scorer(pid)]


@contextmanager
def started(target: Target, work: Path, core: int | None = TARGET_CORE) -> Iterator[Started]:
    """A target for as long as the block runs. Raises NotReady, naming its log."""
    log = work / f"{target.name}.log"
    begun = time.perf_counter()
    with running(target.command, core, log, target.environment) as process:
        while not _answers(target):
            if process.poll() is not None or time.perf_counter() > begun + READY_S:
                raise NotReady(f"{target.name} does not answer; see {log}")
            time.sleep(POLL_S)
        made = Started(target, process.pid, time.perf_counter() - begun)
        for pid in made.beside:
            set_aside(pid)
        yield made


def rounds(
    targets: Sequence[Started], loads: Sequence[Load], seconds: float, count: int, asking: "Asking"
) -> Mapping[tuple[str, str], list[Sample]]:
    """(target, load) -> a sample a round. The order of targets is turned round every time. What fails is left out."""
    found: dict[tuple[str, str], list[Sample]] = {}
    for number in range(count):
        for load in loads:
            for one in targets if number % 2 == 0 else reversed(targets):
                try:
                    found.setdefault((one.target.name, load.name), []).append(asking.sample(one, load, seconds))
                except Failed as error:
                    asking.tell(f"left out: {error}")
    return found


@dataclass(frozen=True, slots=True)
class Asking:
    """The load. tell: is told what is done."""

    program: Path
    work: Path
    tell: Callable[[str], None]
    warm_s: float = 1.0

    def sample(self, one: Started, load: Load, seconds: float) -> Sample:
        """One round. Raises Failed where an answer was no success."""
        self.tell(f"{load.about}: {one.target.name}")
        settle(one)
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
            before, beside_before = cpu_s(one.own), cpu_s(one.beside)
            process.stdout.readline()
            spent, beside = cpu_s(one.own) - before, cpu_s(one.beside) - beside_before
            told = json.loads(process.stdout.readline())
        count = told["events"] if load.is_stream else told["answers"]
        if told["errors"] or not count:
            raise Failed(f"{one.target.name} under {load.about}: {told}")
        return Sample(
            1e6 * spent / count, 1e6 * beside / count, count / told["seconds"], told["p50_us"], told["p99_us"]
        )


def settle(one: Started) -> None:
    """Waits until a target has nothing left to do from before: some go on with requests whose clients have left."""
    for pid in one.beside:
        set_aside(pid)
    deadline = time.monotonic() + SETTLED_S
    while time.monotonic() < deadline:
        before = cpu_s(one.own)
        time.sleep(QUIET_S)
        if cpu_s(one.own) - before < QUIET_SHARE * QUIET_S:
            return


@contextmanager
def all_started(targets: Sequence[Target], work: Path) -> Iterator[list[Started]]:
    """All of them at once; those that are not asked wait."""
    with ExitStack() as stack:
        yield [stack.enter_context(started(target, work)) for target in targets]


def memories(targets: Sequence[Started]) -> Mapping[str, float]:
    """Megabytes of each, without its scorer."""
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
        return b"gateway.scorer.embedded.server" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
