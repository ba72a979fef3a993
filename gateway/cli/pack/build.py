"""`benchroute pack build`: from a benchmark in the tidy format to a pack."""

import getpass
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.filesize import decimal

from gateway.cli.coverage import describe_floor
from gateway.cli.load_embedder import default_cache_path
from gateway.cli.option_groups import with_option_groups
from gateway.cli.pack.embedding import EmbeddedTexts, bundle_embedder, compare_candidates, embed_selected
from gateway.cli.pack.index_summary import describe_exhaustive, describe_index, describe_sample
from gateway.cli.pack.phases import PhaseTimes
from gateway.cli.pack.sources import open_benchmark
from gateway.cli.selection import (
    DEFAULT_COVERAGE,
    DatasetsOption,
    MinCoverageOption,
    ModelsOption,
    VerboseOption,
    parse_selection,
    select_from,
)
from gateway.cli.terminal import print_note, show_progress, stderr_console, stdout_console
from gateway.packs import pack_size_bytes, read_report
from routing.errors import PackCorrupted, PackError, PackMismatch
from routing.manifest import read_manifest

if TYPE_CHECKING:
    from routing.benchmark import Benchmark
    from routing.build import Provenance, SortedInputs
    from routing.pack import Pack


@dataclass(frozen=True, slots=True)
class EmbeddingOptions:
    """What embeds the inputs."""

    embedder: Annotated[
        str | None,
        typer.Option(
            help="A sentence-transformers model; NAME#128 truncates at 128 tokens, static:NAME distils a static model. "
            "Default: that of the embeddings in the benchmark's folder, else all-MiniLM-L6-v2."
        ),
    ] = None
    cache: Annotated[
        Path | None,
        typer.Option(help="Embedding cache. Default: ~/.cache/benchroute/embeddings.", show_default=False),
    ] = None


@dataclass(frozen=True, slots=True)
class SelectionOptions:
    """What of the benchmark is used."""

    models: ModelsOption = None
    datasets: DatasetsOption = None
    min_coverage: MinCoverageOption = DEFAULT_COVERAGE
    verbose: VerboseOption = False


@dataclass(frozen=True, slots=True)
class RoutingOptions:
    """How the pack decides."""

    k: Annotated[int, typer.Option(min=1, help="Number of neighbours that predict correctness.")] = 5
    kappa: Annotated[
        int, typer.Option(min=1, help="Number of neighbours that measure the distance to the benchmark.")
    ] = 19
    sigma: Annotated[
        float, typer.Option(min=1e-6, help="Bandwidth of the kernel smoother from distance to reliability.")
    ] = 0.09
    eta: Annotated[
        float,
        typer.Option(min=0, max=1, help="Minimum probability of being better required to switch models (η)."),
    ] = 0.6
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the calibration.")] = 0


@with_option_groups
def build_command(
    benchmarks: Annotated[
        list[Path],
        typer.Argument(
            exists=True,
            file_okay=False,
            help="Benchmark in the tidy format; several are merged as `benchmark merge` does.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Pack to write: a folder, or a .tar file.", show_default=False)
    ],
    embedding: EmbeddingOptions,
    chosen: SelectionOptions,
    routing: RoutingOptions,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Inputs to use of each dataset, drawn at random with a fixed seed; to try a build."),
    ] = None,
    with_texts: Annotated[
        bool,
        typer.Option(
            "--with-texts/--no-texts",
            help="Include the beginning of every input's text, for the dashboard. Anyone with the pack can read "
            "them: check the benchmark's licence.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    carry: Annotated[bool, typer.Option(help="Bundle the embedder, for scorers without PyTorch.")] = True,
    compare_embedders: Annotated[
        bool, typer.Option("--compare-embedders", help="Measure routing accuracy and speed with other embedders.")
    ] = False,
) -> None:
    """Build a pack from benchmarks. Rerun the command to resume after an interruption."""
    times = PhaseTimes()
    times.start("reading")
    check_output(output)
    selection, cache = parse_selection(chosen.models, chosen.datasets, chosen.min_coverage), embedding.cache
    from routing.pack import save_pack
    from routing.parallel import build_threads
    from routing.tidy import read_benchmark

    with open_benchmark(benchmarks) as every_input, limit_benchmark(every_input, limit) as folder:
        whole = read_benchmark(folder)
        selected = select_from(whole, selection, chosen.verbose)
        times.start("embedding")
        embedded = embed_selected(folder, whole, selected, embedding.embedder, cache or default_cache_path())
    _release_arrow_memory()
    with build_threads(selected.benchmark.n_inputs) as threads:
        sorted_inputs = _sort_inputs(selected.benchmark, embedded, times, threads)
        benchmark, embedded = sorted_inputs.benchmark, replace(embedded, vectors=sorted_inputs.vectors)
        # Outcomes and vectors in the order of the files: of a large benchmark gigabytes, that nothing reads any more.
        del whole, selected
        pack = _calibrate(sorted_inputs, embedded, routing, with_texts, times, threads)
        times.start("bundling the embedder")
        carried = bundle_embedder(embedded, benchmark, pack) if carry or compare_embedders else None
    if compare_embedders:
        times.start("comparing embedders")
        pack = compare_candidates(pack, benchmark, embedded, carried, cache or default_cache_path())
    times.start("writing")
    save_pack(replace(pack, bundled_embedder=carried.files) if carry and carried else pack, output)
    _show(output, as_json, times)


def _sort_inputs(benchmark: "Benchmark", embedded: EmbeddedTexts, times: PhaseTimes, threads: int) -> "SortedInputs":
    from routing.build import sort_inputs

    with show_progress(stderr_console()) as steps:
        return sort_inputs(benchmark, embedded.vectors, times.follow(steps), threads)


def _calibrate(
    inputs: "SortedInputs",
    embedded: EmbeddedTexts,
    asked: RoutingOptions,
    with_texts: bool,
    times: PhaseTimes,
    threads: int,
) -> "Pack":
    """Return the pack of a benchmark's inputs and their embeddings."""
    from routing.build import build_pack
    from routing.calibration import CalibrationSettings, RoutingSettings

    with show_progress(stderr_console()) as steps:
        return build_pack(
            inputs.benchmark,
            inputs.vectors,
            embedded.embedder_id,
            RoutingSettings(k=asked.k, kappa=asked.kappa, sigma=asked.sigma, eta=asked.eta),
            CalibrationSettings(seed=asked.seed),
            pack_provenance(),
            times.follow(steps),
            with_texts,
            inputs.lists,
            threads,
        )


def _release_arrow_memory() -> None:
    """Return the memory of tables that were read: Arrow keeps some 150 MB for tables that nothing reads later."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()


@contextmanager
def limit_benchmark(folder: Path, limit: int | None) -> Iterator[Path]:
    """Yield a folder with at most `limit` inputs of each of the benchmark's datasets, with a note; itself for None."""
    if limit is None:
        yield folder
        return
    from routing.limit import limit_folder

    with tempfile.TemporaryDirectory(prefix="benchroute-limit-") as scratch:
        # Of the same name, which becomes the pack's.
        some = Path(scratch) / folder.resolve().name
        limited = limit_folder(folder, some, limit)
        if limited is not None:
            print_note(str(limited))
        yield some


def check_output(output: Path) -> None:
    """Check, before any work, that a pack may be written: the path is free or a pack. Raises PackError."""
    output.parent.mkdir(parents=True, exist_ok=True)
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    try:
        read_manifest(output)
    except (PackCorrupted, PackMismatch):
        return
    except PackError as error:
        raise PackError(f"{output} exists and is not a pack: choose another path") from error


def pack_provenance() -> "Provenance":
    """Return the user, time and version that build a pack now."""
    from routing.build import Provenance

    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user without a name; the error depends on Python's version
        user = ""
    return Provenance(user, datetime.now(UTC).isoformat(timespec="seconds"), f"benchroute {version('benchroute')}")


def _show(path: Path, as_json: bool, times: PhaseTimes) -> None:
    from routing.gain_summary import gain_sentence

    manifest = read_manifest(path)
    report = read_report(path, manifest)
    gain, size = gain_sentence(report), pack_size_bytes(path)
    if report.get("index", {}).get("is_exhaustive"):
        print_note(f"warning: searches are exact and slow: {describe_exhaustive(report['index'])}")
    if as_json:
        document = {
            "pack": str(path),
            "hash": manifest.hash,
            "size_bytes": size,
            "gain_summary": gain,
            "phases": times.to_json(),
        }
        typer.echo(json.dumps(document, indent=2))
        return
    console = stdout_console()
    console.print(f"pack   {path}", soft_wrap=True)
    console.print(f"hash   {manifest.hash}")
    console.print(f"size   {decimal(size)}")
    if manifest.has_lists:
        console.print(f"index  {describe_index(manifest, report)}", soft_wrap=True)
    if sample := describe_sample(report):
        console.print(f"sample {sample}", soft_wrap=True)
    console.print(f"gain   {gain}", soft_wrap=True)
    if floor := describe_floor(manifest):
        console.print(floor, soft_wrap=True)
