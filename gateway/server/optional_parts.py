"""Parts that a configuration may leave out: the scorer, and OpenTelemetry."""

from collections.abc import Callable
from importlib.util import find_spec

from gateway.config import Config
from gateway.errors import ConfigError
from gateway.scorer.client import ScorerClient


def observe_with(link: ScorerClient | None) -> Callable[[str, bytes, str | None], None]:
    """Return what receives observations: the scorer, or nothing."""
    return link.observe_input if link is not None else lambda task, messages, key: None


def check_otel(config: Config) -> None:
    """Raise ConfigError where traces are configured and OpenTelemetry is not installed."""
    is_installed = find_spec("opentelemetry") is not None and find_spec("opentelemetry.sdk") is not None
    if config.otel.endpoint is not None and not is_installed:
        raise ConfigError("otel", [("otel.endpoint", "OpenTelemetry is not installed: pip install 'benchroute[otel]'")])
