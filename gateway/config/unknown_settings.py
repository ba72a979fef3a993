"""Errors for settings that do not exist: they name the setting that was renamed, or the nearest known one."""

import difflib
import re
import types
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from gateway.config.schema import Config

Location = Sequence[int | str]
"""Path of a setting as pydantic reports it: ("models", 0, "backends", 1, "openai", "base_url")."""

RENAMED_SETTINGS = {
    "models.limits": "models.timeouts",
    "upstream.limits": "upstream.timeouts",
    "server.open_to_anyone": "server.allow_unauthenticated",
    "open_to_anyone": "server.allow_unauthenticated",
    "routing.answers_kept": "routing.feedback_window",
    "routing.thinning": "routing.adaptive_sampling",
    "state.kept": "state.stream_retention",
    "state.cache": "state.cache_dir",
    "log.share": "log.sample_rate",
    "otel.share": "otel.sample_rate",
}
"""Settings by their former and present paths, without the places in lists."""

RENAMED_VALUES = {("log.requests", "faults"): "errors"}
"""Values by the path of the setting and the former value."""

MAX_LISTED = 20
"""Known settings listed when none is similar."""


def unknown_setting_message(location: Location) -> str:
    """Return the error for a setting that does not exist, with a suggestion."""
    names = [str(part) for part in location if isinstance(part, str)]
    place, name = location[:-1], str(location[-1])
    renamed = RENAMED_SETTINGS.get(".".join(names))
    if renamed is not None:
        here, _, last = renamed.rpartition(".")
        return f"unknown setting: renamed to `{last if here == '.'.join(names[:-1]) else renamed}`"
    known = list(_settings_at(place))
    similar = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if similar:
        return f"unknown setting: did you mean `{similar[0]}`?"
    elsewhere = next((path for path in _all_paths(Config, "") if path.rpartition(".")[2] == name), None)
    if elsewhere is not None:
        return f"unknown setting here: did you mean `{elsewhere}`?"
    return f"unknown setting: known here are {', '.join(known[:MAX_LISTED])}"


def renamed_value_message(path: str, value: object) -> str | None:
    """Return the error for a value that was renamed, None for any other."""
    if not isinstance(value, str):
        return None
    renamed = RENAMED_VALUES.get((re.sub(r"\[\d+\]", "", path), value))
    return None if renamed is None else f"unknown value {value!r}: renamed to `{renamed}`"


def _settings_at(location: Location) -> Iterator[str]:
    """The settings of the section at a location."""
    annotations: list[Any] = [Config]
    for part in location:
        annotations = [inner for one in annotations for inner in _step(one, part)]
    for one in annotations:
        if isinstance(one, type) and issubclass(one, BaseModel):
            yield from one.model_fields


def _step(annotation: Any, part: int | str) -> Iterator[Any]:
    """The types of a member: by its name in a section, by its key in a mapping, by its place in a list."""
    for one in _options(annotation):
        if isinstance(one, type) and issubclass(one, BaseModel):
            if part in one.model_fields:
                yield from _options(one.model_fields[str(part)].annotation)
            elif part == _kind(one):  # the member of a discriminated union that pydantic tried is part of its path
                yield one
        elif get_origin(one) is dict:
            yield from _options(get_args(one)[1])
        elif get_origin(one) is tuple:
            yield from _options(get_args(one)[0])


def _options(annotation: Any) -> Iterator[Any]:
    """The alternatives of a type, without Annotated and Optional."""
    if get_origin(annotation) is Annotated:
        yield from _options(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, types.UnionType):
        for one in get_args(annotation):
            yield from _options(one)
    else:
        yield annotation


def _kind(section: type[BaseModel]) -> str | None:
    field = section.model_fields.get("kind")
    return None if field is None else str(get_args(field.annotation)[0])


def _all_paths(section: type[BaseModel], prefix: str) -> Iterator[str]:
    """The paths of all settings in sections that are neither in a list nor in a mapping."""
    for name, field in section.model_fields.items():
        yield f"{prefix}{name}"
        for one in _options(field.annotation):
            if isinstance(one, type) and issubclass(one, BaseModel):
                yield from _all_paths(one, f"{prefix}{name}.")
