"""Number words, and the pieces of a sentence."""

import re

_SMALL = (  # noqa: SIM905 - reads better in lines than in a column
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
).split()
_VALUES = {word: str(value) for value, word in enumerate(_SMALL) if value > 1} | {
    "thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "hundred": "100", "dozen": "12",
}  # fmt: skip
_SPELLED = re.compile(rf"\b({'|'.join(_VALUES)})\b", re.IGNORECASE)
_CLAUSE = re.compile(r"[.;:?!](?=\s|$)|,(?=\s)|\s(?:and|then|while|but|plus)\s", re.IGNORECASE)


def with_digits(text: str) -> str:
    """Return the text with number words as digits: `three boxes` becomes `3 boxes`, `a dozen eggs` becomes `12 eggs`.

    `one` stays: it is mostly no number (`one of them`).
    """
    text = re.sub(r"\b(an?|one) (dozen|hundred)\b", r"\2", text, flags=re.IGNORECASE)
    return _SPELLED.sub(lambda match: _VALUES[match.group().lower()], text)


def split_clauses(text: str) -> list[str]:
    """Split the text at stops, commas and conjunctions, but not at a decimal point or thousands separator."""
    return [piece.strip() for piece in _CLAUSE.split(text) if piece.strip()]


def mentions_any(text: str, *stems: str) -> bool:
    """Return True if any of the stems (regular expressions) begins a word of the text."""
    return any(re.search(rf"(?<!\w)(?:{stem})", text, re.IGNORECASE) for stem in stems)
