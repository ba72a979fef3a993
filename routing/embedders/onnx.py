"""The transformer on onnxruntime: the weights of sentence-transformers, without PyTorch."""

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
"""Tokens in a batch, padding included, so that activations between two products stay in the processor's cache. With
1024 an input takes a tenth more CPU, with 2048 half as much again."""

ERRORS_ONLY = 3
"""Log level of onnxruntime that shows errors but no warnings."""
OUTPUT = "embedding"

Rows = NDArray[np.int64]


class OnnxEmbedder:
    """An exported sentence-transformers model, with the name and revision of its source."""

    def __init__(self, name: str, revision: str, dim: int, max_tokens: int, model: bytes, tokenizer: bytes) -> None:
        """model: an ONNX graph from token ids to vectors. Raises EmbedderError if it cannot be loaded."""
        self.name, self.revision, self.dim = name, revision, dim
        self._tokenizer = read_tokenizer(tokenizer, max_tokens)
        self._session = _session(model)
        self._input_names = [given.name for given in self._session.get_inputs()]
        self._pool = ThreadPoolExecutor(_cores(), thread_name_prefix="embedding")

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        """Return the vectors of the texts, (n_texts, dim)."""
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        ids = token_ids(self._tokenizer, texts)
        # Texts of similar length share a batch, so that little of it is padding.
        some = list(batch_by_length([len(one) for one in ids]))
        made = map if len(some) == 1 else self._pool.map
        found = made(lambda places: self._batch([ids[place] for place in places]), some)
        for places, of_batch in zip(some, found, strict=True):
            vectors[places] = of_batch
        return unit_rows(vectors)

    def _batch(self, ids: Sequence[Sequence[int]]) -> Embeddings:
        tokens, mask = pad(ids)
        inputs = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
        (vectors,) = self._session.run([OUTPUT], {name: inputs[name] for name in self._input_names})
        if vectors.shape != (len(ids), self.dim) or not np.isfinite(vectors).all():
            raise EmbedderError(f"{self.name} on onnxruntime returned an array of shape {vectors.shape}, or with a NaN")
        return np.asarray(vectors, dtype=np.float32)


def batch_by_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield batches of text indices, shortest first, each of at most BATCH_TOKENS tokens with padding."""
    batch: list[int] = []
    for place in np.argsort(lengths, kind="stable"):
        if batch and (len(batch) + 1) * lengths[place] > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(int(place))
    if batch:
        yield batch


def pad(ids: Sequence[Sequence[int]]) -> tuple[Rows, Rows]:
    """Return token ids and mask, both (n_texts, longest); the mask hides the padding, so its id does not matter."""
    longest = max(len(one) for one in ids)
    tokens = np.zeros((len(ids), longest), dtype=np.int64)
    mask = np.zeros_like(tokens)
    for row, one in enumerate(ids):
        tokens[row, : len(one)] = one
        mask[row, : len(one)] = 1
    return tokens, mask


def _cores() -> int:
    """Return the number of processors this process may use."""
    # cpu_count() ignores taskset and cpusets; more threads than processors only wait.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _session(model: bytes) -> onnxruntime.InferenceSession:
    """Return an inference session with one thread."""
    # One thread per batch: two threads on one batch took up to twice the CPU time and were no faster than two batches
    # in parallel. No memory arena: shapes change with every batch, so it would only grow.
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # onnxruntime's errors have no public base class.
        raise EmbedderError(f"the bundled ONNX model cannot be loaded: {error}") from error
