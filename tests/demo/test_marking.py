"""Marking reads what was answered; it never takes an answer for right because of who gave it."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.marking import MarkingRule, mark_answer
from demo.reading import WEEKDAYS, format_date, format_number, parse_dates, parse_numbers

numbers_ = st.integers(-10_000_000, 10_000_000).map(lambda cents: cents / 100)
days = st.dates(date(1900, 1, 1), date(2199, 12, 31))
words = st.lists(st.text("abcdefgh", min_size=1, max_size=8), min_size=1, max_size=8)


@given(
    st.text(),
    st.sampled_from([rule for rule in MarkingRule if rule not in (MarkingRule.NUMBER, MarkingRule.MEASURE)]),
    st.text(),
)
def test_marks_lie_between_nothing_and_one(answer: str, rule: MarkingRule, reference: str) -> None:
    assert 0 <= mark_answer(answer, reference, rule) <= 1


@given(st.text(), st.sampled_from([MarkingRule.NUMBER, MarkingRule.MEASURE]), numbers_)
def test_marks_of_numbers_lie_between_nothing_and_one(answer: str, rule: MarkingRule, reference: float) -> None:
    assert mark_answer(answer, format_number(reference), rule) in (0, 1)


@pytest.mark.parametrize("rule", MarkingRule)
@pytest.mark.parametrize("answer", ["", "I don't know.", "?"])
def test_no_answer_gets_no_mark(rule: MarkingRule, answer: str) -> None:
    assert (
        mark_answer(answer, {MarkingRule.DATE: "2024-05-03", MarkingRule.WEEKDAY: "Monday"}.get(rule, "12"), rule) == 0
    )


@given(numbers_)
def test_a_number_is_right_within_half_a_hundredth(number: float) -> None:
    assert mark_answer(f"Out of 3, it is {format_number(number)}.", format_number(number), MarkingRule.NUMBER) == 1
    assert mark_answer(f"It is {format_number(number + 0.01)}.", format_number(number), MarkingRule.NUMBER) == 0


@given(st.integers(1, 10**9))
def test_thousands_separators_do_not_matter(number: int) -> None:
    assert mark_answer(f"{number:,}", str(number), MarkingRule.NUMBER) == 1


@given(st.floats(1, 1e6))
def test_a_measure_is_right_within_one_percent(measure: float) -> None:
    assert mark_answer(f"{measure * 1.009:.6f} km", str(measure), MarkingRule.MEASURE) == 1
    assert mark_answer(f"{measure * 1.02:.6f} km", str(measure), MarkingRule.MEASURE) == 0


@given(days, days)
def test_a_date_is_right_however_it_is_written(day: date, other: date) -> None:
    for answer in (
        day.isoformat(),
        f"Due {format_date(day)}.",
        f"{other.isoformat()} or rather {day:%B} {day.day}, {day.year}",
    ):
        assert mark_answer(answer, day.isoformat(), MarkingRule.DATE) == 1
    assert mark_answer(format_date(other), day.isoformat(), MarkingRule.DATE) == float(day == other)


@given(st.sampled_from(WEEKDAYS), st.sampled_from(WEEKDAYS))
def test_the_last_weekday_counts(said: str, reference: str) -> None:
    assert mark_answer(f"Not Monday but {said}.", reference, MarkingRule.WEEKDAY) == float(said == reference)


@given(words)
def test_a_list_is_marked_by_the_places_that_are_right(listed: list[str]) -> None:
    reference = ", ".join(listed)
    assert mark_answer(f"In order: {reference}", reference, MarkingRule.LIST) == 1
    wrong_first = ", ".join(["zzz", *listed[1:]])
    assert mark_answer(wrong_first, reference, MarkingRule.LIST) == pytest.approx(1 - 1 / len(listed))


def test_a_list_with_more_words_than_asked_for_is_worth_less() -> None:
    assert mark_answer("a, b, c, d", "a, b", MarkingRule.LIST) == 0.5


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [("TENALP", "tenalp", 0), ('It becomes "tenalp"', "tenalp", 1), ("tenalp.", "tenalp", 1), ("tenalps", "tenalp", 0)],
)
def test_exact_means_letter_for_letter(answer: str, reference: str, expected: float) -> None:
    assert mark_answer(answer, reference, MarkingRule.EXACT) == expected


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [("It was Clara Novak.", "Clara Novak", 1), ("clara novak", "Clara Novak", 1), ("Clara", "Clara Novak", 0),
     ("in 19020", "1902", 0), ("Novak Clara", "Clara Novak", 0)],
)  # fmt: skip
def test_contains_wants_whole_words_in_their_order(answer: str, reference: str, expected: float) -> None:
    assert mark_answer(answer, reference, MarkingRule.CONTAINS) == expected


def test_reading_numbers_and_dates() -> None:
    assert parse_numbers("INV-7 of 2,350.50 EUR, -3 and 0.5.") == [2350.5, -3, 0.5]
    assert parse_dates("From 3rd of May 2024 to Feb 29, 2023 or 2024-02-29") == [date(2024, 5, 3), date(2024, 2, 29)]
