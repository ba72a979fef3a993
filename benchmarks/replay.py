"""Replay recorded benchmark results through a gateway: python benchmarks/replay.py --benchmark FOLDER.

Whole datasets are held out and become new tasks; the gateway routes their inputs over HTTP, backends answer with the
recorded outcomes, and every decision is checked against the library's. Exit code 1 if anything differs or fails.
"""

import os
import sys
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.replaying.run import Replay, run
from demo.errors import DemoError
from routing.errors import RoutingError

HOLDOUT = (
    "ifeval",
    "musr_murder_mysteries",
    "math_geometry_hard",
    "math_num_theory_hard",
    "mmlu_pro_history",
    "bbh_snarks",
    "bbh_geometric_shapes",
    "bbh_movie_recommendation",
    "bbh_date_understanding",
)
"""Datasets of openllm_v2, as unlike each other as it has them: chosen by what they ask and by how long they take to
embed, not by their results."""

WIDTH = 132


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit code."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        agreed = run(_parse(arguments), Console(width=WIDTH))
    except (DemoError, RoutingError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0 if agreed else 1


def _parse(arguments: Sequence[str] | None) -> Replay:
    parser = ArgumentParser(
        description=(__doc__ or "").partition("\n")[0], formatter_class=ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--benchmark", type=Path, required=True, help="a tidy benchmark folder with embeddings")
    parser.add_argument("--pool", default="all", help="a list of models in the folder's pools.json, or all")
    parser.add_argument("--holdout", default=",".join(HOLDOUT), help="the datasets that become tasks, with commas")
    parser.add_argument("--limit", type=int, help="at most so many inputs of each held-out dataset")
    parser.add_argument("--work-dir", type=Path, default=Path("results/replay"), help="where pack, state and logs lie")
    parser.add_argument("--results", type=Path, default=Path("results/replay.json"), help="what to write")
    given = parser.parse_args(arguments)
    holdout = tuple(name.strip() for name in given.holdout.split(",") if name.strip())
    if not holdout or (given.limit is not None and given.limit < 1):
        parser.error("there is nothing to hold out")
    return Replay(given.benchmark, given.pool, holdout, given.limit, given.work_dir, given.results)


if __name__ == "__main__":
    sys.exit(main())
