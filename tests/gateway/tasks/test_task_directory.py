"""Names of tasks, and where the requests of merged ones go."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.task_records import TaskEntry
from gateway.tasks.task_directory import TaskDirectory, resolve_entries

TASKS = st.sampled_from("abcdef")


def directory(**targets: str) -> TaskDirectory:
    made = TaskDirectory()
    made.use_entries(resolve_entries(TaskEntry(task, merged_into=target) for task, target in targets.items()))
    return made


def test_calls_follow_a_chain_of_merges_to_its_end() -> None:
    made = directory(a="b", b="c", d="c")
    assert [made.target_of(task) for task in "abcdx"] == ["c", "c", "c", "c", "x"]
    assert (made.sources_of("c"), made.sources_of("b")) == (["a", "b", "d"], [])


def test_names_are_set_and_removed() -> None:
    made = directory(a="b")
    made.use_entries(made.change_entries([TaskEntry("x", "Bills"), TaskEntry("a", "Old", "b")]))
    assert made.named_tasks() == {"a": "Old", "x": "Bills"}
    made.use_entries(made.change_entries([TaskEntry("x"), TaskEntry("a")]))
    assert (made.named_tasks(), made.target_of("a"), made.entries()) == ({}, "a", [])


@given(st.dictionaries(TASKS, TASKS))
def test_whatever_is_merged_every_call_has_one_task_that_is_not_merged(targets: dict[str, str]) -> None:
    """Also in a circle, which two gateways can make at once."""
    made = directory(**targets)
    for task in "abcdef":
        end = made.target_of(task)
        assert made.target_of(end) == end
        assert task == end or task in made.sources_of(end)
