"""Names of attributes and metrics: the conventions' and the gateway's own.

Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/ (status: development). The names are literals because the
conventions' package moves them between its modules; a test compares those it has.
"""

from gateway.http.endpoints import CHAT, COMPLETIONS, EMBEDDINGS, MESSAGES, RESPONSES, Endpoint

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105 - a name
ERROR_TYPE = "error.type"
STATUS = "http.response.status_code"

DURATION = "gen_ai.client.operation.duration"
TOKENS = "gen_ai.client.token.usage"

TASK = "benchroute.task"
BACKEND = "benchroute.backend"
REASON = "benchroute.reason"
DECISION = "benchroute.decision"
KEY = "benchroute.key"
REQUEST_ID = "benchroute.request_id"
CLIENT_REQUEST_ID = "benchroute.client_request_id"
ATTEMPTS = "benchroute.attempts"
OVERHEAD_MS = "benchroute.overhead_ms"
COST_USD = "benchroute.cost_usd"
CACHED = "benchroute.cached"
ATTEMPT = "benchroute.attempt"
MODEL = "benchroute.model"
OUTCOME = "benchroute.outcome"

DURATIONS_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKEN_COUNTS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
"""Bucket boundaries that the conventions recommend."""

OPERATIONS: dict[Endpoint, tuple[str, str]] = {
    CHAT: ("chat", "openai"),
    COMPLETIONS: ("text_completion", "openai"),
    EMBEDDINGS: ("embeddings", "openai"),
    RESPONSES: ("chat", "openai"),
    MESSAGES: ("chat", "anthropic"),
}
"""Operation and provider of an endpoint. The provider is that of the API: only the backend knows who responds."""
