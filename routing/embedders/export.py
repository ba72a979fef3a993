"""A sentence-transformers model as one ONNX graph: token numbers in, unit vectors out, pooling included."""

import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from routing.arrays import Embeddings
from routing.embedder import Embedder, SentenceTransformerEmbedder
from routing.embedders.bundled import ABOUT, MODEL, PROBES, TOKENIZER, BundledEmbedder, BundleInfo, open_bundle
from routing.embedders.onnx import OUTPUT, pad
from routing.embedders.tokenizer import read_tokenizer, serialize_tokenizer, token_ids
from routing.errors import EmbedderError
from routing.neighbours.exact import most_similar

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


OPSET = 17
KNOWN_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


@dataclass(frozen=True, slots=True)
class ExportedTransformer:
    """A model and its tokenizer as bytes. max_tokens: where the model cuts a text."""

    model: bytes
    tokenizer: bytes
    max_tokens: int


def export_transformer(embedder: SentenceTransformerEmbedder) -> ExportedTransformer:
    """Raises EmbedderError where this model cannot be written as a graph, or its tokenizer not as a file."""
    model = embedder.model
    tokenizer = getattr(model.tokenizer, "backend_tokenizer", None)
    if tokenizer is None:
        raise EmbedderError(f"{embedder.name} has no tokenizer that can be carried")
    try:
        graph = _graph(model)
    except Exception as error:  # whatever PyTorch's exporter, or a model's own code, trips over
        raise EmbedderError(f"{embedder.name} cannot be exported to ONNX: {error!r}") from error
    return ExportedTransformer(graph, serialize_tokenizer(tokenizer), int(model.max_seq_length or 512))


def _graph(model: "SentenceTransformer") -> bytes:
    import torch

    names = [name for name in model.tokenizer.model_input_names if name in KNOWN_INPUTS]

    class Vectors(torch.nn.Module):
        """The model's features dictionary as plain arguments."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *values: torch.Tensor) -> torch.Tensor:
            """Vectors of token numbers, mask and types, in the order of `names`."""
            vectors: torch.Tensor = self.model(dict(zip(names, values, strict=True)))["sentence_embedding"]
            return vectors

    # Two texts of unequal length, so that nothing of the mask is taken for a constant.
    mask = torch.tensor([[1] * 9, [1] * 6 + [0] * 3])
    example = {"input_ids": mask * 5, "attention_mask": mask, "token_type_ids": mask * 0}
    axes = {name: {0: "texts", 1: "tokens"} for name in names} | {OUTPUT: {0: "texts"}}
    with _plain_attention(model), _quietly(), torch.no_grad(), tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / "model.onnx"
        torch.onnx.export(
            Vectors().eval(),
            tuple(example[name] for name in names),
            made,
            input_names=names,
            output_names=[OUTPUT],
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,  # which needs nothing that is not installed, and whose graphs onnxruntime knows best
        )
        return made.read_bytes()


@contextmanager
def _plain_attention(model: Any) -> Iterator[None]:
    """Attention written out, which every opset can say, while the model is traced."""
    transformer: Any = getattr(model[0], "auto_model", None)
    before = getattr(getattr(transformer, "config", None), "_attn_implementation", None)
    if before is None:
        yield
        return
    transformer.set_attn_implementation("eager")
    try:
        yield
    finally:
        transformer.set_attn_implementation(before)


@contextmanager
def _quietly() -> Iterator[None]:
    """The exporter warns of its age and of every branch it flattens; what it made is compared with the model anyway."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


MIN_RECALL = 0.97
"""Share of the 19 nearest inputs that must stay the same for 8 bits to be taken."""

NEAREST = 19
SAMPLED = 300
CALIBRATION_TEXTS = 32
SEED = 7

QuantizationSteps = Callable[[str, int, int], None]


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
    rows = sample_places(len(texts), SAMPLED)
    _same_vectors(embedder, floats.open_embedder())
    steps("exporting the embedder", 1, 3)
    small = _carried(
        embedder, made, _in_bytes(made, [texts[row] for row in sample_places(len(texts), CALIBRATION_TEXTS)]), "int8"
    )
    steps("exporting the embedder", 2, 3)
    kept = neighbour_recall(small.open_embedder().embed_texts([texts[row] for row in rows]), rows, vectors)
    steps("exporting the embedder", 3, 3)
    if kept < least_kept:
        return floats
    about = replace(small.about, kept=round(kept, 4))
    return BundledEmbedder({**small.files, ABOUT: about.to_json()}, about)


def sample_places(total: int, count: int) -> NDArray[np.int64]:
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
