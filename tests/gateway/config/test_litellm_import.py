"""litellm's proxy configuration becomes ours, and nothing is lost in silence."""

import pytest
import yaml

from gateway.config import Config, parse_config
from gateway.config.backends import AzureBackendConfig, LitellmBackendConfig
from gateway.config.litellm_import import ImportedConfig, import_litellm
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
    assert {path for path, _ in adopted.left_out} == {
        "general_settings",
        "model_list[0].litellm_params.rpm",
        "model_list[2].model_info.team",
        "model_list[3].model_name",
        "litellm_settings.fallbacks",
        "litellm_settings.drop_params",
    }


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
    assert adopted.left_out == []
    config = parse_config(adopted.to_yaml(), "config.yaml", {**ENVIRONMENT, "TEAM": "mine"})
    azure, openai, litellm = (model.backends[0] for model in config.models)
    assert isinstance(azure, AzureBackendConfig)
    assert (azure.api_version, azure.tls.verify) == ("2024-10-21", False)
    assert azure.headers["x-team"].get_secret_value() == "mine"
    assert openai.headers["openai-organization"].get_secret_value() == "org-1"
    assert isinstance(litellm, LitellmBackendConfig)
    assert (litellm.model, litellm.api_version) == ("azure/o_series/mine", "2024-10-21")
