"""`python -m benchmarks.faults.soak --minutes 30`: a fleet under steady load, and its memory as time passes."""

import argparse
import json
import tempfile
import time
from pathlib import Path

from benchmarks.faults.stack import Shape, running

SAMPLES = 40


def rss_mb(pid: int) -> float:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    """Prints a line for each sample, and writes them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--per-s", type=float, default=60.0, help="requests a second")
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--results", type=Path, default=Path("results/soak.json"))
    given = parser.parse_args()
    shape = Shape(per_s=given.per_s, tasks=given.tasks, seconds=60 * given.minutes, kept=0)
    samples: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="benchroute-soak-") as scratch, running(Path(scratch), shape) as stack:
        stack.begin()
        begun = time.monotonic()
        for number in range(SAMPLES + 1):
            time.sleep(max(0.0, begun + number * shape.seconds / SAMPLES - time.monotonic()))
            with stack.redis.client() as client:
                used = int(client.info("memory")["used_memory"])
            samples.append(
                {
                    "minutes": round((time.monotonic() - begun) / 60, 2),
                    "requests": len(stack.load.answered) if stack.load else 0,
                    "gateway_mb": round(rss_mb(stack.gateways[0].pid), 1),
                    "scorer_mb": round(rss_mb(stack.scorers[0].child), 1),
                    "redis_mb": round(used / 2**20, 2),
                }
            )
            print(samples[-1], flush=True)
        stack.end_load()
        failed = len(stack.load.failures) if stack.load else 0
    given.results.parent.mkdir(parents=True, exist_ok=True)
    given.results.write_text(json.dumps({"failed_requests": failed, "samples": samples}, indent=2) + "\n")
    print(f"{failed} requests failed")


if __name__ == "__main__":
    main()
