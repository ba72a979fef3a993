"""A logged request as JSON."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from gateway.decision import Decision, ExplainedDecision
from gateway.http import headers as names
from gateway.proxy.access_log import CLIENT_CLOSED_REQUEST
from gateway.request_log.bodies import decode_body
from gateway.request_log.entry import LoggedAttempt, LoggedRequest
from gateway.vocabulary import REQUESTED

US = 1_000_000
MIN_PAUSE_MS = 1.0
"""Shorter gaps between attempts are no pause before a retry."""

NO_DECISION = "The request followed no decision of its task."
NAMED_MODEL = "The client named the model: no decision was used."
FORGOTTEN = "This version of the decision is no longer stored: the task was deleted or evicted, or changed too often."
WITHOUT_REASONS = "Of this version its model, reason and time are stored; the scores behind it were of that time."


def request_to_json(one: LoggedRequest) -> dict[str, Any]:
    """Return a request as an item of a list. Times in milliseconds; `at` is the response's end."""
    return {
        "object": "request",
        "id": one.id,
        "client_request_id": one.client_id,
        "at": format_time(one.at_us),
        "started_at": format_time(one.at_us - int(one.latency_ms * 1000)),
        "key": one.key,
        "task": one.task,
        "requested_model": one.asked_model,
        "model": _named(one.model),
        "backend": _named(one.backend),
        "reason": _named(one.reason),
        "decision": one.version,
        "endpoint": one.endpoint,
        "stream": one.is_stream,
        "status": one.status,
        "error": one.stream_error or one.error,
        "latency_ms": one.latency_ms,
        "first_token_ms": one.first_token_ms,
        "overhead_ms": one.overhead_ms,
        "input_tokens": one.input_tokens,
        "cached_tokens": None if one.input_tokens is None else one.cached_tokens,
        "output_tokens": None if one.input_tokens is None else one.output_tokens,
        "reasoning_tokens": None if one.input_tokens is None else one.reasoning_tokens,
        "estimated": one.is_estimated,
        "cost_usd": None if one.cost is None else float(one.cost),
        "cached": one.is_cached,
        "shadow_model": one.shadow_model,
        "attempts": [attempt_to_json(attempt) for attempt in one.attempts],
    }


def attempt_to_json(attempt: LoggedAttempt) -> dict[str, Any]:
    """Return an attempt."""
    return {
        "model": attempt.model,
        "backend": attempt.backend,
        "fault": attempt.fault,
        "kind": attempt.kind,
        "status": attempt.status,
        "start_ms": attempt.start_ms,
        "took_ms": attempt.took_ms,
    }


def details_to_json(one: LoggedRequest, decision: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request with everything that is known of it. decision: at the time of the request."""
    return {
        **request_to_json(one),
        "barred": [{"model": model, "why": why} for model, why in one.barred],
        "timings": timings_of(one),
        "decision_then": decision,
        **body_to_json(one),
    }


def body_to_json(one: LoggedRequest) -> dict[str, Any]:
    """Return what was said, as it is stored; None where it is not."""
    body = None if one.body is None else decode_body(one.body)
    return {
        "prompt": None if body is None else {"text": body.prompt, "cut": body.is_prompt_cut},
        "answer": None if body is None else {"text": body.answer, "cut": body.is_answer_cut},
    }


def timings_of(one: LoggedRequest) -> list[dict[str, Any]]:
    """Return what the time was spent on, in order: spans from the request's first byte on, in milliseconds."""
    spans: list[tuple[str, str, float, float]] = [("read", "Read the request", 0.0, one.read_ms)]
    at, label = one.read_ms, "Authenticate and route"
    for attempt in one.attempts:
        kind = "gateway" if attempt is one.attempts[0] else "pause"
        if kind == "gateway" or attempt.start_ms - at >= MIN_PAUSE_MS:
            spans.append((kind, label, at, attempt.start_ms))
        at, label = attempt.start_ms + attempt.took_ms, "Pause before the next attempt"
        failed = f": {attempt.fault}" if attempt.fault else ""
        waited = "first token" if one.is_stream and not attempt.fault else "response"
        kind = "fault" if attempt.fault else "backend"
        spans.append((kind, f"{attempt.backend}{failed or f': wait for the {waited}'}", attempt.start_ms, at))
    if one.latency_ms > at:
        spans.append((*_last_span(one), at, one.latency_ms))
    return [
        {"kind": kind, "label": label, "start_ms": round(start, 3), "end_ms": round(max(start, end), 3)}
        for kind, label, start, end in spans
    ]


def _last_span(one: LoggedRequest) -> tuple[str, str]:
    """Return the kind and label of what follows the last attempt that has ended."""
    is_answered = bool(one.attempts) and one.attempts[-1].fault is None
    if one.status == CLIENT_CLOSED_REQUEST:
        return ("send", "Send until the client left") if is_answered else ("backend", "Wait until the client left")
    if not one.attempts:
        return "gateway", "Answer without a backend"
    return "send", "Stream to the last byte" if one.is_stream and is_answered else "Send the response"


def decision_then(
    one: LoggedRequest, explained: ExplainedDecision | None, changes: Sequence[Decision]
) -> dict[str, Any]:
    """Return the decision that a request followed, as far as it is still stored.

    explained: the task's decision now. changes: of its model, until now.
    """
    if one.reason == REQUESTED or not one.version:
        return {
            "version": one.version,
            "stored": False,
            "note": NAMED_MODEL if one.reason == REQUESTED else NO_DECISION,
        }
    if explained is not None and explained.decision.version == one.version:
        document = explained.explanation.to_dict()
        found = {key: document.get(key) for key in ("u", "scores", "nearest_datasets", "membership")}
        return {
            **_stored(explained.decision),
            **document.get("decision", {}),
            **found,
            "is_current": True,
            "note": None,
        }
    for change in changes:
        if change.version == one.version:
            return {**_stored(change), "is_current": False, "note": WITHOUT_REASONS}
    return {"version": one.version, "stored": False, "note": FORGOTTEN}


def format_time(at_us: int) -> str:
    """Return a Unix time in microseconds as ISO 8601, UTC."""
    return datetime.fromtimestamp(at_us / US, UTC).isoformat(timespec="milliseconds")


def _stored(decision: Decision) -> dict[str, Any]:
    return {
        "version": decision.version,
        "stored": True,
        "model": decision.model,
        "reason": decision.reason,
        "n": decision.n,
        "ranking": list(decision.ranking),
        "at": format_time(int(decision.at * US)),
    }


def _named(name: str) -> str | None:
    return None if name == names.NONE else name
