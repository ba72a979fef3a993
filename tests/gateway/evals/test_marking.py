"""Laws of marking, and answers as models write them."""

import re
from string import ascii_uppercase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.evals.marking import grade_answer, is_same_answer, parse_choice, parse_numbers, split_words
from gateway.evals.questions import EvalQuestion, Grader

texts = st.text(max_size=60) | st.lists(
    st.sampled_from(["the", "a", "cat", "3.5", "-5", "don't", "C++", "-", "()"])
).map(" ".join)
some_text = texts.filter(lambda text: bool(text.strip()))
finite = st.floats(-1e9, 1e9, allow_nan=False)
CHOICES = ("Paris", "York", "New York", "A bird")


def marked(answer: str, reference: str, rule: Grader, choices: tuple[str, ...] = ()) -> float:
    return grade_answer(answer, EvalQuestion("q", "d", (), "?", rule, (reference,), choices))


@given(texts, some_text, st.sampled_from([Grader.EXACT, Grader.CONTAINS, Grader.F1]))
def test_every_mark_lies_between_nothing_and_one(answer: str, reference: str, rule: Grader) -> None:
    assert 0 <= marked(answer, reference, rule) <= 1


@given(texts, st.sampled_from(ascii_uppercase[:4]))
def test_a_choice_is_right_or_not(answer: str, letter: str) -> None:
    assert marked(answer, letter, Grader.CHOICE, CHOICES) in (0, 1)


@given(some_text, some_text)
def test_f1_is_the_same_either_way_round(one: str, other: str) -> None:
    assert marked(one, other, Grader.F1) == marked(other, one, Grader.F1)


@given(texts, some_text)
def test_who_is_exact_also_contains_and_has_an_f1_of_one(answer: str, reference: str) -> None:
    for said in (answer, f" {reference.upper().lower()} "):
        if marked(said, reference, Grader.EXACT):
            assert marked(said, reference, Grader.CONTAINS) == 1
            assert marked(said, reference, Grader.F1) == 1


@given(some_text)
def test_the_reference_itself_is_right(reference: str) -> None:
    for rule in (Grader.EXACT, Grader.CONTAINS, Grader.F1):
        assert marked(reference, reference, rule) == 1
    assert marked(reference, re.escape(reference), Grader.REGEX) == 1


@given(some_text, some_text)
def test_spacing_never_counts(answer: str, reference: str) -> None:
    spaced = f"\n  {'   '.join(answer.split())}\t"
    for rule in (Grader.EXACT, Grader.CONTAINS, Grader.F1):
        assert marked(spaced, reference, rule) == marked(answer, reference, rule)


@given(texts, some_text, some_text)
def test_of_several_references_the_best_counts(answer: str, one: str, other: str) -> None:
    question = EvalQuestion("q", "d", (), "?", Grader.F1, (one, other))
    assert grade_answer(answer, question) == max(marked(answer, one, Grader.F1), marked(answer, other, Grader.F1))


@given(st.integers(-(10**12), 10**12))
def test_a_whole_number_must_be_met(number: int) -> None:
    assert marked(f"Of 12 it is {number:,}.", str(number), Grader.NUMBER) == 1
    assert marked(str(number + 1), str(number), Grader.NUMBER) == 0


@given(finite.filter(lambda number: abs(number) >= 1))
def test_a_number_may_be_rounded_less_than_the_reference(number: float) -> None:
    reference = f"{number:.4f}"
    assert marked(repr(round(number, 6)), reference, Grader.NUMBER) == 1
    assert marked(f"{float(reference) * 1.002:.9f}", reference, Grader.NUMBER) == 0


@given(st.sampled_from(ascii_uppercase[:4]), st.sampled_from(["{}", "({})", "**{}**", "The answer is {}.", "{})"]))
def test_a_letter_is_found_however_it_is_written(letter: str, form: str) -> None:
    assert parse_choice(form.format(letter), CHOICES) == letter


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("b", "B"),
        ("the answer is: b", "B"),
        ("$\\boxed{C}$", "C"),
        ("First I thought the answer is A. But no: the answer is (C)", "C"),
        ("The answer is **B**, since it rains.", "B"),
        ("The correct answer is option C", "C"),
        ("B) York", "B"),
        ("new york", "C"),
        ("It must be New York, surely", "C"),
        ("the answer is a bird", "D"),
        ("I'd say: C", "C"),
        ("A cat sat there. C", "C"),
        ("B or C", None),
        ("Paris or York", None),
        ("E", None),
        ("I do not know", None),
        ("", None),
    ],
)
def test_a_choice_is_read_from_free_text(answer: str, letter: str | None) -> None:
    assert parse_choice(answer, CHOICES) == letter


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("The Cat.", "the  cat", True),
        ("“Yes!”", "yes", True),
        ("3.5", "35", False),
        ("-5", "5", False),
        ("−5", "-5", True),
        ("C++", "C", False),
        (".5", "5", False),
        ("] )", "] )", True),
        ("] )", "] }", False),
        ("yes - no", "yes no", True),
    ],
)
def test_words_are_the_same_whatever_stands_around_them(one: str, other: str, same: bool) -> None:
    assert is_same_answer(one, other) is same


def test_words_lose_case_and_what_stands_around_them() -> None:
    assert split_words("«Don't» — PANIC, (3.5)…") == ["don't", "panic", "3.5"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("42.", [42]),
        ("INV-7 and v1.2.3", []),
        ("x=-4", [-4]),
        ("$1,234.50", [1234.5]),
        ("10,2345", [10, 2345]),
        ("6e-3 or .5", [0.006, 0.5]),
        ("3-5", [3, 5]),
    ],
)
def test_numbers_are_found(text: str, found: list[float]) -> None:
    assert parse_numbers(text) == found


def test_f1_is_counted_as_squad_does() -> None:
    assert marked("The cat sat on the mat", "a cat on a hat", Grader.F1) == pytest.approx(2 * 2 / (4 + 3))


def test_a_regular_expression_is_searched_for() -> None:
    assert marked("It is 12 km", r"\b12\s?km\b", Grader.REGEX) == 1
    assert marked("It is 12 kg", r"\b12\s?km\b", Grader.REGEX) == 0
