"""Static model distilled from a transformer, without a corpus.

After model2vec (Tulkens & van Dongen, 2024, github.com/MinishLab/model2vec): every token of the vocabulary passes
through the transformer alone; principal components make the vectors narrower; and a token counts the less the more
frequent it is, with its frequency estimated from its position in the vocabulary by Zipf's law. The weight is SIF's, a
/ (a + p(w)) (Arora et al., 2017, eq. 3).
"""

import hashlib
import io
from collections.abc import Callable

import numpy as np

from routing.arrays import Floats
from routing.embedder import STATIC, SentenceTransformerEmbedder
from routing.embedders.bundled import ABOUT, PROBES, TOKENIZER, VECTORS, BundledEmbedder, BundleInfo
from routing.embedders.static import MAX_TOKENS, StaticEmbedder
from routing.embedders.tokenizer import serialize_tokenizer
from routing.errors import EmbedderError

SIF = 1e-4
"""a: a token of this probability counts half."""

BATCH_TOKENS = 1024

DistilSteps = Callable[[str, int, int], None]


def distil_embedder(
    source: SentenceTransformerEmbedder, width: int, steps: DistilSteps = lambda phase, done, total: None
) -> BundledEmbedder:
    """Return the static model of a transformer, `width` wide. Raises EmbedderError for a model without a vocabulary."""
    tokenizer = getattr(source.model.tokenizer, "backend_tokenizer", None)
    if tokenizer is None:
        raise EmbedderError(f"{source.name} has no fast tokenizer, which a static model requires")
    if width > source.dim:
        raise EmbedderError(f"a static model of width {width} cannot be made from {source.name} of width {source.dim}")
    special = sorted(set(source.model.tokenizer.all_special_ids))
    raw = token_vectors(source, tokenizer.get_vocab_size(with_added_tokens=True), steps)
    narrow = pca(raw, width) * zipf_weights(len(raw))[:, None]
    # Special tokens ([CLS], [PAD]) carry no meaning of a text.
    narrow[special] = 0
    return _bundle(source, narrow, serialize_tokenizer(tokenizer))


def token_vectors(source: SentenceTransformerEmbedder, count: int, steps: DistilSteps) -> Floats:
    """Return the transformer's output for each token alone: the mean over it and the special tokens around it.

    Returns (n_tokens, source's width).
    """
    import torch

    before, after = _special_tokens_around(source)
    found = []
    with torch.no_grad():
        for start in range(0, count, BATCH_TOKENS):
            steps("distilling", start, count)
            ids = torch.tensor([[*before, token, *after] for token in range(start, min(count, start + BATCH_TOKENS))])
            inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": torch.zeros_like(ids)}
            names = [name for name in source.model.tokenizer.model_input_names if name in inputs]
            # The modules before pooling give token embeddings; later ones would scale each token to length 1.
            features = source.model[0]({name: inputs[name] for name in names})
            found.append(features["token_embeddings"].mean(dim=1).double().numpy())
    steps("distilling", count, count)
    return np.concatenate(found)


def _special_tokens_around(source: SentenceTransformerEmbedder) -> tuple[list[int], list[int]]:
    """Return the special tokens before and after a text of one token."""
    tokenizer = source.model.tokenizer
    plain = tokenizer("lamp", add_special_tokens=False)["input_ids"]
    whole = tokenizer("lamp")["input_ids"]
    at = next(place for place in range(len(whole)) if whole[place : place + len(plain)] == plain)
    return list(whole[:at]), list(whole[at + len(plain) :])


def pca(vectors: Floats, width: int) -> Floats:
    """Return the centred vectors projected on their `width` principal components, the strongest first. (n_tokens,
    width)
    """
    centred = vectors - vectors.mean(axis=0)
    _, components = np.linalg.eigh(centred.T @ centred)
    strongest = components[:, ::-1][:, :width]
    # A component's sign is arbitrary; making its largest entry positive makes the file reproducible.
    largest = strongest[np.abs(strongest).argmax(axis=0), np.arange(strongest.shape[1])]
    return np.asarray(centred @ (strongest * np.sign(largest)))


def zipf_weights(count: int) -> Floats:
    """Return SIF weights of tokens whose probability falls with their position as 1 / (position + 2). (n_tokens,)"""
    inverse = 1.0 / (np.arange(count) + 2)
    return np.asarray(SIF / (SIF + inverse / inverse.sum()))


def _bundle(source: SentenceTransformerEmbedder, vectors: Floats, tokenizer: bytes) -> BundledEmbedder:
    # Scaled to at most 1, the range in which float16 is most precise relative to its size; only directions count.
    half = (vectors / np.abs(vectors).max()).astype(np.float16)
    buffer = io.BytesIO()
    np.save(buffer, half)
    name = f"{STATIC}{source.name}:{half.shape[1]}"
    revision = hashlib.sha256(buffer.getvalue() + tokenizer).hexdigest()[:16]
    probes = StaticEmbedder(name, revision, half, tokenizer).embed_texts(PROBES)
    rounded = tuple(tuple(round(float(number), 5) for number in vector) for vector in probes)
    about = BundleInfo("static", name, revision, int(half.shape[1]), "fp16", MAX_TOKENS, rounded)
    return BundledEmbedder({VECTORS: buffer.getvalue(), TOKENIZER: tokenizer, ABOUT: about.to_json()}, about)
