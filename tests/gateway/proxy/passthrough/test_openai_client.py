"""The endpoints that are passed through, with the official client."""

import json

import pytest
from openai import OpenAI

from tests.gateway.api_upstream import PNG, ApiUpstream


@pytest.fixture
def client(passing: str, api: ApiUpstream) -> OpenAI:
    return OpenAI(base_url=f"{passing}/v1", api_key="sk-mine", max_retries=0)


def test_images(client: OpenAI, api: ApiUpstream) -> None:
    made = client.images.generate(model="image", prompt="a fish", size="1024x1024")
    assert made.data is not None
    assert len(made.data[0].b64_json or "") == 400_000
    assert json.loads(api.last.body) == {"model": "up-image", "prompt": "a fish", "size": "1024x1024"}
    client.images.edit(image=("fish.png", PNG, "image/png"), prompt="a whale", model="image")
    assert PNG in api.last.body
    assert b'name="model"\r\n\r\nup-image\r\n' in api.last.body
    assert api.last.path == "/v1/images/edits"
    with pytest.warns(DeprecationWarning, match="deprecated"):
        client.images.create_variation(image=PNG)
    assert api.last.path == "/v1/images/variations"
    assert b'name="model"\r\n\r\nup-image\r\n' in api.last.body


def test_audio(client: OpenAI, api: ApiUpstream) -> None:
    with client.audio.speech.with_streaming_response.create(model="audio", voice="alloy", input="hi") as spoken:
        assert b"".join(spoken.iter_bytes()) == PNG
        assert spoken.headers["x-benchroute-model"] == "audio"
    assert json.loads(api.last.body)["model"] == "up-audio"
    heard = client.audio.transcriptions.create(file=("a.wav", PNG), model="audio")
    assert heard.text == "hello"
    assert PNG in api.last.body
    with pytest.warns(DeprecationWarning, match="deprecated"):
        translated = client.audio.translations.create(file=("a.wav", PNG), model="audio")
    assert (translated.text, api.last.path) == ("hello", "/v1/audio/translations")


def test_moderations_without_a_model_use_the_only_one_of_their_kind(client: OpenAI, api: ApiUpstream) -> None:
    assert client.moderations.create(input="words").id == "modr-1"
    assert json.loads(api.last.body) == {"input": "words", "model": "up-moderation"}


def test_files_and_batches_go_to_the_configured_backend(client: OpenAI, api: ApiUpstream) -> None:
    made = client.files.create(file=("in.jsonl", b'{"custom_id": "1"}'), purpose="batch")
    assert (made.id, api.last.path) == ("file-1", "/v1/files")
    assert b'{"custom_id": "1"}' in api.last.body
    assert [one.id for one in client.files.list(limit=5)] == ["file-1"]
    assert api.last.path == "/v1/files?limit=5"
    assert client.files.retrieve("file-1").bytes == 3
    assert client.files.content("file-1").content == b'{"custom_id": "1"}\n'
    assert client.files.delete("file-1").deleted
    batch = client.batches.create(input_file_id="file-1", endpoint="/v1/chat/completions", completion_window="24h")
    assert batch.id == "batch_1"
    assert client.batches.retrieve("batch_1").status == "completed"
    assert [one.id for one in client.batches.list()] == ["batch_1"]
    assert client.batches.cancel("batch_1").status == "cancelling"


def test_conversations_are_found_by_their_id(client: OpenAI) -> None:
    made = client.conversations.create()
    assert client.conversations.retrieve(made.id).id == "conv_1"
    assert list(client.conversations.items.list(made.id)) == []
