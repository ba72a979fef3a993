"""The names of metrics in PromQL, found by its tokens (https://prometheus.io/docs/prometheus/latest/querying/basics/)."""

import re

TOKEN = re.compile(
    r"""
    (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)
  | (?P<name>[A-Za-z_:][A-Za-z0-9_:]*)
  | (?P<number>[0-9][0-9A-Za-z._]*)
  | (?P<other>\$?[{}()\[\],] | =~ | !~ | == | != | >= | <= | [-+*/%^<>=@$:.])
  | (?P<space>\s+)
    """,
    re.VERBOSE,
)
BEFORE_LABELS = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
OPERATORS = BEFORE_LABELS | {"and", "or", "unless", "bool", "offset", "inf", "nan"}
CLOSING = {"(": ")", "{": "}", "[": "]"}


def tokens(expression: str) -> list[tuple[str, str]]:
    """(kind, text) each, spaces left out. Raises ValueError for what is no token."""
    found, place = [], 0
    while place < len(expression):
        match = TOKEN.match(expression, place)
        if match is None:
            raise ValueError(f"no token of PromQL at {expression[place:]!r}")
        place = match.end()
        if match.lastgroup != "space":
            found.append((str(match.lastgroup), match[0]))
    return found


def metrics(expression: str) -> set[str]:
    """The metrics that an expression reads: names that are no function, keyword, label, or in a matcher or range."""
    found, names, place = tokens(expression), set[str](), 0
    while place < len(found):
        kind, text = found[place]
        following = found[place + 1][1] if place + 1 < len(found) else ""
        if text in ("{", "[") or (text in BEFORE_LABELS and following == "("):
            place = _after(found, place if text in CLOSING else place + 1)
            continue
        if kind == "name" and text.lower() not in OPERATORS and following != "(" and not _aggregates(found, place):
            names.add(text)
        place += 1
    return names


def _aggregates(found: list[tuple[str, str]], place: int) -> bool:
    """`sum by (job) (…)`: the function's name stands before its labels."""
    return place + 1 < len(found) and found[place + 1][1] in ("by", "without")


def _after(found: list[tuple[str, str]], place: int) -> int:
    """Behind the bracket that closes the one at this place. Raises ValueError where there is none."""
    closing = CLOSING[found[place][1]]
    for end in range(place + 1, len(found)):
        if found[end][1] == closing:
            return end + 1
    raise ValueError(f"{found[place][1]} is not closed")
