"""Inputs that come again are embedded once, and count as often as they come."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from gateway.scorer.recent_evidence import EvidenceFinder
from routing.arrays import Embeddings
from routing.pack import Pack
from routing.router import Router
from tests.gateway.letters import Letters
from tests.gateway.packs import inputs, small_pack

TEXTS = inputs("sums", 6)


@dataclass(frozen=True)
class Recording(Letters):
    """Letters that keeps the texts it was asked for."""

    asked: list[str] = field(default_factory=list)

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        self.asked.extend(texts)
        return super().embed_texts(texts)


@pytest.fixture(scope="module")
def router() -> Router:
    made: Pack = small_pack(Letters())
    return Router(made)


def test_an_input_of_the_same_task_is_embedded_once_and_counts_every_time(router: Router) -> None:
    embedder = Recording()
    finder = EvidenceFinder(router, embedder)
    found = finder.find_evidence([("t", TEXTS[0]), ("t", TEXTS[1]), ("t", TEXTS[0]), ("other", TEXTS[0])])
    again = finder.find_evidence([("t", TEXTS[1])])
    assert embedder.asked == [TEXTS[0], TEXTS[1], TEXTS[0]]
    expected = router.find_evidence(Letters().embed_texts([TEXTS[0], TEXTS[1], TEXTS[0]]))
    for name in ("g", "g_bar", "distances", "vectors", "wide", "membership"):
        np.testing.assert_allclose(getattr(found["t"], name), getattr(expected, name), atol=1e-6)
        np.testing.assert_array_equal(getattr(again["t"], name), getattr(found["t"], name)[1:2])
    assert len(found["other"]) == 1


def test_the_least_recent_are_forgotten(router: Router) -> None:
    embedder = Recording()
    finder = EvidenceFinder(router, embedder, max_remembered=2)
    for text in (TEXTS[0], TEXTS[1], TEXTS[0], TEXTS[2], TEXTS[0], TEXTS[1]):
        finder.find_evidence([("t", text)])
    assert embedder.asked == [TEXTS[0], TEXTS[1], TEXTS[2], TEXTS[1]]


def test_nothing_is_embedded_where_nothing_is_given(router: Router) -> None:
    embedder = Recording()
    assert EvidenceFinder(router, embedder).find_evidence([]) == {}
    assert embedder.asked == []


def test_half_a_surrogate_pair_is_an_input_like_any_other(router: Router) -> None:
    """JSON can hold it (RFC 8259, 8.2), and JavaScript clients send it, where they cut a text."""
    embedder = Recording()
    finder = EvidenceFinder(router, embedder)
    found = finder.find_evidence([("t", "cut \ud83d"), ("t", "cut \udc4d"), ("t", "cut \ud83d")])
    assert len(found["t"].g) == 3
    assert embedder.asked == ["cut \ud83d", "cut \udc4d"]
