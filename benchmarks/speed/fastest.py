"""Print the fastest Python of this machine: builds of one version differ by tens of percent.

    python3 benchmarks/speed/fastest.py

Distributions and official images use profile-guided optimisation; a Python compiled by hand often does not. Only those
that can create a virtual environment count. Runs on any Python: it imports nothing of this project.
"""

import shutil
import subprocess
import sys

NAMES = ("python3.14", "python3.13", "python3.12", "python3.11", "python3")
FOLDERS = ("/usr/bin", "/usr/local/bin")

TIMED = """
import ensurepip, sys, sysconfig, time, venv
assert sys.version_info >= (3, 11)
class Point:
    __slots__ = ("x", "y")
    def __init__(self, x, y):
        self.x, self.y = x, y
    def moved(self, by):
        return Point(self.x + by, self.y)
def work():
    point, seen = Point(0, 1), {}
    for number in range(20000):
        point = point.moved(number & 7)
        seen[point.x & 255] = b"%x" % number
took = []
for _ in range(9):
    begun = time.process_time()
    work()
    took.append(time.process_time() - begun)
print(min(took))
"""


def time_python(python: str) -> float | None:
    """Return the CPU seconds of a small program, None if it does not run."""
    try:
        done = subprocess.run([python, "-c", TIMED], capture_output=True, text=True, timeout=60, check=True)
        return float(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def main() -> None:
    """Time all of them twice, interleaved, and print the fastest."""
    places = [shutil.which(name, path=folder) for folder in FOLDERS for name in NAMES]
    found = dict.fromkeys([sys.executable, *filter(None, places), *filter(None, map(shutil.which, NAMES))])
    took: dict[str, float] = {}
    for _ in range(2):
        for python in found:
            if (one := time_python(python)) is not None:
                took[python] = min(one, took.get(python, one))
    print(min(took, key=lambda python: took[python], default=sys.executable))


if __name__ == "__main__":
    main()
