"""Rows of the request log, and one request, on a terminal."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.cli.terminal import UNKNOWN, make_table, stdout_console

ERROR = 400


def print_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print requests as a table."""
    columns = ["time", "request", "task", "model", "reason", "status"]
    table = make_table(columns, ["tries", "tokens", "cost, USD", "ms", "first token, ms"])
    for one in rows:
        style = "red" if one["status"] >= ERROR or one["error"] else ""
        table.add_row(*_cells(one), style=style)
    stdout_console().print(table)


def print_line(one: Mapping[str, Any]) -> None:
    """Print a request as one line."""
    at, request, task, model, reason, status, _, tokens, cost, latency, _ = _cells(one)
    faults = "; ".join(f"{attempt['backend']} {attempt['fault']}" for attempt in one["attempts"] if attempt["fault"])
    line = f"{at}  {request}  {status}  {task}  {model}  {reason}  {latency} ms  {tokens} tokens  ${cost}"
    style = "red" if one["status"] >= ERROR or one["error"] else "yellow" if faults else ""
    stdout_console().print(f"{line}  {faults}".rstrip(), style=style, soft_wrap=True)


def print_request(one: Mapping[str, Any]) -> None:
    """Print everything that is known of a request."""
    console = stdout_console()
    about = make_table(["request", one["id"]], [])
    tokens = None if one["input_tokens"] is None else (
        f"{one['input_tokens']} in ({one['cached_tokens']} cached), {one['output_tokens']} out "
        f"({one['reasoning_tokens']} reasoning)" + (", estimated" if one["estimated"] else "")
    )  # fmt: skip
    facts = {
        "ended": one["at"], "client's ID": one["client_request_id"], "key": one["key"], "task": one["task"],
        "endpoint": f"{one['endpoint']}{', stream' if one['stream'] else ''}", "asked for": one["requested_model"],
        "model": one["model"], "backend": one["backend"], "reason": one["reason"], "status": one["status"],
        "error": one["error"], "tokens": tokens, "cost": None if one["cost_usd"] is None else f"${one['cost_usd']:.6g}",
        "shadow model": one["shadow_model"], "from the cache": "yes" if one["cached"] else None,
        "not eligible": "; ".join(f"{barred['model']} {barred['why']}" for barred in one["barred"]) or None,
    }  # fmt: skip
    for name, value in facts.items():
        if value is not None:
            about.add_row(name, str(value))
    console.print(about)
    spans = make_table(["time spent"], ["from, ms", "to, ms"])
    for span in one["timings"]:
        spans.add_row(span["label"], f"{span['start_ms']:.1f}", f"{span['end_ms']:.1f}")
    console.print(spans)
    _print_decision(one["decision_then"])
    for name in ("prompt", "answer"):
        if one[name] is not None:
            console.print(f"{name}{' (cut off)' if one[name]['cut'] else ''}: {one[name]['text']}", soft_wrap=True)


def _print_decision(then: Mapping[str, Any]) -> None:
    console = stdout_console()
    if then["stored"]:
        console.print(f"decision {then['version']}: {then['model']}, {then['reason']}, after {then['n']} inputs")
    for text in (then.get("why"), then["note"]):
        if text:
            console.print(text, soft_wrap=True)


def _cells(one: Mapping[str, Any]) -> list[str]:
    tokens = None if one["input_tokens"] is None else f"{one['input_tokens']}+{one['output_tokens']}"
    return [
        one["at"][:19].replace("T", " "), one["id"], one["task"] or UNKNOWN, one["model"] or UNKNOWN,
        one["reason"] or UNKNOWN, str(one["status"]), str(len(one["attempts"])), tokens or UNKNOWN,
        UNKNOWN if one["cost_usd"] is None else f"{one['cost_usd']:.6f}", f"{one['latency_ms']:.0f}",
        UNKNOWN if one["first_token_ms"] is None else f"{one['first_token_ms']:.0f}",
    ]  # fmt: skip


def to_json_line(one: Mapping[str, Any]) -> str:
    """Return a request as one line of JSON."""
    return json.dumps(one)
