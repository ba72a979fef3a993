"""Packs that an embedder of letters can tell apart, and inputs in a seeded order."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from routing.benchmark import Benchmark, Dataset, Model
from routing.build import build_pack
from routing.manifest import EmbedderId
from routing.pack import save_pack
from tests.gateway.letters import Letters

MODELS = ("calc", "atlas", "broad")
KINDS = {
    "sums": "What is {a} plus {b}, and what is {c} minus {a}?",
    "capitals": "Which city is the capital of country number {a} with its {b} million people?",
    "rivers": "Name the longest river in region {a} of continent {b}, and where it flows.",
    "prices": "{a} lamps cost {b} euros each, {c} chairs twice as much. How much is due?",
}


@dataclass(frozen=True, slots=True)
class Input:
    """The task and text of one request."""

    task: str
    text: str


def create_input(kind: str, draw: random.Random) -> str:
    """Return a text of a kind."""
    numbers = {name: draw.randint(2, 99_999) for name in "abc"}
    return KINDS[kind].format(**numbers)


def inputs(tasks: int, seed: int = 1) -> Iterator[Input]:
    """Yield inputs without end.

    Tasks come in random order, the first ones far more often than the last; each has inputs of its own kind, and 15 %
    of any kind.
    """
    draw, kinds = random.Random(seed), list(KINDS)
    while True:
        number = draw.randrange(1 + draw.randrange(tasks))
        kind = kinds[number % len(kinds)] if draw.random() < 0.85 else draw.choice(kinds)  # so that decisions turn
        yield Input(f"task-{number}", create_input(kind, draw))


def build_letters_pack(path: Path, models: Sequence[str] = MODELS, seed: int = 5, per_kind: int = 40) -> Path:
    """Build a pack: the first model is good at sums and prices, the second at the others, the third at most of both."""
    draw, texts = random.Random(seed), []
    for kind in KINDS:
        texts += [create_input(kind, draw) for _ in range(per_kind)]
    ids = np.repeat(np.arange(len(KINDS)), per_kind)
    is_number = np.isin(ids, [0, 3])[:, None]
    chances = np.where(is_number, np.array([[0.95, 0.2, 0.7]]), np.array([[0.2, 0.95, 0.7]]))
    right = np.random.default_rng(seed).random(chances.shape) < chances
    benchmark = Benchmark(
        name=f"letters-{seed}",
        texts=tuple(texts),
        datasets=tuple(Dataset(name) for name in KINDS),
        dataset_ids=ids,
        models=tuple(Model(name) for name in models),
        outcomes=right.astype(np.float64),
    )
    embedder = Letters()
    identity = EmbedderId(embedder.name, embedder.revision, embedder.dim)
    pack = build_pack(benchmark, embedder.embed_texts(benchmark.texts), identity)
    save_pack(replace(pack, manifest=pack.manifest.with_content_hash()), path)
    return path
