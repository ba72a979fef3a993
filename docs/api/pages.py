"""The pages of the API reference."""

import json
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from docs.api.calls import ApiCall
from docs.api.run import Answer, ReferenceGateway
from docs.api.snippets import LANGUAGES, snippet
from docs.tables.endpoints import endpoint_rows

TITLES = {
    "text": "Chat, responses, embeddings",
    "files": "Images, audio, files, batches",
    "routing": "Tasks, decisions, packs",
    "operations": "Keys, usage, configuration, health",
}
"""Of the pages, by name."""

NOTE = "<!-- Generated from docs/api/calls.toml by `python -m docs.api`. Do not edit. -->\n\n"
INTRO = """\
# API: {title}

Each request was sent to a gateway with the public pack, and has the answer that came, long ones cut. Set
`BENCHROUTE_URL` (for instance `http://127.0.0.1:8080`), `BENCHROUTE_API_KEY` and, where it is used,
`BENCHROUTE_ADMIN_KEY`; Python needs `pip install httpx`. See also [all endpoints](../endpoints.md),
[headers](../headers.md) and [errors](../errors.md).

"""
SHOWN_ITEMS, SHOWN_CHARACTERS, SHOWN_LINES, SHOWN_WIDTH = 2, 160, 30, 100
SHOWN_NAMES = (30, 14, 8, 6, 4)
"""Members of an object by its depth; the last for all below."""

FIXED = (
    (re.compile(r"req_[0-9a-f]{24}"), "req_8371f0e74232cf4704f39523"),
    (re.compile(r"br-[A-Za-z0-9_-]{20,}"), "br-…"),
    (re.compile(re.escape(tempfile.gettempdir()) + r"/[^/\"]+"), "/var/lib/benchroute"),
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:8080"),
)
"""What differs from run to run, and what stands for it."""


def render_pages(asked: Sequence[tuple[ApiCall, Answer]], gateway: ReferenceGateway) -> dict[str, str]:
    """Return each page's text by file name."""
    hidden = {gateway.client_key: "$BENCHROUTE_API_KEY", gateway.admin_key: "$BENCHROUTE_ADMIN_KEY"}
    texts = {name: NOTE + INTRO.format(title=title) for name, title in TITLES.items()}
    described, last = {f"{row[0]} {row[1]}": (row[2], row[3]) for row in endpoint_rows()}, ""
    for call, answer in asked:
        if not call.is_shown:
            continue
        if call.endpoint != last:
            access, description = described[call.endpoint]
            texts[call.page] += f"## {call.endpoint}\n\n{description} Access: {access}.\n\n"
        texts[call.page] += _section(call, answer, hidden)
        last = call.endpoint
    return {f"{name}.md": text.rstrip("\n") + "\n" for name, text in texts.items()}


def _section(call: ApiCall, answer: Answer, hidden: Mapping[str, str]) -> str:
    parts = [f"{call.note}\n"] if call.note else []
    for language, fence in LANGUAGES.items():
        parts.append(f'=== "{language}"\n\n' + _indented(f"```{fence}\n{snippet(language, call)}```") + "\n")
    parts.append(f"{answer.status}:\n\n```{'json' if answer.document is not None else 'text'}\n{shown(answer)}\n```\n")
    text = "\n".join(parts) + "\n"
    for secret, name in hidden.items():
        text = text.replace(secret, name)
    for pattern, fixed in FIXED:
        text = pattern.sub(fixed, text)
    return text


def shown(answer: Answer) -> str:
    """Return an answer as the page shows it: long lists, texts and pages cut, with an ellipsis."""
    if answer.document is None:
        lines = [line[:SHOWN_CHARACTERS] for line in answer.body.splitlines()]
        return "\n".join(lines[:SHOWN_LINES] + (["…"] if len(lines) > SHOWN_LINES else []))
    return _pretty(_cut(answer.document, 0))


def _cut(value: Any, depth: int) -> Any:
    limit = SHOWN_NAMES[min(depth, len(SHOWN_NAMES) - 1)]
    if isinstance(value, dict):
        kept = {name: _cut(value[name], depth + 1) for name in list(value)[:limit]}
        return kept | ({"…": f"{len(value) - limit} more"} if len(value) > limit else {})
    if isinstance(value, list):
        return [_cut(one, depth + 1) for one in value[:SHOWN_ITEMS]] + (["…"] if len(value) > SHOWN_ITEMS else [])
    if isinstance(value, str) and len(value) > SHOWN_CHARACTERS:
        return value[:SHOWN_CHARACTERS] + "…"
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _pretty(value: Any, margin: str = "") -> str:
    """Return JSON whose short parts are on one line each."""
    short = json.dumps(value, ensure_ascii=False)
    if len(margin) + len(short) <= SHOWN_WIDTH or not isinstance(value, dict | list) or not value:
        return short
    inner = margin + "  "
    if isinstance(value, dict):
        parts = [f"{json.dumps(name, ensure_ascii=False)}: {_pretty(one, inner)}" for name, one in value.items()]
    else:
        parts = [_pretty(one, inner) for one in value]
    opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
    return f"{opening}\n{inner}" + f",\n{inner}".join(parts) + f"\n{margin}{closing}"


def _indented(text: str) -> str:
    return "".join(f"    {line}" if line.strip() else line for line in text.splitlines(keepends=True))


def missing_endpoints(calls: Iterable[ApiCall]) -> list[str]:
    """Return the endpoints of the reference that no call shows."""
    shown_ones = {call.endpoint for call in calls if call.is_shown}
    every = [f"{row[0]} {row[1]}" for row in endpoint_rows()]
    return [name for name in every if name not in shown_ones and "/ui" not in name]
