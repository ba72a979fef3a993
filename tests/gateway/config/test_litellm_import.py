"""litellm's proxy configuration becomes ours, and nothing is lost in silence."""

import hashlib

import pytest
import yaml

from gateway.config import Config, parse_config
from gateway.config.backends import AzureBackendConfig, LitellmBackendConfig
from gateway.config.litellm_import import ImportedConfig, import_litellm
from gateway.config.litellm_settings import NO_EFFECT
from gateway.errors import ConfigError

ENVIRONMENT = {"AZURE_KEY": "k1", "OPENAI_API_KEY": "k2", "AZURE_URL": "https://mine.example"}

THEIRS = """
model_list:
  - model_name: gpt-4o
    litellm_params: {model: azure/mine, api_base: os.environ/AZURE_URL, api_key: os.environ/AZURE_KEY, rpm: 60}
  - model_name: gpt-4o
    litellm_params: {model: gpt-4o, weight: 2}
  - model_name: llama
    litellm_params: {model: hosted_vllm/meta/Llama-3.1-8B, api_base: "http://gpu:8000/v1", timeout: 30}
    model_info: {input_cost_per_token: 1.5e-7, output_cost_per_token: 6.0e-7, max_input_tokens: 131072,
                 supports_vision: false, supports_function_calling: true, team: mine}
  - model_name: "anthropic/*"
    litellm_params: {model: "anthropic/*"}
litellm_settings: {request_timeout: 600, fallbacks: [{gpt-4o: [llama]}], drop_params: true}
router_settings: {num_retries: 2, allowed_fails: 3, cooldown_time: 45}
general_settings: {master_key: sk-1234}
"""


@pytest.fixture(scope="module")
def adopted() -> ImportedConfig:
    return import_litellm(THEIRS, "litellm.yaml")


@pytest.fixture(scope="module")
def ours(adopted: ImportedConfig) -> Config:
    """What is written is a configuration that is read without a fault."""
    return parse_config(adopted.to_yaml(), "config.yaml", ENVIRONMENT)


def test_deployments_of_one_name_are_backends_of_one_model(ours: Config) -> None:
    gpt, llama = ours.models
    assert (gpt.name, [backend.kind for backend in gpt.backends]) == ("gpt-4o", ["azure", "openai"])
    azure, openai = gpt.backends
    assert (azure.model, azure.base_url) == ("mine", "https://mine.example")
    assert (openai.base_url, openai.model, openai.weight) == ("https://api.openai.com/v1", "gpt-4o", 2)
    assert (llama.name, llama.backends[0].kind, llama.backends[0].model) == ("llama", "openai", "meta/Llama-3.1-8B")


def test_secrets_stay_in_the_environment(adopted: ImportedConfig, ours: Config) -> None:
    assert "k1" not in adopted.to_yaml()
    keys = [backend.api_key and backend.api_key.get_secret_value() for backend in ours.models[0].backends]
    assert keys == ["k1", "k2"]


def test_prices_windows_capabilities_and_limits_are_carried_over(ours: Config) -> None:
    llama = ours.models[1]
    assert llama.price is not None
    assert (float(llama.price.input_usd_per_mtok), float(llama.price.output_usd_per_mtok)) == (0.15, 0.6)
    assert llama.context_window == 131072
    assert llama.supports == ("tools", "json_schema", "audio")
    assert llama.timeouts.total_s == 30
    assert (ours.upstream.retries, ours.upstream.timeouts.total_s) == (2, 600)
    assert (ours.upstream.breaker.consecutive_faults, ours.upstream.breaker.open_s) == (4, 45)


def test_what_has_no_counterpart_is_named(adopted: ImportedConfig) -> None:
    assert {loss.path for loss in adopted.losses} == {
        "model_list[2].model_info.team",
        "model_list[3].model_name",
        "litellm_settings.drop_params",
    }
    assert adopted.changes_behaviour


def test_rates_are_weights_and_fallbacks_are_tasks(ours: Config) -> None:
    assert [backend.weight for backend in ours.models[0].backends] == [60, 2]
    assert (ours.tasks["gpt-4o"].pin, ours.tasks["gpt-4o"].fallbacks) == ("gpt-4o", ("llama",))


def test_the_master_key_is_an_admin_key_by_its_hash(adopted: ImportedConfig, ours: Config) -> None:
    assert ours.admin.keys[0].sha256 == hashlib.sha256(b"sk-1234").hexdigest()
    assert "sk-1234" not in adopted.to_yaml()
    text = THEIRS.replace("sk-1234", "os.environ/MASTER")
    known = import_litellm(text, "l", {"MASTER": "sk-1234"})
    assert known.document["admin"] == adopted.document["admin"]
    unknown = import_litellm(text, "l", {})
    assert unknown.document["admin"]["keys"][0]["sha256"] == "${LITELLM_MASTER_KEY_SHA256}"
    assert any("LITELLM_MASTER_KEY_SHA256" in note for note in unknown.notes)


def test_a_wildcard_gives_the_models_in_use() -> None:
    text = THEIRS.replace("fallbacks: [{gpt-4o: [llama]}]", "fallbacks: [{gpt-4o: [anthropic/claude-x]}]")
    made = import_litellm(text, "l", names=["anthropic/claude-y", "else/z"])
    backends = {model["name"]: model["backends"][0] for model in made.document["models"]}
    assert backends["anthropic/claude-y"] == {"kind": "litellm", "model": "anthropic/claude-y"}
    assert {"anthropic/claude-x", "anthropic/claude-y"} <= set(backends)
    assert made.document["tasks"]["gpt-4o"]["fallbacks"] == ["anthropic/claude-x"]
    with pytest.raises(ConfigError, match="only wildcards: name the models that you use with --model"):
        import_litellm("model_list: [{model_name: '*', litellm_params: {model: '*'}}]", "l")


def test_providers_aliases_credentials_kinds_and_timeouts() -> None:
    made = import_litellm(
        """
model_list:
  - model_name: claude
    litellm_params: {model: bedrock/anthropic.claude, aws_region_name: eu-west-1, aws_secret_access_key: os.environ/AWS,
                     stream_timeout: 20, input_cost_per_token: 3e-6, output_cost_per_token: 1.5e-5}
  - model_name: vectors
    litellm_params: {model: openai/e, litellm_credential_name: mine}
    model_info: {mode: embedding, id: x}
  - model_name: my model
    litellm_params: {model: m, tpm: 100}
  - model_name: auto
    litellm_params: {model: m}
credential_list: [{credential_name: mine, credential_values: {api_key: os.environ/KEY, api_base: "http://h:1/v1"}}]
router_settings: {model_group_alias: {gpt-4: claude, x: {model: vectors, hidden: true}, y: nobody},
                  stream_timeout: 30, retry_after: 2, routing_strategy: simple-shuffle, redis_host: h}
""",
        "l",
    )
    config = parse_config(made.to_yaml(), "c", {"AWS": "hunter2", "KEY": "k", "OPENAI_API_KEY": "o"})
    models = {model.name: model for model in config.models}
    assert list(models) == ["claude", "vectors", "my-model", "model-auto", "gpt-4", "x"]
    claude = models["claude"].backends[0]
    assert isinstance(claude, LitellmBackendConfig)
    parameters = {name: value.get_secret_value() for name, value in claude.parameters.items()}
    assert parameters == {"aws_region_name": "eu-west-1", "aws_secret_access_key": "hunter2"}
    assert "hunter2" not in str(config.mask_secrets())
    assert models["claude"].timeouts.between_chunks_s == 20
    assert models["claude"].price is not None
    assert str(models["claude"].price.output_usd_per_mtok) == "15.0"
    assert (models["vectors"].kind, models["vectors"].backends[0].base_url) == ("embedding", "http://h:1/v1")
    assert models["my-model"].backends[0].weight == 100
    assert models["gpt-4"].backends == models["claude"].backends
    assert (config.upstream.timeouts.between_chunks_s, config.upstream.retry_pause_s) == (30, 2)
    assert [(group.path, group.count, group.changes_behaviour) for group in made.loss_groups] == [
        ("model_list[].model_name", 1, True),
        ("model_list[].model_name", 1, True),
        ("router_settings.model_group_alias.y", 1, True),
        ("model_list[].model_info.id", 1, False),
        ("router_settings.redis_host", 1, False),
    ]


def test_losses_are_told_once_for_each_kind_with_their_number() -> None:
    entry = "{model_name: m%d, litellm_params: {model: m, tags: [a]}, model_info: {id: x}}"
    text = f"model_list: [{', '.join(entry % number for number in range(40))}]\nguardrails: []\n"
    described = [group.describe() for group in import_litellm(text, "l").loss_groups]
    assert described == [
        "left out, changes behaviour: guardrails: requests and answers are forwarded as they are",
        "left out, changes behaviour: model_list[].litellm_params.tags (40 times): tags choose no deployment here; "
        "name models in `tasks.<task>.candidates`",
        "left out, no effect here: model_list[].model_info.id (40 times)",
    ]


@pytest.mark.parametrize("section", [name for name in NO_EFFECT if name.endswith("_settings")])
def test_what_has_no_effect_is_dropped_without_an_objection_and_what_is_unknown_is_not(section: str) -> None:
    settings = dict.fromkeys(NO_EFFECT[section], "x")
    models = [{"model_name": "m", "litellm_params": {"model": "m"}}]
    made = import_litellm(yaml.safe_dump({"model_list": models, section: settings}), "l")
    assert not made.changes_behaviour
    assert len(made.losses) == len(settings)
    assert import_litellm(yaml.safe_dump({"model_list": models, section: {"brand_new": 1}}), "l").changes_behaviour


def test_a_dollar_sign_in_a_secret_names_no_variable() -> None:
    text = yaml.safe_dump({"model_list": [{"model_name": "m", "litellm_params": {"model": "m", "api_key": "a${B}"}}]})
    backend = parse_config(import_litellm(text, "l").to_yaml(), "c", {}).models[0].backends[0]
    assert backend.api_key is not None
    assert backend.api_key.get_secret_value() == "a${B}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", "invalid YAML"),
        ("models: []", "model_list: expected the list of models of a litellm proxy configuration"),
        ("model_list: [{model_name: m}, 3]", "model_list[1]: expected model_name"),
    ],
)
def test_what_is_no_configuration_of_litellm_is_refused(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        import_litellm(text, "litellm.yaml")
    assert told in str(refused.value)


def test_versions_headers_and_certificates_are_carried_over() -> None:
    adopted = import_litellm(
        """
model_list:
  - model_name: a
    litellm_params: {model: azure/mine, api_base: os.environ/AZURE_URL, api_key: k, api_version: "2024-10-21",
                     ssl_verify: false, extra_headers: {X-Team: os.environ/TEAM}}
  - model_name: b
    litellm_params: {model: gpt-4o, organization: org-1}
  - model_name: c
    litellm_params: {model: azure/o_series/mine, api_base: "https://mine.example", api_version: "2024-10-21"}
""",
        "litellm.yaml",
    )
    assert adopted.losses == []
    config = parse_config(adopted.to_yaml(), "config.yaml", {**ENVIRONMENT, "TEAM": "mine"})
    azure, openai, litellm = (model.backends[0] for model in config.models)
    assert isinstance(azure, AzureBackendConfig)
    assert (azure.api_version, azure.tls.verify) == ("2024-10-21", False)
    assert azure.headers["x-team"].get_secret_value() == "mine"
    assert openai.headers["openai-organization"].get_secret_value() == "org-1"
    assert isinstance(litellm, LitellmBackendConfig)
    assert (litellm.model, litellm.api_version) == ("azure/o_series/mine", "2024-10-21")
