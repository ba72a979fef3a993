"""A transformer as a pack carries it: in 8-bit integers where that keeps the neighbours, else in floats."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from routing.arrays import Embeddings
from routing.embedder import Embedder, SentenceTransformerEmbedder
from routing.embedders.bundled import ABOUT, MODEL, PROBES, TOKENIZER, BundleInfo, open_bundle
from routing.embedders.export import ExportedTransformer, export_transformer
from routing.embedders.onnx import pad
from routing.embedders.tokenizer import read_tokenizer, token_ids
from routing.errors import EmbedderError
from routing.neighbours.exact import most_similar

MIN_RECALL = 0.97
"""Share of the 19 nearest inputs that must stay the same for 8 bits to be taken."""

NEAREST = 19
SAMPLED = 300
LISTENED = 32
SEED = 7

QuantizationSteps = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class BundledEmbedder:
    """An embedder as files, and what it was found to be."""

    files: Mapping[str, bytes]
    about: BundleInfo

    def open_embedder(self) -> Embedder:
        """The embedder, opened from its files."""
        return open_bundle(self.files)

    def fingerprint(self) -> str:
        """16 hex digits over the files but `about`."""
        digest = hashlib.sha256()
        for name in sorted(self.files):
            digest.update(b"" if name == ABOUT else self.files[name])
        return digest.hexdigest()[:16]


def bundle_transformer(
    embedder: SentenceTransformerEmbedder,
    texts: Sequence[str],
    vectors: Embeddings,
    steps: QuantizationSteps = lambda what, done, total: None,
    least_kept: float = MIN_RECALL,
) -> BundledEmbedder:
    """Exports the embedder, and takes 8 bits if a sample of the inputs then has the neighbours it had.

    texts, vectors: the pack's inputs and the embedder's own vectors of them, (n_inputs, dim).
    Raises EmbedderError where the model cannot be exported, or the export gives other vectors.
    """
    steps("exporting the embedder", 0, 3)
    made = export_transformer(embedder)
    floats = _carried(embedder, made, made.model, "fp32")
    rows = sample_texts(len(texts), SAMPLED)
    _same_vectors(embedder, floats.open_embedder())
    steps("exporting the embedder", 1, 3)
    small = _carried(
        embedder, made, _in_bytes(made, [texts[row] for row in sample_texts(len(texts), LISTENED)]), "int8"
    )
    steps("exporting the embedder", 2, 3)
    kept = neighbour_recall(small.open_embedder().embed_texts([texts[row] for row in rows]), rows, vectors)
    steps("exporting the embedder", 3, 3)
    if kept < least_kept:
        return floats
    about = replace(small.about, kept=round(kept, 4))
    return BundledEmbedder({**small.files, ABOUT: about.to_json()}, about)


def sample_texts(total: int, count: int) -> NDArray[np.int64]:
    """At most `count` places out of `total`, ascending, the same every time."""
    if total <= count:
        return np.arange(total)
    return np.sort(np.random.default_rng(SEED).choice(total, size=count, replace=False))


def neighbour_recall(again: Embeddings, rows: NDArray[np.int64], vectors: Embeddings) -> float:
    """The share of the nearest other inputs that stay the nearest under another embedding of the same inputs.

    again: (n_rows, dim), the inputs at `rows` by the other; vectors: (n_inputs, dim). Returns a share in [0, 1].
    """
    count = min(NEAREST, len(vectors) - 1)
    if count < 1:
        return 1.0
    found = []
    for queries in (vectors[rows], again):
        similarity = queries @ vectors.T
        similarity[np.arange(len(rows)), rows] = -np.inf
        found.append(most_similar(similarity, count)[0])
    shared = [len(np.intersect1d(one, other)) for one, other in zip(*found, strict=True)]
    return float(np.mean(shared) / count)


def _carried(
    embedder: SentenceTransformerEmbedder, made: ExportedTransformer, model: bytes, precision: str
) -> BundledEmbedder:
    about = BundleInfo("onnx", embedder.name, embedder.revision, embedder.dim, precision, made.max_tokens)
    files = {MODEL: model, TOKENIZER: made.tokenizer, ABOUT: about.to_json()}
    probes = open_bundle(files).embed_texts(PROBES)
    about = replace(about, probes=tuple(tuple(round(float(number), 5) for number in vector) for vector in probes))
    return BundledEmbedder({**files, ABOUT: about.to_json()}, about)


def _in_bytes(made: ExportedTransformer, texts: Sequence[str]) -> bytes:
    from routing.embedders.int8_matmul import quantize_model

    ids = token_ids(read_tokenizer(made.tokenizer, made.max_tokens), texts)
    samples = []
    for one in ids:
        tokens, mask = pad([one])
        samples.append({"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)})
    return quantize_model(made.model, samples)


def _same_vectors(embedder: SentenceTransformerEmbedder, other: Embedder) -> None:
    texts = [*PROBES, " ".join(PROBES) * 30]
    cosines = (embedder.embed_texts(texts) * other.embed_texts(texts)).sum(axis=1)
    if cosines.min() < 0.9999:
        raise EmbedderError(
            f"{embedder.name} exported to ONNX gives other vectors (cosine {cosines.min():.4f}): it is not carried"
        )
