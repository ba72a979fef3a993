"""Tables of the measurement of judged labels."""

from benchmarks.judging.results import to_markdown
from benchmarks.judging.run import NONE, TRUE, TaskOutcome
from routing.auto.judge_noise import flip_noise


def test_tables_have_a_row_for_each_source_and_number_of_inputs() -> None:
    found = []
    for task, before in (("a", 0.5), ("b", 0.7)):
        found += [
            TaskOutcome(task, NONE, 0, "m", before, 0.0),
            TaskOutcome(task, TRUE, 30, "n", 0.9, 0.1),
            TaskOutcome(task, "judge-95", 10, "m", before, 0.02, 0.9, flip_noise(0.05), 0.8),
            TaskOutcome(task, "judge-95", 30, "n", 0.9, 0.05, 0.9, flip_noise(0.05), 0.8),
        ]
    rows = to_markdown(found).splitlines()[2:]
    assert rows == [
        "| nobody |  |  |  |  |  |  | 60.0 |",
        "| judge-95 | 10 | 0.90 | 0.90 | 0.80 | 2.0 | 0 | 60.0 |",
        "| references | 30 |  |  | 1.00 | 10.0 | 2 | 90.0 |",
        "| judge-95 | 30 | 0.90 | 0.90 | 0.80 | 5.0 | 2 | 90.0 |",
    ]
