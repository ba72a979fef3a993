"""Expansion of `${VAR}` and `${VAR:-default}` in the strings of a document, from the environment.

Runs after YAML is parsed, so that a value cannot add structure. `$${` is a literal `${`.
"""

import difflib
import re
from collections.abc import Mapping
from typing import Any

ConfigFault = tuple[str, str]
"""(path, message)"""

_VARIABLE = re.compile(r"\$(\$\{)|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


def expand_variables(value: Any, environment: Mapping[str, str], path: str, faults: list[ConfigFault]) -> Any:
    """Return the document with its variables expanded.

    faults: gets an error for each missing variable, which expands to an empty string.
    """
    if isinstance(value, str):
        return _expand_text(value, environment, path, faults)
    if isinstance(value, Mapping):
        return {key: expand_variables(item, environment, join_path(path, key), faults) for key, item in value.items()}
    if isinstance(value, list):
        return [expand_variables(item, environment, f"{path}[{place}]", faults) for place, item in enumerate(value)]
    return value


def join_path(path: str, key: object) -> str:
    """Return the path of a member: routing.eta."""
    return f"{path}.{key}" if path else str(key)


def _expand_text(text: str, environment: Mapping[str, str], path: str, faults: list[ConfigFault]) -> str:
    def replace(match: re.Match[str]) -> str:
        literal, name, default = match.groups()
        if literal:
            return "${"
        if name in environment and (environment[name] or default is None):
            return environment[name]
        if default is None:
            near = difflib.get_close_matches(name, environment, n=1, cutoff=0.8)
            hint = f"; did you mean {near[0]}?" if near else ""
            faults.append((path, f"environment variable {name} is not set{hint}"))
        return default or ""

    return _VARIABLE.sub(replace, text)
