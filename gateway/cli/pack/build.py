"""`benchroute pack build`: from a tidy benchmark to a pack."""

import getpass
import json
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.filesize import decimal

from gateway.cli.load_embedder import default_cache_path
from gateway.cli.pack.compare_embedders import compare_candidates
from gateway.cli.pack.embedding import bundle_embedder, compute_embeddings
from gateway.cli.terminal import show_progress, stderr_console, stdout_console
from gateway.packs.metadata import pack_size_bytes, read_report
from routing.errors import PackCorrupted, PackError, PackMismatch
from routing.manifest import read_manifest

if TYPE_CHECKING:
    from routing.build import Provenance


def build_command(
    benchmark_dir: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="A benchmark in the tidy format.", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The pack: a folder, or one file ending in .tar.", show_default=False)
    ],
    embedder: Annotated[
        str | None,
        typer.Option(
            help="A sentence-transformers model; NAME#128 cuts at 128 tokens, static:NAME is a static model of it. "
            "Default: that of the embeddings beside the benchmark, else all-MiniLM-L6-v2."
        ),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(help="Where embeddings are kept. Default: ~/.cache/benchroute/embeddings.", show_default=False),
    ] = None,
    k: Annotated[int, typer.Option(min=1, help="Neighbours that predict correctness.")] = 5,
    kappa: Annotated[int, typer.Option(min=1, help="Neighbours that measure the distance to the benchmark.")] = 19,
    sigma: Annotated[float, typer.Option(min=1e-6, help="Bandwidth from distance to reliability.")] = 0.09,
    eta: Annotated[float, typer.Option(min=0, max=1, help="How sure a change of model must be.")] = 0.6,
    with_texts: Annotated[
        bool,
        typer.Option(
            "--with-texts/--no-texts",
            help="Keep the beginning of every input's text, for the dashboard to show. Whoever has the pack "
            "can read them: mind the benchmark's licence.",
        ),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws in the calibration.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print what came of it as JSON.")] = False,
    carry: Annotated[bool, typer.Option(help="Put the embedder into the pack, for scorers without PyTorch.")] = True,
    compare_embedders: Annotated[
        bool, typer.Option("--compare-embedders", help="Measure what other embedders would route like, and how fast.")
    ] = False,
) -> None:
    """Build a pack from a benchmark. Interrupted, it goes on where it stopped."""
    check_place(output)
    from routing.build import build_pack
    from routing.calibration import CalibrationSettings, RoutingSettings
    from routing.pack import save_pack
    from routing.tidy import read_benchmark

    benchmark = read_benchmark(benchmark_dir)
    embedded = compute_embeddings(benchmark_dir, benchmark, embedder, cache or default_cache_path())
    with show_progress(stderr_console()) as steps:
        pack = build_pack(
            benchmark,
            embedded.vectors,
            embedded.embedder_id,
            RoutingSettings(k=k, kappa=kappa, sigma=sigma, eta=eta),
            CalibrationSettings(seed=seed),
            pack_provenance(),
            steps,
            with_texts,
        )
    carried = bundle_embedder(embedded, benchmark) if carry or compare_embedders else None
    if compare_embedders:
        pack = compare_candidates(pack, benchmark, embedded, carried, cache or default_cache_path())
    save_pack(replace(pack, bundled_embedder=carried.files) if carry and carried else pack, output)
    _show(output, as_json)


def check_place(output: Path) -> None:
    """Raises PackError, before any work is done, where a pack must not be written. An older pack is replaced."""
    output.parent.mkdir(parents=True, exist_ok=True)
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    try:
        read_manifest(output)
    except (PackCorrupted, PackMismatch):
        return
    except PackError as error:
        raise PackError(f"{output} exists and is no pack: it is left alone") from error


def pack_provenance() -> "Provenance":
    """Who makes a pack here, and when."""
    from routing.build import Provenance

    try:
        maker = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user without a name; what is raised depends on the Python
        maker = ""
    return Provenance(maker, datetime.now(UTC).isoformat(timespec="seconds"), f"benchroute {version('benchroute')}")


def _show(path: Path, as_json: bool) -> None:
    from routing.gain_summary import gain_sentence

    manifest = read_manifest(path)
    told, size = gain_sentence(read_report(path, manifest)), pack_size_bytes(path)
    if as_json:
        typer.echo(json.dumps({"pack": str(path), "hash": manifest.hash, "size_bytes": size, "worth": told}, indent=2))
        return
    console = stdout_console()
    console.print(f"pack   {path}", soft_wrap=True)
    console.print(f"hash   {manifest.hash}")
    console.print(f"size   {decimal(size)}")
    console.print(f"worth  {told}", soft_wrap=True)
