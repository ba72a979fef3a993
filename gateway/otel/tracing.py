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
from gateway.proxy.access_log import CLIENT_GONE, reason_of, status_of
from gateway.proxy.request_record import Progress

TRACE_HEADERS = (b"traceparent", b"tracestate")


class Telling:
    """See gateway.proxy.tracing.Tracing. A span begins when a request is understood, and ends with its answer."""

    def __init__(self, tracer: Tracer | None, meter: Meter | None) -> None:
        self._tracer = tracer
        self._context = TraceContextTextMapPropagator()
        self._measured = None if meter is None else (_durations(meter), _tokens(meter))

    def begin(self, headers: RawHeaders, progress: Progress) -> RawHeaders:
        """Begins the request's span below the client's, and puts its own context into the headers."""
        if self._tracer is None:
            return headers
        given = {name.decode(): value.decode("latin-1") for name, value in headers if name in TRACE_HEADERS}
        progress.span = span = self._started(self._tracer, progress, self._context.extract(given))
        made: dict[str, str] = {}
        self._context.inject(made, _context_of(span))
        kept = [pair for pair in headers if pair[0] not in TRACE_HEADERS]
        return [*kept, *((name.encode(), value.encode("latin-1")) for name, value in made.items())]

    def end(self, progress: Progress) -> None:
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

    def _started(self, tracer: Tracer, progress: Progress, context: Context | None) -> Span:
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


def _finish(span: Span, progress: Progress) -> None:
    if span.is_recording():
        span.update_name(_name(progress))
        span.set_attributes({**_common(progress), **_of_request(progress), **_error(progress)})
        for attempt in progress.trail.attempts:
            outcome = "ok" if attempt.fault is None else str(attempt.fault)
            about = {attributes.MODEL: attempt.model, attributes.BACKEND: attempt.backend, attributes.OUTCOME: outcome}
            span.add_event(attributes.ATTEMPT, about)
        if _error(progress):
            span.set_status(StatusCode.ERROR, progress.broke)
    span.end()


def _name(progress: Progress) -> str:
    """`{operation} {model}`, as the conventions have it."""
    operation = _operation(progress)[0]
    return operation if progress.model == NONE else f"{operation} {progress.model}"


def _operation(progress: Progress) -> tuple[str, str]:
    return attributes.OPERATIONS[progress.operation] if progress.operation else ("chat", "openai")


def _common(progress: Progress) -> dict[str, AttributeValue]:
    operation, provider = _operation(progress)
    return {attributes.OPERATION: operation, attributes.PROVIDER: provider, attributes.REQUEST_MODEL: progress.model}


def _error(progress: Progress) -> Mapping[str, AttributeValue]:
    """What went wrong, empty where nothing did; a client that left is no error of anybody's."""
    status = status_of(progress)
    if progress.broke:
        return {attributes.ERROR_TYPE: "stream_interrupted"}
    return {attributes.ERROR_TYPE: str(status)} if status >= 400 and status != CLIENT_GONE else {}


def _of_request(progress: Progress) -> dict[str, AttributeValue]:
    usage, told = progress.usage, dict[str, AttributeValue]()
    if usage is not None:
        told = {attributes.INPUT_TOKENS: usage.input_tokens, attributes.OUTPUT_TOKENS: usage.output_tokens}
    if progress.cost_usd is not None:
        told[attributes.COST_USD] = float(progress.cost_usd)
    if progress.key is not None:
        told[attributes.KEY] = progress.key
    return {
        **told,
        attributes.STATUS: status_of(progress),
        attributes.TASK: progress.task or NONE,
        attributes.BACKEND: progress.backend,
        attributes.REASON: reason_of(progress),
        attributes.DECISION: progress.route.version if progress.route else 0,
        attributes.REQUEST_ID: progress.request_id,
        attributes.ATTEMPTS: len(progress.trail.attempts),
        attributes.OVERHEAD_MS: round(1000 * progress.overhead_s, 3),
        attributes.CACHED: progress.kept is not None,
    }
