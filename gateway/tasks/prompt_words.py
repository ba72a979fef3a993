"""The words of a system prompt that its application wrote: what changes from request to request is masked.

The first words tell applications apart best, for that is where they say what to do; passages, transcripts and examples
come later. Masked are numbers, dates, ids, addresses, quoted and fenced text, JSON, elements, and names: capitalized
words inside a sentence.
"""

import re
from collections.abc import Iterator

MAX_WORDS = 40
"""Words that count. Measured by benchmarks/prompt_templates: 25 join applications that begin alike, 60 split those with
long fillings."""
MAX_CHARACTERS = 4000
"""Characters that are read at most: fillings may come before the words."""
MASK = "#"

TOKEN = re.compile(
    r"""
      ```.*?(?:```|\Z)                                            # fenced text
    | <(\w+)[^<>]{0,100}>.*?</\1>                                 # an element
    | "[^"\n]{0,400}" | “[^”\n]{0,400}”                           # quoted text
    | \{(?:[^{}]|\{(?:[^{}]|\{[^{}]{0,400}\}){0,400}\}){0,400}\}  # JSON
    | https?://\S+
    | [^\W_](?:[\w'’.,@:/+-]*[^\W_])?                             # a word, date, address or number
    | [.!?:\n]                                                    # what a sentence may begin after
    """,
    re.VERBOSE | re.DOTALL,
)
ENDS = frozenset(".!?:\n")
CALENDAR = re.compile(
    "(?:mon|tues|wednes|thurs|fri|satur|sun)day"
    "|january|february|march|april|june|july|august|september|october|november|december"
    "|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec",
    re.IGNORECASE,
)
"""Without May, which is a verb too."""
FILLING = re.compile(r"[\d@/_]|.{60}", re.DOTALL)
"""What no word of an instruction has: digits, signs of addresses, sixty letters."""
WITHOUT_SPACES = re.compile("[\u2e80-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")
"""Scripts that put no spaces between words: each of their letters counts as a word."""


def masked_words(prompt: str) -> tuple[str, ...]:
    """Return the first MAX_WORDS words of a system prompt, in lower case, with MASK for each run of masked ones."""
    found: list[str] = []
    for word in _words(prompt[:MAX_CHARACTERS]):
        if word == MASK and found and found[-1] == MASK:
            continue
        found.append(word)
        if len(found) == MAX_WORDS:
            break
    return tuple(found)


def _words(text: str) -> Iterator[str]:
    begins = True
    for match in TOKEN.finditer(text):
        token = match[0]
        if token in ENDS:
            begins = True
            continue
        if _is_filling(token, begins):
            yield MASK
        elif WITHOUT_SPACES.search(token):
            yield from token
        else:
            yield token.lower()
        begins = False


def _is_filling(text: str, begins_sentence: bool) -> bool:
    """Return True for a token that is masked."""
    if not text[0].isalnum() or FILLING.search(text) or CALENDAR.fullmatch(text):
        return True
    return not begins_sentence and text[0].isupper() and text != "I"
