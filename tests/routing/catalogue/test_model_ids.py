"""Ids of providers, resolved to the model they mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.catalogue.model_ids import ModelIds, newest_first, read_model_ids

IDS = read_model_ids()


@pytest.mark.parametrize(
    ("written", "model", "version"),
    [
        ("gpt-4o-2024-11-20", "gpt-4o", "2024-11-20"),
        ("azure/gpt-4o-mini", "gpt-4o-mini", ""),
        ("gpt-35-turbo", "gpt-3.5-turbo", ""),
        ("claude-3-5-haiku-latest", "claude-3.5-haiku", ""),
        ("claude-opus-4-1-20250805", "claude-opus-4.1", "2025-08-05"),
        ("claude-sonnet-4@20250514", "claude-sonnet-4", "2025-05-14"),
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", "claude-sonnet-4", "2025-05-14"),
        ("bedrock/eu.anthropic.claude-3-5-sonnet-20241022-v2:0", "claude-3.5-sonnet", "2024-10-22"),
        ("bedrock/converse/us.meta.llama3-3-70b-instruct-v1:0", "llama-3.3-70b-instruct", ""),
        ("amazon.nova-pro-v1:0", "nova-pro", ""),
        ("deepseek.r1-v1:0", "deepseek-r1", ""),
        ("models/gemini-1.5-pro-002", "gemini-1.5-pro", "002"),
        ("vertex_ai/gemini-2.0-flash-001", "gemini-2.0-flash", "001"),
        ("meta/llama-4-maverick-17b-128e-instruct-maas", "llama-4-maverick", ""),
        ("openrouter/anthropic/claude-3.7-sonnet:thinking", "claude-3.7-sonnet-think", ""),
        ("deepseek/deepseek-r1:free", "deepseek-r1", ""),
        ("accounts/fireworks/models/llama-v3p3-70b-instruct", "llama-3.3-70b-instruct", ""),
        ("meta-llama/Llama-3.3-70B-Instruct-Turbo", "llama-3.3-70b-instruct", ""),
        ("Qwen/Qwen2.5-72B-Instruct-AWQ", "qwen-2.5-72b-instruct", ""),
        ("RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic", "llama-3.3-70b-instruct", ""),
        ("unsloth/Llama-3.3-70B-Instruct-bnb-4bit", "llama-3.3-70b-instruct", ""),
        ("llama3.3:70b-instruct-q4_K_M", "llama-3.3-70b-instruct", ""),
        ("ollama/llama3.1:8b", "llama-3.1-8b-instruct", ""),
        ("llama-3.3-70b-versatile", "llama-3.3-70b-instruct", ""),
        ("mistral-large-2411", "mistral-large", "2024-11"),
        ("mistral-small-2503", "mistral-small-3.1", "2025-03"),
        ("gpt-oss:20b", "gpt-oss-20b", ""),
        ("x-ai/grok-4", "grok-4", ""),
    ],
)
def test_ids_of_providers_name_their_model(written: str, model: str, version: str) -> None:
    found = IDS.resolve(written)
    assert (found.model, found.version_text, found.is_listed) == (model, version, True)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("gpt-4o", "gpt-4o-mini"),
        ("gpt-4-turbo", "gpt-4"),
        ("claude-sonnet-4", "claude-sonnet-4-think"),
        ("meta-llama/Meta-Llama-3-70B-Instruct", "meta-llama/Llama-3.1-70B-Instruct"),
        ("my-org/llama-3.3-70b-instruct-finetuned", "llama-3.3-70b-instruct"),
        ("deepseek-r1-distill-llama-70b", "deepseek-r1"),
        ("gemini-2.0-flash-lite", "gemini-2.0-flash"),
        ("deepseek-chat", "deepseek-v3"),
        ("qwen2.5:7b", "qwen2.5:72b"),
    ],
)
def test_another_model_is_never_taken_for_it(one: str, other: str) -> None:
    assert IDS.resolve(one).model != IDS.resolve(other).model


@given(
    st.sampled_from(IDS.names),
    st.sampled_from(["", "openrouter/", "azure/"]),
    st.sampled_from(["", ":free", ":latest"]),
)
def test_every_listed_model_is_itself_behind_a_prefix_and_in_capitals(name: str, prefix: str, suffix: str) -> None:
    assert IDS.resolve(f"{prefix}{name.upper()}{suffix}").model == name


@given(st.text(max_size=60))
def test_any_text_resolves_and_a_resolved_name_resolves_to_itself(written: str) -> None:
    found = IDS.resolve(written)
    assert IDS.resolve(written) == found
    if found.is_listed:
        assert IDS.resolve(found.model).model == found.model


def test_an_id_of_two_models_is_refused() -> None:
    with pytest.raises(ValueError, match="is an id of one and of two"):
        ModelIds({"one": ["shared"], "two": ["shared"]})


def test_the_plain_id_is_the_newest_version() -> None:
    assert newest_first([(2024, 5, 13), (), (2024, 11, 20)]) == [(), (2024, 11, 20), (2024, 5, 13)]
