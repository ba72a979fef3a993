"""Splitting of JSON objects: the compiled form accepts nothing that the one in Python refuses, and says the same."""

import json
import subprocess
import sys
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.errors import InvalidRequest
from gateway.http import json_members
from gateway.http.json_members import PURE_PYTHON, Members, is_json_object, split_members

try:
    from gateway.http._json_members import split as split_compiled
except ImportError:
    split_compiled = None  # type: ignore[assignment]  # no compiler here

needs_compiled = pytest.mark.skipif(split_compiled is None, reason="no compiler where the package was installed")

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(max_size=20), VALUES, max_size=6)
FORMATS = (
    json.dumps,
    lambda value: json.dumps(value, ensure_ascii=False),
    lambda value: json.dumps(value, indent="\t ", separators=(" \r\n, ", "  : ")),
)


def split_pure(data: bytes, wanted: frozenset[str] | None = None) -> Members:
    """Split in Python, whatever is compiled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_members, "_split_fast", None)
        return split_members(data, wanted)


@pytest.fixture(params=["compiled", "pure"])
def split(request: pytest.FixtureRequest) -> Callable[..., Members]:
    if request.param == "pure":
        return split_pure
    if split_compiled is None:
        pytest.skip("no compiler where the package was installed")
    return split_members


@given(OBJECTS, st.sampled_from(FORMATS))
def test_values_stay_the_bytes_that_were_written(value: dict[str, object], encode: Callable[[object], str]) -> None:
    data = encode(value).encode("utf-8", "surrogatepass")
    try:
        data.decode()
    except UnicodeDecodeError:
        return  # half a surrogate pair as it is, and no UTF-8
    for found in (split_members(data), split_pure(data)):
        assert list(found) == list(value)
        assert {name: json.loads(part) for name, part in found.items()} == value
        assert all(part in data and part == part.strip() for part in found.values())


@needs_compiled
@given(st.data())
def test_nothing_is_accepted_that_python_refuses(data: st.DataObject) -> None:
    written = bytearray(
        json.dumps(data.draw(OBJECTS), ensure_ascii=data.draw(st.booleans())).encode("utf-8", "replace")
    )
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(written)))
        written[place : place + data.draw(st.integers(0, 2))] = data.draw(
            st.sampled_from(
                [b'"', b"\\", b"\\u", b"{", b"}", b"[", b"]", b",", b":", b"0", b"1e", b"-", b".", b"\0", b"\n"]
            )
            | st.binary(max_size=2)
        )
    check_agreement(bytes(written))


@needs_compiled
@pytest.mark.parametrize(
    "value",
    [
        *(
            "0",
            "-0",
            "1",
            "-1",
            "10",
            "01",
            "-",
            "1.",
            "1.5",
            ".5",
            "1e5",
            "1E+5",
            "1e-5",
            "1e",
            "1e+",
            "0x1",
            "+1",
            "1_0",
        ),
        *("true", "tru", "truee", "null", "nulL", "false", "NaN", "Infinity", "-Infinity", "undefined", "'a'", ""),
        *('"', '"a', '"a\n"', '"a\0"', '"\x1f"', '"\x7f"', r'"\""', r'"\x"', r'"\u12"', r'"\u12G4"', r'"\uD83D\uDE00"'),
        *(
            r'"\ud83d"',
            r'"\\"',
            r'"\\\"',
            "[]",
            "[1]",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[",
            "]",
            "{}",
            '{"a"}',
            '{"a":}',
            '{"a":1,}',
        ),
        *(
            '{"a":1 "b":2}',
            "{1:2}",
            '{"a" :\t1 }',
            "[[[[]]]]",
            "[[[[]]",
            "1 2",
            "1,",
            '1,"b":2',
            '1,"a":2',
            '1,"\\u0061":2',
        ),
    ],
)
def test_both_forms_agree_on_every_part_of_the_grammar(value: str) -> None:
    check_agreement(b'{"a":' + value.encode() + b"}")
    check_agreement(b' { "long name of a member" : "' + b"x" * 40 + b'" , "a" :\n' + value.encode() + b" } ")


@needs_compiled
@pytest.mark.parametrize(
    "odd", [b'"', b"\\", b"\\n", b"\n", b"\0", b"\x1f", b"\x7f", b"\\u0041", "é".encode(), b"\xff"]
)
def test_a_character_is_seen_wherever_it_stands(odd: bytes) -> None:
    for before in range(40):
        for after in (0, 1, 7, 8, 15, 16, 17, 40):
            check_agreement(b'{"a":"' + b"x" * before + odd + b"y" * after + b'","b":1}')


@needs_compiled
@given(st.binary(max_size=60))
@example(b"")
@example(b"{")
@example(b'{"')
@example(b'{"a":"')
@example(b'{"a":"\\')
@example(b'{"a":"\\u')
@example(b'{"a":1}\0')
@example(b"\xef\xbb\xbf{}")
def test_any_bytes_are_split_alike(data: bytes) -> None:
    check_agreement(data)
    check_agreement(b'{"a":' + data)


def check_agreement(data: bytes) -> None:
    """Assert that what the compiled form accepts, the other one accepts and splits alike."""
    found = split_compiled(data, None)
    if found is not None:
        assert list(found.items()) == list(split_pure(data).items())
        assert split_compiled(data, frozenset({"a"})) == {name: found[name] for name in found if name == "a"}
    assert outcome_of(split_members, data) == outcome_of(split_pure, data)


def outcome_of(split: Callable[[bytes], Members], data: bytes) -> object:
    """Return the members in their order, or the error's words."""
    try:
        return list(split(data).items())
    except InvalidRequest as error:
        return error.message


def test_only_the_wanted_members_are_returned(split: Callable[..., Members]) -> None:
    data = b'{"a": 1, "usage": {"b": 2}, "c": [], "usage": 3}'
    assert split(data, frozenset({"usage", "x"})) == {"usage": b"3"}
    assert split(data, frozenset()) == {}
    assert split(data) == {"a": b"1", "usage": b"3", "c": b"[]"}
    assert split(rb'{"lone":"\ud83d", "usage": 1}', frozenset({"usage"})) == {"usage": b"1"}


@pytest.mark.parametrize("depth", [1, 100, 127, 128, 129, 200])
def test_nested_values_are_split_too(split: Callable[..., Members], depth: int) -> None:
    value = b'[{"a":' * depth + b"1" + b"}]" * depth
    assert split(b'{"v":' + value + b"}") == {"v": value}


def test_long_objects_are_split_alike() -> None:
    words = ["plain ", 'a "quoted" word ', "two\nlines ", "tab\t", "ünïcödé ", "\U0001f600", "back\\slash "]
    text = "".join(words[place * place % 7] + words[place % 5] for place in range(3_000))
    for data in (json.dumps({"a": text, "b": [text]}).encode(), json.dumps({"a": text}, ensure_ascii=False).encode()):
        assert split_members(data) == split_pure(data)
        assert is_json_object(data)
        assert not is_json_object(data[:-1])


@pytest.mark.parametrize("argument", ["text", 7, None, bytearray(b"{}")])
@needs_compiled
def test_only_bytes_are_split(argument: object) -> None:
    with pytest.raises(TypeError):
        split_compiled(argument, None)  # type: ignore[arg-type]


@needs_compiled
def test_the_compiled_form_can_be_switched_off() -> None:
    program = "from gateway.http import json_members; print(json_members._split_fast is None)"
    for value, is_off in (("1", "True"), ("", "False")):
        run = subprocess.run(
            [sys.executable, "-c", program], env={PURE_PYTHON: value}, capture_output=True, text=True, check=True
        )
        assert run.stdout.strip() == is_off
