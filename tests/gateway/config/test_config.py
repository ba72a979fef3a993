import json
from pathlib import Path

import pytest

from gateway.config import Config, load_config, parse_config
from gateway.errors import ConfigError

TOP = Path(__file__).parents[3]
MINIMAL = "models: [{name: a, backends: [{kind: openai, base_url: 'http://127.0.0.1:1/v1/'}]}]\n"


def parse(text: str, **environment: str) -> Config:
    return parse_config(text, "config.yaml", environment)


def faults(text: str, **environment: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, **environment)
    return dict(caught.value.faults)


def test_the_example_starts_as_it_stands() -> None:
    config = load_config(TOP / "config.yaml", {})
    assert len(config.models) == 7
    assert config.routing.pack is None


def test_a_model_and_a_backend_are_enough() -> None:
    config = parse(MINIMAL)
    assert config.models[0].backends[0].base_url == "http://127.0.0.1:1/v1"
    assert config.upstream.max_attempts == 4


def test_every_fault_is_told_at_once_with_its_path(tmp_path: Path) -> None:
    told = faults(
        f"""
models:
  - {{name: a, price: 3, backends: [{{kind: openai, base_url: 'ftp://x', api_key: '${{NOT_THERE}}'}}]}}
  - {{name: a, backends: [{{kind: openai, base_url: 'http://x y/v1', modle: z}}]}}
  - {{name: auto, backends: [{{kind: grpc}}]}}
  - {{name: task/x, params_b: 70, backends: []}}
routing: {{pack: {tmp_path}/none, eta: 1.5, kapa: 3}}
tasks:
  "with space": {{pin: nobody}}
  small: {{candidates: [task/x], max_params_b: 3}}
  wrong: {{candidates: [b], input: first}}
state: {{url: "mysql://x"}}
keys: [{{name: k, sha256: abc, models: [zz]}}, {{name: k, sha256: abc}}]
sever: {{}}
"""
    )
    assert set(told) == {
        "models[0].price",
        "models[0].backends[0].base_url",
        "models[0].backends[0].api_key",
        "models[1].name",
        "models[1].backends[0].base_url",
        "models[1].backends[0].modle",
        "models[2].name",
        "models[2].backends[0].kind",
        "models[3].name",
        "models[3].backends",
        "routing.pack",
        "routing.eta",
        "routing.kapa",
        "tasks.with space",
        "tasks.with space.pin",
        "tasks.small.max_params_b",
        "tasks.wrong.candidates[0]",
        "tasks.wrong.input",
        "state.url",
        "keys[0].sha256",
        "keys[0].models[0]",
        "keys[1].name",
        "keys[1].sha256",
        "sever",
    }
    assert told["sever"] == "unknown setting: did you mean `server`?"
    assert told["models[0].backends[0].api_key"] == "environment variable NOT_THERE is not set"
    assert "none does not exist" in told["routing.pack"]
    assert "1 to 128 of the characters" in told["tasks.with space"]


def test_a_key_has_limits() -> None:
    key = parse(MINIMAL + f"keys: [{{name: k, sha256: '{'a' * 64}', requests_per_minute: 6, budget_usd_per_day: 0.1}}]")
    assert (key.keys[0].requests_per_minute, str(key.keys[0].budget_usd_per_day)) == (6, "0.1")
    assert "keys[0].tokens_per_minute" in faults(
        MINIMAL + f"keys: [{{name: k, sha256: '{'a' * 64}', tokens_per_minute: 0}}]"
    )


def test_keys_of_clients_and_admins_share_names_and_hashes_with_nobody() -> None:
    told = faults(
        MINIMAL
        + f"""
keys: [{{name: k, sha256: '{"a" * 64}', default_task: x, tasks: [y]}}, {{name: l, sha256: '{"b" * 64}', tasks: []}}]
admin: {{keys: [{{name: k, sha256: '{"A" * 64}'}}, {{name: m, sha256: "${{ADMIN}}", tasks: [x]}}]}}
""",
        ADMIN="c",
    )
    assert set(told) == {
        "keys[0].default_task",
        "keys[1].tasks",
        "admin.keys[0].name",
        "admin.keys[0].sha256",
        "admin.keys[1].sha256",
        "admin.keys[1].tasks",
    }
    assert told["admin.keys[0].name"] == "duplicate of keys[0].name: 'k'"
    assert told["keys[0].default_task"] == "task 'x' is not among the key's tasks"


def test_an_admin_key_can_come_from_the_environment() -> None:
    config = parse(MINIMAL + "admin: {keys: [{name: root, sha256: '${ADMIN_SHA256}'}]}", ADMIN_SHA256="a" * 64)
    assert (config.admin.keys[0].name, config.admin.keys[0].read_only) == ("root", False)
    assert "a" * 64 not in json.dumps(config.mask_secrets())


def test_variables_come_from_the_environment() -> None:
    text = MINIMAL.replace("127.0.0.1", "${HOST:-localhost}")
    assert parse(text).models[0].backends[0].base_url == "http://localhost:1/v1"
    assert parse(text, HOST="there").models[0].backends[0].base_url == "http://there:1/v1"
    assert parse(text, HOST="").models[0].backends[0].base_url == "http://localhost:1/v1"


def test_a_variable_adds_no_structure() -> None:
    config = parse(MINIMAL.replace("name: a", "name: '${NAME}'"), NAME="x,y:{z}")
    assert config.models[0].name == "x,y:{z}"


def test_a_dollar_sign_can_be_meant() -> None:
    assert parse(MINIMAL.replace("name: a", "name: 'a$${B}'")).models[0].name == "a${B}"


def test_secrets_are_never_printed() -> None:
    config = parse(MINIMAL.replace("kind: openai", "kind: openai, api_key: sk-secret"))
    assert "sk-secret" not in repr(config)
    assert "sk-secret" not in json.dumps(config.mask_secrets())
    told = faults(MINIMAL.replace("kind: openai", "kind: openai, api_key: [sk-secret]"))
    assert "sk-secret" not in str(told)


@pytest.mark.parametrize(
    "url", ["http://user:password@host/v1", "http://", "host:80", "http://host:99999999/v1", "/v1"]
)
def test_a_url_that_is_none_is_refused(url: str) -> None:
    told = faults(MINIMAL.replace("http://127.0.0.1:1/v1/", url))
    assert list(told) == ["models[0].backends[0].base_url"]
    assert "password" not in str(told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", "invalid YAML"),
        ("- a", "expected sections"),
        ("", "expected sections"),
        ("a: 1\na: 2", "a: occurs twice: first in line 1, again in line 2"),
    ],
)
def test_what_is_no_configuration_is_refused(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        parse(text)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"(?s)none\.yaml.*cannot be read"):
        load_config(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("pattern", "said"), [("(", "invalid regular expression"), ("x*", "matches the empty text"), ("", "not empty")]
)
def test_a_pattern_that_redacts_nothing_or_everything_is_refused(pattern: str, said: str) -> None:
    backend = {"kind": "openai", "base_url": "http://127.0.0.1:9/v1"}
    document = {"models": [{"name": "m", "backends": [backend]}], "log": {"redact": [pattern]}}
    with pytest.raises(ConfigError) as caught:
        parse_config(json.dumps(document), "config.yaml", {})
    assert "log.redact" in str(caught.value)
    assert said in str(caught.value)
