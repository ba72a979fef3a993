"""The tools that an answer calls: every tool once, or for a coding agent a harmless one of its own.

A coding agent runs what the answer calls. The model `agent` therefore calls nothing, and `agent-tool` has a shell print
a word, once per conversation.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from qa.conformance.upstream.instances import instance

Json = dict[str, Any]
WORD = "tool-has-run"
COMMAND = f"echo {WORD}"
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


def called_tools(body: Json, tools: Sequence[tuple[str, Json]], has_results: bool) -> list[tuple[str, str]]:
    """Return names and JSON arguments of the calls to make.

    tools: names and JSON Schemas of the request's tools. has_results: True if the request brings a tool's result.
    """
    if has_results or body["model"] == "agent":
        return []
    if body["model"] == "agent-tool":
        shells = [(name, json.dumps(SHELLS[name])) for name, _ in tools if name in SHELLS]
        return shells[:1]
    return [(name, json.dumps(instance(schema), ensure_ascii=False)) for name, schema in tools]
