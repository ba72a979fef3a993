"""Endpoints beside those that generate text: images, audio, moderations, responses by ID, files."""

from collections.abc import Callable, Mapping
from typing import Any

from qa.conformance.upstream.answers import CREATED, responses_response

Json = dict[str, Any]
AUDIO = bytes(range(256)) * 40
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="


def _images(path: str) -> Json:
    return {"created": CREATED, "data": [{"b64_json": PIXEL}]}


def _transcription(path: str) -> Json:
    return {"text": "Grüße aus Köln", "usage": {"type": "duration", "seconds": 1}}


def _moderation(path: str) -> Json:
    result = {"flagged": False, "categories": {}, "category_scores": {}, "category_applied_input_types": {}}
    return {"id": "modr-conformance", "model": "moderation", "results": [result]}


def _rerank(path: str) -> Json:
    return {"results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]}


OTHERS: Mapping[str, Callable[[str], Json]] = {
    "images/generations": _images,
    "audio/transcriptions": _transcription,
    "moderations": _moderation,
    "rerank": _rerank,
}
"""Path -> JSON response."""


def stored_response(path: str) -> Json:
    """Return the response to GET /v1/responses/{id}."""
    return responses_response({"model": "gpt-conformance", "input": "stored"})
