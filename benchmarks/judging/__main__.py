"""Measure judged labels on the demo: `python -m benchmarks.judging`; takes some minutes, and asks nobody else."""

import argparse
import shutil
from pathlib import Path

from rich.console import Console

from benchmarks.judging.results import to_markdown
from benchmarks.judging.run import JudgingSetup, measure_judges
from demo.prepare import Places, prepare_pack
from demo.run import demo_backend
from gateway.scorer.messages import ScoreSettings
from gateway.scorer.service import open_pack


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work-dir", type=Path, default=Path(".demo"), help="the demo's benchmark and pack")
    parser.add_argument("--inputs", default="10,30", help="numbers of judged inputs, ascending")
    parser.add_argument("--measured", type=int, default=100, help="other inputs of a task, to measure its model on")
    given = parser.parse_args()
    places = Places(given.work_dir.resolve())
    with demo_backend(places) as port:
        prepare_pack(places, port, Console(stderr=True))
    pack = open_pack(places.pack, ScoreSettings(score="auto"))
    folder = places.work_dir / "judged"
    shutil.rmtree(folder, ignore_errors=True)
    sizes = [int(word) for word in given.inputs.split(",")]
    setup = JudgingSetup(pack.router, pack.embedder, folder, sizes, given.measured)
    found = list(measure_judges(setup, lambda task: print(f"judging {task}", flush=True)))
    print(f"\n{to_markdown(found)}")


if __name__ == "__main__":
    main()
