"""Syntax trees of the gateway's code."""

import ast
from collections.abc import Iterator
from pathlib import Path

GATEWAY = Path(__file__).parents[2] / "gateway"


def calls() -> Iterator[ast.Call]:
    """Yield every call in the gateway's code, file by file."""
    for path in sorted(GATEWAY.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield node


def called(call: ast.Call) -> str:
    """Return the name of the called function, without its module or object."""
    function = call.func
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )


def literal(node: ast.AST | None) -> object:
    """Return the value of a literal, None for anything else."""
    try:
        return ast.literal_eval(node) if node is not None else None
    except ValueError:
        return None


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """Return the keyword argument with this name, None if there is none."""
    return next((one.value for one in call.keywords if one.arg == name), None)
