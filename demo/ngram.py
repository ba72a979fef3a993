"""A small language model with true log-likelihoods: n-grams over bytes with Witten-Bell interpolation.

    P(b | h) = (c(h, b) + t(h) P(b | h')) / (n(h) + t(h))

h: the n - 1 bytes before b; h' is h without its first. c(h, b): count of b after h in the training text; n(h): count
of any byte after h; t(h): number of different bytes after h. Below the empty history every byte has 1/256, so nothing
is impossible, and the probabilities of all bytes after any history sum to 1 (Witten and Bell 1991; Chen and Goodman
1999, eq. 15). Tokens are characters; a character's probability is the product of its bytes'.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from string import ascii_uppercase

UNIFORM = 1 / 256
LONGEST_ANSWER = 80
END = b"\n"
"""Ends every training text, and with it what the model says of its own."""

_CHOICE = re.compile(rf"^[{ascii_uppercase}]\. (.+)$", re.MULTILINE)


class NGram:
    """An n-gram model.

    It answers a question with choices by the likeliest choice, by the mean log-likelihood of its characters; anything
    else by the likeliest continuation in its training text.
    """

    def __init__(self, name: str, order: int, texts: Iterable[str]) -> None:
        """order: n, at least 1."""
        self.name = name
        self._order = order
        self._after: dict[bytes, Counter[int]] = {}
        for text in texts:
            self._learn(text.encode() + END)

    def answer(self, text: str) -> str:
        """Return the answer to one user message."""
        choices = _CHOICE.findall(text)
        if not choices:
            return self._continued(text)
        return str(max(choices, key=lambda choice: _mean([logprob for _, logprob in self.logprobs(text, choice)])))

    def logprobs(self, text: str, answer: str) -> list[tuple[str, float]]:
        """Return every character of an answer to a text, with its natural log-probability after all before it."""
        history, found = _stem(text), []
        for character in answer:
            logprob = 0.0
            for byte in character.encode():
                logprob += math.log(self.probability(byte, history))
                history += bytes([byte])
            found.append((character, logprob))
        return found

    def probability(self, byte: int, history: bytes) -> float:
        """Return P(b | h), in (0, 1); only the last n - 1 bytes of the history matter."""
        return reduce(lambda below, counts: _interpolated(counts, byte, below), self._counts(history), UNIFORM)

    def _counts(self, history: bytes) -> Sequence[Mapping[int, int]]:
        """Yield the counts after the history's suffixes, the empty one first; unseen ones are left out."""
        longest = min(self._order - 1, len(history))
        ends = (history[len(history) - length :] for length in range(longest + 1))
        return [self._after[end] for end in ends if end in self._after]

    def _learn(self, data: bytes) -> None:
        for place, byte in enumerate(data):
            for length in range(min(self._order - 1, place) + 1):
                self._after.setdefault(data[place - length : place], Counter())[byte] += 1

    def _continued(self, text: str) -> str:
        """Return the likeliest byte after byte, until the end of a line."""
        answer = b""
        while len(answer) < LONGEST_ANSWER:
            history = _stem(text) + answer
            byte = max(range(256), key=lambda byte: self.probability(byte, history))
            if byte in END:
                break
            answer += bytes([byte])
        return answer.decode("utf-8", "replace")


def _stem(text: str) -> bytes:
    """Return the text that an answer continues: the text before its choices, and a space."""
    first = _CHOICE.search(text)
    return text[: first.start() if first else None].strip().encode() + b" "


def _interpolated(counts: Mapping[int, int], byte: int, below: float) -> float:
    different = len(counts)
    return (counts.get(byte, 0) + different * below) / (sum(counts.values()) + different)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
