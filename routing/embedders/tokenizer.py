"""Texts to token ids, with the model's own tokenizer."""

import json
from collections.abc import Sequence

from tokenizers import Tokenizer

from routing.embedder import MAX_CHARACTERS
from routing.errors import EmbedderError


def read_tokenizer(data: bytes, max_tokens: int | None) -> Tokenizer:
    """Read a saved tokenizer without padding, cutting at max_tokens, special tokens included. Raises EmbedderError."""
    try:
        tokenizer = Tokenizer.from_buffer(data)
    except Exception as error:
        # tokenizers raises plain Exception.
        raise EmbedderError(f"the bundled tokenizer cannot be read: {error}") from error
    tokenizer.no_padding()
    if max_tokens is None:
        tokenizer.no_truncation()
    else:
        tokenizer.enable_truncation(max_tokens)
    return tokenizer


def serialize_tokenizer(tokenizer: Tokenizer) -> bytes:
    """Return a tokenizer as a file, without its padding and truncation, which are set when it is read."""
    document = json.loads(tokenizer.to_str()) | {"padding": None, "truncation": None}
    return json.dumps(document, ensure_ascii=False).encode()


def token_ids(tokenizer: Tokenizer, texts: Sequence[str], special: bool = True) -> list[list[int]]:
    """Return each text's token ids. special: include the special tokens around a text."""
    found = tokenizer.encode_batch_fast([truncate_text(text) for text in texts], add_special_tokens=special)
    return [encoding.ids for encoding in found]


def truncate_text(text: str) -> str:
    """Return a text cut to the maximum length, with lone surrogates replaced."""
    return text[:MAX_CHARACTERS].encode("utf-8", "replace").decode()
