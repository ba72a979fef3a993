"""config.yaml: read, checked as a whole, refused with every fault at once.

expand    ${VAR} and ${VAR:-default}
schema    the sections and their fields
check     what the sections must say of each other
load      file in, Config out
from_litellm   litellm's configuration as ours
pricing   list prices written into a file that has none
"""

from gateway.config.load import load_config, parse_config, read_config_text
from gateway.config.schema import LOOPBACK, AdminKeyConfig, BackendConfig, Config, KeyConfig, KeyTerms, ModelConfig

__all__ = [
    "LOOPBACK",
    "AdminKeyConfig",
    "BackendConfig",
    "Config",
    "KeyConfig",
    "KeyTerms",
    "ModelConfig",
    "load_config",
    "parse_config",
    "read_config_text",
]
