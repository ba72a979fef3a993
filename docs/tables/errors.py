"""Errors reference: the error tree, and the codes given where errors are raised."""

from collections import defaultdict
from collections.abc import Iterator

from docs.tables.markdown import code, paragraphs, table
from docs.tables.source import called, calls, keyword, literal
from gateway import errors as tree
from gateway.errors import RequestError

INTRO = """\
# Errors

Errors have OpenAI's envelope, `{"error": {"message", "type", "param", "code"}}`; at `/v1/messages` Anthropic's, with
its types. Programs should use `code`. A stream that fails after it began ends with an event that contains the envelope
(at `/v1/responses`, an `error` event with `code` and `message`); then the connection is closed.

A backend's own error is forwarded unchanged, with its own status, type and code, when no other backend is left to ask
([client guide](../failures.md#a-backends-own-error)).

"""


def errors() -> str:
    """Return the text of the page."""
    rows = []
    given = _given()
    for error in _below(RequestError):
        codes = [*filter(None, [error.default_code]), *sorted(given[error.__name__])]
        description = " ".join(paragraphs(error)[:1])
        rows.append((str(error.status), ", ".join(map(code, codes)), code(error.type), description))
    rows.sort(key=lambda row: (row[0], row[1]))
    return INTRO + table(("Status", "Code", "Type", "Description"), rows)


def _below(error: type[RequestError]) -> Iterator[type[RequestError]]:
    for found in error.__subclasses__():
        if found.__module__ == tree.__name__:
            yield found
            yield from _below(found)


def _given() -> defaultdict[str, set[str]]:
    """The codes given where an error is raised, by the error's name."""
    codes: defaultdict[str, set[str]] = defaultdict(set)
    for call in calls():
        found = literal(keyword(call, "code"))
        if isinstance(found, str):
            codes[called(call)].add(found)
    return codes
