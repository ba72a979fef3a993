"""Tasks of requests without a tag: those whose system prompts come from one template are one task.

A prompt belongs to the most similar template of its key: weighted Jaccard similarity of the masked words, each word of
the template weighted by the share of its prompts that have it. Below MIN_SIMILARITY the prompt begins a template of its
own. The task's id is a hash of key, names of tools, and the template's first prompt, so that it says nothing of the
prompt, and is the same wherever that prompt comes first.

Templates are stored, and shared by the gateways of a fleet (gateway.server.template_writer). Two gateways that see
different fillings of one template at the same moment give it two ids; when they learn of each other's, the id that was
shared first stands for both.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from gateway.task_records import StoredTemplate
from gateway.tasks.prompt_template import (
    PREFIX,
    PromptTemplate,
    digest_words,
    hash_words,
    label_of,
    make_task_id,
)
from gateway.tasks.prompt_words import MASK, masked_words

__all__ = ["MAX_TEMPLATES", "MIN_SIMILARITY", "PREFIX", "PromptTemplates", "TemplateChanges", "TwinTemplates"]

MIN_SIMILARITY = 0.35
"""Found on half of the templates of benchmarks/prompt_templates, and checked on the other half."""
MAX_TEMPLATES = 200
"""Templates of a key; beyond it the least recently used is forgotten."""
MAX_FORMS = 2000
"""Masked prompts of a key whose template is remembered: most prompts of a template have one form."""
USE_INTERVAL_S = 3600.0
"""Time after which a template's last use is stored again: its place among the others, after a restart."""


@dataclass(frozen=True, slots=True)
class TemplateChanges:
    """Changes since the last call. changed: to store. removed: tasks of forgotten templates."""

    changed: Sequence[StoredTemplate]
    removed: Sequence[str]


@dataclass(frozen=True, slots=True)
class TwinTemplates:
    """Two ids of one template. loser: the task of the one that was shared later. is_own: this gateway made it."""

    loser: str
    winner: str
    is_own: bool


@dataclass(slots=True)
class _KeyTemplates:
    """Templates and known forms of one key, the least recently used first."""

    templates: OrderedDict[str, PromptTemplate] = field(default_factory=OrderedDict)
    forms: OrderedDict[tuple[bytes, bytes], str] = field(default_factory=OrderedDict)

    def find_form(self, form: tuple[bytes, bytes]) -> PromptTemplate | None:
        found = self.templates.get(self.forms.get(form, ""))
        if found is not None:
            self.forms.move_to_end(form)
        return found

    def remember_form(self, form: tuple[bytes, bytes], task: str) -> None:
        self.forms[form] = task
        self.forms.move_to_end(form)
        if len(self.forms) > MAX_FORMS:
            self.forms.popitem(last=False)

    def most_similar(self, words: frozenset[int], tools: bytes) -> PromptTemplate | None:
        similar = [(one.similarity_to(words), one) for one in self.templates.values() if one.tools == tools]
        best, found = max(similar, key=lambda pair: pair[0], default=(0.0, None))
        return found if best >= MIN_SIMILARITY else None


class PromptTemplates:
    """The templates of all keys. Bounded; lives in the event loop."""

    def __init__(
        self,
        max_templates: int = MAX_TEMPLATES,
        max_keys: int = 10_000,
        clock: Callable[[], float] = time.time,
        keeps_texts: Callable[[], bool] = lambda: False,
    ) -> None:
        """max_templates: of each key. clock: Unix time in seconds. keeps_texts: whether labels are made."""
        self.revision = 0
        """Of the shared templates that are known here."""
        self._max_templates = max_templates
        self._max_keys = max_keys
        self._clock = clock
        self._keeps_texts = keeps_texts
        self._keys: OrderedDict[str, _KeyTemplates] = OrderedDict()
        self._by_task: dict[str, PromptTemplate] = {}
        self._changed: dict[str, PromptTemplate] = {}
        self._removed: dict[str, None] = {}

    def find_task(self, key: str | None, prompt: str, tools: Sequence[str] = ()) -> str | None:
        """Return the task of a prompt; None for one without words. key: name of the client's key."""
        words = masked_words(prompt)
        if not any(word != MASK for word in words):
            return None
        known, names = self._of_key(key or ""), sorted(tools)
        form = digest_words(names), digest_words(words)
        found = known.find_form(form)
        if found is None:
            found = self._match(known, key or "", words, names, form)
        self._use(known, found)
        return found.task

    def touch_tasks(self, tasks: Iterable[str]) -> None:
        """Note that tasks are in use: prompts that are known byte for byte are not looked up here."""
        for task in tasks:
            found = self._by_task.get(task)
            if found is not None:
                self._use(self._keys[found.key], found)

    def sizes(self) -> Mapping[str | None, int]:
        """Return the number of templates by key."""
        return {key or None: len(known.templates) for key, known in self._keys.items()}

    def template_of(self, task: str) -> PromptTemplate | None:
        """Return the template of a task, None where it has none."""
        return self._by_task.get(task)

    def nearest_templates(self, task: str, limit: int) -> Sequence[tuple[str, float]]:
        """Return the tasks of the key's most similar other templates, with whatever tools, and their similarity."""
        own = self._by_task.get(task)
        if own is None:
            return []
        others = [one for one in self._keys[own.key].templates.values() if one is not own]
        found = sorted(((own.similarity_to_template(one), one.task) for one in others), reverse=True)
        return [(name, similarity) for similarity, name in found[:limit]]

    def drain_changes(self, limit: int | None = None) -> TemplateChanges:
        """Return what is to be stored since the last call, of both kinds so many at most."""
        changed = [self._changed.pop(task).to_stored() for task in list(islice(self._changed, limit))]
        removed = list(islice(self._removed, limit))
        for task in removed:
            del self._removed[task]
        return TemplateChanges(changed, removed)

    def restore_changes(self, changes: TemplateChanges) -> None:
        """Put back changes that could not be stored."""
        for stored in changes.changed:
            if stored.task in self._by_task:
                self._changed.setdefault(stored.task, self._by_task[stored.task])
        for task in changes.removed:
            if task not in self._by_task:
                self._removed[task] = None

    def share_again(self) -> None:
        """Have all templates stored again: the store has lost them."""
        self._changed = dict(self._by_task)

    def apply_stored(self, stored: Iterable[StoredTemplate]) -> Sequence[TwinTemplates]:
        """Take in stored templates, this gateway's own too. Return the pairs that are two ids of one template."""
        twins: list[TwinTemplates] = []
        for one in sorted(stored, key=lambda record: record.used_at):
            known, found = self._of_key(one.key), self._by_task.get(one.task)
            if found is None:
                found = PromptTemplate.from_stored(one)
                self._add(known, found)
            else:
                found.update(one)
            if not self._keeps_texts():
                found.label = None
            for form in found.forms:
                known.remember_form((found.tools, form), found.task)
            twins += _find_twins(found, known.templates.values())
        return twins

    def _match(
        self, known: _KeyTemplates, key: str, words: Sequence[str], tools: Sequence[str], form: tuple[bytes, bytes]
    ) -> PromptTemplate:
        hashes = hash_words(words)
        found = known.most_similar(hashes, form[0])
        if found is None:
            found = PromptTemplate(make_task_id(key, words, tools), key, form[0], base=self.revision)
            found = self._by_task.get(found.task, found)
            self._add(known, found)
        found.add(hashes, form[1])
        if found.label is None and self._keeps_texts():
            found.label = label_of(words)
        known.remember_form(form, found.task)
        self._changed[found.task] = found
        return found

    def _add(self, known: _KeyTemplates, template: PromptTemplate) -> None:
        known.templates[template.task] = self._by_task[template.task] = template
        self._removed.pop(template.task, None)
        if len(known.templates) > self._max_templates:
            self._forget(known.templates.popitem(last=False)[0])

    def _use(self, known: _KeyTemplates, template: PromptTemplate) -> None:
        known.templates.move_to_end(template.task)
        now = self._clock()
        if now - template.used_at >= USE_INTERVAL_S:
            template.used_at = now
            self._changed[template.task] = template

    def _of_key(self, key: str) -> _KeyTemplates:
        known = self._keys.get(key)
        if known is None:
            known = self._keys[key] = _KeyTemplates()
            if len(self._keys) > self._max_keys:
                for task in self._keys.popitem(last=False)[1].templates:
                    self._forget(task)
        self._keys.move_to_end(key)
        return known

    def _forget(self, task: str) -> None:
        self._by_task.pop(task, None)
        self._changed.pop(task, None)
        self._removed[task] = None


def _find_twins(one: PromptTemplate, others: Iterable[PromptTemplate]) -> Iterator[TwinTemplates]:
    """Yield the templates that are the same as this one, where neither's gateway knew the other."""
    for other in others:
        is_other = other is not one and other.tools == one.tools and one.is_independent_of(other)
        if is_other and one.similarity_to_template(other) >= MIN_SIMILARITY:
            # One that is not shared yet will be later than one that is.
            first, later = sorted((one, other), key=lambda each: (not each.born, each.born, each.task))
            yield TwinTemplates(later.task, first.task, later.is_own)
