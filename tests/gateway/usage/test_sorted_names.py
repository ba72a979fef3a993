"""Names come in order, each once, whatever was added and removed between reads."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.usage.sorted_names import FEW, SortedNames

NAMES = st.text("abc", max_size=3)


@given(steps=st.lists(st.tuples(st.sampled_from(["add", "discard", "read"]), NAMES), max_size=60))
def test_they_are_what_a_set_sorted_anew_would_be(steps: list[tuple[str, str]]) -> None:
    names, expected = SortedNames(), set[str]()
    for what, name in steps:
        if what == "read":
            assert list(names.names_after(name)) == sorted(one for one in expected if one > name)
        else:
            getattr(names, what)(name)
            getattr(expected, what)(name)
        assert (len(names), name in names) == (len(expected), name in expected)
    assert list(names.names_after("")) == sorted(expected - {""})


def test_many_names_at_once_are_sorted_too() -> None:
    names = SortedNames()
    names.add("m")
    assert list(names.names_after("")) == ["m"]
    for number in range(3 * FEW):
        names.add(f"{number:04}")
    assert list(names.names_after("0298")) == ["0299", "m"]
    for number in range(3 * FEW):
        names.discard(f"{number:04}")
    assert list(names.names_after("")) == ["m"]


def test_names_may_come_and_go_while_they_are_read() -> None:
    names = SortedNames()
    for name in "bdf":
        names.add(name)
    found = []
    for name in names.names_after(""):
        found.append(name)
        names.add("a")
        names.add("e")
        names.discard("d")
        assert "a" in list(names.names_after(""))
    assert found == ["b", "f"]
    assert list(names.names_after("")) == ["a", "b", "e", "f"]
