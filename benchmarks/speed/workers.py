"""Several workers on one port against one: requests per second, and CPU time per request.

    python -m benchmarks.speed.workers         # needs redis-server; conclusive only with more than two cores

Nothing is pinned to a core: load and backend, written in C, share the machine. So the table has the CPU
time per request in all workers next to the rate: if that is constant, twice the workers do twice the work.
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
from benchmarks.speed.programs import compile_program, cpu_s, free_ports, running
from benchmarks.speed.run import running_backend
from benchmarks.speed.targets import Places, Target, benchroute

WARM_S = 1.0
START_S = 30.0


def main() -> None:
    """Measure in rounds; print and write the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--work", type=Path, default=Path("build/speed"))
    parser.add_argument("--results", type=Path, default=Path("results/workers.json"))
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    load = Load("workers", f"1 KB, {given.connections} connections", given.connections)
    found: dict[int, list[tuple[float, float]]] = {count: [] for count in given.workers}
    with running_backend(given.work, without_pack=True) as places, ExitStack() as stack:
        up = [(count, stack.enter_context(_up(places, count))) for count in given.workers]
        for number in range(given.rounds):
            for count, one in up if number % 2 == 0 else reversed(up):
                found[count].append(_sample(one, load, given.seconds, given.work))
    rows = [_row(count, samples, found[given.workers[0]]) for count, samples in found.items()]
    for row in rows:
        print(json.dumps(row))
    given.results.parent.mkdir(parents=True, exist_ok=True)
    given.results.write_text(json.dumps({"cores": os.cpu_count(), "rows": rows}, indent=1) + "\n")


@contextmanager
def _up(places: Places, workers: int) -> Iterator[Started]:
    """Run a gateway of so many workers with a Redis of its own."""
    port, redis = _ports(workers), free_ports(1)[0]
    target = benchroute(places, port, f"workers-{workers}", workers=workers)
    config = places.work / f"workers-{workers}.yaml"
    read = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump({**read, "state": {"url": f"redis://127.0.0.1:{redis}/0"}}))
    command = ["redis-server", "--port", str(redis), "--bind", "127.0.0.1", "--save", ""]
    with running(command, None, places.work / "redis.log"), started(target, places.work, core=None) as one:
        deadline = time.monotonic() + START_S
        while workers > 1 and not all(_answers(port + number + 1) for number in range(workers)):
            if time.monotonic() > deadline:
                raise NotReady(f"{workers} workers do not answer; see the gateway's log")
            time.sleep(0.1)
        yield one


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


def _sample(one: Started, load: Load, seconds: float, work: Path) -> tuple[float, float]:
    """Return requests per second, and microseconds of CPU per request."""
    wait_until_idle([one])
    target: Target = one.target
    request = work / f"{target.name}.request"
    request.write_bytes(target.request(load))
    command = [
        compile_program("load", work),
        str(target.port(load)),
        str(load.connections),
        str(WARM_S),
        str(seconds),
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
