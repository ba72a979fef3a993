"""A stream with hidden usage is the one that the backend would have sent unasked."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.hidden_usage import remove_usage

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.just('"usage":null'))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["usage", "a", 'x"usage']), inner, max_size=3)
    ),
    max_leaves=8,
)
MEMBERS = st.dictionaries(st.sampled_from(["id", "object", "obfuscation", "x_groq", 'a"usage']), VALUES, max_size=4)
COUNTS = {"prompt_tokens": 5, "completion_tokens": 6}
STYLES = st.sampled_from([(",", ":"), (", ", ": "), (",\t", " : ")])


@given(
    MEMBERS,
    st.integers(0, 6),
    st.sampled_from([None, COUNTS]),
    STYLES,
    st.sampled_from(["\n\n", "\r\n\r\n"]),
    st.booleans(),
)
def test_the_member_is_taken_out_wherever_it_stands(
    members: dict[str, object],
    place: int,
    usage: object,
    style: tuple[str, str],
    end: str,
    is_ascii: bool,
) -> None:
    others = [*members.items(), ("choices", [{"index": 0, "delta": {"usage": None}}])]
    asked = dict([*others[:place], ("usage", usage), *others[place:]])

    def event(document: dict[str, object]) -> bytes:
        text = json.dumps(document, separators=style, ensure_ascii=is_ascii)
        return f"data: {text}{end}".encode("utf-8", "surrogatepass")

    shown = remove_usage(event(asked))
    data = shown.removeprefix(b"data: ")
    assert json.loads(data) == dict(others)
    assert shown.endswith(end.encode())
    if usage is None:
        assert shown == event(dict(others))


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"choices":[{"delta":{"content":"\\"usage\\":null"}}]}\n\n',
        b'data: {"choices":[{"delta":{}}],"x_groq":{"usage":{"prompt_tokens":5}}}\n\n',
        b': "usage"\n\n',
        b'data: "usage"\n\n',
        b'data: {"usage"\n\n',
        b"data: [DONE]\n\n",
        b'{"usage":null}\n\n',
    ],
)
def test_everything_else_stays(event: bytes) -> None:
    assert remove_usage(event) == event


@pytest.mark.parametrize("choices", ['"choices":[],', '"choices": [ ], ', ""])
def test_an_event_that_reports_nothing_else_is_dropped(choices: str) -> None:
    event = b'data: {"id":"c",%b"usage":{"prompt_tokens":5}}\n\n' % choices.encode()
    assert remove_usage(b"data: 1\n\n" + event + b"data: [DONE]\n\n") == b"data: 1\n\ndata: [DONE]\n\n"


def test_a_first_event_without_choices_stays_without_its_null() -> None:
    event = b'data: {"choices":[],"prompt_filter_results":[{"prompt_index":0}],"usage":null}\n\n'
    assert remove_usage(event) == b'data: {"choices":[],"prompt_filter_results":[{"prompt_index":0}]}\n\n'
