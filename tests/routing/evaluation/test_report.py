"""The report: its words, its colours, what it never prints. The page in a browser: tests/gateway/ui."""

import itertools
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.schema import RoutingConfig
from routing.arrays import Floats
from routing.evaluation.regimes.results import RegimeEvaluation, SystemResult
from routing.evaluation.report import write_report
from routing.evaluation.report.advice import advise
from routing.evaluation.report.canvas import plain_text
from routing.evaluation.report.figures import make_figures
from routing.evaluation.report.intervals import wilson_interval
from routing.evaluation.report.markup import Cell, Column, inline_svg, number_cell, render_table
from routing.evaluation.report.palette import COMPARED, PANEL, SOFT, SYSTEM_STYLES, list_colours
from routing.evaluation.report.pool_name import name_pool
from routing.evaluation.report.system_tables import render_regime
from routing.evaluation.report.verdicts import EVEN, GAIN, LOSS, UNKNOWN, find_verdicts, kind_of_interval
from routing.evaluation.results import SYSTEMS, Evaluation, NamedTwins
from tests.routing.evaluation.reports import make_evaluation, make_regimes, make_result, make_task, without_numbers


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Path(tmp_path_factory.mktemp("report"))
    write_report(make_evaluation(), made)
    return made


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return (folder / "report.html").read_text()


# Colours.

VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
"""Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB."""


def linear_rgb(colour: str) -> Floats:
    value = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def cielab(linear: Floats) -> Floats:
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    xyz = np.array(to_xyz) @ linear / [0.95047, 1, 1.08883]
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(one: str, other: str) -> float:
    """WCAG 2.1's contrast ratio."""
    low, high = sorted(float(linear_rgb(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_compared_systems_are_told_apart_by_colour(scheme: str, vision: str) -> None:
    seen = {
        system: cielab(np.clip(np.array(VISION[vision]) @ linear_rgb(getattr(SYSTEM_STYLES[system], scheme)), 0, 1))
        for system in COMPARED
    }
    near = {
        (one, other): float(np.linalg.norm(seen[one] - seen[other])) for one, other in itertools.combinations(seen, 2)
    }
    assert min(near.values()) >= 20, min(near.items(), key=lambda pair: pair[1])


def test_every_colour_stands_out_from_its_background() -> None:
    for style in (*SYSTEM_STYLES.values(),):
        assert contrast(style.light, PANEL[0]) >= 3, style
        assert contrast(style.dark, PANEL[1]) >= 3, style
    assert min(contrast(SOFT[0], PANEL[0]), contrast(SOFT[1], PANEL[1])) >= 3


def test_every_system_has_one_appearance() -> None:
    assert set(SYSTEMS) <= set(SYSTEM_STYLES)
    assert len({(style.light, style.dark) for style in SYSTEM_STYLES.values()}) == len(SYSTEM_STYLES)
    assert len({style.light for style in SYSTEM_STYLES.values()}) == len(SYSTEM_STYLES), "the page replaces by light"


def drawn_colours(svg: str) -> set[str]:
    return set(re.findall(r"#[0-9a-f]{6}\b", svg))


def test_figures_use_no_colour_but_the_palettes(folder: Path) -> None:
    for path in folder.glob("*.svg"):
        assert drawn_colours(path.read_text()) <= set(list_colours()), path.name


def test_the_page_replaces_every_colour_of_its_figures(page: str) -> None:
    for drawn in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL):
        assert drawn_colours(drawn) == set()


# Figures.


def test_every_figure_has_a_title_with_the_pool_and_labelled_axes() -> None:
    done = make_evaluation()
    for name, figure in make_figures(done).items():
        title = str(figure.get_suptitle()).replace("\n", " ")
        assert name_pool(done) in title, name
        assert "at most 70 B parameters" in title, name
        for axes in figure.axes:
            assert axes.get_xlabel(), name
        assert figure.axes[0].get_ylabel() or name in ("gain_by_dataset", "gain_by_regime"), name


def test_legends_cover_no_axes() -> None:
    for name, figure in make_figures(make_evaluation()).items():
        figure.draw_without_rendering()
        (legend,) = figure.legends
        box = legend.get_window_extent()
        assert box.x1 <= figure.bbox.x1, name
        for axes in figure.axes:
            assert not axes.legend_, name
            drawn = axes.get_tightbbox()  # with the labels of the axes
            assert drawn is not None
            assert not box.overlaps(drawn), name


def test_a_legend_names_what_is_drawn_and_nothing_else() -> None:
    figure = make_figures(make_evaluation())["accuracy_against_alpha"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        SYSTEM_STYLES[name].label for name in ("S1", "S3", "auto", "BMA", "oracle", "random")
    ]


@pytest.mark.slow  # draws every figure
def test_what_has_no_data_is_neither_drawn_nor_mentioned(tmp_path: Path) -> None:
    done = make_evaluation(regimes=False)
    bare = replace(done, curves=(), sparse=(), models=[replace(model, price=None) for model in done.models])
    write_report(bare, tmp_path)
    page = (tmp_path / "report.html").read_text()
    for absent in ("Accuracy against cost", "Accuracy against price", "Selection input by input", "probability shown"):
        assert absent not in page
    assert not (tmp_path / "accuracy_against_cost.svg").exists()
    assert not (tmp_path / "regimes.json").exists()


@pytest.mark.slow  # draws every figure
def test_without_rows_there_is_no_page_of_the_paper(tmp_path: Path) -> None:
    write_report(replace(make_evaluation(), rows=[], choices=[], quality=[], sparse=[]), tmp_path)
    assert "Compared with the paper" not in (tmp_path / "report.html").read_text()


def test_many_datasets_leave_the_figure_a_page_high() -> None:
    figure = make_figures(make_evaluation(datasets=150, regimes=False))["gain_by_dataset"]
    assert figure.get_figheight() < 12
    assert "the 30 lowest and the 30 highest of 150" in str(figure.get_suptitle()).replace("\n", " ")


@pytest.mark.slow  # draws every figure
def test_names_are_drawn_letter_by_letter(tmp_path: Path) -> None:
    """A dollar sign begins a formula in matplotlib, and a control character ends an XML document."""
    done = make_evaluation()
    renamed = {done.datasets[0]: "$x_{$ \x01 数学 <b>&"}
    choices = [replace(one, dataset=renamed.get(one.dataset, one.dataset)) for one in done.choices]
    write_report(replace(done, choices=choices, benchmark="a$\\frac{$b"), tmp_path)
    assert plain_text("$5 & \x07") == r"\$5 &  "
    text = (tmp_path / "gain_by_dataset.svg").read_text()
    ElementTree.fromstring(text)  # noqa: S314 - drawn a moment ago
    assert "数学" in text


# The page.


def test_the_page_needs_nothing_else(page: str) -> None:
    assert re.findall(r'\b(?:src|srcset|action|formaction)=|@import|url\((?!#)|href="(?!#)', page) == []
    assert "default-src 'none'" in page


def test_the_ids_of_figures_are_unique(page: str) -> None:
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', page))
    assert used <= set(ids)


def test_an_inlined_figure_is_a_whole_element(folder: Path) -> None:
    drawn = inline_svg("reliability", (folder / "reliability.svg").read_bytes())
    assert ElementTree.fromstring(drawn).attrib["id"] == "reliability"  # noqa: S314 - drawn a moment ago
    assert "<metadata>" not in drawn


def test_verdicts_and_next_steps_come_before_tables(page: str) -> None:
    order = [page.index(f"<h2>{title}</h2>") for title in ("Verdict", "What to do", "Systems", "Figures", "Choices")]
    assert order == sorted(order)
    assert page.index("Routing with auto gains +2.0 points, small new.") < order[1]


@pytest.mark.slow  # draws every figure
def test_numbers_that_are_not_there_are_not_measured(tmp_path: Path) -> None:
    done = make_evaluation()
    choices = [replace(one, **without_numbers(one)) if one.system == "S3" else one for one in done.choices]  # type: ignore[arg-type]  # floats
    rows = [
        replace(row, accuracy=np.nan, gain_over_bma=np.nan, gain_ci=(np.nan, np.nan), accuracy_ci=(np.nan, np.nan))
        if row.system == "S3"
        else row
        for row in done.rows
    ]
    write_report(replace(done, choices=choices, rows=rows), tmp_path)
    for path in tmp_path.iterdir():
        if path.suffix in (".html", ".md", ".csv", ".json"):
            assert not re.search(r"\b(nan|NaN|inf|Infinity)\b", path.read_text()), path.name
    assert "not measured" in (tmp_path / "report.html").read_text()
    assert {row["accuracy"] for row in json.loads((tmp_path / "table.json").read_text()) if row["system"] == "S3"} == {
        None
    }


def test_a_gain_that_rounds_to_zero_has_no_minus() -> None:
    table = render_regime([replace(make_result("known", None, ["a"]), systems={"S3": SystemResult(0.5, -0.01, -1, 1)})])
    assert ">+0.0<" in table
    assert ">-0.0<" not in table


@given(st.floats(), st.floats(), st.floats())
def test_no_cell_ever_prints_nan(value: float, low: float, high: float) -> None:
    cell = number_cell(value, "{:+.1f}", low, high)
    assert not re.search("nan|inf", cell.text + cell.note)
    assert (cell.text == "not measured") == (not np.isfinite(value))


@given(st.floats(0, 1), st.floats(0.1, 1e6))
def test_wilsons_interval_holds_the_share_within_0_and_1(share: float, count: float) -> None:
    low, high = wilson_interval(share, count)
    assert 0 <= low <= share + 1e-12
    assert share - 1e-12 <= high <= 1
    assert low < high


def test_wilsons_interval_by_hand() -> None:
    """Newcombe (1998), table I: 81 of 263."""
    assert wilson_interval(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_a_column_without_numbers_is_left_out() -> None:
    columns = (
        Column("name", numeric=False),
        Column("price", optional=True),
        Column("size", optional=True),
        Column("n"),
    )
    cells = [Cell("a"), number_cell(None, "{}"), number_cell(7.0, "{:.0f}"), number_cell(None, "{}")]
    html = render_table("t", columns, [cells])
    assert re.findall(r'<th scope="col"[^>]*>(\w+)', html) == ["name", "size", "n"]
    assert 'data-value="7"' in html
    assert render_table("t", columns, []) == ""


def test_names_in_tables_are_text() -> None:
    evil = '<img src=x onerror="alert(1)">'
    html = render_table(evil, (Column(evil, numeric=False),), [[Cell(evil, note=evil)]])
    assert "<img" not in html


@pytest.mark.parametrize(
    ("pool", "limit", "expected"),
    [
        ("all", None, "sample, 3 models"),
        ("all", 70.0, "sample, 3 models of at most 70 B parameters"),
        ("distinct", None, "sample, 3 models of the pool distinct"),
        ("distinct", 0.5, "sample, 3 models of the pool distinct, of at most 0.5 B parameters"),
    ],
)
def test_the_pool_is_named_with_its_limit(pool: str, limit: float | None, expected: str) -> None:
    done = make_evaluation()
    assert name_pool(replace(done, pool=pool, settings={"max_params_b": limit})) == expected


# Verdicts and next steps.


def with_regimes(regimes: RegimeEvaluation) -> Evaluation:
    return replace(make_evaluation(), regimes=regimes)


@pytest.mark.parametrize(
    ("low", "high", "kind"),
    [(0.1, 2, GAIN), (-2, -0.1, LOSS), (-1, 1, EVEN), (0, 1, EVEN), (None, None, UNKNOWN), (np.nan, 1, UNKNOWN)],
)
def test_the_interval_decides_the_verdict(low: float | None, high: float | None, kind: str) -> None:
    assert kind_of_interval(low, high) == kind


def test_every_regime_has_a_verdict_a_skipped_one_too() -> None:
    regimes = replace(make_regimes(list("abcde")), skipped={"extra": "Too few datasets to say."})
    found = find_verdicts(with_regimes(regimes))
    assert [one.title for one in found] == [
        "New tasks",
        "Known tasks",
        "Mixed tasks",
        "Small benchmark, known tasks",
        "Small benchmark, new tasks",
        "Extra",
    ]
    # A skipped regime keeps its place.
    rest = [one for one in regimes.results if one.regime != "new"]
    without = find_verdicts(with_regimes(RegimeEvaluation(rest, "auto", "", {"new": "one dataset only"})))
    assert (without[0].title, without[0].sentence) == ("New tasks", "One dataset only.")
    assert (found[0].kind, found[-1].kind) == (GAIN, UNKNOWN)
    assert found[-1].sentence == "Too few datasets to say."
    assert found[0].details[0].startswith("After 8 inputs: +2.0 points over best on average (95 % interval +1.0")


def test_a_gain_over_few_datasets_is_not_enough_for_new_tasks() -> None:
    found = {one.title: one.kind for one in find_verdicts(with_regimes(make_regimes(list("abcd"))))}
    assert (found["New tasks"], found["Known tasks"]) == (UNKNOWN, GAIN)


def configured(done: Evaluation) -> list[dict[str, Any]]:
    import yaml

    return [yaml.safe_load(step.config) for step in advise(done) if step.config]


def test_the_score_to_set_is_one_that_the_configuration_knows() -> None:
    for done in (make_evaluation(), make_evaluation(regimes=False)):
        (score,) = [found["routing"]["score"] for found in configured(done) if "routing" in found]
        assert RoutingConfig(score=score).score == "auto"


def test_a_tie_goes_to_s3() -> None:
    done = make_evaluation(regimes=False)
    gains = {row.system: row for row in done.rows if row.alpha == 0}
    rows = [replace(row, gain_over_bma=gains["auto"].gain_over_bma) if row.system == "S3" else row for row in done.rows]
    assert configured(replace(done, rows=rows)) == [{"routing": {"score": "s3"}}]


def test_datasets_whose_winner_is_ahead_are_named() -> None:
    names = ['a "quoted": name', "b", "c", "d", "e", "f", "g"]
    done = with_regimes(RegimeEvaluation([make_result("known", None, names)], "auto", "Because."))
    (tasks,) = [found["tasks"] for found in configured(done) if "tasks" in found]
    assert len(tasks) == 5
    assert {"dataset": names[0]} in tasks.values()
    assert any("2 more in the table of known tasks" in step.text for step in advise(done))


def test_a_dataset_is_named_where_its_winner_leads_at_first() -> None:
    early, late = make_result("known", 8, list("abcde")), make_result("known", None, list("abcde"))
    late = replace(late, tasks=[make_task(name, place, winner_ahead=0) for place, name in enumerate("abcde")])
    found = configured(with_regimes(RegimeEvaluation([early, late], "auto", "Because.")))
    assert {"tasks": {"your-task": {"dataset": "a"}}} in found


def test_twins_are_named_with_what_to_do() -> None:
    twins = [NamedTwins("easy", "hard", "small-7B", "code-34B", 0.4, 4.07)]
    for regimes in (True, False):
        done = replace(make_evaluation(regimes=regimes), twins=twins)
        assert {"tasks": {"your-task": {"dataset": "easy"}}} in configured(done)
        (text,) = [step.text for step in advise(done) if "twins" in step.text]
        assert "easy (small-7B) and hard (code-34B), 4.1 points at stake." in text


def test_new_tasks_are_pinned_where_only_they_lose() -> None:
    names = list("abcde")
    results = [make_result("new", None, names, gain=-2.0), make_result("known", None, names)]
    done = with_regimes(RegimeEvaluation(results, "auto", "Because."))
    assert {"tasks": {"your-task": {"pin": "code-34B"}}} in configured(done)
    both = replace(done, regimes=RegimeEvaluation([make_result("new", None, names), results[1]], "auto", "Because."))
    assert not any("pin" in step.config for step in advise(both))


def test_datasets_that_lose_beyond_chance_are_named() -> None:
    done = with_regimes(RegimeEvaluation([make_result("new", None, ["a", "b"])], "auto", "Because."))
    (text,) = [step.text for step in advise(done) if "Held out, these lose" in step.text]
    # b loses 2 points, with an interval to +1.
    assert "a (-4.0 points)." in text


def test_without_any_gain_the_advice_is_not_to_route() -> None:
    results = [make_result(regime, None, ["a", "b"], gain=-2.0) for regime in ("mixed", "known")]
    steps = advise(with_regimes(RegimeEvaluation(results, "s3", "Because.")))
    assert steps[0].text.startswith("Do not route with this benchmark")
    assert "list code-34B first" in steps[0].text
    assert steps[0].config == ""


def test_without_s3_and_auto_the_advice_is_to_evaluate_them() -> None:
    done = make_evaluation(regimes=False)
    other = replace(done, rows=[row for row in done.rows if row.system not in ("S3", "auto")])
    (step,) = advise(other)
    assert "--scores S3,auto,BMA" in step.text
    assert [one.kind for one in find_verdicts(other)] == [UNKNOWN]


def test_too_few_datasets_are_told() -> None:
    regimes = RegimeEvaluation([make_result("known", None, ["a"])], "s3", "Because.", {"new": "Too few datasets."})
    assert any(step.text.startswith("Add datasets before") for step in advise(with_regimes(regimes)))
    only_known = replace(regimes, skipped={})
    assert not any(step.text.startswith("Add datasets before") for step in advise(with_regimes(only_known)))


def test_the_regimes_are_written_as_json(folder: Path) -> None:
    document = json.loads((folder / "regimes.json").read_text())
    assert [one["regime"] for one in document["regimes"]][:4] == ["new", "new", "new", "known"]
    assert document["recommended"] == "auto"


def test_without_matplotlib_the_page_has_tables_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("canvas", "figures"):
        monkeypatch.delitem(sys.modules, f"routing.evaluation.report.{name}")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    write_report(make_evaluation(), tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "<svg" not in page
    assert "<h2>Figures</h2>" not in page
    assert "<h2>Choices</h2>" in page
