"""What is printed shows no secret: neither a line of YAML, nor a password, however it is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import parse_config
from gateway.config.secrets import MASK, mask_url
from gateway.config.yaml_text import read_yaml
from gateway.errors import ConfigError, StateError
from gateway.state.sqlite import open_store

SECRET = "hunter2-SECRET"  # noqa: S105 - a made-up one
BROKEN = [
    f"api_key: {SECRET}: x",
    f"keys: [{SECRET}",
    f"a: 'unfinished {SECRET}",
    f"api_key: *{SECRET}",
    f"api_key: !{SECRET} x",
    f"api_key: !!python/object:{SECRET} x",
    f"? {SECRET}\n: [\n- }}",
    f"a: {SECRET}\n\tb: 1",
    f"a: %{SECRET}\nb: @{SECRET}",
    f"a: {SECRET}\x00",
    f'a: "\\q{SECRET}"',
    f"%YAML 9.9{SECRET}\n---\na: 1",
    f"a: 1\n---\nb: {SECRET}",
    f"a: 2001-99-99T{SECRET}\nb: 2001-99-99",
    "[" * 5000 + SECRET,
]


@pytest.mark.parametrize("text", BROKEN)
def test_an_error_of_yaml_shows_its_place_and_nothing_of_the_text(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(f"# a comment\n{text}\n", "config.yaml", {})
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value.__cause__)


def test_an_error_names_line_and_column() -> None:
    with pytest.raises(ConfigError, match=r"config.yaml:3: invalid YAML at column 5: a value is missing"):
        parse_config("a: 1\nb:c: 2\nd: [", "config.yaml", {})
    with pytest.raises(ConfigError, match=r"config.yaml:3: models: occurs twice: first in line 1"):
        parse_config("models: []\nkeys: []\nmodels: []\n", "config.yaml", {})


def test_aliases_share_values_and_do_not_blow_them_up() -> None:
    assert read_yaml("a: &x [1, 2]\nb: *x\nc: {<<: {d: 1}, e: 2}", "c") == {
        "a": [1, 2],
        "b": [1, 2],
        "c": {"d": 1, "e": 2},
    }
    bomb = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
    with pytest.raises(ConfigError, match="aliases expand to more than 100,000 values"):
        read_yaml(bomb, "c")
    with pytest.raises(ConfigError, match="contains itself"):
        read_yaml("a: &a [*a]", "c")


PASSWORDS = ["plain", "with@at", "with/slash", "a:b", "q?x=1", "h#x", "@@//::", "%40x"]


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize(
    "url",
    [
        "redis://user:{}@host:6379/0",
        "rediss://:{}@host",
        "redis-cluster://u:{}@a:1,b:2",
        "redis://host/0?password={}",
        "redis://host?a=1&PASSWORD={}&b=2",
        "unix://u:{}@/run/redis.sock",
        "user:{}@host",
    ],
)
def test_no_way_to_write_a_password_is_shown(url: str, password: str) -> None:
    shown = mask_url(url.format(password))
    assert password not in shown
    assert MASK in shown


@given(st.text(st.characters(codec="ascii", exclude_characters=" *@"), min_size=8, max_size=20))
def test_a_password_before_the_host_is_never_shown(password: str) -> None:
    assert password not in mask_url(f"redis://default:{password}@example/0").replace(MASK, "")


@pytest.mark.parametrize("password", ["with/slash", "q?x", "h#x", "1/2"])
def test_a_url_that_cannot_be_parsed_is_refused_and_not_shown(password: str) -> None:
    text = f"""
models: [{{name: m, backends: [{{kind: openai, base_url: "http://localhost:1"}}]}}]
state: {{url: "redis://u:{password}@host:6379"}}
"""
    with pytest.raises(ConfigError, match="percent-encode") as caught:
        parse_config(text, "c", {})
    assert password not in str(caught.value)


def test_a_state_of_another_scheme_is_not_shown_either() -> None:
    with pytest.raises(StateError) as caught:
        open_store(f"postgres://u:{SECRET}@host")
    assert SECRET not in str(caught.value)
