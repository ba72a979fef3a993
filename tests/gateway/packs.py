"""Small packs about sums and capitals."""

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from routing.benchmark import Benchmark, Dataset, Model
from routing.build import build_pack
from routing.embedder import Embedder, SentenceTransformerEmbedder
from routing.embedders.bundled import read_bundle_files
from routing.embedders.export import bundle_transformer
from routing.manifest import EmbedderId
from routing.pack import Pack, open_pack, save_pack

QUESTIONS = {
    "sums": "What is {a} plus {b}?",
    "prices": "{a} lamps cost {b} euros each. How much is due?",
    "capitals": "Which city is the capital of country number {a}, with {b} million people?",
    "rivers": "Name the longest river in region {a} of continent {b}.",
}


def inputs(dataset: str, count: int, seed: int = 1) -> list[str]:
    """Return inputs of a dataset's kind; other numbers for another seed."""
    draw = random.Random(f"{dataset}{seed}")  # noqa: S311 - an example, no secret
    return [QUESTIONS[dataset].format(a=draw.randint(2, 9999), b=draw.randint(2, 9999)) for _ in range(count)]


def small_benchmark(models: Sequence[str] = ("calc", "atlas", "broad"), per_dataset: int = 20) -> Benchmark:
    """Return a benchmark: the first model is good at sums and prices, the second at the others, the third at most."""
    draw = np.random.default_rng(5)
    ids = np.repeat(np.arange(len(QUESTIONS)), per_dataset)
    chances = np.array([[0.97, 0.1, 0.75], [0.97, 0.1, 0.75], [0.1, 0.97, 0.75], [0.1, 0.97, 0.75]])
    return Benchmark(
        name="small",
        texts=tuple(text for dataset in QUESTIONS for text in inputs(dataset, per_dataset, seed=0)),
        datasets=tuple(Dataset(name) for name in QUESTIONS),
        dataset_ids=ids,
        models=tuple(Model(name) for name in models),
        outcomes=(draw.random((len(ids), 3)) < chances[ids]).astype(np.float64),
    )


def small_pack(embedder: Embedder, models: Sequence[str] = ("calc", "atlas", "broad"), per_dataset: int = 20) -> Pack:
    """Build a pack in memory."""
    benchmark = small_benchmark(models, per_dataset)
    identity = EmbedderId(embedder.name, embedder.revision, embedder.dim)
    made = build_pack(benchmark, embedder.embed_texts(benchmark.texts), identity)
    return replace(made, manifest=made.manifest.with_content_hash())


def saved_pack(
    path: Path, embedder: Embedder, models: Sequence[str] = ("calc", "atlas", "broad"), **about: int
) -> Path:
    """Build a pack on disk."""
    save_pack(small_pack(embedder, models, **about), path)
    return path


def carrying_pack(path: Path, embedder: SentenceTransformerEmbedder, models: Sequence[str]) -> Path:
    """Build a pack with its bundled embedder on disk: scorers start faster."""
    made = small_pack(embedder, models)
    carried = bundle_transformer(embedder, small_benchmark().texts, made.embeddings)
    save_pack(replace(made, bundled_embedder=carried.files), path)
    return path


def repacked(path: Path, models: Sequence[str]) -> Pack:
    """Return a pack of small_benchmark with a saved pack's embeddings and its bundled embedder, and other models."""
    saved = open_pack(path)
    made = build_pack(small_benchmark(models), saved.embeddings, saved.manifest.embedder)
    carried = read_bundle_files(path, saved.manifest)
    return replace(made, manifest=made.manifest.with_content_hash(), bundled_embedder=carried)
