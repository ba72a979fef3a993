"""Instructions per request: unlike CPU time, figures of different machines can be compared.

`perf stat` counts them under load where the processor has counters. Virtual machines often have none: then valgrind
counts those of the gateway's own code, for requests that are replayed without sockets (benchmarks/hot_path.py).
"""

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

HOT_PATH = Path(__file__).parents[1] / "hot_path.py"
EVENT = "instructions"
PERF_S, VALGRIND_S = 10.0, 900.0


@contextmanager
def counted_instructions(pids: Sequence[int]) -> Iterator[list[int]]:
    """Count the instructions of these processes during the block: one number in the list after it, or none."""
    found: list[int] = []
    if not pids:
        yield found
        return
    command = ["perf", "stat", "-x,", "-e", EVENT, "-p", ",".join(map(str, pids))]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield found
        finally:
            process.send_signal(signal.SIGINT)
            found += parse_counts(process.communicate(timeout=PERF_S)[1])


def parse_counts(printed: str) -> list[int]:
    """Return the counts in what `perf stat -x,` prints: value, unit, event and more, a line for each event."""
    rows = [line.split(",") for line in printed.splitlines()]
    return [int(row[0]) for row in rows if len(row) > 2 and row[0].isdigit() and row[2].startswith(EVENT)]


def is_counting() -> bool:
    """Return whether `perf stat` counts instructions on this machine."""
    if shutil.which("perf") is None:
        return False
    command = ["perf", "stat", "-x,", "-e", EVENT, "true"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PERF_S, check=False)
    return bool(parse_counts(done.stderr))


def replay_instructions(python: Path, limit_s: float = VALGRIND_S) -> dict[str, float] | str:
    """Return instructions per request or chunk, by figure of the hot path; or why there are none, in a sentence.

    limit_s: of the replay, seconds.
    """
    if shutil.which("valgrind") is None:
        return "instructions are left out: perf counts none on this machine, and valgrind is not installed"
    command = [str(python), str(HOT_PATH), "--instructions", "--json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired:
        return f"instructions are left out: the replay under valgrind took more than {limit_s:g} s"
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return f"instructions are left out: the replay under valgrind failed: {reason}"
    found: dict[str, float] = json.loads(done.stdout)["instructions"]
    return found
