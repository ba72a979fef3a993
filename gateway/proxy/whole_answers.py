"""Whether a whole response with status 200 is an answer: another backend can still give one in its place."""

import re
from collections.abc import Mapping
from typing import Any

from gateway.http.endpoints import CHAT, COMPLETIONS, MESSAGES, RESPONSES, Endpoint
from gateway.http.headers import Headers
from gateway.http.stream_protocol import read_json
from gateway.upstream.errors import ErrorInBody, ErrorResponse, UpstreamFault, UpstreamProtocolError

A_CHOICE = b'"choices":[{'
"""Contained in nearly every answer, near its beginning: it needs no other check."""

# A quotation mark within a string is escaped, so this is a member.
_HAS_CHOICE = re.compile(rb'"choices"\s*:\s*\[\s*[^\s\]]')


def find_fault(operation: Endpoint, headers: Headers, body: bytes) -> UpstreamFault | None:
    """Return why a JSON object with status 200 is no answer; None if it is one."""
    if operation is CHAT or operation is COMPLETIONS:
        if _HAS_CHOICE.search(body) is not None:
            return None
        if not _has_error(document := _read(body)):
            return UpstreamProtocolError("answered without choices") if not document.get("choices") else None
    elif not _is_failed(operation, _read(body)):
        return None
    fault = ErrorInBody.from_data(body)
    fault.response = ErrorResponse(200, headers, body)
    return fault


def _read(body: bytes) -> Mapping[str, Any]:
    document = read_json(body)
    return document if isinstance(document, dict) else {}


def _has_error(document: Mapping[str, Any]) -> bool:
    return bool(document.get("error")) or document.get("object") == "error"


def _is_failed(operation: Endpoint, document: Mapping[str, Any]) -> bool:
    if operation is RESPONSES and document.get("status") == "failed":
        return True
    return _has_error(document) or (operation is MESSAGES and document.get("type") == "error")
