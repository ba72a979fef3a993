"""By what names a pack knows its inputs: enough to tell which one an outcome is of, and no text."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

DIGEST_HEX = 24


@dataclass(frozen=True, slots=True)
class InputIndex:
    """ids: (n_inputs,) as the benchmark calls them, empty where it does not; digests: (n_inputs,) of their texts."""

    ids: tuple[str, ...]
    digests: tuple[str, ...]

    @classmethod
    def from_texts(cls, ids: Sequence[str], texts: Sequence[str]) -> "InputIndex":
        """Of a benchmark's inputs, in its order."""
        return cls(tuple(ids), tuple(text_digest(text) for text in texts))

    def rows_by_id(self) -> dict[str, list[int]]:
        """Where an id stands."""
        return {name: [row] for row, name in enumerate(self.ids)}

    def rows_by_text(self) -> dict[str, list[int]]:
        """Where a text's digest stands: a benchmark may ask the same thing twice."""
        found: dict[str, list[int]] = {}
        for row, one in enumerate(self.digests):
            found.setdefault(one, []).append(row)
        return found


def text_digest(text: str) -> str:
    """The first hex digits of a text's SHA-256."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:DIGEST_HEX]
