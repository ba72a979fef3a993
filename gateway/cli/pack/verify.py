"""`benchroute pack verify`: integrity checks of a pack."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.load_embedder import embedder_identity, pack_embedder
from gateway.cli.terminal import print_note, stderr_console, stdout_console
from routing.bounded import DEFAULT_PACK_MB, MIB, ReadLimits, reading_within
from routing.errors import EmbedderError, PackCorrupted, PackMismatch
from routing.manifest import Manifest

if TYPE_CHECKING:
    from routing.pack import Pack

SAMPLED = 200
NEIGHBOURS = 19
LEAST_RECALL = 0.9
LENGTH_TOLERANCE = 1e-3
DISTANCE_TOLERANCE = 1e-5
"""Float32 does not resolve smaller differences of distances: an equally near input counts as found."""


def verify_pack(
    pack: Annotated[Path, typer.Argument(help="Pack: a folder or a .tar file.", show_default=False)],
    embedder_check: Annotated[
        bool, typer.Option(help="Load the pack's embedder and compare its revision and dimension.")
    ] = True,
    max_mb: Annotated[
        int, typer.Option(min=1, help="Largest pack that is read, MB after decompression.")
    ] = DEFAULT_PACK_MB,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Check a pack's hashes, shapes, values, index and embedder. Exit code 1 if a check fails."""
    from routing.pack import open_pack

    with reading_within(ReadLimits(max_archive_bytes=max_mb * MIB)):
        opened = open_pack(pack)
    report = stderr_console().print if as_json else stdout_console().print
    report(f"files     OK  {len(opened.manifest.files)} files match the hashes and shapes in the manifest")
    _check_values(pack, opened)
    report("values    OK  embeddings have unit length, outcomes are in [0, 1] or missing, counts match the manifest")
    recall, count = _recall(opened)
    if recall < LEAST_RECALL:
        raise PackCorrupted(
            f"{pack}: {opened.manifest.index_file} finds {recall:.1%} of the {count} nearest inputs in embeddings.npy, "
            f"expected {LEAST_RECALL:.0%} or more"
        )
    report(f"index     OK  recall {recall:.1%} at {count} neighbours, against an exact search")
    is_embedder_checked = embedder_check and _embedder_matches(pack, opened.manifest)
    if is_embedder_checked:
        report(f"embedder  OK  {opened.manifest.embedder}")
    report(f"{pack} is valid: {opened.manifest.hash}", soft_wrap=True)
    if as_json:
        document = {"pack": str(pack), "valid": True, "hash": opened.manifest.hash, "recall": recall}
        typer.echo(json.dumps({**document, "embedder_checked": is_embedder_checked}, indent=2))


def _check_values(path: Path, pack: "Pack") -> None:
    """Raises PackCorrupted, with file and row, for impossible values."""
    import numpy as np

    lengths = np.linalg.norm(pack.embeddings, axis=1)
    impossible = {
        "embeddings.npy has a vector that is not of unit length": ~(np.abs(lengths - 1) < LENGTH_TOLERANCE),
        "outcomes.npy has an outcome outside [0, 1]": ((pack.outcomes < 0) | (pack.outcomes > 1)).any(axis=1),
        "dataset_ids.npy has a dataset that is not in the manifest": (pack.dataset_ids < 0)
        | (pack.dataset_ids >= len(pack.manifest.datasets)),
    }
    for problem, rows in impossible.items():
        if rows.any():
            raise PackCorrupted(f"{path}: {problem}, row {int(np.flatnonzero(rows)[0]) + 1}")
    counts = np.bincount(pack.dataset_ids, minlength=len(pack.manifest.datasets))
    for dataset, count in zip(pack.manifest.datasets, counts, strict=True):
        if count != dataset.n_inputs:
            raise PackMismatch(
                f"{path}: dataset_ids.npy has {count} inputs of {dataset.name}, the manifest has {dataset.n_inputs}"
            )


def _recall(pack: "Pack") -> tuple[float, int]:
    """The index's recall on a sample, and the number of neighbours.

    Distances are computed from embeddings.npy, so that an index of other vectors, or in another order, has low recall.
    """
    import numpy as np

    from routing.neighbours.exact import ExactIndex

    count = min(NEIGHBOURS, pack.manifest.n_inputs)
    sample = pack.embeddings[
        np.linspace(0, pack.manifest.n_inputs - 1, min(SAMPLED, pack.manifest.n_inputs)).astype(int)
    ]
    _, true = ExactIndex(pack.embeddings).find_nearest(sample, count)
    found, _ = pack.index.find_nearest(sample, count)
    distances = 1 - np.einsum("qd,qnd->qn", sample, pack.embeddings[found])
    return float((distances <= true[:, -1:] + DISTANCE_TOLERANCE).mean()), count


def _embedder_matches(path: Path, manifest: Manifest) -> bool:
    """False if the embedder cannot be loaded on this machine, which is not an error of the pack.

    Raises PackMismatch for another revision or dimension.
    """
    try:
        installed = embedder_identity(pack_embedder(path, manifest))
    except EmbedderError as error:
        print_note(f"warning: embedder not checked: {error}")
        return False
    recorded = manifest.embedder
    if not recorded.matches(installed):
        raise PackMismatch(f"{path} was built with embedder {recorded}, installed is {installed}")
    return True
