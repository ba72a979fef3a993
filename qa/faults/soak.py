"""`python -m qa.faults.soak --minutes 30`: memory of a deployment under steady load, over time."""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import linear_regression, median

from qa.faults.stack import Shape, Stack, running

SAMPLES = 40


def rss_mb(pid: int) -> float:
    """Return a process's resident memory in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


@dataclass(frozen=True, slots=True)
class MemoryCourse:
    """A process's memory over time, in MB.

    Attributes:
        first: first sample.
        median: of all samples.
        last: last sample.
        most: largest sample.
        slope: MB per hour, by least squares over the second half of the samples.
    """

    first: float
    median: float
    last: float
    most: float
    slope: float


def summarize(minutes: Sequence[float], mb: Sequence[float]) -> MemoryCourse:
    """Summarize the samples: minutes and MB of each, at least two."""
    half = len(mb) // 2 if len(mb) > 3 else 0
    slope = linear_regression([minute / 60 for minute in minutes[half:]], mb[half:]).slope
    return MemoryCourse(mb[0], round(median(mb), 1), mb[-1], max(mb), round(slope, 2))


def take_sample(stack: Stack, started: float) -> dict[str, float]:
    """Return all processes' memory now."""
    with stack.redis.client() as client:
        used_bytes = int(client.info("memory")["used_memory"])
    taken: dict[str, float] = {
        "minutes": round((time.monotonic() - started) / 60, 2),
        "requests": len(stack.load.finished) if stack.load else 0,
        "redis_mb": round(used_bytes / 2**20, 2),
    }
    for number, gateway in enumerate(stack.gateways):
        taken[f"gateway_{number}_mb"] = round(rss_mb(gateway.pid), 1)
    for number, scorer in enumerate(stack.scorers):
        taken[f"scorer_{number}_mb"] = round(rss_mb(scorer.child), 1)
    return taken


def main() -> None:
    """Print and write every sample, then a summary of each process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--per-s", type=float, default=60.0, help="requests a second")
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--results", type=Path, default=Path("results/soak.json"))
    given = parser.parse_args()
    shape = Shape(per_s=given.per_s, tasks=given.tasks, seconds=60 * given.minutes, kept=0)
    samples: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="benchroute-soak-") as scratch, running(Path(scratch), shape) as stack:
        stack.start_load()
        started = time.monotonic()
        for number in range(SAMPLES + 1):
            time.sleep(max(0.0, started + number * shape.seconds / SAMPLES - time.monotonic()))
            samples.append(take_sample(stack, started))
            print(samples[-1], flush=True)
        stack.end_load()
        failed, result = len(stack.load.failures) if stack.load else 0, stack.count_observations()
    minutes = [one["minutes"] for one in samples]
    processes = [name for name in samples[0] if name.endswith("_mb")]
    courses = {name: asdict(summarize(minutes, [one[name] for one in samples])) for name in processes}
    for name, found in courses.items():
        print(name, found)
    given.results.parent.mkdir(parents=True, exist_ok=True)
    document = {"failed_requests": failed, "tallied": asdict(result), "courses": courses, "samples": samples}
    given.results.write_text(json.dumps(document, indent=2) + "\n")
    print(f"{failed} requests failed; {result}")


if __name__ == "__main__":
    main()
