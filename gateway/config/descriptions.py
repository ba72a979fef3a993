"""Descriptions of settings: the strings below the fields of a section, read from its source when somebody asks.

pydantic can read them too (`use_attribute_docstrings`), but does so when the class is made, which takes a tenth of a
gateway's start; only the reference and the OpenAPI document show them.
"""

import ast
import inspect
import textwrap
from collections.abc import Mapping
from functools import cache
from typing import Any


@cache
def setting_descriptions(section: type) -> Mapping[str, str]:
    """Return the descriptions of a section's settings by name; those of its base classes count too."""
    found: dict[str, str] = {}
    for one in reversed(section.__mro__):
        if one.__module__.partition(".")[0] not in ("builtins", "pydantic"):
            found |= _own_descriptions(one)
    return found


def add_descriptions(schema: dict[str, Any], section: type) -> None:
    """Add the descriptions to a section's JSON schema (pydantic's `json_schema_extra`)."""
    for name, description in setting_descriptions(section).items():
        if name in schema["properties"]:
            schema["properties"][name].setdefault("description", description)


def _own_descriptions(section: type) -> Mapping[str, str]:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(section))).body
    assert isinstance(tree, ast.ClassDef)  # noqa: S101 - the source of a class
    found: dict[str, str] = {}
    for field, below in zip(tree.body, tree.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = inspect.cleandoc(text)
    return found
