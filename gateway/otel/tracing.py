"""Spans and measurements of a finished request."""

import time
from collections.abc import Mapping

from opentelemetry.context import Context
from opentelemetry.metrics import Histogram, Meter
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from gateway.http.asgi import RawHeaders
from gateway.http.headers import NONE
from gateway.otel import attributes
from gateway.proxy.access_log import CLIENT_CLOSED_REQUEST, logged_reason, logged_status
from gateway.proxy.request_record import RequestRecord

TRACE_HEADERS = (b"traceparent", b"tracestate")


class RequestTracer:
    """Tracer and meter of requests. A span starts when a request is routed, and ends with its response."""

    def __init__(self, tracer: Tracer | None, meter: Meter | None) -> None:
        self._tracer = tracer
        self._context = TraceContextTextMapPropagator()
        self._histograms = None if meter is None else (_durations(meter), _tokens(meter))

    def begin_span(self, headers: RawHeaders, progress: RequestRecord) -> RawHeaders:
        """Start the request's span below the client's, and return the headers with its own trace context."""
        if self._tracer is None:
            return headers
        # W3C Trace Context: the backend gets this span as its parent, not the client's.
        carrier = {name.decode(): value.decode("latin-1") for name, value in headers if name in TRACE_HEADERS}
        progress.span = span = self._start_span(self._tracer, progress, self._context.extract(carrier))
        injected: dict[str, str] = {}
        self._context.inject(injected, _context_of(span))
        others = [pair for pair in headers if pair[0] not in TRACE_HEADERS]
        return [*others, *((name.encode(), value.encode("latin-1")) for name, value in injected.items())]

    def end_span(self, progress: RequestRecord) -> None:
        """End the span of a finished request, and record its measurements."""
        if self._tracer is not None:
            span = progress.span if isinstance(progress.span, Span) else self._start_span(self._tracer, progress, None)
            _end_span(span, progress)
        if self._histograms is not None:
            durations, tokens = self._histograms
            common, usage = _common_attributes(progress), progress.usage
            durations.record(progress.seconds, {**common, **_error_attributes(progress)})
            if usage is not None:
                tokens.record(usage.input_tokens, {**common, attributes.TOKEN_TYPE: "input"})
                tokens.record(usage.output_tokens, {**common, attributes.TOKEN_TYPE: "output"})

    def _start_span(self, tracer: Tracer, progress: RequestRecord, context: Context | None) -> Span:
        # The request began on the monotonic clock; spans are on the system's.
        start_ns = time.time_ns() - int(1e9 * (time.perf_counter() - progress.started))
        return tracer.start_span(_span_name(progress), context or Context(), SpanKind.CLIENT, start_time=start_ns)


def _durations(meter: Meter) -> Histogram:
    description = "GenAI operation duration."
    return meter.create_histogram(
        attributes.DURATION, "s", description, explicit_bucket_boundaries_advisory=attributes.DURATIONS_S
    )


def _tokens(meter: Meter) -> Histogram:
    description = "Number of input and output tokens used."
    return meter.create_histogram(
        attributes.TOKENS, "{token}", description, explicit_bucket_boundaries_advisory=attributes.TOKEN_COUNTS
    )


def _context_of(span: Span) -> Context:
    return set_span_in_context(span, Context())


def _end_span(span: Span, progress: RequestRecord) -> None:
    if span.is_recording():
        span.update_name(_span_name(progress))
        span.set_attributes(
            {**_common_attributes(progress), **_request_attributes(progress), **_error_attributes(progress)}
        )
        for attempt in progress.trail.attempts:
            outcome = "ok" if attempt.fault is None else str(attempt.fault)
            details = {
                attributes.MODEL: attempt.model,
                attributes.BACKEND: attempt.backend,
                attributes.OUTCOME: outcome,
            }
            span.add_event(attributes.ATTEMPT, details)
        if _error_attributes(progress):
            span.set_status(StatusCode.ERROR, progress.stream_error)
    # Records are flushed a few times a second: the request ended a little before this is called.
    span.end(time.time_ns() - int(1e9 * (time.perf_counter() - progress.started - progress.seconds)))


def _span_name(progress: RequestRecord) -> str:
    """Return `{operation} {model}`, the name that the conventions prescribe."""
    operation = _operation(progress)[0]
    return operation if progress.model == NONE else f"{operation} {progress.model}"


def _operation(progress: RequestRecord) -> tuple[str, str]:
    if progress.endpoint is None:
        return "chat", "openai"
    # The conventions have no names for images, audio and files.
    return attributes.OPERATIONS.get(progress.endpoint) or (progress.endpoint.path.strip("/"), "openai")


def _common_attributes(progress: RequestRecord) -> dict[str, AttributeValue]:
    operation, provider = _operation(progress)
    return {attributes.OPERATION: operation, attributes.PROVIDER: provider, attributes.REQUEST_MODEL: progress.model}


def _error_attributes(progress: RequestRecord) -> Mapping[str, AttributeValue]:
    """Return the error's attribute, empty without an error. A client that disconnects is no error."""
    status = logged_status(progress)
    if progress.stream_error:
        return {attributes.ERROR_TYPE: "stream_interrupted"}
    return {attributes.ERROR_TYPE: str(status)} if status >= 400 and status != CLIENT_CLOSED_REQUEST else {}


def _request_attributes(progress: RequestRecord) -> dict[str, AttributeValue]:
    usage, optional = progress.usage, dict[str, AttributeValue]()
    if usage is not None:
        optional = {attributes.INPUT_TOKENS: usage.input_tokens, attributes.OUTPUT_TOKENS: usage.output_tokens}
    if progress.cost_usd is not None:
        optional[attributes.COST_USD] = float(progress.cost_usd)
    if progress.key is not None:
        optional[attributes.KEY] = progress.key
    if progress.client_id is not None:
        optional[attributes.CLIENT_REQUEST_ID] = progress.client_id
    return {
        **optional,
        attributes.STATUS: logged_status(progress),
        attributes.TASK: progress.task or NONE,
        attributes.BACKEND: progress.backend,
        attributes.REASON: logged_reason(progress),
        attributes.DECISION: progress.route.version if progress.route else 0,
        attributes.REQUEST_ID: progress.request_id,
        attributes.ATTEMPTS: len(progress.trail.attempts),
        attributes.OVERHEAD_MS: round(1000 * progress.overhead_s, 3),
        attributes.CACHED: progress.cached_model is not None,
    }
