"""How good an answer is: free text against its references, by the question's rule. See judge for the one rule that
needs a model.

Laws, which the tests hold it to: every mark lies in [0, 1]; exact and contains and f1 do not see case, spacing or the
punctuation around words; who is exact also contains and has an f1 of 1; f1 is the same either way round.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from string import ascii_uppercase, punctuation

from gateway.evals.questions import EvalQuestion, Grader

_BEFORE = "\"'“”‘’„‚«»`([{¿¡,;:"
_AFTER = "\"'“”‘’„‚«»`)]}.,;:!?…"
_DASHES = frozenset({"-", "--", "–", "—"})
_ARTICLES = frozenset({"a", "an", "the"})
_NO_PUNCTUATION = str.maketrans("", "", punctuation)
_MARKUP = "*_#`$~\\ \t\n\r"

_NUMBER = re.compile(
    r"(?<![\w.])(?<![A-Za-z]-)[-+]?(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+(?!\w))?"
)


def grade_answer(answer: str, question: EvalQuestion) -> float:
    """The mark of an answer, in [0, 1]: that of the reference it fits best. Not for Mark.JUDGE.

    An answer that the rule can read nothing in gets 0: the model did answer.
    """
    if question.mark is Grader.CHOICE:
        return float(parse_choice(answer, question.choices) in question.references)
    marker = _MARKERS[question.mark]
    return max(marker(answer, reference) for reference in question.references)


def split_words(text: str) -> list[str]:
    """The words without their case and the punctuation around them; 3.5, -5, don't and C++ stay what they are."""
    parts = unicodedata.normalize("NFKC", text.replace("−", "-")).casefold().split()
    bare = (part.lstrip(_BEFORE).rstrip(_AFTER) for part in parts)
    return [word for word in bare if word and word not in _DASHES]


def is_same_answer(text: str, other: str) -> bool:
    """Whether the words are the same; of texts without any, such as brackets, whether the marks are."""
    here, there = split_words(text), split_words(other)
    return here == there if here or there else text.split() == other.split()


def parse_numbers(text: str) -> list[float]:
    """Every number in the text: 12, -3.5, 1,234.5, 6e-3; the 7 of INV-7 is a name's."""
    return [float(one) for one in _numerals(text)]


def _numerals(text: str) -> list[str]:
    return [found.replace(",", "") for found in _NUMBER.findall(text.replace("−", "-"))]


def parse_choice(answer: str, choices: tuple[str, ...]) -> str | None:
    """The letter that an answer chooses, None where it names none or several.

    In this order: the answer is a letter; it is a choice's words; it says "the answer is B", "Answer: (B)" or
    \\boxed{B}, the last one counting; it begins with "B." or "B)"; one letter alone stands in it as a word; the words
    of one choice alone occur in it.
    """
    letters = ascii_uppercase[: len(choices)]
    bare = answer.strip(_MARKUP + "()[]{}.:\"'")
    if len(bare) == 1 and bare.upper() in letters:
        return bare.upper()
    same = [letter for letter, choice in zip(letters, choices, strict=True) if is_same_answer(answer, choice)]
    if same:
        return same[0] if len(same) == 1 else None
    return _stated(answer, letters) or _alone(answer, letters) or _worded(answer, letters, choices)


def _stated(answer: str, letters: str) -> str | None:
    one, close = f"[{letters}]", r"[\])}*_`.,:;\s]|\Z"
    patterns = (
        rf"(?i:\b(?:answer|choice|option)\b(?:\s+is\b|\s*[:=])?(?:\s+option\b)?)[\s*_`:\"'(\[{{]*({one})(?:{close})",
        rf"(?i:\b(?:answer|choice|option)\b(?:\s+is\b|\s*[:=])?[\s*_`:\"'(\[{{]*({one}))\W*\Z",
        rf"\\(?:boxed|text|mathrm)\{{(?:\\text\{{)?\(?({one})\)?\}}",
    )
    found = [(match.start(), match.group(1)) for pattern in patterns for match in re.finditer(pattern, answer)]
    if found:
        return max(found)[1].upper()
    begins = re.match(rf"[\s*_`(\[]*({one})[*_`]*[.):\]](?:\s|[*_`]|\Z)", answer)
    return begins.group(1) if begins else None


def _alone(answer: str, letters: str) -> str | None:
    """The one letter that stands by itself; "A cat" and "I think" are English, not choices."""
    found = set(re.findall(rf"(?<![\w'’])([{letters}])(?![\w'’])(?!(?<=[AI]) [a-z])", answer))
    return found.pop() if len(found) == 1 else None


def _worded(answer: str, letters: str, choices: tuple[str, ...]) -> str | None:
    """The one choice whose words occur; of one inside another (York, New York) the longer."""
    inside = [choice for choice in choices if split_words(choice) and _contains(answer, choice)]
    longest = [choice for choice in inside if not any(choice != other and _contains(other, choice) for other in inside)]
    return letters[choices.index(longest[0])] if len(longest) == 1 else None


def _exact(answer: str, reference: str) -> float:
    return float(is_same_answer(answer, reference))


def _contains(answer: str, reference: str) -> float:
    wanted = split_words(reference)
    if not wanted:
        return float(" ".join(reference.split()) in " ".join(answer.split()))
    said = split_words(answer)
    return float(any(said[at : at + len(wanted)] == wanted for at in range(len(said) - len(wanted) + 1)))


def _number(answer: str, reference: str) -> float:
    """Whole numbers must be met; others to a thousandth, but no further off than the reference's last digit rounds."""
    found, numeral = parse_numbers(answer), _numerals(reference)[-1]
    expected = float(numeral)
    allowed = 0.0
    if not numeral.lstrip("+-").isdigit():
        decimals = len(numeral.lower().partition("e")[0].partition(".")[2])
        allowed = min(abs(expected) / 1000, 0.5 * 10.0**-decimals) + 1e-12 * max(1.0, abs(expected))
    return float(bool(found) and abs(found[-1] - expected) <= allowed)


def _f1_words(text: str) -> list[str]:
    bare = (word.translate(_NO_PUNCTUATION) for word in split_words(text))
    return [word for word in bare if word and word not in _ARTICLES]


def _f1(answer: str, reference: str) -> float:
    """Harmonic mean of the shares of common words (Rajpurkar et al. 2016, SQuAD's evaluate-v1.1)."""
    said, wanted = _f1_words(answer), _f1_words(reference)
    if not said or not wanted:
        return float(is_same_answer(answer, reference))
    common = (Counter(said) & Counter(wanted)).total()
    return 2 * common / (len(said) + len(wanted))


def _regex(answer: str, reference: str) -> float:
    return float(re.search(reference, answer) is not None)


_MARKERS: Mapping[Grader, Callable[[str, str], float]] = {
    Grader.EXACT: _exact,
    Grader.NUMBER: _number,
    Grader.CONTAINS: _contains,
    Grader.F1: _f1,
    Grader.REGEX: _regex,
}
