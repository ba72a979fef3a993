"""The tools that an answer calls: every tool once, or for a coding agent a harmless one of its own.

A coding agent, which is known by its many tools, runs what an answer calls. It is therefore told a text, and the model
`agent-tool` has its shell print a word, once per conversation.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from qa.conformance.upstream.instances import instance

Json = dict[str, Any]
WORD = "tool-has-run"
COMMAND = f"echo {WORD}"
FEW = 3
"""Tools that a request of another client has at most."""

TOLD, TOLD_AFTER = "the upstream answers", "the tool has run"
SHELLS: Mapping[str, Json] = {
    "exec_command": {"cmd": COMMAND},
    "shell_command": {"command": COMMAND},
    "shell": {"command": ["bash", "-lc", COMMAND]},
    "local_shell": {"command": ["bash", "-lc", COMMAND]},
    "Bash": {"command": COMMAND, "description": "Print a word"},
    "bash": {"command": COMMAND, "description": "Print a word"},
    "execute_command": {"command": COMMAND, "requires_approval": False},
    "run_commands": {"commands": [COMMAND]},
    "run_shell_command": {"command": COMMAND, "description": "Print a word", "is_background": False},
    "run_terminal_command": {"command": COMMAND},
}
"""Name of a coding agent's shell tool -> arguments."""


def told_text(messages: Any) -> str:
    """Return the text for a coding agent. messages: of the request; they show that its shell has printed the word."""
    last = json.dumps(messages[-3:] if isinstance(messages, list) else messages)
    return TOLD_AFTER if last.count(WORD) > last.count(COMMAND) else TOLD


def called_tools(body: Json, tools: Sequence[tuple[str, Json]], has_results: bool) -> list[tuple[str, str]]:
    """Return names and JSON arguments of the calls to make.

    tools: names and JSON Schemas of the request's tools. has_results: True if the request brings a tool's result.
    """
    if has_results:
        return []
    if len(tools) > FEW:
        if body["model"] != "agent-tool":
            return []
        shells = [(name, json.dumps(SHELLS[name])) for name, _ in tools if name in SHELLS]
        return shells[:1]
    return [(name, json.dumps(instance(schema), ensure_ascii=False)) for name, schema in tools]
