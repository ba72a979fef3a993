"""Tasks of calls without a tag: those whose system prompts come from one template are one task.

A prompt belongs to the most similar template of its key: weighted Jaccard similarity of the masked words, each word of
the template weighted by the share of its prompts that have it. Below MIN_SIMILARITY the prompt begins a template of its
own. The task's id is a hash of key, names of tools, and the template's first prompt, so that it says nothing of the
prompt, and is the same wherever that prompt comes first.
"""

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.tasks.prompt_words import MASK, masked_words

PREFIX = "auto:"
"""Of the ids of these tasks."""
MIN_SIMILARITY = 0.35
"""Found on half of the templates of benchmarks/prompt_templates, and checked on the other half."""
MAX_TEMPLATES = 200
"""Templates of a key; beyond it the least recently used is forgotten."""
MAX_FORMS = 2000
"""Masked prompts of a key whose template is remembered: most prompts of a template have one form."""
MAX_SEEN = 20
"""Prompts after which a template's words stay as they are."""
ID_DIGITS = 10


@dataclass(slots=True)
class PromptTemplate:
    """A template as its prompts have shown it.

    Attributes:
        task: its task.
        tools: names of the tools that its calls offer.
        words: prompts that have each word.
        seen: number of prompts counted in `words`.
    """

    task: str
    tools: tuple[str, ...]
    words: Counter[str] = field(default_factory=Counter)
    seen: int = 0

    def add(self, words: frozenset[str]) -> None:
        """Count the words of a prompt."""
        if self.seen < MAX_SEEN:
            self.words.update(words)
            self.seen += 1

    def similarity_to(self, words: frozenset[str]) -> float:
        """Return the similarity of a prompt, in [0, 1]."""
        shared = sum(self.words[word] for word in words) / self.seen
        return shared / (len(words) + sum(self.words.values()) / self.seen - shared)


class PromptTemplates:
    """The templates of all keys. Bounded; lives in the event loop."""

    def __init__(self, max_templates: int = MAX_TEMPLATES, max_keys: int = 10_000) -> None:
        """max_templates: of each key."""
        self._max_templates = max_templates
        self._max_keys = max_keys
        self._keys: OrderedDict[str | None, _KeyTemplates] = OrderedDict()

    def find_task(self, key: str | None, prompt: str, tools: Sequence[str] = ()) -> str | None:
        """Return the task of a prompt; None for one without words. key: name of the client's key."""
        words = masked_words(prompt)
        if not any(word != MASK for word in words):
            return None
        if key not in self._keys:
            self._keys[key] = _KeyTemplates(key or "", self._max_templates)
            if len(self._keys) > self._max_keys:
                self._keys.popitem(last=False)
        self._keys.move_to_end(key)
        return self._keys[key].find_task(words, tuple(sorted(tools)))

    def sizes(self) -> Mapping[str | None, int]:
        """Return the number of templates by key."""
        return {key: len(templates) for key, templates in self._keys.items()}


class _KeyTemplates:
    def __init__(self, key: str, max_templates: int) -> None:
        self._key = key
        self._max_templates = max_templates
        self._templates: OrderedDict[str, PromptTemplate] = OrderedDict()
        self._forms: OrderedDict[tuple[tuple[str, ...], tuple[str, ...]], str] = OrderedDict()

    def __len__(self) -> int:
        return len(self._templates)

    def find_task(self, words: tuple[str, ...], tools: tuple[str, ...]) -> str:
        form = (words, tools)
        task = self._forms.get(form)
        if task is None or task not in self._templates:
            task = self._match(words, tools).task
            self._forms[form] = task
            if len(self._forms) > MAX_FORMS:
                self._forms.popitem(last=False)
        self._forms.move_to_end(form)
        self._templates.move_to_end(task)
        return task

    def _match(self, words: tuple[str, ...], tools: tuple[str, ...]) -> PromptTemplate:
        distinct = frozenset(words) - {MASK}
        similar = [(one.similarity_to(distinct), one) for one in self._with_tools(tools)]
        best, found = max(similar, key=lambda pair: pair[0], default=(0.0, None))
        if found is None or best < MIN_SIMILARITY:
            found = PromptTemplate(_task_id(self._key, words, tools), tools)
            self._templates[found.task] = found
            if len(self._templates) > self._max_templates:
                self._templates.popitem(last=False)
        found.add(distinct)
        return found

    def _with_tools(self, tools: tuple[str, ...]) -> Iterator[PromptTemplate]:
        return (one for one in self._templates.values() if one.tools == tools)


def _task_id(key: str, words: tuple[str, ...], tools: tuple[str, ...]) -> str:
    # Lengths first: no two triples are written alike.
    parts = (key, *tools, *words)
    text = f"{len(tools)} {' '.join(str(len(part)) for part in parts)} {' '.join(parts)}"
    return PREFIX + hashlib.sha256(text.encode()).hexdigest()[:ID_DIGITS]
