"""One template of system prompts, as its prompts have shown it: hashes alone, so that it can be stored."""

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.task_records import StoredTemplate
from gateway.tasks.prompt_words import MASK

PREFIX = "auto:"
"""Of the ids of tasks that templates make."""
MAX_SEEN = 20
"""Prompts after which a template's words stay as they are."""
MAX_STORED_FORMS = 64
"""Masked prompts, the most recent, that are stored with a template: after a restart they are its own at once."""
MAX_LABEL_WORDS = 12
ID_DIGITS = 10
WORD_BYTES, FORM_BYTES = 4, 8


@dataclass(slots=True)
class PromptTemplate:
    """A template as its prompts have shown it.

    Attributes:
        task: its task.
        key: name of the client's key, empty without one.
        tools: digest of the names of the tools that its requests offer.
        words: prompts that have each word, by the word's hash.
        seen: number of prompts counted in `words`.
        forms: digests of its masked prompts, the most recently seen last.
        label: its first words; None where texts are not kept.
        used_at: Unix time in seconds.
        base: revision of the shared templates that its first gateway knew.
        born: revision in which it was shared first; 0 before.
        is_own: this gateway saw it first.
    """

    task: str
    key: str
    tools: bytes
    words: Counter[int] = field(default_factory=Counter)
    seen: int = 0
    forms: OrderedDict[bytes, None] = field(default_factory=OrderedDict)
    label: str | None = None
    used_at: float = 0.0
    base: int = 0
    born: int = 0
    is_own: bool = True

    def add(self, words: frozenset[int], form: bytes) -> None:
        """Count the words of a prompt, and remember its form."""
        if self.seen < MAX_SEEN:
            self.words.update(words)
            self.seen += 1
        self.remember(form)

    def remember(self, form: bytes) -> None:
        """Remember a form as the most recent one."""
        self.forms[form] = None
        self.forms.move_to_end(form)
        if len(self.forms) > MAX_STORED_FORMS:
            self.forms.popitem(last=False)

    def similarity_to(self, words: frozenset[int]) -> float:
        """Return the similarity of a prompt, in [0, 1]: weighted Jaccard of the words, by the share that has each."""
        shared = sum(self.words[word] for word in words) / self.seen
        return shared / (len(words) + sum(self.words.values()) / self.seen - shared)

    def similarity_to_template(self, other: "PromptTemplate") -> float:
        """Return the similarity of another template, in [0, 1]; of one with one prompt, that prompt's."""
        weights, others = self._weights(), other._weights()
        shared = sum(weight * others.get(word, 0.0) for word, weight in weights.items())
        return shared / (sum(weights.values()) + sum(others.values()) - shared)

    def is_independent_of(self, other: "PromptTemplate") -> bool:
        """Return True where neither's first gateway knew the other: two fillings of one template, seen at once."""
        is_shared = bool(self.born or other.born)
        return is_shared and self._is_unaware_of(other) and other._is_unaware_of(self)

    def _is_unaware_of(self, other: "PromptTemplate") -> bool:
        return not other.born or self.base < other.born

    def _weights(self) -> dict[int, float]:
        return {word: count / self.seen for word, count in self.words.items()}

    def to_stored(self) -> StoredTemplate:
        """Return the record to store."""
        forms = tuple(self.forms)
        words = dict(self.words)
        return StoredTemplate(
            self.key, self.task, self.tools, words, self.seen, forms, self.label, self.used_at, self.base, self.born
        )

    @classmethod
    def from_stored(cls, stored: StoredTemplate) -> "PromptTemplate":
        """Return a stored template."""
        found = cls(stored.task, stored.key, stored.tools, is_own=False)
        found.update(stored)
        return found

    def update(self, stored: StoredTemplate) -> None:
        """Take in what another gateway has seen of it."""
        if stored.seen >= self.seen:
            self.words, self.seen = Counter(stored.words), stored.seen
        for form in stored.forms:
            if form not in self.forms:
                self.remember(form)
        self.label = self.label or stored.label
        self.used_at = max(self.used_at, stored.used_at)
        self.base, self.born = stored.base, stored.born or self.born


def make_task_id(key: str, words: Sequence[str], tools: Sequence[str]) -> str:
    """Return the id of the task whose first prompt has these masked words: it says nothing of them."""
    # Lengths first: no two triples are written alike.
    parts = (key, *tools, *words)
    text = f"{len(tools)} {' '.join(str(len(part)) for part in parts)} {' '.join(parts)}"
    return PREFIX + hashlib.sha256(text.encode()).hexdigest()[:ID_DIGITS]


def hash_words(words: Sequence[str]) -> frozenset[int]:
    """Return the hashes of the distinct words that are not masked."""
    return frozenset(
        int.from_bytes(hashlib.blake2b(word.encode(), digest_size=WORD_BYTES).digest(), "big")
        for word in set(words)
        if word != MASK
    )


def digest_words(words: Sequence[str]) -> bytes:
    """Return a digest of words in their order."""
    text = "".join(f"{len(word)} {word}" for word in words)
    return hashlib.blake2b(text.encode(), digest_size=FORM_BYTES).digest()


def label_of(words: Sequence[str]) -> str:
    """Return the first masked words of a prompt, for a page."""
    return " ".join(words[:MAX_LABEL_WORDS])
