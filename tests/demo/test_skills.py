"""The solvers read numbers, units, dates and quotations in wordings that no maker writes."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.models import MODELS
from demo.skills.arithmetic import Arithmetic
from demo.skills.calendar import Gregorian, Leapless
from demo.skills.dates import Dates
from demo.skills.facts import Facts
from demo.skills.passages import Passages
from demo.skills.strings import Strings
from demo.skills.units import Units

DAYS = st.dates(date(2020, 1, 1), date(2032, 12, 31))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("please evaluate 2 + 3 * 4 - 6 / 3", "12"),
        ("seven times eight?", "56"),
        ("I had a dozen eggs and dropped... no, sold 5. How many are left?", "7"),
        ("Take 15 away from 40", "25"),
        ("what do I pay for a 200 euro jacket reduced by 35 percent", "130"),
        ("how much is the tip on 80 dollars at 15%?", "12"),
        ("45 out of 60 seats are taken, which percentage?", "75"),
        ("A pizza of 12 slices is split evenly among 4 children. Slices per child?", "3"),
        ("3 pens at $2 each and 4 rulers at $1.50 each, all in?", "12"),
    ],
)
def test_arithmetic(text: str, expected: str) -> None:
    assert Arithmetic().answer(text) == f"The answer is {expected}."


def test_arithmetic_with_three_digits_rounds() -> None:
    assert Arithmetic(significant_digits=3).answer("617 * 3") == "The answer is 1850."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mirror 'hello world' for me", 'It becomes "dlrow olleh"'),
        ("'Ann Lee' in lowercase with a hyphen instead of the space", 'It becomes "ann-lee"'),
        ("the number of consonants within 'apple'", "The count is 3."),
        ("how often does the letter p turn up in 'apple'?", "The count is 2."),
        ("alphabetize pear, fig, and apple", "In order: apple, fig, pear"),
        ("the shortest of pear, fig, apple", "The shortest is fig."),
        ("remove the vowels from 'banana'", 'It becomes "bnn"'),
    ],
)
def test_strings(text: str, expected: str) -> None:
    assert Strings().answer(text) == expected


@given(st.text("abcdefghijklmnop", min_size=2, max_size=20))
def test_reversing_twice_gives_the_word_back(word: str) -> None:
    once = Strings().answer(f'Reverse "{word}"')
    assert once == f'It becomes "{word[::-1]}"'
    assert Strings().answer(f'Reverse "{word[::-1]}"') == f'It becomes "{word}"'


def test_a_short_reach_cuts_long_words_and_first_letters_only_half_sort() -> None:
    coarse = Strings(reach=4, first_letter_only=True)
    assert coarse.answer('Reverse "abcdef"') == 'It becomes "dcba"'
    assert coarse.answer("sort bz, ba, a") == "In order: a, bz, ba"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("my suitcase is 23 kg, the airline only speaks pounds", 50.706),
        ("5 feet 11 inches, how tall is that in centimetres?", 180.34),
        ("is 100 °F a fever? tell me in Celsius", 37.778),
        ("two fluid ounces, but in ml", 59.147),
        ("3,000 metres as km", 3.0),
    ],
)
def test_units(text: str, expected: float) -> None:
    answer = Units().answer(text)
    assert answer is not None
    assert float(answer.removeprefix("That is ").removesuffix(".")) == pytest.approx(expected, abs=0.01)


def test_coarse_factors_are_off_where_two_digits_are_too_few() -> None:
    assert Units(factor_digits=2).answer("100 inches in centimetres") == "That is 250."
    assert Units(factor_digits=2).answer("7 km in metres") == "That is 7000."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I quit on 1 February 2024 with 30 days notice, what's my final date?", "The date is 2 March 2024."),
        ("Rent went up 2 weeks before 2025-01-10, so when?", "The date is 27 December 2024."),
        ("We wed on June 1, 2024; which weekday was it?", "It is a Saturday."),
        ("How many nights from 30 December 2024 to 2 January 2025?", "It is 3 days."),
        ("Today is Friday. What weekday is it in 10 days?", "It will be a Monday."),
    ],
)
def test_dates(text: str, expected: str) -> None:
    assert Dates().answer(text) == expected


@given(DAYS, st.integers(-800, 800))
def test_both_calendars_agree_with_themselves(day: date, days: int) -> None:
    assert Gregorian().between(day, Gregorian().later(day, days)) == days
    if (day.month, day.day) != (2, 29):
        assert Leapless().between(day, Leapless().later(day, days)) == days


@given(DAYS, st.integers(0, 800))
def test_the_leapless_calendar_is_wrong_only_across_a_leap_day(day: date, days: int) -> None:
    passed = [day + timedelta(days=n) for n in range(days + 1)]
    crosses = any((one.month, one.day) == (2, 29) for one in passed)
    assert (Leapless().later(day, days) == day + timedelta(days=days)) or crosses


PASSAGE = (
    "The bakery on the corner was opened by Rosa Blum. It moved to Harbour Street in 1987. "
    "Her son Emil Blum now bakes about 300 loaves a day. "
)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Who opened the bakery?", "Rosa Blum."),
        ("When did it move?", "1987."),
        ("To where did it move?", "Harbour Street."),
        ("How many loaves are baked?", "300."),
    ],
)
def test_passages(question: str, expected: str) -> None:
    assert Passages().answer(PASSAGE + question) == expected


def test_an_impatient_reader_misses_the_end() -> None:
    assert Passages(sentences_read=2).answer(PASSAGE + "How many loaves are baked?") is None


def test_facts() -> None:
    assert Facts().answer("What's the capital city of Peru?") == "Lima"
    assert Facts().answer("Write the Roman number MCMXCIV in digits") == "1994"
    assert Facts().answer("capital of Atlantis") is None


@pytest.mark.parametrize("solver", [Arithmetic(), Strings(), Units(), Dates(), Passages(), Facts()])
@pytest.mark.parametrize("text", ["", "?", "Good morning!", "12", "'", "%", "°C °F"])
def test_solvers_do_not_answer_what_makes_no_sense(solver: Arithmetic, text: str) -> None:
    assert solver.answer(text) is None


@given(st.text())
def test_every_model_answers_any_text(text: str) -> None:
    assert all(model.answer(text) for model in MODELS)
