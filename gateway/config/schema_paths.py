"""The settings of the schema by their paths, and what each of them may be, in words."""

import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

Location = Sequence[int | str]
"""Path of a setting as pydantic reports it: ("models", 0, "backends", 1, "openai", "base_url")."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a setting must be, where its type and bounds do not say it: "64 hex digits"."""

    text: str


@dataclass(frozen=True, slots=True)
class SettingType:
    """One alternative of a setting's type, with its constraints (annotated_types, pydantic)."""

    annotation: Any
    constraints: tuple[Any, ...] = ()


def types_at(root: type[BaseModel], location: Location) -> Sequence[SettingType]:
    """Return the alternatives of the type at a location; none where it does not exist."""
    found: list[SettingType] = [SettingType(root)]
    for part in location:
        found = [inner for one in found for inner in _step(one.annotation, part)]
    return found


def section_settings(root: type[BaseModel], location: Location) -> Iterator[str]:
    """Yield the settings of the section at a location."""
    for one in types_at(root, location):
        if is_section(one.annotation):
            yield from one.annotation.model_fields


def all_paths(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield the paths of all settings in sections that are neither in a list nor in a mapping."""
    for name, field in section.model_fields.items():
        yield f"{prefix}{name}"
        for one in alternatives(field.annotation):
            if is_section(one.annotation):
                yield from all_paths(one.annotation, f"{prefix}{name}.")


def is_section(annotation: Any) -> bool:
    """Return True for a mapping of settings."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def alternatives(annotation: Any, constraints: tuple[Any, ...] = ()) -> Iterator[SettingType]:
    """Yield the alternatives of a type, without Annotated and unions."""
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        flat = [one for each in more for one in (each.metadata if isinstance(each, FieldInfo) else [each])]
        yield from alternatives(inner, (*constraints, *flat))
    elif get_origin(annotation) in (Union, types.UnionType):
        for one in get_args(annotation):
            yield from alternatives(one, constraints)
    else:
        yield SettingType(annotation, constraints)


def kind_of(section: type[BaseModel]) -> str | None:
    """Return the value of `kind` by which a section is chosen among others, None without one."""
    field = section.model_fields.get("kind")
    return None if field is None else str(get_args(field.annotation)[0])


def _step(annotation: Any, part: int | str) -> Iterator[SettingType]:
    """Yield the types of a member: by its name in a section, by its key in a mapping, by its place in a list."""
    if is_section(annotation):
        field = annotation.model_fields.get(part)
        if field is not None:
            yield from alternatives(field.annotation, tuple(field.metadata))
        elif part == kind_of(annotation):  # the member of a discriminated union that pydantic tried is in its path
            yield SettingType(annotation)
    elif get_origin(annotation) is dict:
        yield from alternatives(get_args(annotation)[1])
    elif get_origin(annotation) is tuple:
        yield from alternatives(get_args(annotation)[0])


def describe_types(found: Sequence[SettingType]) -> str:
    """Return what a setting must be: "an integer from 0 to 65535, or null"."""
    words = [_describe(one) for one in found if one.annotation is not types.NoneType]
    has_null = len(words) < len(found)
    unique = list(dict.fromkeys(words))
    return " or ".join(unique) + (", or null" if has_null and unique else "")


def is_number(found: Sequence[SettingType]) -> bool:
    """Return True for a setting whose values are numbers."""
    return any(one.annotation in (int, float, Decimal) for one in found)


def is_text(found: Sequence[SettingType]) -> bool:
    """Return True for a setting whose values are texts."""
    return any(one.annotation in (str, SecretStr) or get_origin(one.annotation) is Literal for one in found)


def words_of(found: Sequence[SettingType]) -> list[str]:
    """Return the values of a setting that has a fixed list of them."""
    return [str(value) for one in found if get_origin(one.annotation) is Literal for value in get_args(one.annotation)]


def join_words(words: Sequence[str]) -> str:
    """Return words for a sentence: `a`, `b` or `c`."""
    shown = [f"`{word}`" for word in words]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"


def _describe(one: SettingType) -> str:
    for constraint in one.constraints:
        if isinstance(constraint, Expected):
            return constraint.text
    annotation, origin = one.annotation, get_origin(one.annotation)
    if origin is Literal:
        return join_words([_literal(value) for value in get_args(annotation)])
    if origin is tuple:
        return "a list with at least one item" if _bound(one, "min_length") else "a list"
    if origin is dict:
        return "a mapping (`name: value`)"
    if is_section(annotation):
        return "a mapping of settings"
    if annotation is datetime:
        return "a time, for instance 2027-01-31T00:00:00Z, or a date"
    if annotation is bool:
        return "true or false"
    if annotation is int:
        return f"an integer{_range(one)}"
    if annotation in (float, Decimal):
        return f"a number{_range(one)}"
    return "a text that is not empty" if _bound(one, "min_length") else "a text"


def _literal(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _bound(one: SettingType, name: str) -> Any:
    values = [getattr(constraint, name, None) for constraint in one.constraints]
    return next((value for value in values if value is not None), None)


def _range(one: SettingType) -> str:
    """Return the range: " from 1 to 1000", " above 0", " above 0, at most 86400"."""
    least, above, most = _bound(one, "ge"), _bound(one, "gt"), _bound(one, "le")
    if least is not None and most is not None:
        return f" from {least:g} to {most:,g}".replace(",", "") if most < 1e6 else f" from {least:g} to {most}"
    parts = [f"above {above:g}" if above is not None else "", f"at most {most:g}" if most is not None else ""]
    if least is not None:
        parts[0] = f"of at least {least:g}"
    joined = ", ".join(part for part in parts if part)
    return f" {joined}" if joined else ""
