"""The table of endpoints that are passed through.

Sources: https://platform.openai.com/docs/api-reference, https://docs.anthropic.com/en/api/messages-count-tokens,
https://docs.cohere.com/reference/rerank
"""

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.config.fields import ModelKind
from gateway.errors import MethodNotAllowed
from gateway.http.endpoints import Endpoint


class ChosenBy(enum.Enum):
    """What of a request chooses its backend."""

    MODEL = "the `model` of its body: JSON, or a multipart form"
    OBJECT = "the response or conversation in its path: the backend that made it"
    FILES = "the setting upstream.files_backend"


@dataclass(frozen=True, slots=True)
class PassthroughEndpoint:
    """An endpoint that is passed through.

    Attributes:
        template: the path, with {id} for any segment; the first one is the object that ChosenBy.OBJECT means.
        kind: of the model where the request names none.
        is_repeatable: may be sent again after an answer that another backend would not give; false where the first
            request may already have made something.
        is_billed: its answers cost something; those that report no usage count as unpriced.
        settles: its answers report the usage of a response that was made in the background; the first one is billed.
        makes: the kind of object it makes, by whose ID later requests find the backend.
    """

    method: str
    template: str
    description: str
    chosen_by: ChosenBy = ChosenBy.MODEL
    kind: ModelKind = "chat"
    is_repeatable: bool = True
    is_billed: bool = False
    settles: bool = False
    makes: str | None = None

    @property
    def record_endpoint(self) -> Endpoint:
        """The endpoint under which a request is counted and logged."""
        return _ENDPOINTS[self.template]


def _billed(path: str, kind: ModelKind, description: str) -> PassthroughEndpoint:
    return PassthroughEndpoint("POST", path, description, kind=kind, is_billed=True)


def _of_object(
    method: str, path: str, description: str, is_repeatable: bool = True, settles: bool = False
) -> PassthroughEndpoint:
    return PassthroughEndpoint(method, path, description, ChosenBy.OBJECT, is_repeatable=is_repeatable, settles=settles)


def _of_files(
    method: str, path: str, description: str, is_repeatable: bool = True, makes: str | None = None
) -> PassthroughEndpoint:
    return PassthroughEndpoint(method, path, description, ChosenBy.FILES, is_repeatable=is_repeatable, makes=makes)


ENDPOINTS: Sequence[PassthroughEndpoint] = (
    _billed("/v1/images/generations", "image", "Generate images."),
    _billed("/v1/images/edits", "image", "Edit images."),
    _billed("/v1/images/variations", "image", "Vary an image."),
    _billed("/v1/audio/speech", "audio", "Generate speech."),
    _billed("/v1/audio/transcriptions", "audio", "Transcribe audio."),
    _billed("/v1/audio/translations", "audio", "Translate audio."),
    _billed("/v1/moderations", "moderation", "Classify texts and images."),
    _billed("/v1/rerank", "rerank", "Rank documents by a query."),
    _billed("/v2/rerank", "rerank", "Rank documents by a query."),
    PassthroughEndpoint("POST", "/v1/messages/count_tokens", "Count the tokens of a message."),
    _of_object("GET", "/v1/responses/{id}", "Return a response.", settles=True),
    _of_object("DELETE", "/v1/responses/{id}", "Delete a response."),
    _of_object("POST", "/v1/responses/{id}/cancel", "Cancel a background response.", settles=True),
    _of_object("GET", "/v1/responses/{id}/input_items", "List a response's input."),
    _of_files("POST", "/v1/conversations", "Create a conversation.", is_repeatable=False, makes="conversation"),
    _of_object("GET", "/v1/conversations/{id}", "Return a conversation."),
    _of_object("POST", "/v1/conversations/{id}", "Update a conversation."),
    _of_object("DELETE", "/v1/conversations/{id}", "Delete a conversation."),
    _of_object("GET", "/v1/conversations/{id}/items", "List a conversation's items."),
    _of_object("POST", "/v1/conversations/{id}/items", "Add items to a conversation.", is_repeatable=False),
    _of_object("GET", "/v1/conversations/{id}/items/{id}", "Return an item of a conversation."),
    _of_object("DELETE", "/v1/conversations/{id}/items/{id}", "Delete an item of a conversation."),
    _of_files("POST", "/v1/files", "Upload a file.", is_repeatable=False),
    _of_files("GET", "/v1/files", "List files."),
    _of_files("GET", "/v1/files/{id}", "Return a file's description."),
    _of_files("DELETE", "/v1/files/{id}", "Delete a file."),
    _of_files("GET", "/v1/files/{id}/content", "Return a file."),
    _of_files("POST", "/v1/batches", "Create a batch.", is_repeatable=False),
    _of_files("GET", "/v1/batches", "List batches."),
    _of_files("GET", "/v1/batches/{id}", "Return a batch."),
    _of_files("POST", "/v1/batches/{id}/cancel", "Cancel a batch."),
)

_ENDPOINTS = {one.template: Endpoint(one.template.removeprefix("/v1"), "") for one in ENDPOINTS}
# No dot alone and no percent sign: what goes into a backend's path is the segment that was matched, and no other path.
_ID = r"([A-Za-z0-9_-][A-Za-z0-9._:-]{0,255})"
_PATTERNS = {template: re.compile(re.escape(template).replace(r"\{id\}", _ID)) for template in _ENDPOINTS}


@dataclass(frozen=True, slots=True)
class MatchedEndpoint:
    """An endpoint, and the ID in the path. object_id: the first one, None without any."""

    endpoint: PassthroughEndpoint
    object_id: str | None


def is_passed_through(path: str) -> bool:
    """Return True for the path of an endpoint that is passed through, whatever the method."""
    return any(pattern.fullmatch(path) for pattern in _PATTERNS.values())


def match_endpoint(method: str, path: str) -> MatchedEndpoint:
    """Return the endpoint of a path that is passed through. Raises MethodNotAllowed."""
    found = {template: match for template, pattern in _PATTERNS.items() if (match := pattern.fullmatch(path))}
    for one in ENDPOINTS:
        if one.method == method and one.template in found:
            groups = found[one.template].groups()
            return MatchedEndpoint(one, groups[0] if groups else None)
    allowed = allowed_methods(path)
    raise MethodNotAllowed(f"{method} is not answered here: {', '.join(allowed)}")


def allowed_methods(path: str) -> list[str]:
    """Return the methods of a path that is passed through."""
    return sorted({one.method for one in ENDPOINTS if _PATTERNS[one.template].fullmatch(path)})
