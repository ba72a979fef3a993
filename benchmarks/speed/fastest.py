"""Prints the Python that runs Python code fastest, of those found here: which build it is matters a lot.

    python3 benchmarks/speed/fastest.py

Distributions and official images build theirs with profile-guided optimisation; one compiled at home often is not. Only
those that can make an environment count. For any Python to run: it imports nothing of this project.
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


def seconds(python: str) -> float | None:
    """What a small program takes, None where it does not run."""
    try:
        told = subprocess.run([python, "-c", TIMED], capture_output=True, text=True, timeout=60, check=True)
        return float(told.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def main() -> None:
    """Rounds over all of them, so that what else the machine does falls on all alike."""
    places = [shutil.which(name, path=folder) for folder in FOLDERS for name in NAMES]
    found = dict.fromkeys([sys.executable, *filter(None, places), *filter(None, map(shutil.which, NAMES))])
    took: dict[str, float] = {}
    for _ in range(2):
        for python in found:
            if (one := seconds(python)) is not None:
                took[python] = min(one, took.get(python, one))
    print(min(took, key=lambda python: took[python], default=sys.executable))


if __name__ == "__main__":
    main()
