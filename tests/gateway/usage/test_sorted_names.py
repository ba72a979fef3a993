"""Names come in order, each once, whatever was added and removed between reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.usage import sorted_names
from gateway.usage.sorted_names import BLOCK, SortedNames

NAMES = st.text("abc", max_size=3)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of three names: a few of them are several."""
    monkeypatch.setattr(sorted_names, "BLOCK", 3)


def check_steps(steps: list[tuple[str, str]]) -> None:
    names, expected = SortedNames(), set[str]()
    for what, name in steps:
        if what == "read":
            assert list(names.names_after(name)) == sorted(one for one in expected if one > name)
        else:
            getattr(names, what)(name)
            getattr(expected, what)(name)
        assert (len(names), name in names) == (len(expected), name in expected)
    assert list(names.names_after("")) == sorted(expected - {""})


STEPS = st.lists(st.tuples(st.sampled_from(["add", "add", "discard", "read"]), NAMES), max_size=60)


@given(steps=STEPS)
def test_they_are_what_a_set_sorted_anew_would_be(steps: list[tuple[str, str]]) -> None:
    check_steps(steps)


def test_many_names_are_as_many_sorted_at_once() -> None:
    numbers = [f"{number * 7919 % 10_007:05}" for number in range(5 * BLOCK)]
    names = SortedNames()
    for name in numbers:
        names.add(name)
    assert list(names.names_after("")) == list(SortedNames(numbers).names_after("")) == sorted(numbers)
    for name in numbers[BLOCK:]:
        names.discard(name)
    assert list(names.names_after("05000")) == [name for name in sorted(numbers[:BLOCK]) if name > "05000"]
    names.update(["a", "b"])
    assert list(names.names_after("99999")) == ["a", "b"]


def test_names_may_come_and_go_while_they_are_read() -> None:
    names = SortedNames("bdf")
    found = []
    for name in names.names_after(""):
        found.append(name)
        names.add("a")
        names.add("e")
        names.discard("d")
        assert "a" in list(names.names_after(""))
    assert found == ["b", "f"]
    assert list(names.names_after("")) == ["a", "b", "e", "f"]
