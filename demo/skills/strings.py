"""Letters and words: reverse, count, sort, change case, join, cut."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from demo.reading import find_quotations
from demo.skills.words import mentions_any

_JOINERS = {"underscore": "_", "hyphen": "-", "dash": "-", "dot": ".", "full stop": ".", "period": "."}
_REMOVE = r"(?:remove|delete|drop|without|strip|no)\b"
_INSTRUCTION = re.compile(r"(?:word|name|term|phrase|text|string|letters?|of|in) ([A-Za-z-]+)\W*$")
_LETTER = re.compile(
    r"\bletters? [\"'“]?([a-z])\b[\"'”]?|[\"'“]([a-z])[\"'”]|\b([a-z])'s\b|\b([A-Z])'s\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Strings:
    """Solver of questions about letters and words.

    Attributes:
        reach: letters of a word that are read; None for all.
        first_letter_only: sort by the first letter, and keep the order of words that share it.
    """

    reach: int | None = None
    first_letter_only: bool = False

    def answer(self, text: str) -> str | None:
        """Return the text, number or list that was asked for."""
        for skill in (self._sorted, self._extreme, self._counted, self._changed):
            found = skill(text)
            if found is not None:
                return found
        return None

    def _read(self, word: str) -> str:
        """Return as much of every word as this solver reads."""
        return word if self.reach is None else " ".join(piece[: self.reach] for piece in word.split(" "))

    def _sorted(self, text: str) -> str | None:
        if not mentions_any(text, "alphabet", r"sort\b", "a to z", "a-z", "z to a", "dictionary"):
            return None
        words = [self._read(word) for word in _listed(text)]
        if len(words) < 2:
            return None
        backwards = mentions_any(
            text, "reverse", "descending", "z to a", "backward", "last letter of the alphabet first"
        )
        width = 1 if self.first_letter_only else None
        ordered = sorted(words, key=lambda word: word.casefold()[:width], reverse=backwards)
        return f"In order: {', '.join(ordered)}"

    def _extreme(self, text: str) -> str | None:
        words = [self._read(word) for word in _listed(text)]
        if len(words) >= 2 and mentions_any(text, "longest", "most letters"):
            return f"The longest is {max(words, key=len)}."
        if len(words) >= 2 and mentions_any(text, "shortest", "fewest letters"):
            return f"The shortest is {min(words, key=len)}."
        return None

    def _counted(self, text: str) -> str | None:
        if not mentions_any(text, "how many", "count", "length", "how long", "how often", "number of"):
            return None
        subject = _subject(text)
        if subject is None:
            return None
        count = _counter(text, subject)
        return None if count is None else f"The count is {sum(map(count, self._read(subject)))}."

    def _changed(self, text: str) -> str | None:
        subject = _subject(text)
        if subject is None:
            return None
        changed, done = self._read(subject), False
        rest = text.replace(subject, " ")
        for stems, change in _CHANGES:
            if mentions_any(rest, stems):
                changed, done = change(changed), True
        joiner = _joiner(rest)
        if joiner is not None:
            changed, done = joiner.join(changed.split()), True
        return f'It becomes "{changed}"' if done else None


def _subject(text: str) -> str | None:
    """Return the text to work on: the longest quotation of more than a letter, else the text after a colon or `word
    …`.
    """
    quoted = [quote for quote in find_quotations(text) if len(quote) > 1]
    if quoted:
        return max(quoted, key=len)
    after = re.search(r":\s*([^:.?!]+)[.?!]?\s*$", text)
    if after:
        return after.group(1).strip()
    named = _INSTRUCTION.search(text)
    return named.group(1) if named else None


def _listed(text: str) -> list[str]:
    """Return the words of the longest enumeration: single words between commas, with or without a final `and`."""
    runs = re.findall(r"[A-Za-z'-]+(?:, (?:and )?[A-Za-z'-]+)+(?: and [A-Za-z'-]+)?", text)
    return re.split(r", (?:and )?| and ", max(runs, key=lambda run: run.count(","))) if runs else []


def _counter(text: str, subject: str) -> Callable[[str], bool] | None:
    """Return the set of characters to count: one letter, the vowels, the consonants, all letters."""
    rest = text.replace(subject, " ")
    one = _LETTER.search(rest)
    if one:
        letter = next(group for group in one.groups() if group).casefold()
        return lambda c: c.casefold() == letter
    if mentions_any(rest, "vowel"):
        return lambda c: c.casefold() in "aeiou"
    if mentions_any(rest, "consonant"):
        return lambda c: c.isalpha() and c.casefold() not in "aeiou"
    if mentions_any(rest, "digit|figure"):
        return str.isdigit
    if mentions_any(rest, "letter|character|length|long"):
        return lambda c: c != " "
    return None


def _joiner(text: str) -> str | None:
    """Return the text to put between the words, if the question names one."""
    for name, mark in _JOINERS.items():
        if mentions_any(text, name):
            return mark
    return "" if mentions_any(text, rf"{_REMOVE}.*(?:spaces?|blanks?|gaps?)\b|(?:as )?one word|closed up") else None


def _initials(text: str) -> str:
    return "".join(word[0] for word in text.split())


_CHANGES: Sequence[tuple[str, Callable[[str], str]]] = (
    ("initials|acronym|first letters of", _initials),
    ("lower|small letters|no capitals|without capitals", str.lower),
    ("upper|in capital|all capital|all caps|block capital|capitals only|capitals throughout", str.upper),
    (r"title case|capitali[sz]e|capital letter.*(?:each|every|both)|(?:each|every|both)\b.*capital", str.title),
    ("backward|revers|mirror|back to front|from its last|from the end|right to left", lambda text: text[::-1]),
    (rf"{_REMOVE}.*vowels", lambda text: re.sub("[aeiouAEIOU]", "", text)),
)
"""What to look for, and what to do then; several may apply, in this order."""
