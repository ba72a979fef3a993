"""Texts to token ids, with the model's own tokenizer."""

import json
import re
from collections.abc import Sequence
from typing import Any

from tokenizers import Tokenizer

from routing.embedder import MAX_CHARACTERS
from routing.errors import EmbedderError

MAX_WORDS, MAX_WORD = 20_000, 32
"""Words whose ids are remembered, and the characters of the longest: together a few MB."""

_SPACE = re.compile("[ \t\n\r]+")
"""What BERT's normalizer takes for a space among the first 128 characters; other control characters it removes."""


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


class WordTokenizer:
    """Token ids without special tokens, remembered word by word: most words of a text were in another one.

    A static embedder spends nine tenths of its time on token ids. A tokenizer that does not cut texts at spaces alone
    before anything else is asked for whole texts.
    """

    def __init__(self, data: bytes, max_tokens: int) -> None:
        """data: a saved tokenizer. Raises EmbedderError where it cannot be read."""
        self._tokenizer = read_tokenizer(data, max_tokens)
        self._max_tokens = max_tokens
        self._is_by_word = _cuts_at_spaces(json.loads(data))
        self._ids: dict[str, list[int]] = {}

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's token ids, at most max_tokens."""
        if not self._is_by_word:
            return token_ids(self._tokenizer, texts, special=False)
        split = [_SPACE.split(truncate_text(text)) for text in texts]
        known = self._ids
        new = list({word for words in split for word in words if word not in known})
        found = {} if not new else dict(zip(new, token_ids(self._tokenizer, new, special=False), strict=True))
        made = []
        for words in split:
            ids: list[int] = []
            for word in words:
                ids += known[word] if word in known else found[word]
            made.append(ids[: self._max_tokens])
        self._remember(found)
        return made

    def _remember(self, found: dict[str, list[int]]) -> None:
        if len(self._ids) + len(found) > MAX_WORDS:
            self._ids.clear()  # as a whole: the frequent words are back with the next texts
        self._ids.update((word, ids) for word, ids in found.items() if len(word) <= MAX_WORD)


def _cuts_at_spaces(document: dict[str, Any]) -> bool:
    """Return True for BERT's way, where a word's ids do not depend on the words around it."""
    kinds = [(document.get(part) or {}).get("type") for part in ("normalizer", "pre_tokenizer", "model")]
    added = document.get("added_tokens") or []
    is_apart = all(not (one["lstrip"] or one["rstrip"] or _SPACE.search(one["content"])) for one in added)
    return kinds == ["BertNormalizer", "BertPreTokenizer", "WordPiece"] and is_apart


def truncate_text(text: str) -> str:
    """Return a text cut to the maximum length, with lone surrogates replaced."""
    return text[:MAX_CHARACTERS].encode("utf-8", "replace").decode()
