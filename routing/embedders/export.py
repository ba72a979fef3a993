"""A sentence-transformers model bundled as one ONNX graph: token ids in, unit vectors out, pooling included.

It is bundled in the first of these forms that decides on the pack's inputs as the model itself:

    int8             products in 8-bit integers: the fastest            routing.embedders.int8_matmul
    10-bit weights   products in floats, the file a quarter             routing.embedders.packed_weights
    fp16 weights     the same, half
    fp32             the model as it is
"""

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

from routing.agreement import DecisionAgreement, DecisionSample
from routing.arrays import Embeddings
from routing.embedder import Embedder, SentenceTransformerEmbedder
from routing.embedders.bundled import ABOUT, MODEL, PACKED, PROBES, TOKENIZER, BundledEmbedder, BundleInfo, open_bundle
from routing.embedders.onnx import OUTPUT, pad
from routing.embedders.packed_weights import pack_model
from routing.embedders.tokenizer import read_tokenizer, serialize_tokenizer, token_ids
from routing.errors import EmbedderError
from routing.neighbours.exact import most_similar
from routing.neighbours.grouped import GroupedLists

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


OPSET = 17
KNOWN_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


@dataclass(frozen=True, slots=True)
class ExportedTransformer:
    """A model and its tokenizer as bytes.

    Attributes:
        max_tokens: the model cuts texts here.
    """

    model: bytes
    tokenizer: bytes
    max_tokens: int


def export_transformer(embedder: SentenceTransformerEmbedder) -> ExportedTransformer:
    """Export a model to ONNX. Raises EmbedderError where the model or its tokenizer cannot be exported."""
    model = embedder.model
    tokenizer = getattr(model.tokenizer, "backend_tokenizer", None)
    if tokenizer is None:
        raise EmbedderError(f"{embedder.name} has no fast tokenizer, which a bundled embedder requires")
    try:
        graph = _graph(model)
    except Exception as error:
        # PyTorch's exporter runs the model's own code, which may raise anything.
        raise EmbedderError(f"{embedder.name} cannot be exported to ONNX: {error!r}") from error
    return ExportedTransformer(graph, serialize_tokenizer(tokenizer), int(model.max_seq_length or 512))


def _graph(model: "SentenceTransformer") -> bytes:
    import torch

    names = [name for name in model.tokenizer.model_input_names if name in KNOWN_INPUTS]

    class Vectors(torch.nn.Module):
        """The model's dictionary of features as positional arguments."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *values: torch.Tensor) -> torch.Tensor:
            """Return vectors of token ids, mask and types, in the order of `names`."""
            vectors: torch.Tensor = self.model(dict(zip(names, values, strict=True)))["sentence_embedding"]
            return vectors

    # Two texts of unequal length, so that the tracer does not fold the mask into a constant.
    mask = torch.tensor([[1] * 9, [1] * 6 + [0] * 3])
    example = {"input_ids": mask * 5, "attention_mask": mask, "token_type_ids": mask * 0}
    axes = {name: {0: "texts", 1: "tokens"} for name in names} | {OUTPUT: {0: "texts"}}
    with _plain_attention(model), _quietly(), torch.no_grad(), tempfile.TemporaryDirectory() as scratch:
        exported = Path(scratch) / "model.onnx"
        torch.onnx.export(
            Vectors().eval(),
            tuple(example[name] for name in names),
            exported,
            input_names=names,
            output_names=[OUTPUT],
            dynamic_axes=axes,
            opset_version=OPSET,
            # The TorchScript exporter needs no further package, and onnxruntime fuses its graphs best.
            dynamo=False,
        )
        return exported.read_bytes()


@contextmanager
def _plain_attention(model: Any) -> Iterator[None]:
    """Use eager attention while the model is traced: every opset can express it."""
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
    """Silence the exporter's deprecation and tracing warnings: its result is compared with the model anyway."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


MIN_RECALL = 0.97
"""Share of the 19 nearest inputs that must stay the same under a smaller form."""
MIN_AGREEMENT, MAX_LOSS = 0.99, 0.001
"""Share of decisions that must stay the same, and accuracy that the others may lose, mean over all decisions. With a
hundred models, two of nearly the same score change places under any rounding; that must be rare, and cost nothing."""

NEAREST = 19
SAMPLED = 300
CALIBRATION_TEXTS = 32
SEED = 7

QuantizationSteps = Callable[[str, int, int], None]


def bundle_transformer(
    embedder: SentenceTransformerEmbedder,
    texts: Sequence[str],
    vectors: Embeddings,
    steps: QuantizationSteps = lambda phase, done, total: None,
    least_kept: float = MIN_RECALL,
    decisions: DecisionSample | None = None,
) -> BundledEmbedder:
    """Export the embedder in the smallest form under which a sample of the inputs is routed the same.

    texts, vectors: the pack's inputs and the embedder's own vectors of them, (n_inputs, dim). decisions: tasks of the
    pack to compare decisions on; None to compare neighbours only.
    Raises EmbedderError where the model cannot be exported, or the export gives other vectors.
    """
    forms = ("int8", "10-bit weights", "fp16 weights")
    phase, total = "exporting the embedder", len(forms) + 1
    steps(phase, 0, total)
    exported = export_transformer(embedder)
    floats = _bundle(embedder, exported, {MODEL: exported.model}, "fp32")
    _same_vectors(embedder, floats.open_embedder())
    rows = sample_places(len(texts), SAMPLED) if decisions is None else decisions.rows
    sample = [texts[row] for row in rows]
    for done, form in enumerate(forms, 1):
        steps(phase, done, total)
        files = _smaller_files(exported, form, [texts[row] for row in sample_places(len(texts), CALIBRATION_TEXTS)])
        small = _bundle(embedder, exported, files, form)
        again = small.open_embedder().embed_texts(sample)
        recall = neighbour_recall(again, rows, vectors, None if decisions is None else decisions.lists)
        if recall < least_kept:
            continue
        found = None if decisions is None else decisions.compare(again)
        if found is None or (found.share >= MIN_AGREEMENT and found.loss <= MAX_LOSS):
            steps(phase, total, total)
            return _with_agreement(small, recall, found)
    steps(phase, total, total)
    return floats


def _with_agreement(made: BundledEmbedder, recall: float, found: DecisionAgreement | None) -> BundledEmbedder:
    about = replace(made.about, kept=round(recall, 4), decisions=None if found is None else (found.n_equal, found.n))
    return BundledEmbedder({**made.files, ABOUT: about.to_json()}, about)


def sample_places(total: int, count: int) -> NDArray[np.int64]:
    """Return at most `count` of `total` indices, ascending, the same every time."""
    if total <= count:
        return np.arange(total)
    return np.sort(np.random.default_rng(SEED).choice(total, size=count, replace=False))


def neighbour_recall(
    again: Embeddings, rows: NDArray[np.int64], vectors: Embeddings, lists: GroupedLists | None = None
) -> float:
    """Return the share of the nearest other inputs that stay the nearest under another embedding of the same inputs.

    again: (n_rows, dim), the inputs at `rows` in the other embedding; vectors: (n_inputs, dim). lists: of the
    vectors, to search in both embeddings; None to search exactly. Returns a share in [0, 1].
    """
    count = min(NEAREST, len(vectors) - 1)
    if count < 1:
        return 1.0
    found = []
    for queries in (vectors[rows], again):
        if lists is not None:
            found.append(lists.find_others(queries, count, rows)[0])
            continue
        similarity = queries @ vectors.T
        # An input is its own nearest neighbour in both embeddings; counting it would raise the recall.
        similarity[np.arange(len(rows)), rows] = -np.inf
        found.append(most_similar(similarity, count)[0])
    shared = [len(np.intersect1d(one, other)) for one, other in zip(*found, strict=True)]
    return float(np.mean(shared) / count)


def _bundle(
    embedder: SentenceTransformerEmbedder, exported: ExportedTransformer, model: dict[str, bytes], precision: str
) -> BundledEmbedder:
    about = BundleInfo("onnx", embedder.name, embedder.revision, embedder.dim, precision, exported.max_tokens)
    files = {**model, TOKENIZER: exported.tokenizer, ABOUT: about.to_json()}
    probes = open_bundle(files).embed_texts(PROBES)
    about = replace(about, probes=tuple(tuple(round(float(number), 5) for number in vector) for vector in probes))
    return BundledEmbedder({**files, ABOUT: about.to_json()}, about)


def _smaller_files(exported: ExportedTransformer, form: str, texts: Sequence[str]) -> dict[str, bytes]:
    """Return the model's file in one of the smaller forms. texts: to measure the range of activations on."""
    if form != "int8":
        return {PACKED: pack_model(exported.model, halve=form == "fp16 weights")}
    from routing.embedders.int8_matmul import quantize_model

    ids = token_ids(read_tokenizer(exported.tokenizer, exported.max_tokens), texts)
    samples = []
    for one in ids:
        tokens, mask = pad([one])
        samples.append({"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)})
    return {MODEL: quantize_model(exported.model, samples)}


def _same_vectors(embedder: SentenceTransformerEmbedder, other: Embedder) -> None:
    # The last text is longer than most models' limit, so that truncation is compared as well.
    texts = [*PROBES, " ".join(PROBES) * 30]
    cosines = (embedder.embed_texts(texts) * other.embed_texts(texts)).sum(axis=1)
    if cosines.min() < 0.9999:
        raise EmbedderError(f"{embedder.name} exported to ONNX gives other vectors (cosine {cosines.min():.4f})")
