"""Errors for settings that do not exist: they name the setting that was renamed, or the nearest known one."""

import difflib
import re

from gateway.config.schema import Config
from gateway.config.schema_paths import Location, all_paths, section_settings

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
    known = list(section_settings(Config, place))
    similar = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if similar:
        return f"unknown setting: did you mean `{similar[0]}`?"
    elsewhere = next((path for path in all_paths(Config) if path.rpartition(".")[2] == name), None)
    if elsewhere is not None:
        return f"unknown setting here: did you mean `{elsewhere}`?"
    return f"unknown setting: known here are {', '.join(known[:MAX_LISTED])}"


def renamed_value_message(path: str, value: object) -> str | None:
    """Return the error for a value that was renamed, None for any other."""
    if not isinstance(value, str):
        return None
    renamed = RENAMED_VALUES.get((re.sub(r"\[\d+\]", "", path), value))
    return None if renamed is None else f"unknown value {value!r}: renamed to `{renamed}`"
