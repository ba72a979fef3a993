"""Tasks of system prompts: one for each template, whatever is filled in."""

import itertools
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.task_records import StoredTemplate
from gateway.tasks.prompt_templates import MAX_TEMPLATES, PREFIX, PromptTemplates
from gateway.tasks.prompt_words import MASK, MAX_WORDS, masked_words
from gateway.vocabulary import is_task_id

WORDS = st.lists(
    st.sampled_from(["order", "ticket", "reply", "polite", "queue", "refund", "answer", "short", "list", "never"]),
    min_size=8,
)


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("You help Anna Berg. Today is 2026-11-28.", "you help # today is #"),
        ("On Monday, March 3, 2025 you sort mail.", "on # you sort mail"),
        ("Write to Acme GmbH in Berlin about it.", "write to # in # about it"),
        ('Reply with "yes" or "no" only.', "reply with # or # only"),
        ('Use this schema: {"a": {"b": [1, 2]}} and stop.', "use this schema # and stop"),
        ("Read ```python\nx = 1\n``` then review.", "read # then review"),
        ("Look at <doc id='3'>All of it.</doc> first.", "look at # first"),
        ("Call https://a.example/b?c=1 or mail x@y.org now.", "call # or mail # now"),
        ("Ticket AB-1234 at 10:45 costs 12,50 EUR here.", "ticket # at # costs # here"),
        ("Folder /srv/a/b-1 is yours. I agree.", "folder # is yours i agree"),
        ("翻译成英文。", "翻 译 成 英 文"),
        ("", ""),
        ("12 34 56", "#"),
    ],
)
def test_fillings_are_masked(prompt: str, words: str) -> None:
    assert " ".join(masked_words(prompt)) == words


@given(st.text(max_size=400))
def test_any_prompt_gives_a_bounded_number_of_words_and_a_valid_task(prompt: str) -> None:
    words = masked_words(prompt)
    assert len(words) <= MAX_WORDS
    assert (MASK, MASK) not in itertools.pairwise(words)
    task = PromptTemplates().find_task("key", prompt)
    assert task is None or (task.startswith(PREFIX) and is_task_id(task))


@pytest.mark.parametrize("opening", ["{" * 5000, "<a>" * 2000, '"' * 5000, "```" * 2000, "a" * 100_000, "{[" * 4000])
def test_a_hostile_prompt_takes_no_time(opening: str) -> None:
    begun = time.process_time()
    PromptTemplates().find_task("key", opening)
    assert time.process_time() - begun < 0.5


@pytest.mark.parametrize(
    ("first", "other", "is_one"),
    [
        ("Reply to {} of Acme, a customer since {}.", None, True),
        ("Grade the assistant's answer against the reference, and ignore its style.\n\nQuestion: {}\n{}", None, True),
        ("Answer from the passages below, and cite them.\n\n{}\n\n{}", None, True),
        ("You are an agent of Acme. The customer is {}. Reply politely, in at most {} sentences, with the order.",
         "You are an agent of Acme. The customer is {}. Choose the queue of the ticket: billing, shipping or other. {}",
         False),
    ],
)  # fmt: skip
def test_fillings_make_one_task_and_other_instructions_another(first: str, other: str | None, is_one: bool) -> None:
    templates = PromptTemplates()
    fillings = [("Anna Berg", "3"), ("Dr. Omar Haddad", "12"), ("the river of the old town", "a long letter")]
    prompts = [first.format(*some) for some in fillings] + [(other or first).format(*some) for some in fillings]
    assert (len({templates.find_task("key", prompt) for prompt in prompts}) == 1) == is_one


def test_ids_are_the_same_in_another_process_and_differ_by_key_and_tools() -> None:
    prompt = "You sort incoming letters of the town hall into departments."
    one = PromptTemplates().find_task("a", prompt)
    assert one == PromptTemplates().find_task("a", prompt) == "auto:58ae25c7a9"
    assert one != PromptTemplates().find_task("b", prompt)
    assert one != PromptTemplates().find_task("a", prompt, ["search"])
    ordered = PromptTemplates().find_task("a", prompt, ["one", "two"])
    assert ordered == PromptTemplates().find_task("a", prompt, ["two", "one"])


@given(WORDS, WORDS)
def test_equal_prompts_have_equal_tasks(first: list[str], other: list[str]) -> None:
    templates = PromptTemplates()
    task = templates.find_task("key", " ".join(first))
    templates.find_task("key", " ".join(other))
    assert templates.find_task("key", " ".join(first)) == task


def test_a_flood_of_templates_forgets_the_oldest_of_its_own_key_only() -> None:
    templates = PromptTemplates()
    quiet = templates.find_task("quiet", "Translate menus of restaurants with care.")
    # Letters: numbers would be masked.
    for number in range(3 * MAX_TEMPLATES):
        words = " ".join(f"w{chr(97 + number % 26)}{chr(97 + number // 26)}{chr(97 + part)}" for part in range(9))
        templates.find_task("flood", words)
    assert templates.sizes() == {"quiet": 1, "flood": MAX_TEMPLATES}
    assert templates.find_task("quiet", "Translate menus of restaurants with care.") == quiet


def restarted(templates: PromptTemplates, **options: object) -> PromptTemplates:
    """Templates of a gateway that reads what another one has stored, byte for byte."""
    stored = msgspec.msgpack.encode(templates.drain_changes().changed)
    again = PromptTemplates(**options)  # type: ignore[arg-type]  # passed on
    again.apply_stored(msgspec.msgpack.decode(stored, type=list[StoredTemplate]))
    return again


@given(st.lists(WORDS, min_size=1, max_size=12))
def test_a_prompt_has_its_task_after_a_restart(prompts: list[list[str]]) -> None:
    templates = PromptTemplates()
    tasks = [templates.find_task("key", " ".join(words)) for words in prompts]
    again = restarted(templates)
    assert [again.find_task("key", " ".join(words)) for words in prompts] == tasks


def test_another_filling_has_the_templates_task_after_a_restart() -> None:
    prompt = "Sort the letter of {} into one of the departments of the town hall, and answer with its name only."
    templates = PromptTemplates()
    task = templates.find_task("key", prompt.format("Anna Berg"), ["search"])
    again = restarted(templates)
    assert again.find_task("key", prompt.format("the old man from the river"), ["search"]) == task
    assert again.find_task("other", prompt.format("Anna Berg"), ["search"]) != task


def test_no_text_is_stored_but_a_label_where_texts_are_kept() -> None:
    prompt = "You sort incoming letters of the town hall for Anna Berg into departments."
    plain, labelled = PromptTemplates(), PromptTemplates(keeps_texts=lambda: True)
    for templates in (plain, labelled):
        templates.find_task("key", prompt, ["find_letter"])
    stored = msgspec.msgpack.encode(plain.drain_changes().changed).lower()
    for word in (*prompt.lower().replace(".", "").split(), "find_letter"):
        assert len(word) < 4 or word.encode() not in stored
    (one,) = labelled.drain_changes().changed
    assert one.label == "you sort incoming letters of the town hall for # into departments"
    # Once texts are not kept any more, what was kept is not shown, nor stored again.
    again = PromptTemplates()
    again.apply_stored([one])
    again.find_task("key", prompt + " Be brief, and never guess.", ["find_letter"])
    assert [changed.label for changed in again.drain_changes().changed] == [None]


def test_the_least_recently_used_goes_first_after_a_restart_too() -> None:
    now = [0.0]

    def clock() -> float:
        now[0] += 4000.0
        return now[0]

    templates = PromptTemplates(clock=clock)
    prompts = ["Translate menus of restaurants with care.", "Grade short essays of pupils.", "Plan the week of a cook."]
    tasks = [templates.find_task("key", prompt) for prompt in prompts]
    templates.touch_tasks([str(tasks[0]), "auto:unknown"])
    again = restarted(templates, max_templates=3, clock=clock)
    again.find_task("key", "Write a poem about the sea.")
    assert again.template_of(str(tasks[1])) is None
    assert again.template_of(str(tasks[0])) is not None
    assert again.drain_changes().removed == [tasks[1]]


def test_changes_that_could_not_be_stored_are_stored_later() -> None:
    templates = PromptTemplates(max_templates=1)
    gone = templates.find_task("key", "Translate menus of restaurants with care.")
    kept = templates.find_task("key", "Grade short essays of pupils.")
    changes = templates.drain_changes()
    assert ([one.task for one in changes.changed], changes.removed) == ([kept], [gone])
    assert not templates.drain_changes().changed
    templates.restore_changes(changes)
    assert templates.drain_changes() == changes


class Fleet:
    """Gateways and what they share, in the order of its revisions."""

    def __init__(self, count: int) -> None:
        self.gateways = [PromptTemplates() for _ in range(count)]
        self.log: list[StoredTemplate] = []
        self.born: dict[str, int] = {}
        self.targets: dict[str, str] = {}

    def sync(self, gateway: PromptTemplates) -> None:
        for one in gateway.drain_changes().changed:
            self.log.append(one)
            self.born.setdefault(one.task, len(self.log))
        new = [msgspec.structs.replace(one, born=self.born[one.task]) for one in self.log[gateway.revision :]]
        for twins in gateway.apply_stored(new):
            self.targets[twins.loser] = twins.winner
        gateway.revision = len(self.log)

    def resolve(self, task: str | None) -> str | None:
        return self.resolve(self.targets[task]) if task in self.targets else task


FILLED = "Sort the letter of {} into one of the departments of the town hall, and answer with its name only."


@given(order=st.lists(st.integers(0, 2), min_size=6, max_size=12), others=st.integers(0, 2))
def test_fillings_that_gateways_see_at_once_become_one_task(order: list[int], others: int) -> None:
    fleet = Fleet(3)
    fillings = ["Anna Berg", "the old man from the river", "whom nobody knows here"]
    found = {one.find_task("key", FILLED.format(text)) for one, text in zip(fleet.gateways, fillings, strict=True)}
    fleet.gateways[others].find_task("key", "You describe pictures to people who cannot see them.")
    for number in [*order, 0, 1, 2, 0, 1, 2]:
        fleet.sync(fleet.gateways[number])
    assert len(found) == 3
    assert len({fleet.resolve(task) for task in found}) == 1
    assert len(fleet.targets) == 2
    seen = {fleet.resolve(one.find_task("key", FILLED.format("another"))) for one in fleet.gateways}
    assert seen == {fleet.resolve(next(iter(found)))}


def test_templates_that_a_gateway_knew_apart_stay_apart() -> None:
    """One gateway has made both, so they are two; another one, which learns of both at once, keeps them so."""
    fleet = Fleet(2)
    first = fleet.gateways[0].find_task("key", "Answer the question about the weather of the north in one line.")
    second = fleet.gateways[0].find_task("key", "Answer a letter about the weather with three kind words, please, now.")
    assert first != second
    for number in (0, 1, 0, 1):
        fleet.sync(fleet.gateways[number])
    assert fleet.targets == {}
