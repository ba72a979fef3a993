"""The public pack, and the file that says where its outcomes come from.

Bit for bit: the same folders and the same versions of the libraries give the same file. The pack has no texts, no ids
of inputs and no digests of them.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.public_pack.compose import ComposedBenchmark
from benchmarks.public_pack.sources import ReadSource
from routing.arrays import Floats
from routing.build import Provenance, build_pack
from routing.embedder import SentenceTransformerEmbedder
from routing.embedders.bundled import BundledEmbedder
from routing.embedders.distil import distil_embedder
from routing.manifest import EmbedderId, Manifest
from routing.pack import Pack, save_pack

NAME = "public"
PACK, ABOUT = "public.tar", "public.json"
WIDTH = 64
"""Of the static embedder: on held-out sources, 128 and the transformer itself decide no better (docs)."""
MIN_COVERAGE = 0.25
"""Share of the benchmark that a model needs to be best on average: two of the sources, so that no model becomes the
default of every task by one of them. The averages of the others are estimated, with their standard errors."""
MAX_BYTES = 12_000_000


@dataclass(frozen=True, slots=True)
class BuiltPack:
    """The public pack in memory, and its description."""

    pack: Pack
    about: Mapping[str, Any]


def distil_public_embedder() -> BundledEmbedder:
    """Return the static model that embeds the pack's inputs and tasks."""
    return distil_embedder(SentenceTransformerEmbedder(), WIDTH)


def build_public_pack(
    composed: ComposedBenchmark,
    sources: Sequence[ReadSource],
    embedder: BundledEmbedder,
    steps: Callable[[str, int, int], None] = lambda phase, done, total: None,
) -> BuiltPack:
    """Build the pack of all sources."""
    opened = embedder.open_embedder()
    identity = EmbedderId(opened.name, opened.revision, opened.dim)
    # Partial credit in steps of 1/64, which half precision holds exactly, and which is less than its noise.
    benchmark = replace(composed.benchmark, outcomes=_in_steps(composed.benchmark.outcomes))
    vectors = opened.embed_texts(benchmark.texts)
    measured_at = max(source.about.measured for source in sources)
    pack = build_pack(benchmark, vectors, identity, provenance=Provenance("benchroute", measured_at), steps=steps)
    pack = replace(pack, bundled_embedder=embedder.files, input_index=None, projection=None)
    return BuiltPack(pack, describe_pack(composed, sources))


def describe_pack(composed: ComposedBenchmark, sources: Sequence[ReadSource]) -> Mapping[str, Any]:
    """Return the content of public.json: terms and dates of every source, and the origin of every model's outcomes."""
    return {
        "sources": {source.about.name: _describe_source(source) for source in sources},
        "models": {column.name: dict(sorted(column.origins.items())) for column in composed.columns},
    }


def write_public_pack(built: BuiltPack, folder: Path) -> Manifest:
    """Write the pack and its description. Raises ValueError for a pack above MAX_BYTES."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = save_pack(built.pack, folder / PACK)
    size = (folder / PACK).stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"{folder / PACK} has {size:,} bytes, at most {MAX_BYTES:,} are shipped: lower the limits")
    text = json.dumps(built.about, indent=1, ensure_ascii=False, sort_keys=True)
    (folder / ABOUT).write_text(text + "\n", encoding="utf-8")
    return manifest


def _describe_source(source: ReadSource) -> Mapping[str, Any]:
    about, benchmark = source.about, source.benchmark
    names = ("title", "url", "commit", "paper", "licence", "credit", "measured")
    return {
        **{name: getattr(about, name) for name in names},
        "inputs": benchmark.n_inputs,
        "models": sum(found is not None for found in source.models),
        "datasets": [dataset.name for dataset in benchmark.datasets],
    }


def _in_steps(outcomes: Floats) -> Floats:
    return np.round(outcomes * 64) / 64
