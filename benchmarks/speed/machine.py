"""The machine of a run, in words: figures of two machines differ by more than those of two versions."""

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

LIBRARIES = ("benchroute", "uvicorn", "uvloop", "httptools", "msgspec", "fastapi")
ASKED = """
import sys
from importlib.metadata import version
print(sys.version.replace("\\n", " "), *(f"{name}={version(name)}" for name in sys.argv[1:]), sep="\\n")
"""


def describe_load() -> float:
    """Return the load of the last minute: processes that run, or wait to."""
    return round(os.getloadavg()[0], 2)


def describe_machine(python: Path, load_before: float) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the machine with the gateway's Python, and the versions of the libraries there."""
    command = [str(python), "-c", ASKED, *LIBRARIES]
    build, *versions = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())
    machine = {
        "cpu": model,
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": build,
        "load_1min_before": load_before,
        "load_1min_at_the_end": describe_load(),
    }
    return machine, dict(one.split("=") for one in versions)
