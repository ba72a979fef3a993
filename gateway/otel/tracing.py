"""Spans and measurements out of a request's progress."""

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
    """See gateway.proxy.tracing.Tracing. A span begins when a request is understood, and ends with its answer."""

    def __init__(self, tracer: Tracer | None, meter: Meter | None) -> None:
        self._tracer = tracer
        self._context = TraceContextTextMapPropagator()
        self._measured = None if meter is None else (_durations(meter), _tokens(meter))

    def begin_span(self, headers: RawHeaders, progress: RequestRecord) -> RawHeaders:
        """Begins the request's span below the client's, and puts its own context into the headers."""
        if self._tracer is None:
            return headers
        given = {name.decode(): value.decode("latin-1") for name, value in headers if name in TRACE_HEADERS}
        progress.span = span = self._started(self._tracer, progress, self._context.extract(given))
        made: dict[str, str] = {}
        self._context.inject(made, _context_of(span))
        kept = [pair for pair in headers if pair[0] not in TRACE_HEADERS]
        return [*kept, *((name.encode(), value.encode("latin-1")) for name, value in made.items())]

    def end_span(self, progress: RequestRecord) -> None:
        """The request has ended: its span does too, and it is measured. Never raises for what a request holds."""
        if self._tracer is not None:
            span = progress.span if isinstance(progress.span, Span) else self._started(self._tracer, progress, None)
            _finish(span, progress)
        if self._measured is not None:
            durations, tokens = self._measured
            about, usage = _common(progress), progress.usage
            durations.record(time.perf_counter() - progress.started, {**about, **_error(progress)})
            if usage is not None:
                tokens.record(usage.input_tokens, {**about, attributes.TOKEN_TYPE: "input"})
                tokens.record(usage.output_tokens, {**about, attributes.TOKEN_TYPE: "output"})

    def _started(self, tracer: Tracer, progress: RequestRecord, context: Context | None) -> Span:
        begun_ns = time.time_ns() - int(1e9 * (time.perf_counter() - progress.started))
        return tracer.start_span(_name(progress), context or Context(), SpanKind.CLIENT, start_time=begun_ns)


def _durations(meter: Meter) -> Histogram:
    told = "GenAI operation duration."
    return meter.create_histogram(
        attributes.DURATION, "s", told, explicit_bucket_boundaries_advisory=attributes.DURATIONS_S
    )


def _tokens(meter: Meter) -> Histogram:
    told = "Number of input and output tokens used."
    return meter.create_histogram(
        attributes.TOKENS, "{token}", told, explicit_bucket_boundaries_advisory=attributes.TOKEN_COUNTS
    )


def _context_of(span: Span) -> Context:
    return set_span_in_context(span, Context())


def _finish(span: Span, progress: RequestRecord) -> None:
    if span.is_recording():
        span.update_name(_name(progress))
        span.set_attributes({**_common(progress), **_of_request(progress), **_error(progress)})
        for attempt in progress.trail.attempts:
            outcome = "ok" if attempt.fault is None else str(attempt.fault)
            about = {attributes.MODEL: attempt.model, attributes.BACKEND: attempt.backend, attributes.OUTCOME: outcome}
            span.add_event(attributes.ATTEMPT, about)
        if _error(progress):
            span.set_status(StatusCode.ERROR, progress.stream_error)
    span.end()


def _name(progress: RequestRecord) -> str:
    """`{operation} {model}`, as the conventions have it."""
    operation = _operation(progress)[0]
    return operation if progress.model == NONE else f"{operation} {progress.model}"


def _operation(progress: RequestRecord) -> tuple[str, str]:
    return attributes.OPERATIONS[progress.endpoint] if progress.endpoint else ("chat", "openai")


def _common(progress: RequestRecord) -> dict[str, AttributeValue]:
    operation, provider = _operation(progress)
    return {attributes.OPERATION: operation, attributes.PROVIDER: provider, attributes.REQUEST_MODEL: progress.model}


def _error(progress: RequestRecord) -> Mapping[str, AttributeValue]:
    """What went wrong, empty where nothing did; a client that left is no error of anybody's."""
    status = logged_status(progress)
    if progress.stream_error:
        return {attributes.ERROR_TYPE: "stream_interrupted"}
    return {attributes.ERROR_TYPE: str(status)} if status >= 400 and status != CLIENT_CLOSED_REQUEST else {}


def _of_request(progress: RequestRecord) -> dict[str, AttributeValue]:
    usage, told = progress.usage, dict[str, AttributeValue]()
    if usage is not None:
        told = {attributes.INPUT_TOKENS: usage.input_tokens, attributes.OUTPUT_TOKENS: usage.output_tokens}
    if progress.cost_usd is not None:
        told[attributes.COST_USD] = float(progress.cost_usd)
    if progress.key is not None:
        told[attributes.KEY] = progress.key
    return {
        **told,
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
