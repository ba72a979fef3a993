"""Every error of a configuration names the setting, its line, what it must be and what it got, in one line."""

import json
import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from itertools import pairwise
from typing import Any, Literal, get_origin

import pytest
import yaml

from gateway.config import Config, parse_config
from gateway.config.backends import AzureBackendConfig, LitellmBackendConfig, OpenAIBackendConfig
from gateway.config.schema_paths import SettingType, alternatives, is_section, kind_of
from gateway.errors import ConfigError

MARKER = "sk-marker-9"
LIBRARY_WORDS = re.compile(
    r"Input|Field required|Extra inputs|valid (string|integer|number|boolean|dictionary|tuple|list)|pydantic|msgspec"
    r"|ValidationError|pattern|discriminator|union|Value error|type=|while (scanning|parsing)|block mapping"
    r"|start any|constructor|NoneType|\bstr\b|\bint\b|\bdict\b|float|tuple",
)
BACKENDS: dict[str, dict[str, Any]] = {
    "openai": {"kind": "openai", "base_url": "http://127.0.0.1:1/v1", "api_key": "k"},
    "azure": {"kind": "azure", "base_url": "https://x.openai.azure.com", "api_key": "k"},
    "litellm": {"kind": "litellm", "model": "a/b"},
}
SECTIONS = {OpenAIBackendConfig: "openai", AzureBackendConfig: "azure", LitellmBackendConfig: "litellm"}

Step = str | int


def base(kind: str = "openai") -> dict[str, Any]:
    key = {"name": "k", "sha256": "a" * 64, "previous_sha256": "d" * 64}
    return {
        "models": [{"name": "m", "backends": [deepcopy(BACKENDS[kind])]}],
        "tasks": {"t": {}},
        "keys": [key],
        "admin": {"keys": [{"name": "a", "sha256": "b" * 64, "previous_sha256": "c" * 64}]},
    }


def settings_below(section: Any, path: tuple[Step, ...]) -> Iterator[tuple[tuple[Step, ...], list[SettingType]]]:
    """Every setting of a section and of the sections below, with its types; lists and mappings have one member."""
    for name, field in section.model_fields.items():
        found = list(alternatives(field.annotation, tuple(field.metadata)))
        yield (*path, name), found
        for one in found:
            yield from below((*path, name), one)


def below(path: tuple[Step, ...], one: SettingType) -> Iterator[tuple[tuple[Step, ...], list[SettingType]]]:
    if is_section(one.annotation):
        yield from settings_below(one.annotation, path)
    elif get_origin(one.annotation) is tuple:
        for inner in alternatives(one.annotation.__args__[0]):
            yield from below((*path, 0), inner) if kind_of_backend(inner) is None else with_kind((*path, 0), inner)
    elif get_origin(one.annotation) is dict:
        for inner in alternatives(one.annotation.__args__[1]):
            yield from below((*path, "t"), inner)


def kind_of_backend(one: SettingType) -> str | None:
    return kind_of(one.annotation) if one.annotation in SECTIONS else None


def with_kind(path: tuple[Step, ...], one: SettingType) -> Iterator[tuple[tuple[Step, ...], list[SettingType]]]:
    for inner, found in settings_below(one.annotation, path):
        yield ("kind=" + SECTIONS[one.annotation], *inner), found


def cases() -> list[tuple[tuple[Step, ...], list[SettingType]]]:
    return list(settings_below(Config, ()))


def path_text(path: Sequence[Step]) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def document_with(path: tuple[Step, ...], value: Any) -> tuple[str, str]:
    """A valid configuration but for one value, as text; and the path."""
    kind = "openai"
    if isinstance(path[0], str) and path[0].startswith("kind="):
        kind, path = path[0][5:], path[1:]
    document = base(kind)
    place: Any = document
    for step, following in pairwise(path):
        empty: Any = [{}] if isinstance(following, int) else {}
        place = place[step] if isinstance(step, int) else place.setdefault(step, empty)
    place[path[-1]] = value
    return yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=10_000), path_text(path)


def told(text: str, environment: dict[str, str] | None = None) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "config.yaml", environment or {})
    assert not LIBRARY_WORDS.search(str(caught.value)), str(caught.value)
    return caught.value


def names_of(value: object) -> str:
    return "-".join(map(str, value)) if isinstance(value, tuple) else ""


@pytest.mark.parametrize(("path", "types"), cases(), ids=names_of)
def test_a_wrong_value_of_any_setting_is_one_line_with_its_path_and_line(
    path: tuple[Step, ...], types: list[SettingType]
) -> None:
    is_text = any(one.annotation is str or get_origin(one.annotation) is Literal for one in types)
    is_secret = any("SecretStr" in str(one.annotation) or "datetime" in str(one.annotation) for one in types)
    text, name = document_with(path, [MARKER] if is_text or is_secret else MARKER)
    error = told(text)
    lines = [line for line in str(error).splitlines()[1:] if f": {name}: " in line]
    assert len(lines) == 1, str(error)
    (line,) = [number for number, content in enumerate(text.splitlines(), 1) if MARKER in content]
    assert lines[0].startswith(f"  config.yaml:{line}: {name}: ")
    assert MARKER not in str(error)
    assert "must be" in lines[0] or "expected" in lines[0]


def bounded() -> list[tuple[tuple[Step, ...], Any]]:
    found = []
    for path, types in cases():
        for constraint in (constraint for one in types for constraint in one.constraints):
            for name, change in (("ge", -1), ("gt", 0), ("le", 1)):
                if (bound := getattr(constraint, name, None)) is not None:
                    found.append((path, bound + change))
    return found


@pytest.mark.parametrize(("path", "value"), bounded(), ids=str)
def test_a_value_out_of_range_is_told_with_the_range(path: tuple[Step, ...], value: Any) -> None:
    text, name = document_with(path, value)
    (fault,) = [message for place, message in told(text).faults if place == name]
    assert re.search(r"must be (an integer|a number)( from| above| of at least)? ", fault)
    assert fault.endswith(f"; got {value}") or value in (0, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("models: []", "config.yaml:1: models: must be a list with at least one item; got an empty list"),
        ("server: {port: 70000}", "server.port: must be an integer from 0 to 65535; got 70000"),
        ("server: {port: yes}", "server.port: must be an integer from 0 to 65535; got true"),
        ("server: {host: 1.5}", "server.host: must be a text; got a number; put it in quotes"),
        ("routing: {sigma: .inf}", "routing.sigma: must be a number above 0; got no finite number"),
        ("upstream: {retry_budget: 1.5}", "upstream.retry_budget: must be a number from 0 to 1; got 1.5"),
        ("server: []", "server: must be a mapping of settings; got an empty list"),
        ("server: {cors_origins: x}", "server.cors_origins: must be a list; got a text"),
        ("log: {format: jsn}", "log.format: must be `text` or `json`; got `jsn`; did you mean `json`?"),
        ("log: {format: sk-SECRET-1234}", "log.format: must be `text` or `json`; got a text"),
        ("otel: {traces: maybe}", "otel.traces: must be true or false; got a text"),
        ("upstream: {timeouts: {connect_s: 0}}", "connect_s: must be a number above 0, at most 86400, or null; got 0"),
        ("keys: [{name: k}]", "keys[0].sha256: missing; must be 64 hex digits"),
        ("keys: [{name: a b, sha256: x}]", "keys[0].name: must be a text of 1 to 256 ASCII characters without spaces"),
        ("models: [{name: m, backends: [{kind: opena}]}]", "kind: must be `azure`, `litellm` or `openai`; got a text"),
        ("models: [{name: m, backends: [{}]}]", "models[0].backends[0].kind: missing; must be `azure`,"),
        ("tasks: {t: {pin: lama}}", "tasks.t.pin: unknown model 'lama'; did you mean `llama`?"),
        ("tasks: {t: {pin: zzz}}", "tasks.t.pin: unknown model 'zzz'; configured: llama"),
        ("upstream: {files_backend: lama/1}", "unknown backend 'lama/1'; did you mean `llama/1`?"),
        ("state: {url: '${DATABSE}'}", "environment variable DATABSE is not set; did you mean DATABASE?"),
        ("state: {url: '${NOWHERE}'}", "state.url: environment variable NOWHERE is not set"),
        ("server: {port: 1}\nserver: {port: 2}", "server: occurs twice: first in line 1, again in line 2"),
        ("tasks: {t: {pin: llama, pin: llama}}", "tasks.t.pin: occurs twice"),
        ("tasks: {t: {objective: {}, max_regret: 0.1}}", "tasks.t.objective: conflicts with max_regret"),
        ("sever: {}", "sever: unknown setting: did you mean `server`?"),
    ],
)
def test_each_kind_of_error_in_our_words(text: str, expected: str) -> None:
    llama = "models: [{name: llama, backends: [{kind: openai, base_url: 'http://127.0.0.1:1/v1'}]}]\n"
    whole = text if text.startswith("models") else f"{text}\n{llama}"
    assert expected in str(told(whole, {"DATABASE": "x"}))


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("a:\n\tb: 1", 2, "a tab: indent with spaces"),
        ("a: b: c", 1, "unexpected `:`"),
        ("a: [1, 2\nb: 3", 2, "is not closed"),
        ("a: {b: 1\nc: [", 2, "is not closed"),
        ("a: 'x\n", 2, "a quote is not closed"),
        ('a: "\\q"', 1, "unknown escape"),
        ("a: *x", 1, "an alias"),
        ("a: 1\n---\nb: 2", 2, "a second document"),
        ("a: !x 1", 1, "a tag"),
        ("a: 1\n b: 2", 2, "unexpected `:`"),
        ("a:\n  - 1\n - 2", 3, "wrong indentation"),
        ("a: @x", 1, "a character that cannot begin a value"),
        ("a: 1\nword\n", 3, "a name without `:` behind it"),
        ("? [a]\n: 1", 1, "a list or a mapping as a name"),
    ],
)
def test_yaml_that_cannot_be_read_is_told_with_its_line(text: str, line: int, expected: str) -> None:
    assert re.search(rf"config\.yaml:{line}: invalid YAML at column \d+: .*{re.escape(expected)}", str(told(text)))


def test_everything_is_told_at_once_in_the_order_of_the_file() -> None:
    error = told(
        """\
server:
  port: 1e9
models:
  - name: a
    backends:
      - kind: openai
        base_url: ftp://x
        api_key: k
        api_key_file: /nowhere
  - name: a
    price: {input_usd_per_mtok: -1, output_usd_per_mtok: x}
    backends: {}
server:
  prot: 1
tasks: {t: {pin: b, objective: {}, max_regret: 0.5}}
"""
    )
    places = re.findall(r"config\.yaml:(\d+): ([^:]+): ", str(error))
    assert places == [
        ("6", "models[0].backends[0]"),
        ("7", "models[0].backends[0].base_url"),
        ("10", "models[1].name"),
        ("11", "models[1].price.input_usd_per_mtok"),
        ("11", "models[1].price.output_usd_per_mtok"),
        ("12", "models[1].backends"),
        ("13", "server"),
        ("14", "server.prot"),
        ("15", "tasks.t.pin"),
        ("15", "tasks.t.objective"),
    ]


def test_lines_are_those_of_merged_and_quoted_keys() -> None:
    text = """\
x: &d
  - 1
models:
  - &m
    name: a
    kind: caht
    backends: [{kind: openai, base_url: "http://127.0.0.1:1/v1"}]
  - <<: *m
    "params_b": -1
    name: b
tasks: {1.5: {}, true: {nope: 1}}
"""
    places = re.findall(r"config\.yaml:(\d+): ([^:]+): ", str(told(text)))
    assert {("6", "models[0].kind"), ("6", "models[1].kind"), ("9", "models[1].params_b"), ("1", "x")} <= set(places)


def test_what_the_pack_does_not_fit_has_a_line_too() -> None:
    from gateway.tasks.resolved_config import resolve_config

    text = "models: [{name: a, backends: [{kind: openai, base_url: 'http://127.0.0.1:1/v1'}]}]\ntasks:\n  t:\n"
    config = parse_config(text + "    max_input_usd_per_mtok: 1\n", "config.yaml", {})
    with pytest.raises(ConfigError, match=r"config\.yaml:3: tasks\.t: no candidate fits"):
        resolve_config(config)


def test_no_value_of_a_text_is_shown() -> None:
    document = base()
    document["models"][0]["backends"][0] |= {"api_key": [MARKER], "headers": {"X-A": [MARKER]}, "proxy": MARKER}
    document |= {"otel": {"headers": {"a": [MARKER]}}, "state": {"url": f"mysql://{MARKER}"}, "log": {"format": MARKER}}
    document["keys"][0]["sha256"] = MARKER
    assert MARKER not in str(told(json.dumps(document)))
