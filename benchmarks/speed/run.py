"""The command: start everything, measure in rounds, write table, figure and JSON.

Programs that are missing are named in one line each; the rest is measured. Exit code 1 if nothing could be measured or
a measurement failed.
"""

import argparse
import importlib.util
import json
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console

from benchmarks.speed.errors import NotReady, SpeedError
from benchmarks.speed.instructions import is_counting, replay_instructions
from benchmarks.speed.loads import LOADS, Load
from benchmarks.speed.machine import describe_load
from benchmarks.speed.measure import Client, Started, memories, start_all, started
from benchmarks.speed.programs import OTHER_CORE, Command, check_machine, compile_program, free_ports, running
from benchmarks.speed.report import draw_figure, print_tables
from benchmarks.speed.results import DIRECT, Figures, RunNotes
from benchmarks.speed.rounds import Rounds, Samples, merge_samples
from benchmarks.speed.targets import MODELS, Places, Target, benchroute, litellm, nginx
from benchmarks.speed.tls import create_certificate, tls_command

DELAY_MS, TICK_US, CHUNKS = 50, 20_000, 50
STARTS = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line's measurement. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of a sample")
    parser.add_argument("--rounds", type=int, default=3, help="samples of every load on every target")
    parser.add_argument("--quick", action="store_true", help="one round of 1.5 s samples, as a smoke test")
    parser.add_argument(
        "--targets", default="nginx,litellm,benchroute,benchroute-asgi", help="targets, separated by commas"
    )
    parser.add_argument("--loads", default=",".join(load.name for load in LOADS), help="loads, separated by commas")
    parser.add_argument("--litellm", type=Path, default=Path("build/litellm"), help="LiteLLM's virtual environment")
    parser.add_argument("--benchroute", type=Path, help="the gateway's virtual environment, if not this one")
    parser.add_argument(
        "--without-instructions",
        action="store_true",
        help="do not count instructions, with valgrind if need be: minutes",
    )
    parser.add_argument("--without-pack", action="store_true", help="run without a pack and its scorer")
    parser.add_argument("--work", type=Path, default=Path("build/speed"), help="folder for configurations and logs")
    parser.add_argument("--results", type=Path, default=Path("results/bench.json"), help="JSON to write")
    given = parser.parse_args(arguments)
    if given.quick:
        given.seconds, given.rounds, given.without_instructions = 1.5, 1, True
    try:
        found = measure(given)
    except SpeedError as error:
        print(error, file=sys.stderr)
        return 1
    return write_report(found, given.results)


def write_report(found: Figures, results: Path) -> int:
    """Write JSON and figure, print the tables. Returns 1 if a load on a target has no sample, else 0."""
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(found.to_dict(), indent=1, ensure_ascii=False) + "\n")
    if importlib.util.find_spec("matplotlib"):
        draw_figure(found, results.with_suffix(".svg"))
    print_tables(found, Console(width=None if Console().is_terminal else 160))
    print(f"results: {results}")
    pairs = [(target, load) for target in found.targets for load in found.loads]
    failed = [f"{target.name}, {load.about}" for target, load in pairs if not found.samples_of(target, load)]
    print("".join(f"not measured: {one}\n" for one in failed), end="", file=sys.stderr)
    return 1 if failed else 0


def measure(given: argparse.Namespace) -> Figures:
    """Return one run's figures. Raises SpeedError."""
    check_machine()
    load_before = describe_load()
    given.work.mkdir(parents=True, exist_ok=True)
    counts = not given.without_instructions and is_counting()
    client = Client(compile_program("load", given.work), given.work, _print_progress, counts_instructions=counts)
    python = given.benchroute / "bin/python" if given.benchroute else Path(sys.executable)
    left_out: list[str] = []
    replayed = _replay(given, counts, python, left_out.append)
    with running_backend(given.work, given.without_pack, python, left_out.append) as places:
        targets = select_targets(given, places, left_out.append)
        if not targets:
            raise NotReady("none of the targets is installed")
        for line in left_out:
            print(line, file=sys.stderr)
        starts = {target.name: _start_s(target, given.work) for target in targets if target.name != "litellm"}
        loads = [load for load in LOADS if load.name in given.loads.split(",") and load.model in places.models]
        with start_all(targets, given.work) as up:
            direct = Started(_direct(places), up[0].pid, 0.0)
            alone = [load for load in loads if load.name in ("one", "slow")]
            starts |= {one.target.name: one.start_s for one in up if one.target.name not in starts}
            before = _sample_direct(direct, alone, given.seconds, client)
            measured = Rounds(up, direct, client, given.seconds).measure(loads, given.rounds)
            samples = merge_samples(before, measured.samples, _sample_direct(direct, alone, given.seconds, client))
            run = RunNotes(load_before, python, left_out, measured.remarks, replayed)
            return Figures(targets, loads, samples, starts, memories(up), run)


def _sample_direct(direct: Started, loads: Sequence[Load], seconds: float, client: Client) -> Samples:
    return {(DIRECT, load.name): [client.take_sample(direct, load, seconds)] for load in loads}


def _replay(
    given: argparse.Namespace, counts: bool, python: Path, leave_out: Callable[[str], object]
) -> Mapping[str, float]:
    """Return instructions by figure of the replayed hot path, where the processor counts none."""
    if counts or given.without_instructions or "benchroute" not in given.targets.split(","):
        return {}
    _print_progress("instructions of replayed requests, under valgrind")
    found = replay_instructions(python)
    if isinstance(found, str):
        leave_out(found)
        return {}
    return found


@contextmanager
def running_backend(
    work: Path, without_pack: bool, python: Path = Path(sys.executable), leave_out: Callable[[str], object] = print
) -> Iterator[Places]:
    """Run the backend, plain and, where nginx and openssl are installed, with TLS.

    python: for the gateway. leave_out: gets a sentence about each part that is left out. Raises NotReady.
    """
    plain, secure = free_ports(2)
    pack = None if without_pack else _pack(work)
    upstream: Command = [compile_program("upstream", work), str(plain), str(DELAY_MS), str(TICK_US), str(CHUNKS)]
    with ExitStack() as stack:
        stack.enter_context(running(upstream, OTHER_CORE, work / "upstream.log"))
        places = Places(work, plain, None, None, pack, python)
        try:
            certificate = create_certificate(work)
            command = tls_command(work / "tls", certificate, secure, plain)
        except NotReady as error:
            leave_out(f"loads over TLS are left out: {error}")
        else:
            stack.enter_context(running(command, OTHER_CORE, work / "tls.log"))
            places = Places(work, plain, secure, certificate, pack, python)
        yield places


def select_targets(given: argparse.Namespace, places: Places, leave_out: Callable[[str], object]) -> list[Target]:
    """Return the command line's targets that are installed; leave_out gets a sentence about each of the others."""
    ports = free_ports(5)
    factories: dict[str, Callable[[], Target]] = {
        "nginx": lambda: nginx(places, ports[:2]),
        "litellm": lambda: litellm(places, ports[2], given.litellm),
        "benchroute": lambda: benchroute(places, ports[3]),
        "benchroute-asgi": lambda: benchroute(places, ports[4], "benchroute-asgi", lane="asgi"),
    }
    targets = []
    for name in factories:
        if name not in given.targets.split(","):
            continue
        try:
            targets.append(factories[name]())
        except NotReady as error:
            leave_out(f"{name} is left out: {error}")
    return targets


def _print_progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _direct(places: Places) -> Target:
    """The backend itself: the latency that targets add to."""
    return Target(DIRECT, "the backend itself", [], dict.fromkeys(MODELS, places.upstream))


def _start_s(target: Target, work: Path) -> float:
    """Median seconds from a cold start to the first answer."""
    found = []
    for _ in range(STARTS):
        with started(target, work) as one:
            found.append(one.start_s)
    return statistics.median(found)


def _pack(work: Path) -> Path:
    from benchmarks.speed.pack import build_once  # numpy and an embedder, which take seconds to load

    return build_once(work / "pack", MODELS)
