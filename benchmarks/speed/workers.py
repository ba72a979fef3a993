"""Several workers on one port against one: requests per second, and CPU time per request.

    python -m benchmarks.speed.workers                    # SQLite as the state
    python -m benchmarks.speed.workers --state redis      # needs redis-server
    python -m benchmarks.speed.workers --pin              # gateways on core 0, load and backend on core 1

The CPU time per request is that of all workers and of their parent, without the scorer. If it is constant, twice the
workers do twice the work, where there are cores for them. A rate shows that only with more cores than two: load and
backend, written in C, need one too. So `--pin` gives the gateways one core alone, and the rate is that of one core.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import yaml

from benchmarks.speed.errors import NotReady
from benchmarks.speed.loads import Load
from benchmarks.speed.measure import Started, started, wait_until_idle
from benchmarks.speed.programs import (
    OTHER_CORE,
    TARGET_CORE,
    compile_program,
    cpu_s,
    free_ports,
    memory_mb,
    running,
)
from benchmarks.speed.run import running_backend
from benchmarks.speed.targets import Places, benchroute

WARM_S = 1.0
START_S = 120.0


def main() -> None:
    """Measure in rounds; print and write the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--state", choices=("sqlite", "redis"), default="sqlite")
    parser.add_argument("--with-pack", action="store_true", help="with a pack, and observations for its scorer")
    parser.add_argument("--pin", action="store_true", help="gateways on core 0, load and backend on core 1")
    parser.add_argument("--work", type=Path, default=Path("build/speed"))
    parser.add_argument("--results", type=Path, default=Path("results/workers.json"))
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    load = Load("workers", f"1 KB, {given.connections} connections", given.connections)
    found: dict[int, list[tuple[float, float]]] = {count: [] for count in given.workers}
    with running_backend(given.work, not given.with_pack) as places, ExitStack() as stack:
        up = [(count, stack.enter_context(_up(places, count, given))) for count in given.workers]
        for number in range(given.rounds):
            for count, one in up if number % 2 == 0 else reversed(up):
                found[count].append(_sample(one, load, given))
        sizes = {count: memory_mb(one.own) for count, one in up}
    rows = [
        _row(count, samples, found[given.workers[0]]) | {"mb": round(sizes[count])} for count, samples in found.items()
    ]
    for row in rows:
        print(json.dumps(row))
    given.results.parent.mkdir(parents=True, exist_ok=True)
    given.results.write_text(
        json.dumps({"cores": os.cpu_count(), "state": given.state, "pinned": given.pin, "rows": rows}, indent=1) + "\n"
    )


@contextmanager
def _up(places: Places, workers: int, given: argparse.Namespace) -> Iterator[Started]:
    """Run a gateway of so many workers with a state of its own."""
    port, core = _ports(workers), TARGET_CORE if given.pin else None
    target = benchroute(places, port, f"workers-{workers}", workers=workers)
    with ExitStack() as stack:
        if given.state == "redis":
            stack.enter_context(_redis(places, target.name))
        one = stack.enter_context(started(target, places.work, core))
        deadline = time.monotonic() + START_S
        while workers > 1 and not all(_answers(port + number + 1) for number in range(workers)):
            if time.monotonic() > deadline:
                raise NotReady(f"{workers} workers do not answer; see the gateway's log")
            time.sleep(0.1)
        yield one


@contextmanager
def _redis(places: Places, name: str) -> Iterator[None]:
    """Run a Redis during the block, and make it the state of a gateway."""
    (port,) = free_ports(1)
    config = places.work / f"{name}.yaml"
    read = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump({**read, "state": {"url": f"redis://127.0.0.1:{port}/0"}}))
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with running(command, None, places.work / "redis.log"):
        yield


def _ports(workers: int) -> int:
    """Return the first of `workers` + 1 consecutive free ports."""
    while True:
        port = free_ports(1)[0]
        if not any(_answers(port + number) for number in range(workers + 1)):
            return port


def _answers(port: int) -> bool:
    """Return True if the port is taken."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _sample(one: Started, load: Load, given: argparse.Namespace) -> tuple[float, float]:
    """Return requests per second, and microseconds of CPU per request."""
    wait_until_idle([one])
    target, work = one.target, given.work
    request = work / f"{target.name}.request"
    request.write_bytes(target.request(load))
    command = [
        *(("taskset", "-c", str(OTHER_CORE)) if given.pin else ()),
        compile_program("load", work),
        str(target.port(load)),
        str(load.connections),
        str(WARM_S),
        str(given.seconds),
        request,
    ]
    with subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        process.stdout.readline()
        before = cpu_s(one.own)
        process.stdout.readline()
        spent = cpu_s(one.own) - before
        counted = json.loads(process.stdout.readline())
    return counted["answers"] / counted["seconds"], 1e6 * spent / counted["answers"]


def _row(count: int, samples: list[tuple[float, float]], first: list[tuple[float, float]]) -> dict[str, float]:
    rate, cpu_us = (statistics.median(one[place] for one in samples) for place in (0, 1))
    base_rate, base_us = (statistics.median(one[place] for one in first) for place in (0, 1))
    return {
        "workers": count,
        "requests_per_s": round(rate),
        "cpu_us": round(cpu_us, 1),
        "times_rate": round(rate / base_rate, 2),
        "work_per_cpu": round(base_us / cpu_us, 2),
    }


if __name__ == "__main__":
    main()
