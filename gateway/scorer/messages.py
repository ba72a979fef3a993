"""Messages between a gateway and its scorer, as msgpack (msgspec). Plain data, no numpy.

The gateway sends Configure first, then any number of the others, another Configure among them. The scorer answers
Configure with PackReady or PackRefused, observations with one BatchDone per batch, and every question with a Reply.

Questions also travel through Redis, where versions of the program meet during a rolling upgrade: their tags and field
names there are those of the first version, whatever the classes are called.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from gateway.decision import Decision
from gateway.state.store import Eviction
from gateway.vocabulary import ScoreSetting

BATCH_SIZE = 64
"""Inputs embedded in one call: half the cost of an input alone, and done within a fraction of a second."""


class ModelNames(msgspec.Struct, frozen=True):
    """A configured model, as far as it decides whose outcomes in the pack are its own.

    Attributes:
        name: in the configuration.
        served: ids at its backends.
        evidence: the pack's model, where the configuration names it.
    """

    name: str
    served: Sequence[str] = ()
    evidence: str | None = None


class ScoreSettings(msgspec.Struct, frozen=True):
    """The scorer's part of the `routing` section of the configuration, under the same names.

    Attributes:
        score: the task score that decides.
        k, kappa, threshold, sigma, eta: see routing.calibration.RoutingSettings.
        adaptive_sampling: embed only a sample of the inputs of settled tasks.
        max_pack_mb: largest pack that is read, MB after decompression.
        models: the configured models; decisions and explanations use their names.
    """

    score: ScoreSetting = "recommended"
    k: int = 5
    kappa: int = 19
    sigma: float = 0.09
    eta: float = 0.6
    threshold: float = 0.5
    adaptive_sampling: bool = True
    max_pack_mb: int = 16_384
    models: Sequence[ModelNames] = ()


class TaskPolicy(msgspec.Struct, frozen=True):
    """The scorer's part of a task's settings.

    Attributes:
        candidates: model names; those that the pack does not know are left out.
        input: the messages to embed, see gateway.scorer.input_text.
        score: in place of ScoreSettings'.
        max_regret: accuracy that a cheaper model may lose, with probability above eta.
        costs: by model, in any unit.
        objective: weights of quality and price.
        prices: input and output, US dollars per million tokens, of models where they are known.
        keep_texts: store the most recent inputs as texts too.
        dataset: the pack's dataset that the task's inputs belong to.
    """

    candidates: Sequence[str]
    input: str = "last_user"
    score: ScoreSetting | None = None
    max_regret: float | None = None
    costs: Mapping[str, float] = {}
    objective: tuple[float, float] | None = None
    prices: Mapping[str, tuple[float, float]] = {}
    keep_texts: bool = False
    dataset: str | None = None


class EvictionLimits(msgspec.Struct, frozen=True):
    """Limits on the number of tasks.

    Attributes:
        max_tasks: most tasks that are stored.
        idle_days: days without use after which a task is evicted; None for no limit.
    """

    max_tasks: int = 100_000
    idle_days: float | None = 90.0


class Configure(msgspec.Struct, frozen=True, tag=True):
    """Pack and settings from now on. policy: of tasks that are not in `tasks`."""

    pack: str
    state_url: str
    routing: ScoreSettings
    policy: TaskPolicy
    tasks: Mapping[str, TaskPolicy] = {}
    limits: EvictionLimits = EvictionLimits()


class Observation(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request's task and the JSON with its input: the `messages` member, or the whole body for a JSONPath.

    Attributes:
        key: name of the API key that sent the request; None without keys.
    """

    task: str
    messages: bytes
    key: str | None = None


class Observations(msgspec.Struct, frozen=True, tag=True):
    """Observed requests, oldest first."""

    items: Sequence[Observation]


class SeedInputs(msgspec.Struct, frozen=True, tag="Seed"):
    """Add inputs of a task that are not requests.

    outcomes: of models on each input, by name, in [0, 1]; empty without labels.
    """

    id: int
    task: str
    texts: Sequence[str]
    outcomes: Sequence[Mapping[str, float]] = ()


class JudgeCounts(msgspec.Struct, frozen=True, omit_defaults=True):
    """Verdicts of a judge model, counted as routing.auto.judge_noise.JudgeAgreement does, under the same names."""

    both_right: float = 0.0
    both_wrong: float = 0.0
    differ: float = 0.0
    right_as_right: float = 0.0
    right_as_wrong: float = 0.0
    wrong_as_right: float = 0.0
    wrong_as_wrong: float = 0.0


class JudgeVerdicts(msgspec.Struct, frozen=True):
    """A judge whose labels are added.

    Attributes:
        model: name of the judge.
        method: how it was asked.
        agreement: with itself and with references.
        decided: share of comparisons without a tie, for a judge that compares.
    """

    model: str
    method: str
    agreement: JudgeCounts
    decided: float = 1.0


class AddJudgedLabels(msgspec.Struct, frozen=True, tag="Judge"):
    """Add labels that a judge model gave to inputs of a task.

    A message of its own: a scorer of an earlier version must refuse it, not take these for true labels.

    Attributes:
        outcomes: of models on each input, by name, in [0, 1].
    """

    id: int
    task: str
    texts: Sequence[str]
    outcomes: Sequence[Mapping[str, float]]
    judge: JudgeVerdicts


class RemoveJudgedLabels(msgspec.Struct, frozen=True, tag="Unjudge"):
    """Remove all labels of a judge model from a task. model: name of the judge."""

    id: int
    task: str
    model: str


class ScoredResponse(msgspec.Struct, frozen=True):
    """A response that its client has scored.

    Attributes:
        request: digest of the request's ID.
        score: in [0, 1].
        propensity: probability with which this model was drawn for the request, None where chance had no part.
        stratum: the same for responses among which only that chance decided.
        at: Unix time in seconds of the response.
    """

    request: bytes
    model: str
    score: float
    propensity: float | None
    stratum: str
    at: float


class SubmitFeedback(msgspec.Struct, frozen=True, tag="Rate"):
    """Add scores of a task's responses."""

    id: int
    task: str
    answers: Sequence[ScoredResponse]


class DryRun(msgspec.Struct, frozen=True, tag=True):
    """Decide on inputs without storing anything. candidates: None for those of `task`, or of one without settings."""

    id: int
    texts: Sequence[str]
    task: str | None = None
    candidates: Sequence[str] | None = None


class ForgetTask(msgspec.Struct, frozen=True, tag="Forget"):
    """Delete a task. Through the scorer, so that no decision made before arrives after it."""

    id: int
    task: str


class MergeTasks(msgspec.Struct, frozen=True, tag="Merge"):
    """Move all that is stored of tasks to another one, and delete them."""

    id: int
    task: str
    sources: Sequence[str]


class SetPolicy(msgspec.Struct, frozen=True, tag="Govern"):
    """Score a task by another policy from now on, and decide on it again."""

    id: int
    task: str
    policy: TaskPolicy


InspectView = Literal["outcomes", "evidence", "difference", "suggestions"]


class Inspect(msgspec.Struct, frozen=True, tag="Look", rename={"view": "at"}):
    """Show a view of gateway.scorer.inspection.

    Attributes:
        task: for `evidence` and `suggestions`.
        n: the number of suggestions.
        pack: another than the open one, for `outcomes` and `difference`: a path, or the hash of one in Redis.
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


class Ping(msgspec.Struct, frozen=True, tag=True):
    """Ask the scorer's process for a sign of life, which it gives whatever it is at."""


class Pong(msgspec.Struct, frozen=True, tag=True):
    """The sign of life."""


class PackReady(msgspec.Struct, frozen=True, tag=True):
    """A pack is open and inputs are scored."""

    pack: str
    pack_hash: str


class PackRefused(msgspec.Struct, frozen=True, tag=True):
    """The pack cannot be used, and nothing has changed. message: why, with both sides of a mismatch."""

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


class TasksEvicted(msgspec.Struct, frozen=True, tag=True):
    """Tasks that were removed by the limits, in the order in which they were."""

    items: Sequence[Eviction]


class Reply(msgspec.Struct, frozen=True, tag=True):
    """Reply to the question of that id: a document, or an error's message.

    Attributes:
        is_busy: the error is for the moment only.
    """

    id: int
    document: Mapping[str, Any] | None = None
    error: str | None = None
    is_busy: bool = False


Question = (
    SeedInputs
    | AddJudgedLabels
    | RemoveJudgedLabels
    | SubmitFeedback
    | DryRun
    | ForgetTask
    | MergeTasks
    | SetPolicy
    | Inspect
    | ExplainTasks
)
"""Messages that are answered with a Reply."""

BackgroundQuestion = Inspect | ExplainTasks
"""Questions that store nothing and embed nothing: a thread of their own answers them, while inputs are scored."""

ToScorer = Configure | Observations | Ping | Question
FromScorer = PackReady | PackRefused | BatchDone | TasksEvicted | Pong | Reply


def busy_reply(question: Question) -> Reply:
    """Return the reply to a question for which there is no room."""
    return Reply(question.id, error="the scorer is busy: too many questions wait", is_busy=True)
