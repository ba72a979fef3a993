"""Texts to token ids, with the model's own tokenizer."""

import json
import re
from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from routing.embedder import MAX_CHARACTERS
from routing.errors import EmbedderError

TokenIds = NDArray[np.int32]

MAX_WORDS, MAX_WORD = 40_000, 32
"""Words whose ids are remembered, and the characters of the longest: together about 10 MB."""

_SPACE = re.compile("[ \t\n\r]+")
"""What BERT's normalizer takes for a space among the first 128 characters; other control characters it removes."""
_WORD = re.compile("[0-9A-Za-z]+|[!-~]")
"""How BERT cuts ASCII: at spaces, and around each punctuation character."""
_OTHER = re.compile("[^ -~\t\n\r]")
"""What it treats otherwise."""


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

    A static embedder spends nine tenths of its time on token ids. ASCII is cut into words as BERT cuts it, at
    punctuation too, since most words that seem new are known ones with a comma; other text is cut at spaces. A
    tokenizer that does not cut texts at spaces alone before anything else is asked for whole texts.
    """

    def __init__(self, data: bytes, max_tokens: int) -> None:
        """data: a saved tokenizer. Raises EmbedderError where it cannot be read."""
        document = json.loads(data)
        self._is_by_word = _cuts_at_spaces(document)
        self._tokenizer = read_tokenizer(data, None if self._is_by_word else max_tokens)
        self._max_tokens = max_tokens
        self._added = [one["content"].lower() for one in document.get("added_tokens") or []]
        # In two generations: words that come again outlive those that were seen once. As bytes, which are joined in a
        # tenth of the time of lists, and are what an array is made of.
        self._ids: dict[str, bytes] = {}
        self._older: dict[str, bytes] = {}

    def token_ids(self, texts: Sequence[str]) -> list[TokenIds]:
        """Return each text's token ids, at most max_tokens, (n_tokens,)."""
        if not self._is_by_word:
            return [np.array(ids, dtype=np.int32) for ids in token_ids(self._tokenizer, texts, special=False)]
        cut, ids = [self._cut_words(truncate_text(text)) for text in texts], self._ids
        self._learn(set().union(*cut).difference(ids))
        joined = [b"".join(map(ids.__getitem__, words)) for words in cut]
        if len(ids) > MAX_WORDS // 2:
            self._ids, self._older = {}, {word: found for word, found in ids.items() if len(word) <= MAX_WORD}
        return [np.frombuffer(one, dtype=np.int32)[: self._max_tokens] for one in joined]

    def _cut_words(self, text: str) -> list[str]:
        has_added = self._has_added(text)
        if not has_added and _OTHER.search(text) is None:
            return _WORD.findall(text)
        words: list[str] = []
        for part in _SPACE.split(text):
            words += _WORD.findall(part) if _is_plain(part) and not (has_added and self._has_added(part)) else [part]
        return words

    def _has_added(self, text: str) -> bool:
        """Return True if an added token may be in a text: a tokenizer looks for these before it cuts anything."""
        lowered = text.lower()
        return any(one in lowered for one in self._added)

    def _learn(self, words: set[str]) -> None:
        """Find the ids of words that are not remembered."""
        known = self._older.keys() & words
        self._ids.update((word, self._older[word]) for word in known)
        new = words - known
        plain = [word for word in new if _is_plain(word) and not self._has_added(word)]
        found: list[list[int]] = [[] for _ in plain]
        if plain:
            # In one text: a text of its own takes twice as long as a word.
            encoding = self._tokenizer.encode(" ".join(plain), add_special_tokens=False)
            for number, place in zip(encoding.ids, encoding.word_ids, strict=True):
                found[place or 0].append(number)
        others = list(new.difference(plain))
        found += token_ids(self._tokenizer, others, special=False)
        self._ids.update((word, _to_bytes(ids)) for word, ids in zip([*plain, *others], found, strict=True))


def _to_bytes(ids: Sequence[int]) -> bytes:
    return array("i", ids).tobytes()


def _is_plain(word: str) -> bool:
    """Return True for ASCII without control characters."""
    return word.isascii() and word.isprintable()


def _cuts_at_spaces(document: dict[str, Any]) -> bool:
    """Return True for BERT's way, where a word's ids do not depend on the words around it."""
    kinds = [(document.get(part) or {}).get("type") for part in ("normalizer", "pre_tokenizer", "model")]
    added = document.get("added_tokens") or []
    is_apart = all(not (one["lstrip"] or one["rstrip"] or _SPACE.search(one["content"])) for one in added)
    return kinds == ["BertNormalizer", "BertPreTokenizer", "WordPiece"] and is_apart


def truncate_text(text: str) -> str:
    """Return a text cut to the maximum length, with lone surrogates replaced."""
    return text[:MAX_CHARACTERS].encode("utf-8", "replace").decode()
