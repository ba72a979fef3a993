"""A logged request as JSON: where its time went, and the decision that it followed."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from gateway.api.request_views import decision_then, timings_of
from gateway.decision import Decision, ExplainedDecision, Explanation
from gateway.request_log.entry import LoggedAttempt, LoggedRequest
from tests.gateway.request_log.rows import make_row, to_request


def logged(**changed: Any) -> LoggedRequest:
    return msgspec.structs.replace(to_request(make_row(1_000_000)), **changed)


def attempt(fault: str | None, start_ms: float, took_ms: float) -> LoggedAttempt:
    return LoggedAttempt("m", "m/1", fault, None if fault is None else "status", None, start_ms, took_ms)


def decision(version: int, model: str) -> Decision:
    return Decision("support", version, 30 + version, model, "score", (model, "other"), 1000.0 + version)


EXPLAINED = ExplainedDecision(
    decision(4, "good"),
    Explanation.from_dict({"u": 0.4, "scores": [{"model": "good"}], "decision": {"why": "because"}}),
)
CHANGES = [decision(2, "other"), decision(4, "good")]


def test_the_decision_in_use_comes_with_its_explanation() -> None:
    then = decision_then(logged(version=4), EXPLAINED, CHANGES)
    assert (then["stored"], then["is_current"], then["model"], then["why"], then["u"]) == (
        True,
        True,
        "good",
        "because",
        0.4,
    )
    assert then["scores"] == [{"model": "good"}]


def test_an_earlier_decision_comes_without_scores_and_says_so() -> None:
    then = decision_then(logged(version=2), EXPLAINED, CHANGES)
    assert (then["stored"], then["is_current"], then["model"], then["n"]) == (True, False, "other", 32)
    assert "scores" not in then
    assert then["note"]


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"version": 3}, "no longer stored"),
        ({"version": 0}, "no decision"),
        ({"reason": "requested"}, "named the model"),
    ],
)
def test_where_no_decision_is_stored_the_reason_is_given(changed: dict[str, Any], word: str) -> None:
    then = decision_then(logged(**changed), EXPLAINED, CHANGES)
    assert then["stored"] is False
    assert word in then["note"]
    assert decision_then(logged(version=4), None, [])["stored"] is False


@pytest.mark.parametrize(
    ("changed", "kinds", "last"),
    [
        ({"attempts": (attempt("answered 500", 1, 10), attempt(None, 61, 9)), "is_stream": False},
         ["read", "gateway", "fault", "pause", "backend", "send"], "Send the response"),
        ({"attempts": (attempt("answered 500", 1, 10), attempt("timed out", 11.2, 9))},
         ["read", "gateway", "fault", "fault", "send"], "Send the response"),
        ({"attempts": (attempt(None, 1, 10),)}, ["read", "gateway", "backend", "send"], "Stream to the last byte"),
        ({"attempts": (attempt(None, 1, 10),), "status": 499},
         ["read", "gateway", "backend", "send"], "Send until the client left"),
        ({"attempts": (), "status": 499}, ["read", "backend"], "Wait until the client left"),
        ({"attempts": (), "status": 404}, ["read", "gateway"], "Answer without a backend"),
    ],
)  # fmt: skip
def test_the_spans_of_a_request_follow_each_other_to_its_end(
    changed: dict[str, Any], kinds: list[str], last: str
) -> None:
    spans = timings_of(logged(latency_ms=100.0, read_ms=0.5, **changed))
    assert [span["kind"] for span in spans] == kinds
    assert spans[-1]["label"] == last
    assert (spans[0]["start_ms"], spans[-1]["end_ms"]) == (0.0, 100.0)
    for before, after in pairwise(spans):
        assert before["start_ms"] <= before["end_ms"] <= after["start_ms"] + 1.0
