"""Prompts of a judge: what can be replaced, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.evals.errors import PromptFault
from gateway.evals.judging.prompts import ORDERS, PLACEHOLDERS, JudgeMethod, make_prompt
from gateway.evals.judging.verdicts import PARSERS, parse_pair, parse_score

METHODS = list(JudgeMethod)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_a_prompt_that_shows_its_placeholders(method: JudgeMethod) -> None:
    shown = make_prompt(method, rubric="{rubric}").show()
    assert all(f"{{{name}}}" in shown for name in PLACEHOLDERS[method])
    assert "VERDICT: " in shown or "SCORE: n" in shown


@given(st.sampled_from(METHODS), st.text(max_size=30), st.text(max_size=30))
def test_texts_with_braces_are_inserted_as_they_are(method: JudgeMethod, one: str, other: str) -> None:
    values = dict(zip(PLACEHOLDERS[method], (f"{{x}} {one}", other, ""), strict=False))
    values.pop("rubric", None)
    prompt = make_prompt(method, rubric="criteria with {braces}")
    for order in ORDERS:
        text = prompt.render(order, **values)
        assert f"{{x}} {one}" in text
        assert other in text


@pytest.mark.parametrize("method", METHODS)
def test_the_two_orders_differ_unless_the_answers_change_places(method: JudgeMethod) -> None:
    """Equal requests would be answered from the journal."""
    prompt = make_prompt(method, rubric="be good")
    values = {name: name for name in PLACEHOLDERS[method] if name != "rubric"}
    assert (prompt.render(0, **values) == prompt.render(1, **values)) == (method is JudgeMethod.PAIRWISE)


@pytest.mark.parametrize(
    ("method", "instructions", "message"),
    [
        (JudgeMethod.SCORE, "Mark {answer}", r"placeholder \{question\} is missing; method `score` requires"),
        (JudgeMethod.SCORE, "{question} {answer} {reference}", r"unknown placeholder \{reference\}"),
        (JudgeMethod.SCORE, "{question} {answer} {}", r"unknown placeholder \{\}"),
        (JudgeMethod.SCORE, "{question} {answer.__class__}", r"unknown placeholder \{answer.__class__\}"),
        (JudgeMethod.SCORE, "{question!r} {answer}", r"unknown placeholder \{question!r\}"),
        (JudgeMethod.SCORE, "{question:>9} {answer}", r"unknown placeholder \{question:>9\}"),
        (JudgeMethod.SCORE, '{"json": {question} {answer}', "braces"),
        (JudgeMethod.SCORE, "{question} {answer} }", "braces"),
        (JudgeMethod.PAIRWISE, "{question} {first}", r"\{second\} is missing"),
        (JudgeMethod.PAIRWISE, "{question} {answer}", r"unknown placeholder \{answer\}"),
        (JudgeMethod.RUBRIC, "{question} {answer}", r"\{rubric\} is missing"),
    ],
)
def test_wrong_placeholders_are_refused(method: JudgeMethod, instructions: str, message: str) -> None:
    with pytest.raises(PromptFault, match=message):
        make_prompt(method, instructions, "be good")


def test_doubled_braces_are_text() -> None:
    assert "{json}" in make_prompt(JudgeMethod.SCORE, "{{json}} {question} {answer}").render(
        0, question="q", answer="a"
    )


def test_a_rubric_needs_criteria() -> None:
    with pytest.raises(PromptFault, match="requires criteria"):
        make_prompt(JudgeMethod.RUBRIC, rubric=" \n")


@pytest.mark.parametrize(
    ("text", "pair", "score"),
    [
        ("Why not.\nVERDICT: first\n", 1.0, None),
        ("VERDICT: second", 0.0, None),
        ("VERDICT: tie", 0.5, None),
        ("VERDICT: First", None, None),
        ("VERDICT: first.", None, None),
        ("VERDICT: first\nor so", None, None),
        ("The last line is VERDICT: first", None, None),
        ("SCORE: 10", None, 1.0),
        ("SCORE: 0", None, 0.0),
        ("SCORE: 7", None, 0.7),
        ("SCORE: 11", None, None),
        ("SCORE: 7/10", None, None),
        ("SCORE: 7.5", None, None),
        ("SCORE: -1", None, None),
        ("", None, None),
    ],
)
def test_only_an_exact_last_line_is_a_verdict(text: str, pair: float | None, score: float | None) -> None:
    assert (parse_pair(text), parse_score(text)) == (pair, score)


@given(st.text(max_size=40), st.sampled_from(METHODS))
def test_a_verdict_is_a_share_or_nothing(text: str, method: JudgeMethod) -> None:
    found = PARSERS[method](text)
    assert found is None or 0 <= found <= 1
