"""Tasks of system prompts: one for each template, whatever is filled in."""

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
