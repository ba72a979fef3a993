"""OpenTelemetry: a span and two histograms per request, by the semantic conventions for generative AI.

exporters   providers and OTLP exporters, built from the configuration
tracing     spans and measurements of a finished request
attributes  names of attributes and metrics

Imported only where `otel.endpoint` is set. Without it the request path checks `is None` twice; with it nothing waits:
spans and metrics are exported by threads of their own.
"""
