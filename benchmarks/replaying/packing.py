"""The pack of the remaining datasets, reused until something it depends on changes."""

import hashlib
import json
from pathlib import Path

from benchmarks.replaying.material import Material
from demo.benchmark import sources_key
from routing.build import Provenance, build_pack, check_embeddings
from routing.embedder import Embedder
from routing.manifest import EmbedderId
from routing.pack import save_pack

READ = ("inputs.parquet", "outcomes.parquet", "models.csv", "datasets.csv", "embeddings.f16.npy", "embeddings.json")


def embedder_identity(embedder: Embedder) -> EmbedderId:
    """Return the embedder identity for the pack's manifest."""
    return EmbedderId(embedder.name, embedder.revision, embedder.dim)


def prepare_pack(material: Material, folder: Path, embedder: Embedder, pack: Path) -> bool:
    """Build the pack unless it is up to date. Returns True if it was built.

    folder: the benchmark's. Raises BenchmarkError if its embeddings are not the embedder's.
    """
    stamp, key = pack.with_name(f"{pack.name}_made_from.json"), _key(material, folder, embedder)
    if pack.exists() and stamp.exists() and stamp.read_text() == key:
        return False
    stamp.unlink(missing_ok=True)
    check_embeddings(material.given, material.whole, embedder)
    made = build_pack(
        material.rest,
        material.rest_vectors,
        embedder_identity(embedder),
        provenance=Provenance(made_by="benchmarks/replay.py"),
    )
    save_pack(made, pack)
    stamp.write_text(key)
    return True


def _key(material: Material, folder: Path, embedder: Embedder) -> str:
    """Return what the pack depends on: benchmark, remaining datasets, library and embedder."""
    return json.dumps(
        {
            "benchmark": {name: _sha256(folder / name) for name in READ if (folder / name).exists()},
            "datasets": [dataset.name for dataset in material.rest.datasets],
            "models": material.rest.model_names,
            "library": sources_key("routing"),
            "embedder": str(embedder_identity(embedder)),
        }
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
