"""The transformer on onnxruntime: the same weights as sentence-transformers', without PyTorch."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from routing.arrays import Embeddings, unit_rows
from routing.embedders.tokenizer import read_tokenizer, token_ids
from routing.errors import EmbedderError

BATCH_TOKENS = 256
"""Tokens in a batch, padding among them: what lies between two products then stays in the cache. With 1024 an input
takes a tenth more CPU, with 2048 half as much again."""

ERRORS_ONLY = 3
OUTPUT = "embedding"

Rows = NDArray[np.int64]


class OnnxEmbedder:
    """An exported sentence-transformers model. Of the same name and revision as the model that it was exported from."""

    def __init__(self, name: str, revision: str, dim: int, max_tokens: int, model: bytes, tokenizer: bytes) -> None:
        """model: an ONNX graph from token numbers to vectors. Raises EmbedderError where it cannot be used."""
        self.name, self.revision, self.dim = name, revision, dim
        self._tokenizer = read_tokenizer(tokenizer, max_tokens)
        self._session = _session(model)
        self._wanted = [given.name for given in self._session.get_inputs()]
        self._side_by_side = ThreadPoolExecutor(_cores(), thread_name_prefix="embedding")

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        """See Embedder.embed. Texts of like length share a batch, and padding with it."""
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        ids = token_ids(self._tokenizer, texts)
        some = list(batch_by_length([len(one) for one in ids]))
        made = map if len(some) == 1 else self._side_by_side.map
        found = made(lambda places: self._batch([ids[place] for place in places]), some)
        for places, of_batch in zip(some, found, strict=True):
            vectors[places] = of_batch
        return unit_rows(vectors)

    def _batch(self, ids: Sequence[Sequence[int]]) -> Embeddings:
        tokens, mask = pad(ids)
        inputs = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
        (vectors,) = self._session.run([OUTPUT], {name: inputs[name] for name in self._wanted})
        if vectors.shape != (len(ids), self.dim) or not np.isfinite(vectors).all():
            raise EmbedderError(f"{self.name} on onnxruntime gave {vectors.shape} with NaN or of another shape")
        return np.asarray(vectors, dtype=np.float32)


def batch_by_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places of texts, each once, the shortest first, so many at a time that they hold BATCH_TOKENS when padded."""
    batch: list[int] = []
    for place in np.argsort(lengths, kind="stable"):
        if batch and (len(batch) + 1) * lengths[place] > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(int(place))
    if batch:
        yield batch


def pad(ids: Sequence[Sequence[int]]) -> tuple[Rows, Rows]:
    """Token numbers and mask, both (n_texts, longest); the mask hides the padding, so its number does not matter."""
    longest = max(len(one) for one in ids)
    tokens = np.zeros((len(ids), longest), dtype=np.int64)
    mask = np.zeros_like(tokens)
    for row, one in enumerate(ids):
        tokens[row, : len(one)] = one
        mask[row, : len(one)] = 1
    return tokens, mask


def _cores() -> int:
    """Of the processor's, those that this process may use, where the system says."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _session(model: bytes) -> onnxruntime.InferenceSession:
    """One thread a batch: two that share one took up to twice the processor's time, and were no sooner done than two
    batches side by side. Keeps no arena, for shapes change all the time.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no public class
        raise EmbedderError(f"the carried ONNX model cannot be loaded: {error}") from error
