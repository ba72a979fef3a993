"""OpenTelemetry of a running gateway, where it is configured."""

import asyncio
from contextlib import AsyncExitStack
from importlib.util import find_spec

from gateway.config import Config
from gateway.config.schema import OtelConfig
from gateway.errors import ConfigError
from gateway.proxy.accounting import Tracing


async def start_tracing(stack: AsyncExitStack, config: OtelConfig) -> Tracing | None:
    """Start to export traces and metrics; at the end of the stack, export what is left."""
    # Imported here: OpenTelemetry is an extra, and its import takes a quarter of a second.
    from gateway.otel.exporters import build_telemetry

    telemetry = await asyncio.to_thread(build_telemetry, config)
    stack.push_async_callback(asyncio.to_thread, telemetry.close)
    return telemetry.tracer


def check_otel(config: Config) -> None:
    """Raise ConfigError where traces are configured and OpenTelemetry is not installed."""
    is_installed = find_spec("opentelemetry") is not None and find_spec("opentelemetry.sdk") is not None
    if config.otel.endpoint is not None and not is_installed:
        raise ConfigError("otel", [("otel.endpoint", "OpenTelemetry is not installed: pip install 'benchroute[otel]'")])
