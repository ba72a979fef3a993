"""Forms on their way through a real gateway: streamed, bounded, and sent again only where that is safe."""

import hashlib
import socket
import tracemalloc
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

import pytest

from tests.gateway.api_upstream import ApiUpstream
from tests.gateway.asking import Response, ask
from tests.gateway.proxy.passthrough.conftest import MINE
from tests.gateway.proxy.passthrough.forms import FORM, chunks, field, file, file_start, form
from tests.gateway.waiting import eventually

PATH = "/v1/audio/transcriptions"
MODEL = field("model", b"audio")
BLOCK = bytes(range(256)) * 256


def transcribe(url: str, body: bytes, path: str = PATH, **headers: str) -> Response:
    return ask(url, path, body=body, **{**FORM, **MINE, **headers})


class Client:
    """A connection that sends a request piece by piece."""

    def __init__(self, url: str, framing: str, path: str = PATH) -> None:
        place = urlsplit(url)
        self.socket = socket.create_connection((place.hostname or "", place.port or 0), timeout=20)
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-mine\r\n{framing}\r\n"
        self.socket.sendall(f"{head}content-type: {FORM['content_type']}\r\n\r\n".encode())

    def send(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            self.socket.sendall(piece)

    def status(self) -> int:
        """Return the response's status."""
        return int(self.socket.recv(4096).split(b" ")[1])

    def close(self) -> None:
        self.socket.close()


def large_form(blocks: int) -> Iterator[bytes]:
    yield MODEL + file_start()
    for _ in range(blocks):
        yield BLOCK
    yield b"\r\n" + form()


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_hundred_megabytes_pass_and_are_never_held(passing: str, api: ApiUpstream, is_chunked: bool) -> None:
    blocks = 100_000_000 // len(BLOCK)
    size = sum(map(len, large_form(blocks)))
    digest = hashlib.sha256()
    for piece in large_form(blocks):
        digest.update(piece.replace(MODEL, field("model", b"up-audio")))
    client = Client(passing, "transfer-encoding: chunked" if is_chunked else f"content-length: {size}")
    tracemalloc.start()
    try:
        client.send(chunks(large_form(blocks)) if is_chunked else large_form(blocks))
        assert client.status() == 200
        # The upstream keeps 4 MB of it; client and gateway hold pieces.
        assert tracemalloc.get_traced_memory()[1] < 12_000_000
    finally:
        tracemalloc.stop()
        client.close()
    assert (api.last.size, api.last.sha256) == (size + len("up-"), digest.hexdigest())
    assert ("content-length" in api.last.headers) != is_chunked


def test_a_backend_that_reads_slowly_holds_its_client_back(passing: str, api: ApiUpstream) -> None:
    api.pause_s = 0.002
    client = Client(passing, "transfer-encoding: chunked")
    tracemalloc.start()
    try:
        client.send(chunks(large_form(300)))
        assert client.status() == 200
        assert tracemalloc.get_traced_memory()[1] < 12_000_000
    finally:
        tracemalloc.stop()
        client.close()


@pytest.mark.parametrize("size", [0, 10, 100_000, 3_000_000])
def test_a_model_behind_its_file_is_found_and_the_rest_is_as_it_was(passing: str, api: ApiUpstream, size: int) -> None:
    content = (BLOCK * 50)[:size]
    sent = form(field("prompt", b"x"), file(content), MODEL, field("language", b"de"))
    assert transcribe(passing, sent).json["text"] == "hello"
    expected = form(field("prompt", b"x"), file(content), field("model", b"up-audio"), field("language", b"de"))
    assert (api.last.size, api.last.sha256) == (len(expected), hashlib.sha256(expected).hexdigest())


def test_a_form_without_a_model_goes_to_the_only_one_of_its_kind(passing: str, api: ApiUpstream) -> None:
    assert transcribe(passing, form(file(b"abc"))).status == 200
    assert api.last.body == form(field("model", b"up-audio"), file(b"abc"))


def test_a_form_too_large_for_the_limit_is_refused(passing: str, api: ApiUpstream) -> None:
    refused = Client(passing, "content-length: 300000000")
    refused.send([MODEL])
    assert refused.status() == 413
    refused.close()
    chunked = Client(passing, "transfer-encoding: chunked")
    chunked.send(chunks(large_form(3200)))
    assert chunked.status() == 413
    chunked.close()
    assert eventually(lambda: api.closed_early, 5)
    assert api.received == []


def test_a_second_model_never_reaches_a_backend(passing: str, api: ApiUpstream) -> None:
    """It comes late, when the first has chosen the backend and much has gone there."""
    client = Client(passing, "transfer-encoding: chunked")
    client.send([*chunks([MODEL + file_start() + BLOCK * 20, b"\r\n" + field("model", b"other") + form()])])
    assert client.status() == 400
    client.close()
    assert eventually(lambda: api.closed_early, 5)
    assert api.received == []


def test_a_client_that_leaves_in_its_upload_ends_the_backends_request(passing: str, api: ApiUpstream) -> None:
    client = Client(passing, "content-length: 1000000")
    client.send([MODEL, file_start(), BLOCK])
    client.close()
    assert eventually(lambda: api.closed_early, 5)
    assert api.received == []


def test_a_refusal_before_the_uploads_end_reaches_the_client(passing: str, api: ApiUpstream) -> None:
    api.early = 413
    refused = transcribe(passing, form(MODEL, file(BLOCK * 50)))
    assert (refused.status, refused.json["error"]["message"]) == (413, "too large")


@pytest.mark.parametrize("refusal", [503, 429, 0])
def test_a_held_form_is_sent_again(passing: str, api: ApiUpstream, refusal: int) -> None:
    api.refusals = [refusal]
    answered = transcribe(passing, form(MODEL, file(b"abc")))
    assert (answered.status, len(api.received)) == (200, 2)
    assert api.received[0].sha256 == api.received[1].sha256


def test_an_upload_that_may_have_made_a_file_is_not_sent_again(passing: str, api: ApiUpstream) -> None:
    api.refusals = [500]
    refused = transcribe(passing, form(field("purpose", b"batch"), file(b"abc")), "/v1/files")
    assert (refused.status, refused.json["error"]["code"], len(api.received)) == (500, "s500", 1)
    api.refusals = [429]
    again = transcribe(passing, form(field("purpose", b"batch"), file(b"abc")), "/v1/files")
    assert (again.status, len(api.received)) == (200, 3)


BROKEN = {
    "no form": b"hello",
    "cut": form(MODEL, file(b"x"))[:-20],
    "twice": form(MODEL, MODEL),
    "a file as model": form(file_start("model") + b"audio\r\n"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_an_invalid_form_gets_a_clear_error(passing: str, api: ApiUpstream, kind: str) -> None:
    refused = transcribe(passing, BROKEN[kind])
    assert (refused.status, refused.error["type"]) == (400, "invalid_request_error")
    assert "form" in refused.error["message"]
    assert api.received == []
