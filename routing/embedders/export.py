"""A sentence-transformers model as one ONNX graph: token numbers in, unit vectors out, pooling included."""

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routing.embedder import SentenceTransformerEmbedder
from routing.embedders.onnx import OUTPUT
from routing.embedders.tokenizer import serialize_tokenizer
from routing.errors import EmbedderError

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
