"""`benchroute pack build`: from a tidy benchmark to a pack."""

import getpass
import json
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.filesize import decimal

from gateway.cli.embedding import default_cache, embed_through_cache, identity, load_embedder
from gateway.cli.pack.files import read_report, size_bytes
from gateway.cli.terminal import note, notes, progress, results
from routing.errors import EmbedderError, PackAltered, PackError, PackMismatch
from routing.manifest import EmbedderId, read_manifest

if TYPE_CHECKING:
    from routing.arrays import Embeddings
    from routing.benchmark import Benchmark
    from routing.build import Provenance
    from routing.tidy import GivenEmbeddings


def build(
    benchmark_dir: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="A benchmark in the tidy format.", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The pack: a folder, or one file ending in .tar.", show_default=False)
    ],
    embedder: Annotated[
        str | None,
        typer.Option(
            help="A sentence-transformers model. Default: that of the embeddings beside the benchmark, else "
            "all-MiniLM-L6-v2."
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
) -> None:
    """Build a pack from a benchmark. Interrupted, it goes on where it stopped."""
    _check_place(output)
    from routing.build import build_pack
    from routing.calibration import CalibrationSettings, RoutingSettings
    from routing.pack import save_pack
    from routing.tidy import read_benchmark

    benchmark = read_benchmark(benchmark_dir)
    vectors, made_with = embeddings_of(benchmark_dir, benchmark, embedder, cache or default_cache())
    with progress(notes()) as steps:
        pack = build_pack(
            benchmark,
            vectors,
            made_with,
            RoutingSettings(k=k, kappa=kappa, sigma=sigma, eta=eta),
            CalibrationSettings(seed=seed),
            _provenance(),
            steps,
            with_texts,
        )
    save_pack(pack, output)
    _show(output, as_json)


def _check_place(output: Path) -> None:
    """Raises PackError, before any work is done, where a pack must not be written. An older pack is replaced."""
    output.parent.mkdir(parents=True, exist_ok=True)
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    try:
        read_manifest(output)
    except (PackAltered, PackMismatch):
        return
    except PackError as error:
        raise PackError(f"{output} exists and is no pack: it is left alone") from error


def embeddings_of(
    folder: Path, benchmark: "Benchmark", named: str | None, cache: Path
) -> tuple["Embeddings", EmbedderId]:
    """The benchmark's embeddings, (n_inputs, dim), and whose they are. named: the embedder asked for."""
    from routing.embedder import DEFAULT_EMBEDDER, canonical_name
    from routing.tidy import read_embeddings

    given = read_embeddings(folder, benchmark.n_inputs)
    if given is not None and named in (None, given.embedder, canonical_name(given.embedder)):
        return given.vectors, _checked(given, benchmark)
    if given is not None:
        note(f"embeddings.f16.npy is of {given.embedder}: left aside for {named}")
    embedder = load_embedder(named or DEFAULT_EMBEDDER)
    return embed_through_cache(embedder, benchmark.texts, cache), identity(embedder)


def _checked(given: "GivenEmbeddings", benchmark: "Benchmark") -> EmbedderId:
    """Whose the given embeddings are. Raises BenchmarkError if the embedder is to be had and says otherwise."""
    from routing.build import check_given
    from routing.embedder import canonical_name

    try:
        embedder = load_embedder(given.embedder)
    except EmbedderError as error:
        note(f"warning: embeddings.f16.npy is taken unchecked: {error}")
        return EmbedderId(canonical_name(given.embedder), "", given.vectors.shape[1])
    check_given(given, benchmark, embedder)
    note(f"embeddings.f16.npy is of {embedder.name}, as a sample of the texts shows: nothing has to be embedded")
    return identity(embedder)


def _provenance() -> "Provenance":
    from routing.build import Provenance

    try:
        maker = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user without a name; what is raised depends on the Python
        maker = ""
    return Provenance(maker, datetime.now(UTC).isoformat(timespec="seconds"), f"benchroute {version('benchroute')}")


def _show(path: Path, as_json: bool) -> None:
    from routing.worth import worth

    manifest = read_manifest(path)
    told, size = worth(read_report(path, manifest)), size_bytes(path)
    if as_json:
        typer.echo(json.dumps({"pack": str(path), "hash": manifest.hash, "size_bytes": size, "worth": told}, indent=2))
        return
    console = results()
    console.print(f"pack   {path}", soft_wrap=True)
    console.print(f"hash   {manifest.hash}")
    console.print(f"size   {decimal(size)}")
    console.print(f"worth  {told}", soft_wrap=True)
