"""Prerequisites of the demo gateway: the benchmark, and the pack built from it."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from demo import benchmark
from demo.errors import DemoError


@dataclass(frozen=True, slots=True)
class Places:
    """Paths of the demo's files."""

    work_dir: Path

    @property
    def benchmark(self) -> Path:
        """The tidy benchmark."""
        return self.work_dir / "benchmark"

    @property
    def pack(self) -> Path:
        """The pack built from it."""
        return self.work_dir / "pack"

    @property
    def pack_stamp(self) -> Path:
        """Key of the benchmark that the pack was built from."""
        return self.work_dir / "pack_made_from.json"

    def log(self, name: str) -> Path:
        """Return the path of a program's log."""
        return self.work_dir / "logs" / f"{name}.log"

    def state(self, name: str) -> Path:
        """Return the path of a gateway's state."""
        return self.work_dir / f"{name}-state.db"


def prepare_pack(places: Places, backend_port: int, console: Console) -> None:
    """Make the benchmark and the pack, unless this code's are there already.

    Raises RequestFailed if the backend does not answer, DemoError if the pack cannot be built.
    """
    if benchmark.is_current(places.benchmark):
        console.print(f"benchmark: {places.benchmark} is up to date", highlight=False)
    else:
        benchmark.make_benchmark(f"http://127.0.0.1:{backend_port}/v1", places.benchmark, console)
    if _pack_is_current(places):
        console.print(f"pack: {places.pack} is up to date", highlight=False)
    else:
        _build_pack(places)


def _pack_is_current(places: Places) -> bool:
    stamp = places.pack_stamp
    return places.pack.exists() and stamp.exists() and stamp.read_text() == _pack_key()


def _build_pack(places: Places) -> None:
    """Build the pack with the product's own command, which reports on the terminal."""
    places.pack_stamp.unlink(missing_ok=True)
    command = [sys.executable, "-m", "gateway.cli", "pack", "build", str(places.benchmark), "-o", str(places.pack)]
    # The texts are the demo's own, so the pack may contain them.
    command.append("--with-texts")
    code = subprocess.run(command, check=False).returncode
    if code:
        raise DemoError(f"building the pack failed with exit code {code}: {' '.join(command)}")
    places.pack_stamp.write_text(_pack_key())


def _pack_key() -> str:
    """Return the key of everything a pack depends on: the benchmark, and the library that builds packs."""
    return json.dumps({"benchmark": benchmark.code_key(), "library": benchmark.sources_key("routing")}) + "\n"


def best_on_average(pack: Path) -> str:
    """Return m* from the pack's manifest."""
    return str(json.loads((pack / "manifest.json").read_text())["on_average"][0])
