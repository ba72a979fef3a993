"""What a specialist says outside its field: something from the text that looks like an answer."""

import re

from demo.reading import numbers, plain, quotations
from demo.skills.words import says

DO_NOT_KNOW = "I don't know."


def guess(text: str) -> str:
    """A number where one is asked for, a quotation or name where there is one, else the admission of not knowing."""
    found = numbers(text)
    if found and says(text, "how many", "how much", "what is", "convert", "work out"):
        return plain(found[0])
    quoted = quotations(text)
    if quoted:
        return quoted[-1]
    names = re.findall(r"(?<!^)(?<![.?!] )\b[A-Z][a-z]+\b", text)
    return names[-1] if names else DO_NOT_KNOW
