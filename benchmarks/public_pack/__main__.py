"""Build the public pack from the tidy folders of its sources; with --worth, measure what it is worth."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.public_pack.build import (
    MIN_COVERAGE,
    NAME,
    build_public_pack,
    distil_public_embedder,
    write_public_pack,
)
from benchmarks.public_pack.compose import compose_sources
from benchmarks.public_pack.sources import list_sources, read_source
from benchmarks.public_pack.tables import gain_table
from benchmarks.public_pack.worth import judge_team, list_teams
from routing.catalogue.model_ids import read_model_ids


def main(arguments: Sequence[str] | None = None) -> None:
    """Build, and measure where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="folder of the sources")
    parser.add_argument("--output", type=Path, default=Path("routing/catalogue/public"))
    parser.add_argument("--worth", action="store_true", help="only print the gains on every held-out source")
    asked = parser.parse_args(arguments)
    begun, ids = time.process_time(), read_model_ids()
    sources = [read_source(about, asked.shared, ids) for about in list_sources()]
    composed = compose_sources(NAME, sources, MIN_COVERAGE)
    embedder = distil_public_embedder()
    if asked.worth:
        benchmark = composed.benchmark
        vectors = embedder.open_embedder().embed_texts(benchmark.texts)
        print(gain_table([(team, list(judge_team(team, benchmark, vectors))) for team in list_teams()]))
        return
    manifest = write_public_pack(build_public_pack(composed, sources, embedder), asked.output)
    print(
        f"{asked.output}: {manifest.n_inputs} inputs, {len(manifest.datasets)} datasets, {len(manifest.models)} models"
    )
    print(f"hash {manifest.hash}, {time.process_time() - begun:.0f} s of CPU")


if __name__ == "__main__":
    main()
