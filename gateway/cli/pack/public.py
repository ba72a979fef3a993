"""`benchroute pack public` and `pack fetch`: the shipped pack, and newer ones."""

import hashlib
import json
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from rich.filesize import decimal
from rich.table import Table

from gateway.cli.errors import InputsError, OptionError
from gateway.cli.terminal import UNKNOWN, make_table, stdout_console
from gateway.config import LOOPBACK, load_config
from gateway.packs import pack_size_bytes
from gateway.scorer.evidence import match_evidence
from gateway.tasks.resolved_config import model_names
from routing.catalogue.evidence import EvidenceMatch, MatchKind
from routing.catalogue.public_pack import PublicSources, public_pack_path, read_public_sources
from routing.errors import RoutingError
from routing.manifest import Manifest, read_manifest

MAX_BYTES = 512 * 1024 * 1024
CHUNK = 1024 * 1024
TIMEOUT_S = 60.0
COMMIT = 7


def show_public_pack(
    config: Annotated[Path, typer.Option("--config", help="Configuration whose models are looked up.")] = Path(
        "config.yaml"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show the pack of public outcomes that Benchroute ships, and what it has of your models."""
    path = public_pack_path()
    manifest, public = read_manifest(path), read_public_sources()
    matches = match_evidence(model_names(load_config(config)), manifest) if config.exists() else ()
    if as_json:
        typer.echo(json.dumps(_document(path, manifest, public, matches), indent=2))
        return
    console = stdout_console()
    console.print(f"{path}: {decimal(pack_size_bytes(path))}, {_describe(manifest)}")
    console.print(f"hash {manifest.hash}\n")
    console.print(_sources(public))
    console.print()
    if not matches:
        console.print(f"{config} does not exist: `benchroute init` creates one, and then your models are shown here")
        return
    console.print(_matches(matches, manifest, public))
    console.print(f"\n{describe_matches(matches)}", soft_wrap=True)


def fetch_pack(
    url: Annotated[str, typer.Argument(help="URL of a pack, a .tar file.", show_default=False)],
    sha256: Annotated[str, typer.Option("--sha256", help="SHA-256 of the file, from whoever published it.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")] = Path("packs/public.tar"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Download a pack, and keep it only if it is the one that its publisher named."""
    if output.exists() and not force:
        raise OptionError(f"{output} already exists; --force overwrites it, --output writes another file")
    _check_url(url)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as scratch:
        arrived = Path(scratch) / "pack.tar"
        found = _download(url, arrived)
        if found != sha256.strip().lower():
            raise InputsError(f"{url}: the file has SHA-256 {found}, expected {sha256}; nothing was written")
        try:
            manifest = read_manifest(arrived)
        except RoutingError as error:
            raise InputsError(f"{url} is not a pack: {error}") from error
        os.replace(arrived, output)
    if as_json:
        typer.echo(json.dumps({"path": str(output), "name": manifest.name, "hash": manifest.hash, "sha256": found}))
        return
    typer.echo(f"{output}: {manifest.name}, {_describe(manifest)}")


def _describe(manifest: Manifest) -> str:
    return f"{manifest.n_inputs} inputs, {len(manifest.datasets)} datasets, {len(manifest.models)} models"


def describe_matches(matches: Sequence[EvidenceMatch]) -> str:
    """Return in words what the evidence is good for."""
    known = sum(match.evidence is not None for match in matches)
    if known < 2:
        return (
            f"The pack has outcomes of {known} of {len(matches)} models: it cannot choose between them. Measure yours "
            "with `benchroute bench run`, or name the model that counts for one with `models[].evidence`."
        )
    return (
        f"The pack has outcomes of {known} of {len(matches)} models. On tasks that resemble none of its datasets it "
        "chooses the best model on average, and no better; docs/public-evidence.md has the measured gains."
    )


def _document(
    path: Path, manifest: Manifest, public: PublicSources, matches: Sequence[EvidenceMatch]
) -> dict[str, Any]:
    return {
        "object": "pack.public",
        "path": str(path),
        "hash": manifest.hash,
        "n_inputs": manifest.n_inputs,
        "sources": {name: asdict(source) for name, source in public.sources.items()},
        "models": [
            {**asdict(match), "outcomes": dict(public.origins.get(match.evidence or "", {}))} for match in matches
        ],
    }


def _sources(public: PublicSources) -> Table:
    made = make_table(("source", "measured", "licence", "credit", "commit"), ("inputs", "datasets", "models"))
    for source in public.sources.values():
        counts = (str(source.inputs), str(len(source.datasets)), str(source.models))
        commit = source.commit[:COMMIT] or UNKNOWN
        made.add_row(f"{source.title}, {source.paper}", source.measured, source.licence, source.credit, commit, *counts)
    return made


def _matches(matches: Sequence[EvidenceMatch], manifest: Manifest, public: PublicSources) -> Table:
    made = make_table(("your model", "outcomes of", "match", "measured on"), ("average",))
    averages = {model.name: (model.average, model.standard_error) for model in manifest.models}
    for match in matches:
        if match.evidence is None:
            made.add_row(match.model, UNKNOWN, match.reason, UNKNOWN, UNKNOWN)
            continue
        average, error = averages[match.evidence]
        shown = UNKNOWN if average is None else f"{average:.3f}" + (f" ± {error:.3f}" if error else "")
        sources = ", ".join(public.origins.get(match.evidence, ())) or UNKNOWN
        made.add_row(match.model, match.evidence, match.kind or MatchKind.NAME, sources, shown)
    return made


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK):
        return
    raise OptionError(f"{url}: expected an https:// URL of a .tar file")


def _download(url: str, target: Path) -> str:
    """Write what a URL serves to a file, and return its SHA-256. Raises InputsError."""
    digest = hashlib.sha256()
    try:
        with target.open("wb") as file:
            for chunk in _chunks(url):
                digest.update(chunk)
                file.write(chunk)
    except urllib.error.HTTPError as error:
        error.close()  # it is the response too, with its socket
        raise InputsError(f"{url} returned {error.code} {error.reason}") from error
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise InputsError(f"{url} cannot be fetched: {getattr(error, 'reason', error)}") from error
    return digest.hexdigest()


def _chunks(url: str) -> Iterator[bytes]:
    size = 0
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:  # noqa: S310 - the scheme is checked
        while chunk := response.read(CHUNK):
            size += len(chunk)
            if size > MAX_BYTES:
                raise InputsError(f"{url} serves more than {decimal(MAX_BYTES)}: this is no pack for routing")
            yield chunk
