"""A task's decision and its explanation: one record from the scorer through state and wire to the request path."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import msgspec

RENAMED_REASONS = {"kept": "current"}
"""Reasons of decisions written by earlier versions, and their present names."""


class Decision(msgspec.Struct, frozen=True):
    """The decision of a task.

    Attributes:
        task: its name.
        version: 1 for the first, one more for every change of the model.
        n: inputs it is based on.
        model: the chosen model.
        reason: see gateway.vocabulary.
        ranking: candidates, the chosen one first.
        at: Unix time in seconds of the last change of the model.
        confidence: probability that the model beats its rival; None where there is none, or before an explanation.
        measured_gain: mean measured score of the model minus that of the best model on average; None without enough
            labels and feedback scores of both. Both are as of the last explanation.
    """

    task: str
    version: int
    n: int
    model: str
    reason: str
    ranking: tuple[str, ...]
    at: float = 0.0
    confidence: float | None = None
    measured_gain: float | None = None


class _Rival(msgspec.Struct, frozen=True):
    p: float | None = None


class _Compared(msgspec.Struct, frozen=True):
    rival: _Rival | None = None


class _Header(msgspec.Struct, frozen=True):
    """The members of an explanation that the scorer needs again; the others are skipped without building them."""

    n: int | None = None
    skipped: int = 0
    decision: _Compared | None = None
    measured_gain: float | None = None


DIGITS = MappingProxyType({"auto": 6})
"""Significant digits of an explanation's numbers, by member."""

MAX_DIGITS = 12
"""Significant digits of every other number: more than anything measured has."""

_header = msgspec.json.Decoder(_Header)
_document = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """The reasons of a decision, as stored: scores, distance u, nearest datasets, what would change it.

    It is not derived for every input, since that takes as long as scoring it: its `n` says after which one.

    Attributes:
        json: the text of a JSON object, empty for none.
    """

    json: str = "{}"

    def __eq__(self, other: object) -> bool:
        """Return whether the text is the same, whichever way it is held."""
        return isinstance(other, Explanation) and self.json == other.json

    def __hash__(self) -> int:
        return hash(self.json)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Explanation":
        """Encode an explanation. Its numbers are most of the text, so they have as many digits as somebody reads.

        6 where they only say where a score comes from, else 12: scores are compared with those of routing/.
        """
        rounded = {name: _round_numbers(one, DIGITS.get(name, MAX_DIGITS)) for name, one in document.items()}
        return cls(json.dumps(rounded))

    def to_dict(self) -> dict[str, Any]:
        """Decode the explanation. Raises ValueError for what is no JSON."""
        try:
            return _document.decode(self.json)
        except msgspec.MsgspecError:  # NaN, which Python's JSON has
            document: dict[str, Any] = json.loads(self.json)
            return document

    @property
    def skipped(self) -> int:
        """Inputs that were not embedded until then."""
        return self._read_header().skipped

    def add_figures(self, decision: Decision) -> Decision:
        """Return a decision with the figures of this explanation, by which tasks are sorted."""
        header = self._read_header()
        rival = None if header.decision is None else header.decision.rival
        confidence = None if rival is None else rival.p
        return msgspec.structs.replace(decision, confidence=confidence, measured_gain=header.measured_gain)

    def describes(self, decision: Decision) -> bool:
        """Return whether it was derived for this decision's inputs.

        Earlier versions derived one for every input and wrote no `n`; see `is_dated`.
        """
        n = self._read_header().n
        return n is None or n == decision.n

    @property
    def is_dated(self) -> bool:
        """True where it has the number of inputs it was derived after: earlier versions wrote none."""
        return self._read_header().n is not None

    def _read_header(self) -> _Header:
        try:
            return _header.decode(self.json)
        except msgspec.MsgspecError:  # NaN, which Python's JSON has: the text is read in full then
            document = self.to_dict()
            return _Header(document.get("n"), document.get("skipped", 0))


def _round_numbers(value: Any, digits: int) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    if isinstance(value, dict):
        return {name: _round_numbers(one, digits) for name, one in value.items()}
    return [_round_numbers(one, digits) for one in value] if isinstance(value, list | tuple) else value


NO_EXPLANATION = Explanation()


@dataclass(frozen=True, slots=True)
class ExplainedDecision:
    """A decision with the latest explanation there is of it."""

    decision: Decision
    explanation: Explanation
