"""Ids and text digests of a pack's inputs: enough to match an outcome to its input, without the texts."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

DIGEST_HEX = 24
"""96 bits: among 10^6 inputs, the probability of a collision is below 1e-17."""


@dataclass(frozen=True, slots=True)
class InputIndex:
    """Names of a pack's inputs.

    Attributes:
        ids: (n_inputs,) ids in the benchmark; empty if it has none.
        digests: (n_inputs,) digests of the texts.
    """

    ids: tuple[str, ...]
    digests: tuple[str, ...]

    @classmethod
    def from_texts(cls, ids: Sequence[str], texts: Sequence[str]) -> "InputIndex":
        """Build the index of a benchmark's inputs, in their order."""
        return cls(tuple(ids), tuple(text_digest(text) for text in texts))

    def rows_by_id(self) -> dict[str, list[int]]:
        """Map each id to its rows."""
        return {name: [row] for row, name in enumerate(self.ids)}

    def rows_by_text(self) -> dict[str, list[int]]:
        """Map each digest to its rows: a benchmark may contain the same text twice."""
        found: dict[str, list[int]] = {}
        for row, digest in enumerate(self.digests):
            found.setdefault(digest, []).append(row)
        return found


def text_digest(text: str) -> str:
    """Return the first hex digits of a text's SHA-256."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:DIGEST_HEX]
