"""Configuration loading: a file in, a Config out, or ConfigError with every error and its path."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gateway.config.cross_checks import check_references
from gateway.config.expand import expand_variables
from gateway.config.field_faults import find_booleans, find_faults
from gateway.config.field_messages import describe_value
from gateway.config.schema import Config
from gateway.config.yaml_text import read_document
from gateway.errors import ConfigError


def load_config(path: Path, environment: Mapping[str, str] | None = None) -> Config:
    """Read a configuration file. environment: os.environ by default. Raises ConfigError."""
    return parse_config(read_config_text(path), str(path), os.environ if environment is None else environment)


def read_config_text(path: Path) -> str:
    """Return a file's text. Raises ConfigError."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(str(path), [("", "cannot be read: file not found; `benchroute init` creates one")]) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), [("", f"cannot be read: {error}")]) from error


def parse_config(text: str, source: str, environment: Mapping[str, str]) -> Config:
    """Parse and check a configuration. source: its name in errors. Raises ConfigError."""
    read = read_document(text, source)
    raw, faults = read.value, list(read.duplicates)
    if not isinstance(raw, dict):
        got = describe_value(raw, shows_numbers=False)
        raise ConfigError(source, [("", f"expected sections such as `models:`; got {got}")])
    document = expand_variables(raw, environment, "", faults)
    document = {name: section for name, section in document.items() if section is not None}
    _drop_empty(document)
    faults += find_booleans(Config, document)
    config: Config | None = None
    try:
        config = Config.model_validate(document)
    except ValidationError as error:
        faults += find_faults(Config, error, {path for path, _ in faults} - {path for path, _ in read.duplicates})
    faults += [fault for fault in check_references(document) if fault not in faults]
    if faults or config is None:
        raise ConfigError(source, faults, read.lines)
    config.remember_lines(source, read.lines)
    return config


def _drop_empty(document: dict[str, Any]) -> None:
    """Treat `pack: ${BENCHROUTE_PACK:-}` as no pack when the variable is not set."""
    routing = document.get("routing")
    if isinstance(routing, dict) and routing.get("pack") == "":
        del routing["pack"]
