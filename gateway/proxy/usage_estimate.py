"""Estimate of the tokens of a response that reports none: what was delivered is booked, whatever happened.

A client that leaves in the middle of a stream leaves before the event with the usage; some servers report none at all.
Both directions are estimated from what has passed: four characters a token, a medium at a fixed number, and a stream at
no less than a token an event. Such usage is marked as estimated wherever it is counted.
"""

import re

import msgspec

from gateway.http.endpoints import EMBEDDINGS
from gateway.http.request_body import RequestBody
from gateway.http.token_usage import Usage
from gateway.proxy.content_size import CHARACTERS_PER_TOKEN, ContentSize

ITEM_TOKENS, REPLY_TOKENS = 4, 3
"""Tokens around each message with its role, and of the reply's beginning (OpenAI's cookbook, "How to count tokens with
tiktoken")."""
MEDIA_TOKENS = 1000
"""Assumed tokens of an image, a file or a recording: an image of 1024 x 1024 pixels takes 765 to 1,600."""

_TEXT = re.compile(
    rb'"(?:content|text|delta|arguments|reasoning|reasoning_content|thinking|partial_json)"\s*:\s*"((?:[^"\\]|\\.)*)"'
)
"""Members of an event or a body that hold what the model wrote, in every protocol."""


def estimate_usage(body: RequestBody, output_tokens: int) -> Usage:
    """Return the estimated usage of a response. output_tokens: estimated by the functions below."""
    return Usage(_input_tokens(body), 0 if body.operation is EMBEDDINGS else output_tokens, is_estimated=True)


def raise_output(usage: Usage, output_tokens: int) -> Usage:
    """Return usage with at least this estimated output."""
    if output_tokens <= usage.output_tokens:
        return usage
    return msgspec.structs.replace(usage, output_tokens=output_tokens, is_estimated=True)


def estimate_response(request: RequestBody, body: bytes) -> Usage:
    """Return the estimated usage of a whole response."""
    return estimate_usage(request, estimate_body_tokens(body))


def estimate_body_tokens(body: bytes) -> int:
    """Return the estimated output of a whole response."""
    return _text_bytes(body) // CHARACTERS_PER_TOKEN + 1


def estimate_stream_tokens(chunks: int, sample: bytes) -> int:
    """Return the estimated output of a stream. chunks: received so far. sample: the last one."""
    # The last chunk of a stream that has ended may hold no text: at least a token for each of its events counts.
    per_chunk = max(sample.count(b"data:"), _text_bytes(sample) / CHARACTERS_PER_TOKEN, 1.0)
    return max(1, round(chunks * per_chunk))


def _input_tokens(body: RequestBody) -> int:
    size = ContentSize()
    for name in (body.operation.content, "system", "instructions"):
        size.add_json(body.members.get(name, b"null"))
    size.add_data_json(body.members.get("tools", b"null"))
    text = -(-size.utf8_bytes // CHARACTERS_PER_TOKEN) + size.n_items * ITEM_TOKENS
    text += REPLY_TOKENS if size.n_items else 0
    return text + size.n_media * MEDIA_TOKENS


def _text_bytes(data: bytes) -> int:
    return sum(len(found) for found in _TEXT.findall(data))
