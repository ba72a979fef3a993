"""What the gateway and its scorer say to each other, as msgpack (msgspec). Plain data, no numpy.

The gateway sends a Start first, then any number of the others, another Start among them; the scorer answers a Start
with Ready or Refused, Observations with one Decided per batch, and all that have an id with one Reply each.

Questions also travel through Redis, where versions of the program meet during a rolling upgrade: their tags and field
names there are those of the first version, whatever the classes are called.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from gateway.decision import Decision

BATCH_SIZE = 64
"""Inputs embedded in one call: half the cost of an input alone, and done within a fraction of a second."""


class ScoreSettings(msgspec.Struct, frozen=True):
    """The `routing` section of the configuration. eta: in [0, 1]; score: which task score leads.

    thinning: of tasks whose decision is settled, whether only some inputs are embedded.
    """

    score: Literal["s1", "s2", "s3", "auto"] = "s3"
    k: int = 5
    kappa: int = 19
    sigma: float = 0.09
    eta: float = 0.6
    threshold: float = 0.5
    adaptive_sampling: bool = True


class TaskPolicy(msgspec.Struct, frozen=True):
    """What the configuration says of a task. candidates: model names; those the pack does not know are left out.

    score: in place of the settings'. max_regret: accuracy that a cheaper model may probably lose; objective: weights of
    quality and price; costs: by model; prices: input and output, US dollars per million tokens, where they are known.
    keep_texts: whether its most recent inputs are kept as texts too.
    """

    candidates: Sequence[str]
    input: str = "last_user"
    score: Literal["s1", "s2", "s3", "auto"] | None = None
    max_regret: float | None = None
    costs: Mapping[str, float] = {}
    objective: tuple[float, float] | None = None
    prices: Mapping[str, tuple[float, float]] = {}
    keep_texts: bool = False


class Configure(msgspec.Struct, frozen=True, tag=True):
    """What the scorer works with from now on; refused, it goes on as before. policy: of tasks not in `tasks`."""

    pack: str
    state_url: str
    routing: ScoreSettings
    policy: TaskPolicy
    tasks: Mapping[str, TaskPolicy] = {}


class Observation(msgspec.Struct, frozen=True):
    """One request's task and the JSON that its input is in: the `messages` member, or the whole body for a JSONPath."""

    task: str
    messages: bytes


class Observations(msgspec.Struct, frozen=True, tag=True):
    """Requests seen, oldest first."""

    items: Sequence[Observation]


class SeedInputs(msgspec.Struct, frozen=True, tag="Seed"):
    """Inputs of a task given before, or beside, its calls.

    outcomes: what models made of each, by name, in [0, 1]; empty where nothing is known.
    """

    id: int
    task: str
    texts: Sequence[str]
    outcomes: Sequence[Mapping[str, float]] = ()


class ScoredResponse(msgspec.Struct, frozen=True):
    """An answer that its client has scored. request: which, as a digest. score: in [0, 1]. at: Unix time, seconds.

    propensity: the probability with which this model was drawn for the request, None where chance had no part.
    stratum: the same for answers among which nothing but that chance decided.
    """

    request: bytes
    model: str
    score: float
    propensity: float | None
    stratum: str
    at: float


class SubmitFeedback(msgspec.Struct, frozen=True, tag="Rate"):
    """Answers of a task that were scored."""

    id: int
    task: str
    answers: Sequence[ScoredResponse]


class DryRun(msgspec.Struct, frozen=True, tag=True):
    """What would be decided for these inputs. candidates: None for those of `task`, or of a task without a policy."""

    id: int
    texts: Sequence[str]
    task: str | None = None
    candidates: Sequence[str] | None = None


class ForgetTask(msgspec.Struct, frozen=True, tag="Forget"):
    """Remove all that is known of a task. Through the scorer, so that no decision made before comes after it."""

    id: int
    task: str


class SetPolicy(msgspec.Struct, frozen=True, tag="Govern"):
    """What holds for one task from now on; it is decided on again at once."""

    id: int
    task: str
    policy: TaskPolicy


InspectView = Literal["outcomes", "evidence", "difference", "suggestions"]


class Inspect(msgspec.Struct, frozen=True, tag="Look", rename={"view": "at"}):
    """Show something that only arrays can tell; see gateway.scorer.inspection.

    task: of `evidence` and `suggestions`; n: how many of the latter. pack: another than the open one, for `outcomes`
    and `difference`: a path, or in a fleet the hash of one in Redis.
    """

    id: int
    view: InspectView
    task: str = ""
    pack: str = ""
    n: int = 0


class ExplainTasks(msgspec.Struct, frozen=True, tag="Explain"):
    """Derive the explanations of tasks' decisions as they are now.

    Attributes:
        tasks: their names.
        task: the only one of them, whose observations are to be scored first; None for any.
    """

    id: int
    tasks: Sequence[str]
    task: str | None = None


class PackReady(msgspec.Struct, frozen=True, tag=True):
    """A pack is open and inputs are scored."""

    pack: str
    pack_hash: str


class PackRefused(msgspec.Struct, frozen=True, tag=True):
    """The pack cannot be used; the message names both sides."""

    pack: str
    message: str


class BatchCounts(msgspec.Struct, frozen=True):
    """Counts of scored observations. One more counter is a field here, and counts wherever these travel.

    Attributes:
        observed: scored and stored.
        errors: could not be scored.
        skipped: of those observed, not embedded, since their tasks are settled.
    """

    observed: int = 0
    errors: int = 0
    skipped: int = 0

    def __add__(self, other: "BatchCounts") -> "BatchCounts":
        return BatchCounts(
            *(
                mine + more
                for mine, more in zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
            )
        )


class BatchDone(msgspec.Struct, frozen=True, tag=True):
    """The end of a batch.

    Attributes:
        decisions: of its tasks.
        received: observations in it.
        counts: what became of them.
        took_s: seconds of work.
    """

    decisions: Sequence[Decision]
    received: int = 0
    counts: BatchCounts = BatchCounts()
    took_s: float = 0.0


class Reply(msgspec.Struct, frozen=True, tag=True):
    """The answer to the message of that id: a document, or an error's message."""

    id: int
    document: Mapping[str, Any] | None = None
    error: str | None = None


Question = SeedInputs | SubmitFeedback | DryRun | ForgetTask | SetPolicy | Inspect | ExplainTasks
"""What is answered with a Reply."""

BackgroundQuestion = Inspect | ExplainTasks
"""Questions that store nothing: a thread of their own answers them, while inputs are scored."""

ToScorer = Configure | Observations | Question
FromScorer = PackReady | PackRefused | BatchDone | Reply
