"""Settings reference, from the configuration's schema."""

import types
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from docs.tables.markdown import code, paragraphs, table
from gateway.config import Config
from gateway.config.descriptions import setting_descriptions

T = TypeVar("T")

INTRO = """\
# Settings

`config.yaml`, section by section. `benchroute config check` reports all errors at once; an error for an unknown setting
suggests the nearest known one. `${VARIABLE}` is read from the environment, with `${VARIABLE:-default}` if it can be
missing; `$${` is a literal `${`. Paths are relative to the working directory. In a setting's path, `[]` is an item of a
list and `NAME` a name of your choice. The repository's `config.yaml` works unchanged; `benchroute init` writes a
shorter one.

`SIGHUP`, `POST /v1/config/reload` and `benchroute serve --watch` apply changes without a restart, except where the
description says that a setting requires one.
"""

TYPE_NAMES = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    Decimal: "decimal",
    SecretStr: "secret",
}


def settings() -> str:
    """Return the text of the page."""
    parts = [INTRO]
    for path, section in _sections(Config, ""):
        title = code(path) if path else "The whole file"
        described = setting_descriptions(section)
        rows = [_row(path, name, field, described.get(name, "")) for name, field in section.model_fields.items()]
        text = "\n\n".join(paragraphs(section))
        parts.append(f"## {title}\n\n{text}\n\n" + table(("Setting", "Type", "Default", "Description"), rows))
    return "\n".join(parts)


def undescribed_settings() -> list[str]:
    """Return the paths of settings without a description."""
    return [
        f"{path}.{name}".removeprefix(".")
        for path, section in _sections(Config, "")
        for name in section.model_fields
        if not setting_descriptions(section).get(name)
    ]


def _sections(section: type[BaseModel], path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """The section, then those inside it, in their order; each place once."""
    yield path, section
    for name, field in section.model_fields.items():
        for below, inner in _inner(field.annotation):
            yield from _sections(inner, f"{path}.{name}{below}".removeprefix("."))


def _inner(annotation: Any) -> Iterator[tuple[str, type[BaseModel]]]:
    """The sections that an annotation holds, and how their path goes on."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield "", annotation
        return
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _inner(arguments[0])
    elif origin in (Union, types.UnionType):
        sections = [found for argument in arguments for found in _inner(argument)]
        many = len(sections) > 1
        yield from ((f"{below} ({_kind(one)})" if many else below, one) for below, one in sections)
    elif origin is dict:
        yield from ((f".NAME{below}", one) for below, one in _inner(arguments[1]))
    elif origin is tuple:
        yield from ((f"[]{below}", one) for below, one in _inner(arguments[0]))


def _kind(section: type[BaseModel]) -> str:
    return f"kind: {get_args(section.model_fields['kind'].annotation)[0]}"


MAX_DEFAULT = 200
"""Characters of a default in the table."""


def _row(path: str, name: str, field: FieldInfo, description: str) -> tuple[str, str, str, str]:
    setting = f"{path.partition(' (')[0]}.{name}".removeprefix(".")
    type_name = _with_bounds(_type(field.annotation), field.metadata)
    default = "required" if field.is_required() else _default(field.default)
    if len(default) > MAX_DEFAULT:
        default = "see the description"
    return code(setting), type_name, default, description


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in TYPE_NAMES:
        return TYPE_NAMES[annotation]
    if origin is Annotated:
        return _with_bounds(_type(arguments[0]), arguments[1:])
    if origin is Literal:
        return ", ".join(code(str(one)) for one in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_type(one) for one in arguments if one is not type(None)))
    if origin is tuple:
        inner = _type(arguments[0])
        return f"list of {inner}" if "`" in inner else f"list of {inner}s"
    if origin is dict:
        return f"map of names to {_type(arguments[1])}s"
    return "section"


def _with_bounds(type_name: str, metadata: Any) -> str:
    """A type with the bounds of its values: `integer, 1 to 64`, `non-empty string`."""
    bounds = list(_bounds(metadata))
    if any(isinstance(one, annotated_types.MinLen) and one.min_length for one in bounds):
        type_name = f"non-empty {type_name}"
    least = next((one.ge for one in bounds if isinstance(one, annotated_types.Ge)), None)
    most = next((one.le for one in bounds if isinstance(one, annotated_types.Le)), None)
    above = next((one.gt for one in bounds if isinstance(one, annotated_types.Gt)), None)
    if least is not None and most is not None:
        return f"{type_name}, {least} to {most}"
    limits = (("at least", least), ("above", above), ("at most", most))
    return ", ".join([type_name, *(f"{word} {limit}" for word, limit in limits if limit is not None)])


def _bounds(metadata: Any) -> Iterator[Any]:
    for one in metadata:
        if isinstance(one, FieldInfo):
            yield from _bounds(one.metadata)
        else:
            yield one


def _default(value: Any) -> str:
    if isinstance(value, BaseModel):
        return "as below"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return code(str(value).lower())
    return code(str(value)) if value not in ((), {}) else "empty"
