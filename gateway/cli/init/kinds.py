"""Kind of a model by its name, for models of other kinds than chat."""

import re
from collections.abc import Sequence

from gateway.config.fields import ModelKind

_PATTERNS: Sequence[tuple[ModelKind, re.Pattern[str]]] = (
    ("rerank", re.compile(r"rerank")),
    ("moderation", re.compile(r"moderation|llama-guard|shieldgemma")),
    (
        "embedding",
        re.compile(r"embed|(^|[/-])(bge|gte|e5|sfr|uae)-|minilm|mpnet|(^|/)voyage-|stella_|sentence-transformers/"),
    ),
    ("audio", re.compile(r"whisper|transcribe|(^|[/-])tts(-|$)|kokoro|parakeet|orpheus|speech")),
    ("image", re.compile(r"dall-e|gpt-image|imagen|stable-?diffusion|sdxl|(^|[/-])flux|image-generation|recraft")),
)
"""In this order: a reranker's name may say `bge`. Names as their providers list them, in lower case."""


def guess_kind(name: str) -> ModelKind:
    """Return the kind that a model's name tells; chat where it tells none."""
    return next((kind for kind, pattern in _PATTERNS if pattern.search(name.lower())), "chat")
