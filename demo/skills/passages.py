"""Finds the sentence of a short passage that a question is about, and in it the words that answer the question."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_COMMON = frozenset(
    (  # noqa: SIM905 - reads better in lines than in a column
        "a an the is are was were be been do does did has have had of in on at to by for from with and or that this "
        "who whom whose where when which what how many much year day it its their there can could would please tell "
        "me us one ask asks know wants need needs question"
    ).split()
)
_NAME = re.compile(r"\b(?:[A-Z][a-z]+(?:'s)?)(?: (?:[A-Z][a-z]+))+\b")
_PLACE = re.compile(
    r"\b(?:in|at|near|from|to|inside|outside|behind|into|on|towards?) (?:the )?"
    r"([A-Z][\w-]*(?: [A-Z0-9][\w-]*)*)"
)
_TIME = re.compile(
    r"\b((?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|\d{1,2} (?:January|February|March|April|May|June|July|August|"
    r"September|October|November|December)|1[5-9]\d\d|20\d\d|\d{1,2}[:.]\d\d)\b"
)
_AMOUNT = re.compile(r"(?<!\w)(\d[\d,]*(?:\.\d+)?)(?!\w)")
_ASKS = re.compile(r"\b(who|whose|whom|where|when|how many|how much|which|what)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Passages:
    """Solver of questions about a passage.

    Attributes:
        sentences_read: number of sentences read; None for all.
    """

    sentences_read: int | None = None

    def answer(self, text: str) -> str | None:
        """Return the answer, with its sentence; None where there is no passage or no question."""
        passage, question = _parts(text)
        kind = _kind(question)
        if len(passage) < 2 or kind is None:
            return None
        read = passage[: self.sentences_read]
        asked = _content(question)
        for sentence in sorted(read, key=lambda sentence: -_likeness(sentence, asked)):
            found = _FINDERS[kind](sentence, question) if _likeness(sentence, asked) > 0 else None
            if found:
                return f"{found}."
        return None


def _parts(text: str) -> tuple[list[str], str]:
    """Return the passage's sentences and the question: the last sentence that asks something."""
    sentences = [piece.strip() for piece in re.split(r"(?<=[.?!:])\s+|\n+", text) if piece.strip()]
    asking = [place for place, sentence in enumerate(sentences) if sentence.endswith("?")]
    if not asking:
        return sentences, ""
    return [sentence for place, sentence in enumerate(sentences) if place != asking[-1]], sentences[asking[-1]]


def _kind(question: str) -> str | None:
    """Return who, where, when or how many."""
    low = question.lower()
    asked = _ASKS.search(low)
    if asked is None:
        return None
    word = asked.group(1)
    if word in ("who", "whose", "whom") or re.search(r"\b(person|colleague|name of)\b", low):
        return "who"
    if word == "where" or re.search(r"\bwh(?:at|ich) (?:town|city|place|room|building|address|office|depot|site)", low):
        return "where"
    if word == "when" or re.search(r"\b(?:what|which) (?:day|year|date|time|weekday)\b", low):
        return "when"
    return "how many" if word.startswith("how") else None


def _stem(word: str) -> str:
    """Return a word without the endings that a question changes: led and leads differ, repaired and repair do not."""
    word = _IRREGULAR.get(word, word)
    return re.sub(r"(?:ation|ing|ed|es|s|er|d|e)$", "", word)[:6] if len(word) > 3 else word


_IRREGULAR: Mapping[str, str] = {
    "led": "lead", "leads": "lead", "wrote": "write", "written": "write", "taught": "teach", "given": "give",
    "gave": "give", "held": "hold", "began": "begin", "begun": "begin", "took": "take", "taken": "take", "won": "win",
    "went": "win", "came": "come", "built": "build", "stood": "stand", "found": "find", "sent": "send", "paid": "pay",
    "kept": "keep", "made": "make", "bought": "buy", "sold": "sell", "lies": "lie", "ran": "run",
}  # fmt: skip
"""Past forms; a prize that went to somebody was won."""


def _content(text: str) -> set[str]:
    return {_stem(word) for word in re.findall(r"[a-z']+", text.lower()) if word not in _COMMON}


def _likeness(sentence: str, asked: set[str]) -> float:
    """Return the share of the question's words in the sentence; a tie goes to the shorter sentence."""
    words = _content(sentence)
    return len(words & asked) / max(len(asked), 1) - 0.001 * len(words) * bool(words & asked)


def _first_new(found: Sequence[str], question: str) -> str | None:
    """Return the first that the question does not name itself."""
    return next((one for one in found if one not in question), None)


def _who(sentence: str, question: str) -> str | None:
    return _first_new(_NAME.findall(sentence), question)


def _where(sentence: str, question: str) -> str | None:
    return _first_new([place for place in _PLACE.findall(sentence) if not _TIME.fullmatch(place)], question)


def _when(sentence: str, question: str) -> str | None:
    return _first_new(_TIME.findall(sentence), question)


def _how_many(sentence: str, question: str) -> str | None:
    return _first_new(_AMOUNT.findall(sentence), question)


_FINDERS: Mapping[str, Callable[[str, str], str | None]] = {
    "who": _who,
    "where": _where,
    "when": _when,
    "how many": _how_many,
}
