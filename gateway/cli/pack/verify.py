"""`benchroute pack verify`: everything that can be checked about a pack."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.load_embedder import embedder_identity, pack_embedder
from gateway.cli.terminal import print_note, stderr_console, stdout_console
from routing.errors import EmbedderError, PackCorrupted, PackMismatch
from routing.manifest import Manifest

if TYPE_CHECKING:
    from routing.pack import Pack

SAMPLED = 200
NEIGHBOURS = 19
LEAST_RECALL = 0.9
LENGTH_TOLERANCE = 1e-3
DISTANCE_TOLERANCE = 1e-5
"""Float32 cannot tell distances apart that are nearer to each other: an equally near input counts as found."""


def verify_pack(
    pack: Annotated[Path, typer.Argument(help="A pack: a folder or a .tar.", show_default=False)],
    embedder_check: Annotated[
        bool, typer.Option(help="Load the pack's embedder and compare its revision and dimension.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Check a pack's hashes, shapes, values, index and embedder. Exit code 1 if it is refused."""
    from routing.pack import open_pack

    opened = open_pack(pack)
    say = stderr_console().print if as_json else stdout_console().print
    say(f"files     OK  {len(opened.manifest.files)} files have the hashes and shapes that the manifest names")
    _check_values(pack, opened)
    say("values    OK  embeddings of unit length, outcomes in [0, 1] or missing, inputs as many as the manifest says")
    recall, count = _recall(opened)
    if recall < LEAST_RECALL:
        raise PackCorrupted(
            f"{pack}: index.hnsw finds {recall:.1%} of the {count} inputs that are nearest by embeddings.npy, "
            f"expected {LEAST_RECALL:.0%} or more"
        )
    say(f"index     OK  finds {recall:.1%} of the {count} nearest inputs, against an exact search")
    is_embedder_checked = embedder_check and _embedder_matches(pack, opened.manifest)
    if is_embedder_checked:
        say(f"embedder  OK  {opened.manifest.embedder}")
    say(f"{pack} is sound: {opened.manifest.hash}", soft_wrap=True)
    if as_json:
        told = {"pack": str(pack), "sound": True, "hash": opened.manifest.hash, "recall": recall}
        typer.echo(json.dumps({**told, "embedder_checked": is_embedder_checked}, indent=2))


def _check_values(path: Path, pack: "Pack") -> None:
    """Raises PackCorrupted, naming file and row, for values that no benchmark gives."""
    import numpy as np

    lengths = np.linalg.norm(pack.embeddings, axis=1)
    impossible = {
        "embeddings.npy holds a vector that is not of unit length": ~(np.abs(lengths - 1) < LENGTH_TOLERANCE),
        "outcomes.npy holds an outcome outside [0, 1]": ((pack.outcomes < 0) | (pack.outcomes > 1)).any(axis=1),
        "dataset_ids.npy names a dataset that the manifest does not": (pack.dataset_ids < 0)
        | (pack.dataset_ids >= len(pack.manifest.datasets)),
    }
    for what, rows in impossible.items():
        if rows.any():
            raise PackCorrupted(f"{path}: {what}, row {int(np.flatnonzero(rows)[0]) + 1}")
    counts = np.bincount(pack.dataset_ids, minlength=len(pack.manifest.datasets))
    for dataset, count in zip(pack.manifest.datasets, counts, strict=True):
        if count != dataset.n_inputs:
            raise PackMismatch(
                f"{path}: dataset_ids.npy has {count} inputs of {dataset.name}, the manifest says {dataset.n_inputs}"
            )


def _recall(pack: "Pack") -> tuple[float, int]:
    """The share of a sample's true nearest inputs that the index finds, and how many it was asked for.

    What the index finds is measured by embeddings.npy, so that an index over other vectors, or over these in another
    order, is found out.
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
    """False where the embedder cannot be loaded here, which is no fault of the pack.

    Raises PackMismatch for another revision or dimension.
    """
    try:
        here = embedder_identity(pack_embedder(path, manifest))
    except EmbedderError as error:
        print_note(f"warning: the embedder is not checked: {error}")
        return False
    recorded = manifest.embedder
    if not recorded.matches(here):
        raise PackMismatch(f"{path} was built with embedder {recorded}, here it is {here}")
    return True
