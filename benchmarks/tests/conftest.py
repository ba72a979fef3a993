"""Fixtures: a small benchmark on disk, an embedder of letters, and a gateway that is the library behind HTTP."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

import tests.conftest  # noqa: F401 - the environment of every test
from benchmarks.replaying.material import Material, read_material
from benchmarks.replaying.packing import embedder_identity, prepare_pack
from benchmarks.replaying.servers import Places, recorded_backend
from benchmarks.tests.small_gateway import SmallGateway
from routing.arrays import Embeddings, unit_rows
from routing.benchmark import Model
from routing.pack import open_pack
from routing.router import Router
from routing.tidy import write_benchmark

LETTERS = "abcdefghijklmnopqrstuvwxyz "
MODELS = (Model("org/vowels", 7, 1.0, 2.0), Model("org/consonants", None, 3.0, 4.0), Model("org/unpriced"))
VOCABULARY = {"vowel-words": "aeiou", "open-words": "aeio", "hard-words": "tkpdg", "soft-words": "aeiktp"}
HELD_OUT = ("open-words", "soft-words")
PER_DATASET = 30


class Letters:
    """An embedder that counts letters."""

    name, revision, dim = "test/letters", "1", len(LETTERS)

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        return unit_rows(np.array([[text.count(letter) for letter in LETTERS] for text in texts]))


@pytest.fixture(scope="session")
def embedder() -> Letters:
    return Letters()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, embedder: Letters) -> Path:
    """Four datasets, one model good at two of them and one at the other two; one input comes twice."""
    folder = tmp_path_factory.mktemp("benchmark")
    generator = np.random.default_rng(11)
    inputs, outcomes = [], []
    for dataset, letters in VOCABULARY.items():
        words = ["".join(generator.choice(list(letters), 9)) for _ in range(PER_DATASET)]
        words[-1] = words[0]
        good = (0.1, 0.9) if dataset in ("hard-words", "soft-words") else (0.95, 0.1)
        for place, word in enumerate(words):
            id_ = f"{dataset}-{place}"
            inputs.append((id_, dataset, word))
            chances = zip(MODELS, (*good, 0.4), strict=True)
            outcomes += [(id_, model.name, float(generator.random() < chance)) for model, chance in chances]
    outcomes = [row for row in outcomes if row[:2] != ("soft-words-3", "org/unpriced")]
    write_benchmark(folder, inputs, outcomes, MODELS)
    np.save(folder / "embeddings.f16.npy", embedder.embed_texts([text for *_, text in inputs]).astype(np.float16))
    (folder / "embeddings.json").write_text(json.dumps({"embedder": embedder.name}))
    (folder / "pools.json").write_text(json.dumps({"priced": ["org/consonants", "org/vowels"]}))
    return folder


@pytest.fixture(scope="session")
def material(folder: Path) -> Material:
    return read_material(folder, "all", HELD_OUT)


@pytest.fixture(scope="session")
def router(material: Material, folder: Path, embedder: Letters, tmp_path_factory: pytest.TempPathFactory) -> Router:
    pack = tmp_path_factory.mktemp("work") / "pack"
    assert prepare_pack(material, folder, embedder, pack)
    return Router(open_pack(pack, embedder_identity(embedder)))


@pytest.fixture(scope="session")
def backend_port(material: Material, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with recorded_backend(Places(tmp_path_factory.mktemp("backend")), material) as port:
        yield port


@pytest.fixture
def small_gateway(router: Router, embedder: Letters, backend_port: int) -> Iterator[SmallGateway]:
    with SmallGateway(router, embedder, backend_port) as gateway:
        yield gateway
