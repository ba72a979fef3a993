"""The field `model` of a multipart form, against the standard library's parser of MIME."""

import email

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.errors import InvalidRequest
from gateway.proxy.passthrough.form import MAX_MODEL_BYTES, MAX_PART_HEADERS, FormModel

BOUNDARY = b"0f3c"
TYPE = b"multipart/form-data; boundary=" + BOUNDARY
MODEL = (b'name="model"', b"whisper-1")
FILE = (b'name="file"; filename="a.wav"', b"\x00\xff" * 40)

Part = tuple[bytes, bytes]


def form(*parts: Part, end: bytes = b"--\r\n") -> bytes:
    """Return a form. parts: parameters of the Content-Disposition, and content."""
    joined = b"".join(
        b"--%b\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n" % (BOUNDARY, named, content)
        for named, content in parts
    )
    return joined + b"--" + BOUNDARY + end


def read(data: bytes, sizes: list[int] | None = None, content_type: bytes = TYPE) -> FormModel:
    """Read a form in pieces of these sizes, repeated."""
    found, place, turn = FormModel(content_type), 0, 0
    while place < len(data):
        size = sizes[turn % len(sizes)] if sizes else len(data)
        found.feed(data[place : place + size])
        place, turn = place + size, turn + 1
    found.check_end()
    return found


def known_to_email(data: bytes) -> dict[str, bytes]:
    """Return the fields as the standard library reads them."""
    message = email.message_from_bytes(b"Content-Type: " + TYPE + b"\r\n\r\n" + data)
    found = {}
    for part in message.walk():
        content = part.get_payload(decode=True)
        if not part.is_multipart() and isinstance(content, bytes):
            found[str(part.get_param("name", header="content-disposition"))] = content
    return found


contents = st.one_of(
    st.binary(max_size=200), st.sampled_from([b"", b"\r\n", b"--0f3", b"\r\n--0f3", b"\r\n--0f", b"--", b"\r", b"\n"])
).filter(lambda content: b"--" + BOUNDARY not in content)
names = st.sampled_from([b'name="file"; filename="x"', b"name=prompt", b'name="models"', b'name="Model"', b'name="n"'])
texts = st.text("abcXYZ-/.:_0123456789äß", max_size=40).map(str.encode)


@given(
    st.lists(st.tuples(names, contents), max_size=4),
    st.lists(st.tuples(names, contents), max_size=4),
    texts,
    st.lists(st.integers(1, 50), min_size=1, max_size=5),
)
@example([(b'name="file"', b"\r\n")], [], b"", [1])
def test_it_is_found_wherever_it_stands_and_however_the_form_is_cut(
    before: list[Part], after: list[Part], value: bytes, sizes: list[int]
) -> None:
    data = form(*before, (b'name="model"', value), *after)
    found = read(data, sizes)
    assert found.value == value.decode()
    assert data[found.start : found.end] == value
    assert known_to_email(data)["model"] == value


@given(st.lists(st.tuples(names, contents), min_size=1, max_size=4), st.lists(st.integers(1, 50), min_size=1))
def test_a_form_without_it_has_none(parts: list[Part], sizes: list[int]) -> None:
    assert read(form(*parts), sizes).value is None


def test_a_file_is_not_kept_while_it_passes() -> None:
    found = FormModel(TYPE)
    found.feed(b'--0f3c\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n')
    for _ in range(50):
        found.feed(b"\x00" * 1_000_000)
    assert len(found._held) < 100


@pytest.mark.parametrize("quoted", [b'multipart/form-data; boundary="0f3c"', b"multipart/form-data;BOUNDARY=0f3c;x=y"])
def test_a_boundary_is_read_as_clients_write_it(quoted: bytes) -> None:
    assert read(form(MODEL), content_type=quoted).value == "whisper-1"


REFUSED = {
    "no boundary": (b"multipart/form-data", form(MODEL)),
    "another boundary": (b"multipart/form-data; boundary=other", form(MODEL)),
    "a preamble": (TYPE, b"preamble\r\n" + form(MODEL)),
    "a boundary within a line": (TYPE, b"x" + form(MODEL)),
    "an epilogue": (TYPE, form(MODEL) + form(MODEL)),
    "bare line feeds": (TYPE, form(MODEL).replace(b"\r\n", b"\n")),
    "padding": (TYPE, form(MODEL, end=b" --")),
    "no end": (TYPE, form(MODEL)[:-4]),
    "cut in its headers": (TYPE, form(MODEL)[:30]),
    "twice": (TYPE, form(MODEL, FILE, MODEL)),
    "twice, once without quotes": (TYPE, form(MODEL, (b"name=model", b"gpt-4"))),
    "twice, once escaped": (TYPE, form(MODEL, (b'name="mod\\el"', b"gpt-4"))),
    "an extended name": (TYPE, form((b"name*=utf-8''model", b"gpt-4"))),
    "two names": (TYPE, form((b'name="x"; name="model"', b"gpt-4"))),
    "no name": (TYPE, form((b'filename="x"', b""))),
    "a file": (TYPE, form((b'name="model"; filename="x"', b"gpt-4"))),
    "a transfer encoding": (TYPE, form((b'name="model"\r\nContent-Transfer-Encoding: base64', b"Z3B0LTQ="))),
    "a folded header": (TYPE, form((b'name="x";\r\n name="model"', b"gpt-4"))),
    "two dispositions": (TYPE, form((b'name="x"\r\nContent-Disposition: form-data; name="model"', b"gpt-4"))),
    "a bare line feed in headers": (TYPE, form((b'name="x"\nContent-Disposition: form-data; name="model"', b"gpt-4"))),
    "a boundary instead of content": (TYPE, form(MODEL).replace(b"\r\n\r\nwhisper-1\r\n", b"\r\n\r\n")),
    "a model without end": (TYPE, form((b'name="model"', b"m" * (MAX_MODEL_BYTES + 1)))),
    "headers without end": (TYPE, form((b'name="x"; y="' + b"y" * MAX_PART_HEADERS + b'"', b""))),
    "no text": (TYPE, form((b'name="model"', b"\xff"))),
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_what_parsers_read_differently_is_refused(kind: str, size: int) -> None:
    content_type, data = REFUSED[kind]
    with pytest.raises(InvalidRequest):
        read(data, [size], content_type)
