"""Token ids word by word are those of whole texts."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routing.embedder import SentenceTransformerEmbedder
from routing.embedders.tokenizer import MAX_WORD, WordTokenizer, read_tokenizer, serialize_tokenizer, token_ids

PARTS = [
    "lamp",
    "LIGHT",
    "un-heard",
    "don't",
    "é",
    "e\u0301",
    "\u0301",
    "中文",
    "Σ",
    "ΟΔΟΣ",
    "[SEP]",
    "[CLS]x",
    "\x0b",
    "\x1f",
]
GAPS = [" ", "  ", "\n", "\t", "\r\n", "", "\u00a0", "\u2003", "\x0c", "\x00", "\u200d"]
PIECES = st.sampled_from([*PARTS, *GAPS]) | st.text(max_size=6) | st.text("ab", min_size=30, max_size=40)


def ids_of(by_word: WordTokenizer, texts: list[str]) -> list[list[int]]:
    return [ids.tolist() for ids in by_word.token_ids(texts)]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.lists(PIECES, max_size=12).map("".join), max_size=4))
def test_ids_by_word_are_those_of_the_text(tiny: SentenceTransformerEmbedder, texts: list[str]) -> None:
    data = serialize_tokenizer(tiny.model.tokenizer.backend_tokenizer)
    by_word = WordTokenizer(data, 24)
    expected = token_ids(read_tokenizer(data, 24), texts, special=False)
    assert ids_of(by_word, texts) == expected
    assert ids_of(by_word, texts) == expected  # of words that are remembered


def test_an_added_token_within_a_word_is_found(tiny: SentenceTransformerEmbedder) -> None:
    """In any case, in ASCII or not: a tokenizer looks for these before it cuts at punctuation."""
    document = json.loads(serialize_tokenizer(tiny.model.tokenizer.backend_tokenizer))
    known = document["added_tokens"][0]
    added = [{**known, "content": word, "id": known["id"], "normalized": True} for word in ("amp", "p-l", "t,")]
    data = json.dumps(document | {"added_tokens": [*document["added_tokens"], *added]}).encode()
    texts = ["lamp light", "LAMP-light, é light,light", "light lamp"]
    assert ids_of(WordTokenizer(data, 32), texts) == token_ids(read_tokenizer(data, 32), texts, special=False)


def test_words_are_remembered_and_forgotten(tiny: SentenceTransformerEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that come again outlive a generation; long ones do not."""
    monkeypatch.setattr("routing.embedders.tokenizer.MAX_WORDS", 8)
    data = serialize_tokenizer(tiny.model.tokenizer.backend_tokenizer)
    by_word, whole = WordTokenizer(data, 24), read_tokenizer(data, 24)
    for number in range(20):
        texts = [f"lamp, light n{number}", f"é{'x' * 40} m{number}"]
        assert ids_of(by_word, texts) == token_ids(whole, texts, special=False)
        assert len(by_word._ids) <= 8
    assert {"lamp", "light", ","} <= by_word._ids.keys() | by_word._older.keys()
    assert all(len(word) <= MAX_WORD for word in by_word._older)


def test_a_tokenizer_that_reads_across_spaces_gets_whole_texts(tiny: SentenceTransformerEmbedder) -> None:
    document = json.loads(serialize_tokenizer(tiny.model.tokenizer.backend_tokenizer))
    document["pre_tokenizer"] = None
    data = json.dumps(document).encode()
    texts = ["lamp light", "lamp  light"]
    assert ids_of(WordTokenizer(data, 8), texts) == token_ids(read_tokenizer(data, 8), texts, special=False)
