"""The models that the upstream answers for and the gateway serves; the upstream does what a name says."""

from qa.conformance.upstream.errors import REFUSALS
from qa.conformance.upstream.scenarios import NO_ANSWERS, SCENARIOS

MODEL = "gpt-conformance"
PLAIN = (MODEL, "other-conformance", "claude-conformance", "agent", "agent-tool", "endless", "slow")
MODELS = (*PLAIN, *REFUSALS, *SCENARIOS, *NO_ANSWERS)
SERVED = (*MODELS, "auto")
"""The upstream's own list: a client that acts by a model's name asks directly for `auto`, and for `task/ID`, too."""
