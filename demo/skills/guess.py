"""A specialist's answer outside its field: something from the text that looks like an answer."""

import re

from demo.reading import find_quotations, format_number, parse_numbers
from demo.skills.words import mentions_any

DO_NOT_KNOW = "I don't know."


def guess_answer(text: str) -> str:
    """Return a number where one is asked for, a quotation or name where there is one, else an admission of not
    knowing.
    """
    found = parse_numbers(text)
    if found and mentions_any(text, "how many", "how much", "what is", "convert", "work out"):
        return format_number(found[0])
    quoted = find_quotations(text)
    if quoted:
        return quoted[-1]
    names = re.findall(r"(?<!^)(?<![.?!] )\b[A-Z][a-z]+\b", text)
    return names[-1] if names else DO_NOT_KNOW
