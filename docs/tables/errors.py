"""Every error a client can be told: the tree, and the codes that are given where one is raised."""

from collections.abc import Iterator

from docs.tables.markdown import code, paragraphs, table
from docs.tables.source import called, calls, keyword, literal
from gateway import errors as tree
from gateway.errors import RequestError

INTRO = """\
# Errors

Always in OpenAI's envelope, `{"error": {"message", "type", "param", "code"}}`; at `/v1/messages` in Anthropic's. `code`
is what a program should look at. A stream that has begun ends with an event that holds the same, and a connection
closed in the middle.

A backend's own refusal of a request (a 400, say) is passed on as it came, with its own type and code.

"""


def errors() -> str:
    """The page."""
    rows = []
    for error in _below(RequestError):
        codes = [*filter(None, [error.default_code]), *sorted(_given(error.__name__))]
        told = " ".join(paragraphs(error)[:1])
        rows.append((str(error.status), ", ".join(map(code, codes)), code(error.type), told))
    rows.sort(key=lambda row: (row[0], row[1]))
    return INTRO + table(("status", "code", "type", ""), rows)


def _below(error: type[RequestError]) -> Iterator[type[RequestError]]:
    for found in error.__subclasses__():
        if found.__module__ == tree.__name__:
            yield found
            yield from _below(found)


def _given(name: str) -> set[str]:
    """The codes that are given where this error is made."""
    found = (literal(keyword(call, "code")) for call in calls() if called(call) == name)
    return {told for told in found if isinstance(told, str)}
