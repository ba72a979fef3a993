"""A small pack with a bundled embedder, so that the gateway decides and scores while requests are measured."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from routing.benchmark import Benchmark, Dataset, Model
from routing.build import build_pack
from routing.embedder import SentenceTransformerEmbedder
from routing.embedders.export import bundle_transformer
from routing.manifest import EmbedderId
from routing.pack import save_pack

QUESTIONS = (
    "What is {a} plus {b}?",
    "Which city is the capital of country number {a}, with {b} million people?",
    "Name the longest river in region {a} of continent {b}.",
    "{a} lamps cost {b} euros each. How much is due?",
)
PER_DATASET = 20


def build_once(folder: Path, models: tuple[str, ...]) -> Path:
    """Build the pack unless the folder exists. Its outcomes are random: decisions do not matter here."""
    if folder.exists():
        return folder
    draw = np.random.default_rng(5)
    texts = tuple(question.format(a=n + 2, b=3 * n + 1) for question in QUESTIONS for n in range(PER_DATASET))
    benchmark = Benchmark(
        name="speed",
        texts=texts,
        datasets=tuple(Dataset(f"questions-{place}") for place in range(len(QUESTIONS))),
        dataset_ids=np.repeat(np.arange(len(QUESTIONS)), PER_DATASET),
        models=tuple(map(Model, models)),
        outcomes=(draw.random((len(texts), len(models))) < 0.6).astype(np.float64),
    )
    embedder = SentenceTransformerEmbedder()
    identity = EmbedderId(embedder.name, embedder.revision, embedder.dim)
    vectors = embedder.embed_texts(texts)
    made = build_pack(benchmark, vectors, identity)
    carried = bundle_transformer(embedder, texts, vectors)
    save_pack(replace(made, bundled_embedder=carried.files), folder)
    return folder
