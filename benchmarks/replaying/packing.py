"""The pack of the rest of the benchmark, kept for as long as nothing that it depends on changes."""

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


def identity(embedder: Embedder) -> EmbedderId:
    """What a pack says of the embedder that tasks must be embedded with."""
    return EmbedderId(embedder.name, embedder.revision, embedder.dim)


def prepare_pack(material: Material, folder: Path, embedder: Embedder, pack: Path) -> bool:
    """Builds the pack, unless the one that lies there was made from the same. Returns whether it was built.

    folder: the benchmark's. Raises BenchmarkError if its embeddings are not the embedder's.
    """
    stamp, key = pack.with_name(f"{pack.name}_made_from.json"), _key(material, folder, embedder)
    if pack.exists() and stamp.exists() and stamp.read_text() == key:
        return False
    stamp.unlink(missing_ok=True)
    check_embeddings(material.given, material.whole, embedder)
    made = build_pack(
        material.rest, material.rest_vectors, identity(embedder), provenance=Provenance(made_by="benchmarks/replay.py")
    )
    save_pack(made, pack)
    stamp.write_text(key)
    return True


def _key(material: Material, folder: Path, embedder: Embedder) -> str:
    """What the pack depends on: the benchmark, what stayed of it, the library and the embedder."""
    return json.dumps(
        {
            "benchmark": {name: _sha256(folder / name) for name in READ if (folder / name).exists()},
            "datasets": [dataset.name for dataset in material.rest.datasets],
            "models": material.rest.model_names,
            "library": sources_key("routing"),
            "embedder": str(identity(embedder)),
        }
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
