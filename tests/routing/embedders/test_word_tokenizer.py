"""Token ids word by word are those of whole texts."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routing.embedder import SentenceTransformerEmbedder
from routing.embedders.tokenizer import WordTokenizer, read_tokenizer, serialize_tokenizer, token_ids

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


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.lists(PIECES, max_size=12).map("".join), max_size=4))
def test_ids_by_word_are_those_of_the_text(tiny: SentenceTransformerEmbedder, texts: list[str]) -> None:
    data = serialize_tokenizer(tiny.model.tokenizer.backend_tokenizer)
    by_word = WordTokenizer(data, 24)
    expected = token_ids(read_tokenizer(data, 24), texts, special=False)
    assert by_word.token_ids(texts) == expected
    assert by_word.token_ids(texts) == expected  # of words that are remembered


def test_a_tokenizer_that_reads_across_spaces_gets_whole_texts(tiny: SentenceTransformerEmbedder) -> None:
    document = json.loads(serialize_tokenizer(tiny.model.tokenizer.backend_tokenizer))
    document["pre_tokenizer"] = None
    data = json.dumps(document).encode()
    texts = ["lamp light", "lamp  light"]
    assert WordTokenizer(data, 8).token_ids(texts) == token_ids(read_tokenizer(data, 8), texts, special=False)
