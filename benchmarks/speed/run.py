"""The command: starts everything, measures in rounds, leaves table, figure and JSON. Exit code 1 where it could not."""

import argparse
import importlib.util
import json
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console

from benchmarks.speed.errors import NotReady, SpeedError
from benchmarks.speed.loads import LOADS
from benchmarks.speed.measure import Asking, Started, all_started, memories, rounds, started
from benchmarks.speed.programs import OTHER_CORE, Command, compiled, free_ports, running
from benchmarks.speed.report import draw, show
from benchmarks.speed.results import DIRECT, Figures
from benchmarks.speed.targets import MODELS, Places, Target, benchroute, litellm, nginx
from benchmarks.speed.tls import certificate, terminator

DELAY_MS, TICK_US, CHUNKS = 50, 20_000, 50
STARTS = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="of every sample")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round of short samples, to see that it works")
    parser.add_argument(
        "--targets", default="nginx,litellm,benchroute,benchroute-asgi", help="of these, separated by commas"
    )
    parser.add_argument("--loads", default=",".join(load.name for load in LOADS))
    parser.add_argument("--litellm", type=Path, default=Path("build/litellm"), help="the environment LiteLLM is in")
    parser.add_argument("--benchroute", type=Path, help="the environment the gateway is in, if not this one")
    parser.add_argument("--without-pack", action="store_true", help="no decisions from a pack, no scorer beside it")
    parser.add_argument("--work", type=Path, default=Path("build/speed"))
    parser.add_argument("--results", type=Path, default=Path("results/bench.json"))
    given = parser.parse_args(arguments)
    if given.quick:
        given.seconds, given.rounds = 1.5, 1
    try:
        found = measured(given)
    except SpeedError as error:
        print(error, file=sys.stderr)
        return 1
    given.results.parent.mkdir(parents=True, exist_ok=True)
    given.results.write_text(json.dumps(found.document(), indent=1, ensure_ascii=False) + "\n")
    if importlib.util.find_spec("matplotlib"):
        draw(found, given.results.with_suffix(".svg"))
    show(found, Console(width=None if Console().is_terminal else 160))
    print(f"all of it in {given.results}")
    missing = [
        f"{target.name}, {load.about}" for target in found.targets for load in found.loads if not found.of(target, load)
    ]
    print("".join(f"not measured: {one}\n" for one in missing), end="", file=sys.stderr)
    return 1 if missing else 0


def measured(given: argparse.Namespace) -> Figures:
    """One run. Raises SpeedError."""
    given.work.mkdir(parents=True, exist_ok=True)
    loads = [load for load in LOADS if load.name in given.loads.split(",")]
    asking = Asking(compiled("load", given.work), given.work, lambda what: print(what, file=sys.stderr, flush=True))
    python = given.benchroute / "bin/python" if given.benchroute else Path(sys.executable)
    with backend(given.work, given.without_pack, python) as places:
        targets = chosen(given, places)
        starts = {target.name: _start_s(target, given.work) for target in targets if target.name != "litellm"}
        with all_started(targets, given.work) as up:
            direct = Started(_direct(places), up[0].pid, 0.0)
            alone = [load for load in loads if load.name in ("one", "slow")]
            starts |= {one.target.name: one.start_s for one in up if one.target.name not in starts}
            samples = dict(rounds([direct], alone, given.seconds, 1, asking))
            samples |= rounds(up, loads, given.seconds, given.rounds, asking)
            for key, more in rounds([direct], alone, given.seconds, 1, asking).items():
                samples[key] += more
            return Figures(targets, loads, samples, starts, memories(up), python)


@contextmanager
def backend(work: Path, without_pack: bool, python: Path = Path(sys.executable)) -> Iterator[Places]:
    """The backend, plain and behind TLS, and what else targets need. python: for the gateway."""
    plain, secure = free_ports(2)
    made = certificate(work)
    pack = None if without_pack else _pack(work)
    upstream: Command = [compiled("upstream", work), str(plain), str(DELAY_MS), str(TICK_US), str(CHUNKS)]
    with ExitStack() as stack:
        stack.enter_context(running(upstream, OTHER_CORE, work / "upstream.log"))
        front = terminator(work / "tls", made, secure, plain)
        stack.enter_context(running(front, OTHER_CORE, work / "tls.log"))
        yield Places(work, plain, secure, made, pack, python)


def chosen(given: argparse.Namespace, places: Places) -> list[Target]:
    """The targets that the command line asks for."""
    ports = free_ports(5)
    made: dict[str, Callable[[], Target]] = {
        "nginx": lambda: nginx(places, ports[:2]),
        "litellm": lambda: litellm(places, ports[2], given.litellm),
        "benchroute": lambda: benchroute(places, ports[3]),
        "benchroute-asgi": lambda: benchroute(places, ports[4], "benchroute-asgi", lane="asgi"),
    }
    return [target for name in made if name in given.targets.split(",") for target in _made(name, made[name])]


def _made(name: str, make: Callable[[], Target]) -> list[Target]:
    """One target; none where it is not installed, which is told."""
    try:
        return [make()]
    except NotReady as error:
        print(f"{name} is left out: {error}", file=sys.stderr)
        return []


def _direct(places: Places) -> Target:
    """The backend itself, for what others add to it."""
    return Target(DIRECT, "the backend itself", [], dict.fromkeys(MODELS, places.upstream))


def _start_s(target: Target, work: Path) -> float:
    """From a cold start to the first answer, by itself."""
    found = []
    for _ in range(STARTS):
        with started(target, work) as one:
            found.append(one.start_s)
    return statistics.median(found)


def _pack(work: Path) -> Path:
    from benchmarks.speed.pack import saved  # numpy and an embedder, which take seconds to load

    return saved(work / "pack", MODELS)
