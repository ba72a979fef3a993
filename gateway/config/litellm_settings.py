"""Settings of litellm's proxy (https://docs.litellm.ai/docs/proxy/config_settings), by what becomes of them.

Converted settings are those that `litellm_import` and `litellm_models` read. The ones below have no effect here, and
dropping them changes no answer. Every other setting changes behaviour: a setting that this list does not know counts as
such, so that nothing is lost without a word.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

NO_EFFECT = {
    "litellm_settings": (
        *("success_callback", "failure_callback", "callbacks", "service_callbacks", "callback_settings", "json_logs"),
        *("turn_off_message_logging", "redact_user_api_key_info", "langfuse_default_tags", "set_verbose", "debug"),
        *(
            "disable_end_user_cost_tracking",
            "disable_end_user_cost_tracking_prometheus_only",
            "prometheus_metrics_config",
        ),
        *(
            "disable_hf_tokenizer_download",
            "key_generation_settings",
            "enable_key_alias_format_validation",
            "telemetry",
        ),
        *(
            "default_team_settings",
            "default_internal_user_params",
            "suppress_debug_info",
            "mcp_aliases",
            "upperbound_key_generate_params",
        ),
        *("store_audit_logs", "custom_prometheus_metadata_labels", "custom_prometheus_tags", "enable_preview_features"),
    ),
    "router_settings": (
        *(
            "redis_url",
            "redis_host",
            "redis_port",
            "redis_password",
            "redis_db",
            "cache_kwargs",
            "client_ttl",
            "polling_interval",
        ),
        *("set_verbose", "debug_level", "alerting_config", "model_group_affinity_config", "ignore_invalid_deployments"),
        *("enable_pre_call_checks", "health_check_staleness_threshold", "health_check_ignore_transient_errors"),
    ),
    "general_settings": (
        *(
            "alerting",
            "alerting_threshold",
            "alerting_args",
            "alert_types",
            "alert_to_webhook_url",
            "otel",
            "ui_access_mode",
        ),
        *("background_health_checks", "health_check_interval", "health_check_concurrency", "spend_report_frequency"),
        *("health_check_skip_disabled_background_models", "background_health_check_model_groups", "store_model_in_db"),
        *("disable_spend_logs", "disable_spend_updates", "disable_master_key_return", "disable_reset_budget"),
        *(
            "disable_adding_master_key_hash_to_db",
            "store_prompts_in_spend_logs",
            "proxy_batch_write_at",
            "proxy_budget_rescheduler_min_time",
        ),
        *("proxy_budget_rescheduler_max_time", "proxy_config_reload_interval_seconds", "enable_public_model_hub"),
        *("spend_logs_metadata_fields", "disable_requester_ip_address_logging", "user_mcp_management_mode"),
        *("database_connection_pool_limit", "database_connection_timeout", "database_connect_timeout", "database_args"),
        *(
            "database_type",
            "database_socket_timeout",
            "database_max_idle_connection_lifetime",
            "allow_requests_on_db_unavailable",
        ),
        *("control_plane_url", "user_api_key_cache_max_size", "use_shared_health_check", "supported_db_objects"),
    ),
    "litellm_params": (
        "litellm_trace_id",
        "mock_response",
        "use_in_pass_through",
        "keepalive_seconds",
        "fedramp_uplift_multiplier",
    ),
    "model_info": (
        *(
            "id",
            "db_model",
            "base_model",
            "max_tokens",
            "max_output_tokens",
            "team_id",
            "team_public_model_name",
            "created_by",
        ),
        *("created_at", "updated_by", "updated_at", "access_groups", "description", "supports_system_messages"),
        *(
            "supports_prompt_caching",
            "supports_tool_choice",
            "supports_parallel_function_calling",
            "supports_pdf_input",
        ),
        *("supports_reasoning", "supports_assistant_prefill", "supports_audio_output", "litellm_provider", "version"),
    ),
    "": ("worker_registry", "litellm_version"),
}
"""By section: logs, metrics, alerts, litellm's database and its dashboard. Prefixes below."""

NO_EFFECT_PREFIXES = (
    "maximum_spend_logs",
    "maximum_health_check",
    "maximum_daily_tag",
    "password_policy_",
    "failed_login_",
    "langfuse_",
    "slack_",
)

REASONS = {
    "litellm_params.tags": "tags choose no deployment here; name models in `tasks.<task>.candidates`",
    "litellm_params.max_budget": "budgets belong to keys: `benchroute keys update`",
    "litellm_params.budget_duration": "budgets belong to keys: `benchroute keys update`",
    "litellm_params.max_parallel_requests": "a limit of keys here: `keys[].max_concurrent_requests`",
    "litellm_settings.cache": "set `cache` at the tasks whose answers may repeat",
    "litellm_settings.cache_params": "set `cache` at the tasks whose answers may repeat",
    "litellm_settings.drop_params": "parameters that a model does not know are an error of the backend here",
    "litellm_settings.modify_params": "requests are forwarded as they are",
    "litellm_settings.default_fallbacks": "set `fallbacks` at the tasks that need them",
    "litellm_settings.context_window_fallbacks": "routing leaves out models whose `context_window` is too small",
    "litellm_settings.content_policy_fallbacks": "a refusal is the answer, and no reason for failover",
    "router_settings.routing_strategy": "load is balanced by weight and open requests, models are chosen by evidence",
    "general_settings.database_url": "its virtual keys stay there: create them with `benchroute keys create`",
    "general_settings.custom_auth": "clients authenticate with keys",
    "general_settings.enable_jwt_auth": "clients authenticate with keys",
    "general_settings.pass_through_endpoints": "only OpenAI's and Anthropic's endpoints are served",
    "environment_variables": "export them where the gateway runs",
    "guardrails": "requests and answers are forwarded as they are",
    "mcp_servers": "MCP is not served",
}
"""Why a setting has no counterpart, and what to do."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A setting that was dropped. changes_behaviour: False if no answer depends on it."""

    path: str
    reason: str
    changes_behaviour: bool = True


@dataclass(frozen=True, slots=True)
class LossGroup:
    """Settings of one kind that were dropped. path: without places in lists."""

    path: str
    count: int
    reason: str
    changes_behaviour: bool

    def describe(self) -> str:
        """Return a line for the terminal."""
        times = f" ({self.count} times)" if self.count > 1 else ""
        effect = "changes behaviour" if self.changes_behaviour else "no effect here"
        return f"left out, {effect}: {self.path}{times}{f': {self.reason}' if self.reason else ''}"


def drop_setting(section: str, name: str, path: str) -> Loss:
    """Return the loss of a setting. section: litellm_params, model_info, router_settings, …; empty for the top."""
    has_no_effect = name in NO_EFFECT.get(section, ()) or name.startswith(NO_EFFECT_PREFIXES)
    reason = REASONS.get(f"{section}.{name}" if section else name, "" if has_no_effect else "has no counterpart")
    return Loss(path, reason, not has_no_effect)


def group_losses(losses: Iterable[Loss]) -> Sequence[LossGroup]:
    """Return losses by kind, those that change behaviour first."""
    groups: dict[tuple[str, str, bool], int] = {}
    for loss in losses:
        kind = (re.sub(r"\[\d+\]", "[]", loss.path), loss.reason, loss.changes_behaviour)
        groups[kind] = groups.get(kind, 0) + 1
    found = [LossGroup(path, count, reason, changes) for (path, reason, changes), count in groups.items()]
    return sorted(found, key=lambda group: not group.changes_behaviour)
