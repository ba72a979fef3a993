"""Texts to token numbers, with the model's own tokenizer."""

import json
from collections.abc import Sequence

from tokenizers import Tokenizer

from routing.embedder import MAX_CHARACTERS
from routing.errors import EmbedderError


def read_tokenizer(data: bytes, max_tokens: int | None) -> Tokenizer:
    """A saved tokenizer that pads nothing and cuts at max_tokens, special ones among them. Raises EmbedderError."""
    try:
        tokenizer = Tokenizer.from_buffer(data)
    except Exception as error:  # what tokenizers raises has no class of its own
        raise EmbedderError(f"the carried tokenizer cannot be read: {error}") from error
    tokenizer.no_padding()
    if max_tokens is None:
        tokenizer.no_truncation()
    else:
        tokenizer.enable_truncation(max_tokens)
    return tokenizer


def serialize_tokenizer(tokenizer: Tokenizer) -> bytes:
    """A tokenizer as a file, the same whatever it was last used for: how it pads and cuts is said when it is read."""
    document = json.loads(tokenizer.to_str()) | {"padding": None, "truncation": None}
    return json.dumps(document, ensure_ascii=False).encode()


def token_ids(tokenizer: Tokenizer, texts: Sequence[str], special: bool = True) -> list[list[int]]:
    """Each text's token numbers. special: with those that the transformer wants around a text."""
    found = tokenizer.encode_batch_fast([truncate_text(text) for text in texts], add_special_tokens=special)
    return [encoding.ids for encoding in found]


def truncate_text(text: str) -> str:
    """A text as embedders read it: not too long, and without halves of characters."""
    return text[:MAX_CHARACTERS].encode("utf-8", "replace").decode()
