"""One scorer behind two transports: a pipe (scorer.embedded.server) and Redis (distributed.shard_worker).

A transport reads observations and questions, hands them to a service, and sends what comes back. Packs, decisions,
errors and retries are the service's, so that both deployments decide, refuse and fail alike.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from gateway.decision import Decision
from gateway.errors import StateError
from gateway.scorer.eviction import TaskEvictor
from gateway.scorer.evidence import configured_manifest
from gateway.scorer.messages import (
    AddJudgedLabels,
    BatchDone,
    Configure,
    DryRun,
    ExplainTasks,
    ForgetTask,
    Inspect,
    MergeTasks,
    Observation,
    Question,
    RemoveJudgedLabels,
    Reply,
    ScoreSettings,
    SeedInputs,
    SetPolicy,
    SubmitFeedback,
    TaskPolicy,
)
from gateway.scorer.queries import ScorerQueries
from gateway.scorer.sampling import Commit, commit_alone
from gateway.scorer.scorer import Answered, Scorer
from gateway.scorer.stepwise import run_steps
from gateway.scorer.task_reader import TaskReader
from gateway.state.store import Store
from routing.bounded import MIB, ReadLimits, reading_within
from routing.calibration import RoutingSettings
from routing.embedder import Embedder
from routing.embedders.bundled import embedder_source, load_bundled_embedder
from routing.errors import RoutingError
from routing.manifest import EmbedderId, Manifest, read_manifest
from routing.pack import open_pack as read_pack
from routing.recommendation import RECOMMENDED
from routing.router import Router

log = logging.getLogger("benchroute.scorer")

T = TypeVar("T")
LoadEmbedder = Callable[[Path, Manifest], Embedder]


@dataclass(frozen=True, slots=True)
class OpenPack:
    """A pack and the embedder that reads its inputs.

    Attributes:
        router: the pack's evidence and decisions.
        embedder: embeds inputs.
        source: what the embedder was loaded from; the next pack with the same one shares the embedder.
    """

    router: Router
    embedder: Embedder
    source: Mapping[str, str]

    @property
    def hash(self) -> str:
        """The content hash of the pack."""
        return self.router.pack.manifest.hash


def open_pack(
    path: Path, settings: ScoreSettings, current: OpenPack | None = None, load: LoadEmbedder = load_bundled_embedder
) -> OpenPack:
    """Open a pack for scoring. Raises RoutingError for a pack that cannot be used.

    current: the pack in use; its embedder is kept where the new pack needs the same one, since loading an embedder
    takes up to seconds and hundreds of megabytes.
    """
    begun = time.monotonic()
    manifest = read_manifest(path)
    source = embedder_source(manifest)
    embedder = current.embedder if current is not None and current.source == source else load(path, manifest)
    with reading_within(ReadLimits(max_archive_bytes=settings.max_pack_mb * MIB)):
        made_by = EmbedderId(embedder.name, embedder.revision, embedder.dim)
        pack = read_pack(path, made_by, with_input_index=False)
    log.info("pack %s is open after %.1f s", manifest.hash[:12], time.monotonic() - begun)
    named = replace(pack, manifest=configured_manifest(pack.manifest, settings.models))
    router = Router(named, routing_settings(settings))
    if settings.score == RECOMMENDED:
        log.info("recommended score: %s; %s", router.recommendation.score, router.recommendation.why)
    return OpenPack(router, embedder, source)


def routing_settings(settings: ScoreSettings) -> RoutingSettings:
    """Return the library's settings: those of the same names, so that none is left out."""
    return RoutingSettings(**{field.name: getattr(settings, field.name) for field in fields(RoutingSettings)})


@dataclass(frozen=True, slots=True)
class StoreRetry:
    """Retries of calls to a store that is busy. pause_s: between attempts."""

    attempts: int = 5
    pause_s: float = 0.2

    def run(self, work: Callable[[], T], fatal: tuple[type[Exception], ...] = ()) -> T:
        """Return what `work` returns. Raises StateError after the last attempt, and a `fatal` error at once."""
        for _ in range(self.attempts - 1):
            try:
                return work()
            except fatal:
                raise
            except StateError as error:
                log.warning("state store is busy, trying again: %s", error)
                time.sleep(self.pause_s)
        return work()


NO_RETRY = StoreRetry(attempts=1)


@dataclass(frozen=True, slots=True)
class ServiceHooks:
    """A transport's part of a service.

    Attributes:
        retry: of calls to the store.
        find_pack: the path of a pack by its name, for inspections.
        on_policy: receives every policy that was set.
        fatal: errors that the transport handles itself: neither retried nor answered with a Reply.
    """

    retry: StoreRetry = StoreRetry()
    find_pack: Callable[[str], Path] = Path
    on_policy: Callable[[str, TaskPolicy], None] = lambda task, policy: None
    fatal: tuple[type[Exception], ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply, and the decisions that the question changed."""

    reply: Reply
    decisions: Sequence[Decision] = ()


class ScorerService:
    """A pack at work on one store."""

    def __init__(
        self,
        pack: OpenPack,
        store: Store,
        settings: Configure,
        hooks: ServiceHooks | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """clock: Unix time in seconds. Raises PackMismatch where a task is scored by auto and the pack cannot."""
        self._hooks = hooks or ServiceHooks()
        self.tasks = TaskReader(pack.router, store, settings, clock)
        self.scorer = Scorer(self.tasks, pack.embedder, clock)
        self.evictor = TaskEvictor(self.tasks, settings.limits, clock)
        queries = self._queries = ScorerQueries(self.tasks, pack.embedder, self._hooks.find_pack)
        self._handlers: Mapping[type[Any], Callable[[Any], Answered]] = {
            SeedInputs: self.scorer.seed_task,
            AddJudgedLabels: self.scorer.add_judged,
            RemoveJudgedLabels: self.scorer.remove_judged,
            SubmitFeedback: self.scorer.add_feedback,
            SetPolicy: self._set_policy,
            ForgetTask: self.scorer.forget_task,
            MergeTasks: self.scorer.merge_tasks,
            DryRun: lambda question: ((), run_steps(queries.dry_run_steps(question))),
            ExplainTasks: lambda question: ((), queries.explain_tasks(question)),
            Inspect: lambda question: ((), queries.inspect_pack(question)),
        }

    def apply(self, observations: Sequence[Observation], commit: Commit = commit_alone) -> BatchDone:
        """Score a batch of observations. Raises StateError if it cannot be stored.

        commit: wraps every write, for a transport that acknowledges observations with it.
        """
        begun = time.perf_counter()
        done = self.scorer.observe_batch(observations, commit, self._retry)
        return msgspec.structs.replace(done, took_s=time.perf_counter() - begun)

    def answer(self, question: Question) -> Answer:
        """Answer a question; what goes wrong is an error in the reply. Raises only the transport's `fatal` errors."""
        try:
            decisions, document = self._retry(lambda: self._handlers[type(question)](question))
            return Answer(Reply(question.id, document), decisions)
        except self._hooks.fatal:
            raise
        except Exception as error:  # a question must not end the scorer: the edge of a background job
            return Answer(_error_reply(question, error))

    def answer_in_steps(self, question: DryRun, send: Callable[[Reply], None]) -> Iterator[None]:
        """Answer a question that stores nothing, a batch of inputs in each step; the last one sends the reply."""
        try:
            reply = Reply(question.id, (yield from self._queries.dry_run_steps(question)))
        except Exception as error:  # the edge of a background job
            reply = _error_reply(question, error)
        send(reply)

    def rescore_stale(self) -> Sequence[Decision]:
        """Score again the tasks whose sums were made with another pack, and decide the declared ones. Raises
        StateError.
        """
        return [*self.scorer.rescore_stale(), *self.scorer.decide_declared(self.tasks.declared_tasks())]

    def _retry(self, work: Callable[[], T]) -> T:
        return self._hooks.retry.run(work, self._hooks.fatal)

    def _set_policy(self, question: SetPolicy) -> Answered:
        answered = self.scorer.set_policy(question)
        # Only a policy that this pack can score is passed on: a refused one leaves the one before in force.
        self._hooks.on_policy(question.task, question.policy)
        return answered


def _error_reply(question: Question, error: Exception) -> Reply:
    if isinstance(error, ValueError | StateError | RoutingError):
        return Reply(question.id, error=str(error))
    log.error("%s failed", type(question).__name__, exc_info=error)
    return Reply(question.id, error="the scorer failed; see its log")
