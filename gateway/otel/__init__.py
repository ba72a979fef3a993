"""OpenTelemetry: a span and two histograms for every request, by the semantic conventions for generative AI.

    names      the conventions' names, and our own beside them
    telling    spans and measurements out of a request's progress
    build      providers and exporters, out of the configuration

The one room that knows opentelemetry. It is imported where `otel.endpoint` is set, and not at all otherwise; the
request path asks `is None` twice, and waits for nothing: spans and figures are sent by threads of their own.
"""
