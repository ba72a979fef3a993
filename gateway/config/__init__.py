"""Configuration: config.yaml is parsed and checked as a whole, with every error reported at once.

schema            the whole file; models, routing, tasks
backends          backends of models: address, key, headers
network_fields    TLS and proxies of backends
key_file          API keys in files
key_sections      keys, admin: secrets as hashes, permissions, limits, expiry
service           state, scorer, server, upstream, metrics, log, otel
descriptions      descriptions of settings, from the source
fields            base class and field types of the sections
header_fields     field types of headers, keys and patterns of headers
yaml_text         YAML in, without duplicate keys, alias bombs, and lines of the text in errors
redis_url         addresses of Redis
secrets           masks of secrets in what is printed
expand            ${VAR} and ${VAR:-default}
exclusions        settings that exclude or need each other
cross_checks      references between sections
schema_paths      settings by their paths, and what each of them may be
field_messages    errors of single settings in our own words
field_faults      errors of a document's settings
unknown_settings  suggestions for settings that do not exist
load              a file in, Config or ConfigError out
history           versions of a running gateway's configuration: reload, rollback, file watcher
litellm_import    conversion of litellm's proxy configuration
litellm_models    its deployments
litellm_settings  its settings that have no counterpart
address           the URL of the gateway that a configuration starts
list_prices       list prices of a configuration's models
shipped_prices    the price list that the distribution has
price_lines       list prices written into a configuration file
"""

from gateway.config.load import load_config, parse_config, read_config_text
from gateway.config.schema import (
    LOOPBACK,
    AdminKeyConfig,
    BackendConfig,
    Config,
    KeyConfig,
    KeyLimits,
    KeyTerms,
    ModelConfig,
)

__all__ = [
    "LOOPBACK",
    "AdminKeyConfig",
    "BackendConfig",
    "Config",
    "KeyConfig",
    "KeyLimits",
    "KeyTerms",
    "ModelConfig",
    "load_config",
    "parse_config",
    "read_config_text",
]
