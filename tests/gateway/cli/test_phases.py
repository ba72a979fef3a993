"""Times of the phases of a build."""

from gateway.cli.pack.phases import PhaseTimes


def test_a_phase_ends_where_the_next_begins_and_goes_on_when_it_is_started_again() -> None:
    wall, cpu = iter([0.0, 0.0, 5.0, 6.0, 10.0]), iter([0.0, 0.0, 1.0, 1.5, 4.0])
    times = PhaseTimes(lambda: next(wall), lambda: next(cpu))
    seen = list[tuple[str, int, int]]()
    steps = times.follow(lambda activity, done, total: seen.append((activity, done, total)))
    times.start("reading")
    steps("indexing", 0, 2)
    steps("indexing", 2, 2)
    times.start("reading")
    assert times.to_json() == [
        {"phase": "reading", "cpu_s": 3.5, "wall_s": 9.0},
        {"phase": "indexing", "cpu_s": 0.5, "wall_s": 1.0},
    ]
    assert seen == [("indexing", 0, 2), ("indexing", 2, 2)]
