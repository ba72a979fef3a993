"""Token usage, read from a response as it passes, in the dialects of the APIs in use.

One response's counts are one object; its members differ by provider, and so does what they include:

| provider, API | input | cached input | output | reasoning | source |
|---|---|---|---|---|---|
| OpenAI chat, vLLM, llama.cpp, Groq | prompt_tokens | in it: prompt_tokens_details.cached_tokens | completion_tokens | in it: completion_tokens_details.reasoning_tokens | API reference, "usage" of the chat completion object |
| OpenAI /v1/responses | input_tokens | in it: input_tokens_details.cached_tokens | output_tokens | in it: output_tokens_details.reasoning_tokens | API reference, "usage" of the response object |
| Anthropic /v1/messages | input_tokens | **beside it**: cache_read_input_tokens, cache_creation_input_tokens | output_tokens | in it | API reference, Usage; "Prompt caching" |
| Gemini's and xAI's OpenAI API | prompt_tokens | in it: prompt_tokens_details.cached_tokens | completion_tokens | **beside it**: total_tokens tells | "OpenAI compatibility"; xAI's "Reasoning" |
| DeepSeek | prompt_tokens | in it: prompt_cache_hit_tokens | completion_tokens | in it | API reference, "usage" |
| Mistral | prompt_tokens | in it: num_cached_tokens | completion_tokens | in it | SDK, UsageInfo |
| Moonshot | prompt_tokens | in it: cached_tokens | completion_tokens | in it | API reference, "usage" |
| OpenRouter, LiteLLM | prompt_tokens | in it, writes too: prompt_tokens_details.cache_write_tokens, cache_creation_tokens | completion_tokens | in it | "Usage accounting"; litellm.types.utils.Usage |

Anthropic's streams report input at their beginning (`message`) and output at their end; /v1/responses reports in the last
event's `response`, Groq in `x_groq`, Moonshot in a choice. Counts that no response can have (negative, fractional, text,
over MAX_TOKENS) make a report invalid as a whole.
"""  # noqa: E501 - a table

import json
import re
from collections import deque
from collections.abc import Mapping

import msgspec

from gateway.errors import InvalidRequest
from gateway.http.json_members import split_members

_USAGE = re.compile(rb'"usage"\s*:\s*(?=\{)')
_USAGE_MEMBER = frozenset({"usage"})
_LINE_END = re.compile(rb"[\r\n]+")
_DECODER = json.JSONDecoder()

MAX_TOKENS = 100_000_000
"""Tokens of one response beyond which a count is an error: ten times the longest context window there is."""

TAIL_BYTES = 16 * 1024
"""Usage is in the last events of a stream, and near the end of a body."""

_DETAILS = ("prompt_tokens_details", "input_tokens_details", "completion_tokens_details", "output_tokens_details")
_COUNTS = (
    "prompt_tokens", "completion_tokens", "total_tokens", "input_tokens", "output_tokens",
    "cache_read_input_tokens", "cache_creation_input_tokens", "prompt_cache_hit_tokens", "num_cached_tokens",
    "cached_tokens",
)  # fmt: skip
_DETAIL_COUNTS = ("cached_tokens", "cache_write_tokens", "cache_creation_tokens", "reasoning_tokens")


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens of one request and its response, or of several.

    Attributes:
        input_tokens: All of the input, cached or not.
        output_tokens: All of the output, with reasoning.
        cache_read_tokens: Input that the provider read from its prompt cache.
        cache_write_tokens: Input that it wrote there.
        reasoning_tokens: Output that is reasoning.
        is_estimated: Estimated from the texts, since the backend reported nothing valid.
    """

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    is_estimated: bool = False

    @property
    def total_tokens(self) -> int:
        """Sum of both directions."""
        return self.input_tokens + self.output_tokens


class InvalidUsage(msgspec.Struct, frozen=True, gc=False):
    """A report that cannot be true.

    Attributes:
        reason: The count that is wrong, for the log.
    """

    reason: str


UsageReport = Usage | InvalidUsage | None
"""A response's report; None without one."""


class StreamTail:
    """The first chunk and at least the last 16 KiB of a stream."""

    def __init__(self) -> None:
        self._first: bytes | None = None
        self._chunks: deque[bytes] = deque()
        self._size = 0

    def feed(self, chunk: bytes) -> None:
        """Append a chunk of the stream."""
        # Chunks are kept as they are and joined once at the end: 0.14 us each, whatever the stream's length.
        if self._first is None:
            self._first = chunk[:TAIL_BYTES]
            if len(chunk) <= TAIL_BYTES:
                return
        self._chunks.append(chunk)
        self._size += len(chunk)
        while self._size - len(self._chunks[0]) >= TAIL_BYTES:
            self._size -= len(self._chunks.popleft())

    @property
    def content(self) -> bytes:
        """What is held: the first chunk and the last ones, joined."""
        return b"".join((self._first or b"", *self._chunks))

    def find_usage(self) -> UsageReport:
        """Return the usage that the stream reports, None without any."""
        return find_stream_usage(self.content)


class _Details(msgspec.Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_creation_tokens: int | None = None
    reasoning_tokens: int | None = None

    def is_within(self, tokens: int) -> bool:
        """Return True for details that are parts of so many tokens, without cache writes, which are rare."""
        return (
            not (self.cache_write_tokens or self.cache_creation_tokens)
            and 0 <= (self.cached_tokens or 0) <= tokens
            and 0 <= (self.reasoning_tokens or 0) <= tokens
        )


class _Counts(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    input_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    prompt_cache_hit_tokens: int | None = None
    num_cached_tokens: int | None = None
    cached_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


_decode_counts = msgspec.json.Decoder(_Counts).decode


def parse_usage(body: bytes) -> tuple[bool, UsageReport]:
    """Return whether a whole response is a JSON object, and the usage that its top-level member reports.

    A `usage` further down is somebody else's: llama.cpp's timings, a tool's result.
    """
    try:
        usage = split_members(body, _USAGE_MEMBER).get("usage")
    except InvalidRequest:
        return False, None
    if usage is None:
        return True, None
    try:
        counts = _decode_counts(usage)
    except msgspec.MsgspecError:
        return True, _read_unusual(usage)
    return True, _plain_usage(counts) if _is_plain(counts) else _read_unusual(usage)


def _is_plain(counts: _Counts) -> bool:
    """Return True for OpenAI's own words with a total that is the sum: nearly always, and in a tenth of the time."""
    inputs, outputs = counts.prompt_tokens, counts.completion_tokens
    return (
        0 < inputs <= MAX_TOKENS
        and 0 < outputs <= MAX_TOKENS
        and counts.total_tokens in (0, inputs + outputs)
        and counts.input_tokens is counts.prompt_cache_hit_tokens is counts.num_cached_tokens is None
        and counts.cached_tokens is counts.cache_read_input_tokens is counts.cache_creation_input_tokens is None
        and (counts.prompt_tokens_details is None or counts.prompt_tokens_details.is_within(inputs))
        and (counts.completion_tokens_details is None or counts.completion_tokens_details.is_within(outputs))
    )


def _plain_usage(counts: _Counts) -> Usage:
    given, made = counts.prompt_tokens_details, counts.completion_tokens_details
    if given is None and made is None:
        return Usage(counts.prompt_tokens, counts.completion_tokens)
    read = 0 if given is None else given.cached_tokens or 0
    reasoning = 0 if made is None else made.reasoning_tokens or 0
    return Usage(counts.prompt_tokens, counts.completion_tokens, read, 0, reasoning)


def find_stream_usage(data: bytes) -> UsageReport:
    """Return the usage that a stream's events report; of each count the last event's is taken.

    Anthropic reports the input in the first event's `message`, /v1/responses both in the last event's `response`.
    """
    merged: dict[str, object] = {}
    for line in reversed(_LINE_END.split(data)):
        if _USAGE.search(line) is None:
            continue
        for name, value in _event_counts(line).items():
            # A later event's zero is a placeholder: message_start has output_tokens, and some repeat input as 0.
            if not merged.get(name):
                merged[name] = value
        # Reported as a whole, as OpenAI and its followers do. With vLLM's continuous usage every event has one.
        if merged.get("total_tokens") or (merged.get("prompt_tokens") and merged.get("completion_tokens")):
            break
    return read_counts(merged)


def read_counts(counts: Mapping[str, object]) -> UsageReport:
    """Return the usage that a usage object reports: the table above, as one rule.

    The names of a provider's counts tell what they include: `input_tokens` with `cache_…_input_tokens` beside it is
    Anthropic's, who leave cached input out; with `prompt_tokens` a total above the sum of both directions is output
    that was left out.
    """
    found, invalid = _valid_counts(counts)
    if invalid is not None:
        return invalid
    read = _first(found, "cached_tokens of input", "prompt_cache_hit_tokens", "num_cached_tokens", "cached_tokens")
    write = _first(found, "cache_write_tokens of input", "cache_creation_tokens of input")
    inputs, outputs = _first(found, "prompt_tokens"), _first(found, "completion_tokens")
    reasoning, is_openai = _first(found, "reasoning_tokens of output"), bool(inputs or outputs)
    if not is_openai:
        inputs, outputs = _first(found, "input_tokens"), outputs or _first(found, "output_tokens")
    beside = found.get("cache_read_input_tokens", 0), found.get("cache_creation_input_tokens", 0)
    # LiteLLM's proxy sends Anthropic's members too, after adding them to prompt_tokens.
    read, write = read or beside[0], write or beside[1]
    if not is_openai:
        inputs += sum(beside)
    else:
        outside = _reasoning_outside(found.get("total_tokens", 0) - inputs, outputs, reasoning)
        outputs, reasoning = outputs + outside, max(reasoning, outside if outputs else 0)
    if inputs + outputs == 0:
        return None
    read = min(read, inputs)
    return Usage(inputs, outputs, read, min(write, inputs - read), min(reasoning, outputs))


def _reasoning_outside(all_output: int, outputs: int, reasoning: int) -> int:
    """Return the output that completion_tokens leaves out. all_output: total less input; below 0 without a total."""
    if all_output > outputs:
        return all_output - outputs
    # More reasoning than output, and no total that denies it: it was not in it.
    return reasoning if all_output < 0 and reasoning > outputs else 0


def _read_unusual(usage: bytes) -> UsageReport:
    """Read what the short way refuses: other words, details, counts that are no integers, lone surrogates."""
    try:
        counts = json.loads(usage)
    except ValueError:  # an integer of more digits than Python converts
        return InvalidUsage("a number has thousands of digits")
    return read_counts(counts) if isinstance(counts, dict) else None


def _valid_counts(counts: Mapping[str, object]) -> tuple[dict[str, int], InvalidUsage | None]:
    """Return the counts by name, those in details as "NAME of input" or "NAME of output", and the first invalid one."""
    pairs = [(name, counts[name]) for name in _COUNTS if name in counts]
    for place, holder in enumerate(_DETAILS):
        details, side = counts.get(holder), "input" if place < 2 else "output"
        if isinstance(details, dict):
            pairs += [(f"{name} of {side}", details[name]) for name in _DETAIL_COUNTS if name in details]
    found: dict[str, int] = {}
    for name, value in pairs:
        if value is None:
            continue
        if not _is_count(value):
            return {}, InvalidUsage(f"{name} is {str(value)[:40]}, not a whole number from 0 to {MAX_TOKENS}")
        found[name] = int(value)  # type: ignore[call-overload]  # a number, as _is_count has seen
    return found, None


def _is_count(value: object) -> bool:
    """Return True for a whole number in range. Some servers are written in languages without integers: 12.0 is one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 <= value <= MAX_TOKENS and value == int(value)


def _first(counts: Mapping[str, int], *names: str) -> int:
    """Return the first positive count among these names, else 0."""
    return next((counts[name] for name in names if counts.get(name)), 0)


def _event_counts(line: bytes) -> dict[str, object]:
    """Return the usage object of one event's `data:` line, {} where it has none."""
    try:
        event = json.loads(line.partition(b":")[2])
    except (ValueError, RecursionError):
        return _last_object(line)
    if not isinstance(event, dict):
        return {}
    choices = event.get("choices")
    holders = (event, event.get("message"), event.get("response"), event.get("x_groq"), *_objects(choices))
    found = (
        holder["usage"] for holder in holders if isinstance(holder, dict) and isinstance(holder.get("usage"), dict)
    )
    return next(found, {})


def _objects(values: object) -> list[object]:
    return values if isinstance(values, list) else []


def _last_object(line: bytes) -> dict[str, object]:
    """Return the last usage object of an event that is not held from its beginning, or was cut off."""
    for match in reversed(list(_USAGE.finditer(line))):
        try:
            found, _ = _DECODER.raw_decode(line[match.end() :].decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            continue
        return dict(found)
    return {}
