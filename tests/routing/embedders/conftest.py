"""A transformer of two small layers with random weights: exporting and distilling it takes a moment."""

from pathlib import Path

import pytest

from routing.embedder import SentenceTransformerEmbedder

WORDS = ("lamp", "light", "river", "city", "sum", "plus", "price", "euro", "how", "much", "what", "is", "the", "cost")
TEXTS = tuple(
    " ".join(WORDS[(7 * text + place * (1 + text % 5)) % len(WORDS)] for place in range(3 + text % 17))
    for text in range(80)
)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> SentenceTransformerEmbedder:
    """Mean pooling, 32 wide, texts cut at 16 tokens."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    source = Path(tmp_path_factory.mktemp("models")) / "tiny"
    source.mkdir()
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    (source / "vocab.txt").write_text("\n".join([*specials, *WORDS]))
    BertTokenizer(vocab=str(source / "vocab.txt")).save_pretrained(source)
    torch.manual_seed(3)
    about = BertConfig(
        vocab_size=len(specials) + len(WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.4,
    )
    BertModel(about).save_pretrained(source)
    return SentenceTransformerEmbedder(f"{source}#16")
