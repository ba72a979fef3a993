"""YAML as configuration: libyaml and PyYAML's own parser give the same documents, lines and errors."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config import yaml_text
from gateway.config.yaml_text import MAX_DEPTH, read_document
from gateway.errors import ConfigError

REPOSITORY = Path(__file__).parents[3]
CONFIGS = [REPOSITORY / "config.yaml", *sorted(REPOSITORY.glob("examples/**/*.yaml"))]

PIECES = (
    *(
        "a",
        "b: ",
        "- ",
        "? ",
        ": ",
        "\n",
        "\n  ",
        "\n    ",
        "  ",
        "\t",
        "'",
        '"',
        "\\",
        "\\n",
        "\\x41",
        "{",
        "}",
        "[",
        "]",
    ),
    *(
        ",",
        "&x ",
        "*x",
        "<<: *x",
        "!!str ",
        "!t ",
        "!<a> ",
        "|",
        "|+\n",
        "|2-\n",
        ">",
        "#",
        " # c",
        " # c's",
        "---",
        "...",
    ),
    *(
        "%YAML 1.1\n",
        "%TAG ! x\n",
        "---\n",
        "\n...\n",
        "1",
        "1.5",
        "0x1f",
        "1_000",
        "12:30",
        "~",
        "null",
        "yes",
        ".inf",
    ),
    *("2001-01-01", "é", "\x85", "\u2028", "\ufeff", "\U0001f600", "\r\n", "\r", "\x00", "\xa0", "=", "`", "@", "a:b"),
    *("::", "--", "?", "!", "&", "*", "key: value\n", "x" * 1100, "'a\nb'", '"a\\\nb"', "!!binary aGk=", "!!bool yes"),
    *("!!set {a, b}", "!!int 0b1", "!!timestamp 2001-01-01", "\ud800"),
)
"""What PyYAML's scanner looks at, and libyaml's: together they are valid now and then."""


def outcome(text: str, libyaml: Any) -> tuple[object, ...]:
    """Return all that a reader of a text sees: the value, by its repr for NaN's sake, and lines; or the error."""
    try:
        read = read_document(text, "config.yaml", libyaml)
    except ConfigError as error:
        return (str(error),)
    return repr(read.value), dict(read.lines), list(read.duplicates)


def assert_alike(text: str) -> None:
    assert outcome(text, yaml_text.LIBYAML) == outcome(text, None)


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_both_parsers_agree_on_any_text(text: str) -> None:
    assert_alike(text)


@settings(max_examples=100)
@given(st.data())
def test_both_parsers_agree_on_configurations_with_a_mistake(data: st.DataObject) -> None:
    lines = (REPOSITORY / "config.yaml").read_text().splitlines(keepends=True)
    start = data.draw(st.integers(0, len(lines) - 12))
    text = "".join(lines[start : start + data.draw(st.integers(1, 12))])
    at = data.draw(st.integers(0, len(text)))
    assert_alike(text[:at] + data.draw(st.sampled_from(PIECES)) + text[at + data.draw(st.integers(0, 2)) :])


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_both_parsers_agree_on_the_shipped_configurations(path: Path) -> None:
    assert_alike(path.read_text())


@pytest.mark.skipif(yaml_text.LIBYAML is None, reason="PyYAML was built without libyaml")
def test_libyaml_reads_an_ordinary_configuration() -> None:
    """Comments may say what they like: else one with a question mark would make a reload as slow as before."""
    read = list[str]()

    class Watched(yaml.CSafeLoader):
        def get_single_node(self) -> Any:
            read.append("libyaml")
            return super().get_single_node()

    text = "# Why so few?\ntasks:  # all of them!\n  a: {objective: {price: 0.5}}\n  'b?': {}\n  %c: &x |\n   text\n"
    assert (
        read_document(text.replace("'b?': {}\n  %c", "b: {}\n  c"), "config.yaml", Watched).value["tasks"]["c"]
        == "text\n"
    )
    assert read == ["libyaml"]


@pytest.mark.parametrize("libyaml", [yaml_text.LIBYAML, None], ids=["libyaml", "PyYAML"])
def test_a_document_may_be_nested_so_deep_and_no_deeper(libyaml: Any) -> None:
    def nested(depth: int) -> str:
        return "[" * depth + "]" * depth

    assert read_document(nested(MAX_DEPTH + 1), "config.yaml", libyaml).value
    for depth in (MAX_DEPTH + 2, 900, 5_000):
        with pytest.raises(ConfigError, match="nested too deeply"):
            read_document(nested(depth), "config.yaml", libyaml)


@pytest.mark.parametrize("value", ["!!bool maybe", "!!timestamp soon", "!!int ''", "!!float x"])
def test_a_value_that_does_not_fit_its_tag_is_an_error_of_the_text(value: str) -> None:
    with pytest.raises(ConfigError, match="invalid YAML: a character or value that YAML forbids"):
        read_document(f"a: {value}", "config.yaml")
