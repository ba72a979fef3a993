"""Every setting, from the configuration's schema."""

import types
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from docs.tables.markdown import code, paragraphs, table
from gateway.config import Config

T = TypeVar("T")

INTRO = """\
# Settings

`config.yaml`, section by section. Unknown keys are errors, and all faults are told at once: `benchroute config check`.
`${VARIABLE}` comes from the environment, `${VARIABLE:-default}` where it may be missing, and `$${` stands for `${`.
Paths are relative to the working directory. `[]` in a path: one of a list; `NAME`: a name of your choice. The
repository's `config.yaml` starts as it stands, and `benchroute init` writes a shorter one.

Changes are taken over by `SIGHUP`, `POST /v1/config/reload` and `benchroute serve --watch`; some take a restart, and
say so.
"""

WORDS = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true, false",
    Decimal: "decimal",
    SecretStr: "secret",
}


def settings() -> str:
    """The page."""
    parts = [INTRO]
    for path, section in _sections(Config, ""):
        title = code(path) if path else "The whole file"
        rows = [_row(path, name, field) for name, field in section.model_fields.items()]
        text = "\n\n".join(paragraphs(section))
        parts.append(f"## {title}\n\n{text}\n\n" + table(("setting", "takes", "default"), rows))
    return "\n".join(parts)


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


def _row(path: str, name: str, field: FieldInfo) -> tuple[str, str, str]:
    setting = f"{path.partition(' (')[0]}.{name}".removeprefix(".")
    takes = ", ".join([_type(field.annotation), *_bounds(field.metadata)])
    return code(setting), takes, "required" if field.is_required() else _default(field.default)


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in WORDS:
        return WORDS[annotation]
    if origin is Annotated:
        return ", ".join([_type(arguments[0]), *_bounds(arguments[1:])])
    if origin is Literal:
        return ", ".join(code(str(one)) for one in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_type(one) for one in arguments if one is not type(None)))
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return f"mapping to {_type(arguments[1])}"
    return "section"


def _bounds(metadata: Any) -> list[str]:
    told = []
    for one in metadata:
        if isinstance(one, FieldInfo):
            told += _bounds(one.metadata)
        elif isinstance(one, annotated_types.Gt):
            told.append(f"above {one.gt}")
        elif isinstance(one, annotated_types.Ge):
            told.append(f"at least {one.ge}")
        elif isinstance(one, annotated_types.Le):
            told.append(f"at most {one.le}")
        elif isinstance(one, annotated_types.Lt):
            told.append(f"below {one.lt}")
        elif isinstance(one, annotated_types.MinLen) and one.min_length:
            told.append("not empty")
    return told


def _default(value: Any) -> str:
    if isinstance(value, BaseModel):
        return "as below"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return code(str(value).lower())
    return code(str(value)) if value not in ((), {}) else "empty"
