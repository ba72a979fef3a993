"""`benchroute init`: what it finds, what it takes of it, and that a gateway starts with what it writes."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from gateway.cli.errors import OptionError
from gateway.cli.init.command import render_config
from gateway.cli.init.kinds import guess_kind
from gateway.cli.init.providers import (
    HOSTED,
    LOCAL,
    DetectedProvider,
    Provider,
    detect_providers,
    select_by_name,
    select_defaults,
    select_interactively,
)
from gateway.config import load_config, parse_config
from tests.gateway.asking import ask
from tests.gateway.cli.conftest import run_command
from tests.gateway.cli.endpoints import listing
from tests.gateway.serving import running_gateway

MODELS = ["llama-3.1-8b", "qwen 2.5/7b", "${odd}"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for provider in HOSTED:
        monkeypatch.delenv(provider.variable or "", raising=False)
    monkeypatch.setenv("MINE_KEY", "sk-mine")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def init(*arguments: object, url: str = "", **options: Any) -> Result:
    mine = ("--endpoint", f"mine={url}", "--provider", "mine") if url else ()
    return run_command("init", "--timeout-s", 2, *mine, *arguments, **options)


def test_a_server_on_this_machine_becomes_a_configuration_that_starts(folder: Path) -> None:
    with listing(MODELS) as url:
        told = init("--yes", url=url)
    assert (told.exit_code, told.stdout) == (0, "config.yaml: llama-3.1-8b, qwen-2.5/7b, ${odd}\n")
    assert "benchroute serve --config config.yaml" in told.stderr
    config = load_config(folder / "config.yaml", {})
    assert [(model.name, model.backends[0].model) for model in config.models] == [
        ("llama-3.1-8b", None),
        ("qwen-2.5/7b", "qwen 2.5/7b"),
        ("${odd}", None),
    ]
    with running_gateway((folder / "config.yaml").read_text()) as gateway:
        listed = [model["id"] for model in ask(gateway, "/v1/models").json["data"]]
    assert listed == ["auto", *(model.name for model in config.models)]


def test_prices_of_a_known_provider_are_written_with_their_day(folder: Path) -> None:
    """An endpoint with a provider's name is a proxy of it; a price that no list has stays unknown."""
    listed = ["models/gemini-2.5-pro", "gemini-9-unheard-of", "gemini-embedding-001"]
    with listing(listed) as url:
        wanted = [part for name in ("gemini-2.5-pro", "gemini-9-unheard-of") for part in ("--model", f"gemini:{name}")]
        told = run_command("init", "--endpoint", f"gemini={url},MINE_KEY", "--provider", "gemini", *wanted)
    assert told.exit_code == 0, told.output
    known, unknown = load_config(folder / "config.yaml").models
    assert known.price is not None
    assert (known.price.input_usd_per_mtok, known.price.output_usd_per_mtok) == (Decimal("1.25"), Decimal(10))
    assert known.price.long_context is not None
    assert unknown.price is None
    assert "# list price, " in (folder / "config.yaml").read_text()
    assert "prices: not known of gemini-9-unheard-of" in told.stderr
    again = run_command("config", "prices")
    assert "gemini-9-unheard-of: not listed" in again.stdout
    assert "gemini-2.5-pro" not in again.stdout


def test_a_local_model_has_no_list_price_whatever_it_is_called(folder: Path) -> None:
    with listing(["gpt-4o-mini"]) as url:
        assert init("--yes", url=url).exit_code == 0
    assert load_config(folder / "config.yaml").models[0].price is None


def test_embedding_models_are_found_and_told(folder: Path) -> None:
    with listing(["llama-3.1-8b", "nomic-embed-text", "whisper-1"]) as url:
        told = init("--yes", url=url)
    assert told.exit_code == 0, told.output
    config = load_config(folder / "config.yaml", {})
    assert [model.kind for model in config.models] == ["chat", "embedding", "audio"]
    assert "nomic-embed-text: kind embedding" in told.stderr
    assert config.routing.embedding_model is None
    with listing(["llama-3.1-8b", "nomic-embed-text", "bge-m3"]) as url:
        told = init("--yes", "--force", url=url)
    assert "/v1/embeddings with `auto` goes to nomic-embed-text" in told.stderr
    assert load_config(folder / "config.yaml", {}).routing.embedding_model == "nomic-embed-text"
    with listing(["llama-3.1-8b", "nomic-embed-text"]) as url:
        told = init("--model", "llama-3.1-8b", "--force", url=url)
    assert "no embedding model chosen; found mine:nomic-embed-text" in told.stderr


def test_a_gateway_without_a_model_for_chat_is_refused(folder: Path) -> None:
    with listing(["nomic-embed-text"]) as url:
        told = init("--yes", url=url)
    assert told.exit_code != 0
    assert "no model for chat among nomic-embed-text (embedding)" in told.stderr
    assert not (folder / "config.yaml").exists()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, "embedding") for name in ("text-embedding-3-small", "mistral-embed", "models/gemini-embedding-001")),
        *((name, "embedding") for name in ("BAAI/bge-m3", "intfloat/e5-large", "all-minilm", "mxbai-embed-large")),
        *((name, "rerank") for name in ("BAAI/bge-reranker-v2-m3", "rerank-v3.5")),
        *((name, "audio") for name in ("whisper-1", "gpt-4o-mini-tts", "tts-1", "gpt-4o-transcribe")),
        *((name, "image") for name in ("dall-e-3", "gpt-image-1", "black-forest-labs/flux-schnell", "imagen-4")),
        ("omni-moderation-latest", "moderation"),
        *(
            (name, "chat")
            for name in ("gpt-4o", "claude-haiku-4-5", "llama-3.1-8b", "openrouter/auto", "gemini-2.5-pro")
        ),
        *(
            (name, "chat")
            for name in ("mistral-large-latest", "deepseek-reasoner", "phi-4", "qwen 2.5/7b", "gpt-4o-audio-preview")
        ),
    ],
)
def test_a_kind_is_told_by_the_name(name: str, kind: str) -> None:
    assert guess_kind(name) == kind


def test_keys_stay_in_the_environment(folder: Path) -> None:
    with listing(["a", "b"], "sk-mine") as url:
        told = init("--model", "mine:b", "--model", "a", "--json", url=f"{url},MINE_KEY")
    assert told.exit_code == 0, told.output
    assert [model["name"] for model in json.loads(told.stdout)["models"]] == ["b", "a"]
    text = (folder / "config.yaml").read_text()
    assert 'api_key: "${MINE_KEY}"' in text
    assert "sk-mine" not in text + told.output


def test_a_key_that_is_refused_is_told(folder: Path) -> None:
    with listing(["a"], "sk-other") as url:
        told = init("--model", "mine:a", url=f"{url},MINE_KEY")
    assert "found mine: the key in MINE_KEY is rejected" in told.stderr
    assert (folder / "config.yaml").exists()


def test_a_file_that_is_there_is_left_alone_unless_forced(folder: Path) -> None:
    (folder / "config.yaml").write_text("mine")
    with listing(["a"]) as url:
        refused = init("--yes", url=url)
        assert (refused.exit_code, (folder / "config.yaml").read_text()) == (2, "mine")
        assert init("--yes", "--force", url=url).exit_code == 0
    assert len(load_config(folder / "config.yaml", {}).models) == 1


def test_what_is_not_there_is_told_with_the_next_step(folder: Path) -> None:
    nothing = init("--provider", "openai")
    assert nothing.exit_code == 2
    assert "OPENAI_API_KEY" in nothing.stderr
    assert "--endpoint NAME=URL" in nothing.stderr
    with listing(["a"]) as url:
        assert "no provider lists it" in init("--model", "b", url=url).stderr
    for wrong in ("mine", "mine=ftp://x", "=http://x", "mine=http://127.0.0.1/v1,sk-not-a-name"):
        refused = run_command("init", "--endpoint", wrong)
        assert (refused.exit_code, "expected NAME=URL" in refused.stderr or "not a key" in refused.stderr) == (2, True)
    assert "--provider nobody: expected openai" in run_command("init", "--provider", "nobody").stderr
    assert not (folder / "config.yaml").exists()


def test_hosted_providers_are_found_by_their_variables_and_local_ones_by_their_answer() -> None:
    with listing(["gpt-4o", "gpt-4o-mini", "gpt-x"], "k") as hosted, listing([]) as empty, listing(["l"]) as local:
        here = [
            Provider("openai", hosted, "OPENAI_API_KEY", ("gpt-4o-mini", "gpt-3")),
            Provider("unset", hosted, "UNSET_API_KEY"),
            Provider("down", "http://127.0.0.1:9/v1", "DOWN_API_KEY", ("m",)),
            Provider("empty", empty),
            Provider("local", local),
        ]
        found = detect_providers(
            here, {"OPENAI_API_KEY": "k", "UNSET_API_KEY": " ", "DOWN_API_KEY": "x"}, lambda *_: None, 2
        )
    assert [(one.provider.name, len(one.models)) for one in found] == [("openai", 3), ("down", 1), ("local", 1)]
    assert found[1].remark.startswith("its models cannot be listed")
    assert [one.name for one in select_defaults(found)] == ["gpt-4o-mini", "m", "l"]


def test_somebody_at_a_terminal_picks() -> None:
    found = [
        DetectedProvider(Provider("a", "http://a/v1", "A", ("m1",)), ("m1", "m2", "m3")),
        DetectedProvider(Provider("b", "http://b"), ("m1",)),
    ]
    said: list[str] = []
    answers = iter(["2, m3", "1"])
    chosen = select_interactively(found, said.append, lambda question, default: next(answers))
    assert [(one.name, one.upstream) for one in chosen] == [("m2", "m2"), ("m3", "m3"), ("m1", "m1")]
    assert "   1  m1" in said
    defaults: list[str] = []

    def nothing(question: str, default: str) -> str:
        defaults.append(default)
        return "none"

    assert select_interactively(found, said.append, nothing) == []
    assert defaults == ["1", "1"]
    with pytest.raises(OptionError, match="unknown model '9' of a"):
        select_interactively(found, said.append, lambda question, default: "9")


def test_a_model_that_two_have_is_named_apart() -> None:
    found = [DetectedProvider(Provider(name, f"http://{name}/v1"), ("m",)) for name in ("a", "b")]
    assert [one.name for one in select_defaults(found)] == ["m", "b/m"]
    assert [one.provider.name for one in select_by_name(found, ["b:m"])] == ["b"]


def test_every_known_provider_makes_a_sound_configuration() -> None:
    found = [DetectedProvider(one, one.models or ("m",)) for one in (*HOSTED, *LOCAL)]
    text = render_config(select_defaults(found), None, 8100)
    environment = {one.variable: "k" for one in HOSTED if one.variable}
    assert len(parse_config(text, "config.yaml", environment).models) == len(select_defaults(found))
    assert "speaks_messages: true" in text
