"""Providers and OTLP exporters, built from the configuration: OTLP over HTTP, in threads of their own."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from gateway.config.schema import OtelConfig
from gateway.otel.tracing import RequestTracer

SCOPE = "benchroute"
EXPORT_S = 5.0
"""Time limit for an export; what a collector does not accept is dropped."""


@dataclass(frozen=True, slots=True)
class Telemetry:
    """A tracer of requests. close: exports what is left, within EXPORT_S, and stops."""

    tracer: RequestTracer
    close: Callable[[], None]


def build_telemetry(config: OtelConfig) -> Telemetry:
    """Start to export to the collector. config: with an endpoint."""
    resource = Resource.create({"service.name": config.service_name, "service.version": version("benchroute")})
    headers = {name: value.get_secret_value() for name, value in config.headers.items()}
    traces = _trace_provider(config, resource, headers) if config.traces else None
    meters = _meter_provider(config, resource, headers) if config.metrics else None

    def close() -> None:
        if traces is not None:
            traces.shutdown()
        if meters is not None:
            meters.shutdown(timeout_millis=1000 * EXPORT_S)

    tracer = None if traces is None else traces.get_tracer(SCOPE)
    meter = None if meters is None else meters.get_meter(SCOPE)
    return Telemetry(RequestTracer(tracer, meter), close)


def _trace_provider(config: OtelConfig, resource: Resource, headers: dict[str, str]) -> TracerProvider:
    exporter = OTLPSpanExporter(f"{config.endpoint}/v1/traces", headers=headers, timeout=EXPORT_S)
    sampler = ParentBased(TraceIdRatioBased(config.sample_rate))
    provider = TracerProvider(sampler, resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _meter_provider(config: OtelConfig, resource: Resource, headers: dict[str, str]) -> MeterProvider:
    exporter = OTLPMetricExporter(f"{config.endpoint}/v1/metrics", headers=headers, timeout=EXPORT_S)
    reader = PeriodicExportingMetricReader(exporter, 1000 * config.metrics_every_s, 1000 * EXPORT_S)
    return MeterProvider([reader], resource, shutdown_on_exit=False)
