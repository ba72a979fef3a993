"""A pack of a few kilobytes that carries its embedder: a static model of some forty words with made-up vectors."""

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from routing.embedders.bundled import ABOUT, PROBES, TOKENIZER, VECTORS, BundleInfo
from routing.embedders.static import MAX_TOKENS, StaticEmbedder
from routing.embedders.tokenizer import serialize_tokenizer
from routing.pack import save_pack
from tests.gateway.packs import QUESTIONS, inputs, small_pack

NAME, REVISION, WIDTH = "static:golden/words:24", "1", 24
NUMBER_WEIGHT = 0.15
"""Numbers differ between inputs of one dataset; words, between datasets."""


def save_words_pack(path: Path, models_: Sequence[str]) -> None:
    """Build the pack and write it to a folder."""
    files = embedder_files()
    vectors = np.load(io.BytesIO(files[VECTORS]))
    embedder = StaticEmbedder(NAME, REVISION, vectors, files[TOKENIZER])
    save_pack(replace(small_pack(embedder, models_), bundled_embedder=files), path)


def embedder_files() -> dict[str, bytes]:
    """The embedder as it lies in a pack."""
    words = sorted({word for dataset in QUESTIONS for text in inputs(dataset, 40) for word in _split(text)})
    vocabulary = {word: number for number, word in enumerate(["[UNK]", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = _splitter()
    vectors = np.random.default_rng(8).normal(size=(len(vocabulary), WIDTH))
    vectors[[number for word, number in vocabulary.items() if word.isdigit()]] *= NUMBER_WEIGHT
    vectors[0] = 0
    buffer = io.BytesIO()
    np.save(buffer, (vectors / 4).astype(np.float16))
    written = serialize_tokenizer(tokenizer)
    probes = StaticEmbedder(NAME, REVISION, np.load(io.BytesIO(buffer.getvalue())), written).embed_texts(PROBES)
    rounded = tuple(tuple(round(float(number), 5) for number in vector) for vector in probes)
    about = BundleInfo("static", NAME, REVISION, WIDTH, "fp16", MAX_TOKENS, rounded)
    return {VECTORS: buffer.getvalue(), TOKENIZER: written, ABOUT: about.to_json()}


def _splitter() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=True)])


def _split(text: str) -> list[str]:
    return [word.lower() for word, _ in _splitter().pre_tokenize_str(text)]
