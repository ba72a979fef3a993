"""The measurement of tasks by system prompt."""

from benchmarks.prompt_templates.fillings import Template, fill_template, list_templates
from benchmarks.prompt_templates.measure import measure_templates


def test_templates_are_recognised_and_kept_apart() -> None:
    got = measure_templates(list_templates(), fillings=12)
    assert got.purity > 0.99
    assert got.completeness > 0.98
    assert got.n_tasks >= len(list_templates())


def test_what_is_one_prompt_to_a_reader_of_words_counts_against_purity() -> None:
    twins = [Template(name, "You sort letters of the town hall into departments, always.") for name in ("a", "b")]
    got = measure_templates(twins, fillings=4)
    assert (got.purity, got.completeness, got.mixed) == (0.5, 1.0, [["a", "b"]])


def test_every_place_of_a_template_is_filled_and_the_same_each_time() -> None:
    for template in list_templates():
        filled = fill_template(template, 1)
        assert filled == fill_template(template, 1)
        assert "{name}" not in filled
        assert "{passages}" not in filled
