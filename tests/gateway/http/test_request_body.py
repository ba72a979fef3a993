import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidRequest
from gateway.http.endpoints import CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES, Endpoint
from gateway.http.json_members import is_json_object, split_members
from gateway.http.request_body import parse_body

MESSAGES = '"messages":[{"role":"user","content":"hi"}]'

scalars = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)


@given(st.dictionaries(st.text(), values), values, st.booleans())
def test_everything_but_the_model_is_forwarded_as_it_was(extra: dict[str, Any], tag: Any, ascii_only: bool) -> None:
    metadata = {"task_id": "t", "other": tag}
    body = {**extra, "model": "auto", "messages": [{"role": "user"}], "metadata": metadata}
    written = json.dumps(body, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    try:
        written.decode()
    except UnicodeDecodeError:
        return  # half a surrogate pair written as such is no UTF-8
    read = parse_body(written, CHAT)
    assert read.task_id == "t"
    assert json.loads(read.forwarded_members(b'"there"')) == {**body, "model": "there", "metadata": {"other": tag}}


def test_values_keep_their_bytes() -> None:
    kept = rb'{"a": 123456789012345678901234567890, "b": 1.10, "c": null, "d": "\u00e9\ud83d\ude00", "e":1E400}'
    written = b'{"model":"auto",' + MESSAGES.encode() + b',"x": ' + kept + b"}"
    assert (
        parse_body(written, CHAT).forwarded_members(b'"m"')
        == b'{"model":"m",' + MESSAGES.encode() + b',"x":' + kept + b"}"
    )


def test_half_a_surrogate_pair_passes_as_javascript_writes_it() -> None:
    written = rb'{"model" : "auto", "messages" : [{"role": "user", "content": "cut \ud83d"}] , "n": 1}'
    read = parse_body(written, CHAT)
    assert rb"cut \ud83d" in read.forwarded_members(b'"m"')
    assert read.content == rb'[{"role": "user", "content": "cut \ud83d"}]'


def test_a_member_that_stands_twice_counts_once() -> None:
    """Or a gateway and a backend that take different ones could be told different things."""
    read = parse_body(b'{"model":"a","model":"auto",' + MESSAGES.encode() + b"}", CHAT)
    assert read.model == "auto"
    assert read.forwarded_members(b'"m"').count(b'"model"') == 1


def test_metadata_that_holds_only_our_tag_is_not_forwarded() -> None:
    read = parse_body(b'{"model":"auto",' + MESSAGES.encode() + b',"metadata":{"task_id":"t"}}', CHAT)
    assert b"metadata" not in read.forwarded_members(b'"m"')


@pytest.mark.parametrize("metadata", [b"null", b"3", b"[]", b'{"task_id":null}', b'{"a":"b"}'])
def test_other_metadata_is_the_backends_affair(metadata: bytes) -> None:
    read = parse_body(b'{"model":"auto",' + MESSAGES.encode() + b',"metadata":' + metadata + b"}", CHAT)
    assert read.task_id is None
    assert read.forwarded_members(b'"m"').endswith(b'"metadata":' + metadata + b"}")


@pytest.mark.parametrize(
    ("written", "told", "param"),
    [
        (b"", "not valid JSON", None),
        (b"hello", "not valid JSON", None),
        (b'{"model":"a",}', "not valid JSON", None),
        (b'{"model":"a"', "not valid JSON", None),
        (b'{"model":"a"} {}', "not valid JSON", None),
        (b'{"model":NaN}', "NaN", None),
        (b"{1:2}", "not valid JSON", None),
        (b"[1]", "must be a JSON object", None),
        (b'"text"', "must be a JSON object", None),
        (b'{"model":"\xff"}', "not valid UTF-8", None),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply", None),
        (rb'{"a":"\ud800","b":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply", None),
        (b'{"messages":[]}', "model", "model"),
        (b'{"model":7,"messages":[]}', "'model' must be a string", "model"),
        (b'{"model":"auto"}', "'messages'", "messages"),
        (b'{"model":"auto","messages":"hi"}', "'messages' must be an array", "messages"),
        (b'{"model":"auto","messages":[],"metadata":{"task_id":3}}', "must be a string", "metadata.task_id"),
    ],
)
def test_a_body_that_cannot_be_understood_is_refused(written: bytes, told: str, param: str | None) -> None:
    with pytest.raises(InvalidRequest, match=told) as caught:
        parse_body(written, CHAT)
    assert caught.value.param == param


@given(st.binary())
def test_no_bytes_do_more_than_be_refused(data: bytes) -> None:
    try:
        split_members(data)
    except InvalidRequest:
        assert not is_json_object(data)
    else:
        assert isinstance(json.loads(data), dict)


def test_other_endpoints_have_their_input_elsewhere() -> None:
    assert parse_body(b'{"model":"auto","prompt":"hi"}', COMPLETIONS).content == b'"hi"'
    assert parse_body(b'{"model":"auto","input":[{"role":"user"}]}', RESPONSES).content == b'[{"role":"user"}]'


OTHER_FORMS = [
    (RESPONSES, {"prompt": {"id": "pmpt_1"}}),
    (RESPONSES, {"conversation": "conv_1"}),
    (RESPONSES, {"previous_response_id": "resp_1"}),
    (RESPONSES, {"previous_input_messages": []}),
    (COMPLETIONS, {"prompt_embeds": "AAAA"}),
    (COMPLETIONS, {"prompt_token_ids": [1, 2]}),
    (EMBEDDINGS, {"messages": [{"role": "user", "content": "hi"}]}),
    (CHAT, {"prompt": "hi"}),
]


@pytest.mark.parametrize("model", ["auto", "task/t", "named"])
@pytest.mark.parametrize(("operation", "form"), OTHER_FORMS)
def test_an_input_in_another_form_is_the_backends_to_check(
    operation: Endpoint, form: dict[str, object], model: str
) -> None:
    body = parse_body(json.dumps({"model": model, **form}).encode(), operation)
    assert body.content == b""
    assert json.loads(body.forwarded_members(b'"m"')) == {"model": "m", **form}


@pytest.mark.parametrize("operation", [CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES])
def test_only_a_routed_request_must_have_an_input(operation: Endpoint) -> None:
    assert parse_body(b'{"model":"named","stream":true}', operation).members.keys() == {"model", "stream"}
    with pytest.raises(InvalidRequest, match=f"'{operation.content}'"):
        parse_body(b'{"model":"auto","stream":true,"metadata":{},"user":"u"}', operation)


def test_what_the_messages_are_is_the_named_models_to_check() -> None:
    assert parse_body(b'{"model":"named","messages":"text"}', CHAT).content == b'"text"'
    with pytest.raises(InvalidRequest, match="must be an array"):
        parse_body(b'{"model":"task/t","messages":"text"}', CHAT)
