"""An unknown setting's error names the setting that was meant."""

import pytest

from gateway.config import parse_config
from gateway.config.unknown_settings import RENAMED_SETTINGS
from gateway.errors import ConfigError

MODEL = "models: [{name: a, %s backends: [{kind: openai, %s base_url: 'http://127.0.0.1:1/v1'}]}]\n"


def message_of(path: str, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "config.yaml", {})
    return dict(caught.value.faults)[path]


@pytest.mark.parametrize(
    ("path", "text", "meant"),
    [
        ("sever", MODEL % ("", "") + "sever: {}", "server"),
        ("routing.kapa", MODEL % ("", "") + "routing: {kapa: 3}", "kappa"),
        ("upstream.timeouts.connect", MODEL % ("", "") + "upstream: {timeouts: {connect: 3}}", "connect_s"),
        ("upstream.breaker.open", MODEL % ("", "") + "upstream: {breaker: {open: 3}}", "open_s"),
        ("tasks.t.candidate", MODEL % ("", "") + "tasks: {t: {candidate: [a]}}", "candidates"),
        ("tasks.t.cache.ttl", MODEL % ("", "") + "tasks: {t: {cache: {ttl: 3}}}", "ttl_s"),
        ("tasks.t.objective.pric", MODEL % ("", "") + "tasks: {t: {objective: {pric: 3}}}", "price"),
        ("models[0].param_b", MODEL % ("param_b: 7,", ""), "params_b"),
        ("models[0].backends[0].base_ur", MODEL % ("", "base_ur: x,"), "base_url"),
        ("models[0].backends[0].stream_usag", MODEL % ("", "stream_usag: x,"), "stream_usage"),
        ("keys[0].default_tasks", MODEL % ("", "") + "keys: [{default_tasks: t}]", "default_task"),
        ("admin.keys[0].readonly", MODEL % ("", "") + "admin: {keys: [{readonly: true}]}", "read_only"),
    ],
)
def test_the_nearest_setting_of_the_same_section_is_suggested(path: str, text: str, meant: str) -> None:
    assert message_of(path, text) == f"unknown setting: did you mean `{meant}`?"


def test_a_setting_of_another_section_is_suggested_with_its_path() -> None:
    found = message_of("max_body_bytes", MODEL % ("", "") + "max_body_bytes: 100000")
    assert found == "unknown setting here: did you mean `server.max_body_bytes`?"


def test_without_a_similar_name_the_known_settings_are_listed() -> None:
    found = message_of("scorer.zzz", MODEL % ("", "") + "scorer: {zzz: 1}")
    assert found == "unknown setting: known here are nice"


@pytest.mark.parametrize("former", RENAMED_SETTINGS)
def test_a_renamed_setting_names_its_successor(former: str) -> None:
    section, _, name = former.rpartition(".")
    text = MODEL % (f"{name}: {{}},", "") if section == "models" else MODEL % ("", "") + nested(former)
    path = f"models[0].{name}" if section == "models" else former
    successor = RENAMED_SETTINGS[former]
    expected = successor.rpartition(".")[2] if successor.rpartition(".")[0] == section else successor
    assert message_of(path, text) == f"unknown setting: renamed to `{expected}`"


def test_a_renamed_value_names_its_successor() -> None:
    found = message_of("log.requests", MODEL % ("", "") + "log: {requests: faults}")
    assert found == "unknown value 'faults': renamed to `errors`"


def test_successors_are_settings() -> None:
    from docs.tables.settings import settings

    page = settings()
    for successor in RENAMED_SETTINGS.values():
        assert f"| `{successor.replace('models.', 'models[].')}` |" in page


def nested(path: str) -> str:
    section, _, name = path.rpartition(".")
    return f"{section}: {{{name}: 1}}" if section else f"{name}: 1"
