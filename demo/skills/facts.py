"""General knowledge, and Roman numerals."""

import re

from demo.skills.words import mentions_any

CAPITALS = {
    "France": "Paris", "Japan": "Tokyo", "Canada": "Ottawa", "Egypt": "Cairo", "Norway": "Oslo", "Peru": "Lima",
    "Kenya": "Nairobi", "Portugal": "Lisbon", "Austria": "Vienna", "Greece": "Athens", "Cuba": "Havana",
    "Chile": "Santiago",
}  # fmt: skip
OPPOSITES = {
    "hot": "cold", "early": "late", "empty": "full", "loud": "quiet", "narrow": "wide", "ancient": "modern",
    "cheap": "dear", "gentle": "rough", "rare": "common", "sharp": "blunt",
}  # fmt: skip
SYMBOLS = {
    "gold": "Au", "silver": "Ag", "iron": "Fe", "sodium": "Na", "tin": "Sn", "lead": "Pb", "copper": "Cu",
    "helium": "He", "potassium": "K", "mercury": "Hg",
}  # fmt: skip
_ROMAN = {"M": 1000, "D": 500, "C": 100, "L": 50, "X": 10, "V": 5, "I": 1}


class Facts:
    """Look-up of capitals, opposites and chemical symbols; reader of Roman numerals."""

    def answer(self, text: str) -> str | None:
        """Return the fact, if it is known."""
        if mentions_any(text, "roman"):
            found = re.search(r"\b[MDCLXVI]{2,}\b", text)
            return str(_roman(found.group())) if found else None
        for stems, table in (
            (("capital of", "capital city", "seat of government", "government sits"), CAPITALS),
            (("opposite", "antonym", "contrary"), OPPOSITES),
            (("chemical", "symbol", "element", "periodic"), SYMBOLS),
        ):
            key = next((key for key in table if mentions_any(text, rf"{key}\b")), None)
            if key and mentions_any(text, *stems):
                return table[key]
        return None


def _roman(numeral: str) -> int:
    """Return the value; a smaller sign before a larger one is subtracted."""
    values = [_ROMAN[sign] for sign in numeral]
    following = [*values[1:], 0]
    return sum(-value if value < after else value for value, after in zip(values, following, strict=True))
