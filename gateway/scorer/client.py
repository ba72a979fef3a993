"""The gateway's end of scoring, whatever carries it: observations out, decisions in, questions and their replies.

Nothing that the request path calls here waits or raises. While nothing is scored, requests go by the last decisions.
"""

import asyncio
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import msgspec

from gateway.decision import Decision, ExplainedDecision, Explanation
from gateway.errors import InvalidRequest, ScorerUnavailable
from gateway.observability.metrics import ScorerStats
from gateway.scorer.messages import (
    BATCH_SIZE,
    AddJudgedLabels,
    BackgroundQuestion,
    BatchCounts,
    Configure,
    DryRun,
    ExplainTasks,
    ForgetTask,
    Inspect,
    InspectView,
    JudgeVerdicts,
    MergeTasks,
    Question,
    RemoveJudgedLabels,
    Reply,
    ScoredResponse,
    SeedInputs,
    SetPolicy,
    SubmitFeedback,
    TaskPolicy,
)
from gateway.scorer.question_gate import NOT_ANSWERED, QuestionGate, QuestionLimits

EXPLAIN_TIMEOUT_S = 2.0
"""A page that shows tasks does not wait longer for a busy scorer; stored explanations are a few inputs older."""


class PendingReplies:
    """Questions that wait for their replies, by number. Lives in the event loop."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Mapping[str, Any]]] = {}

    def next_id(self) -> int:
        """Return the number of the next question."""
        return next(self._numbers)

    async def request_reply(self, number: int, send: Callable[[], None], timeout_s: float) -> Mapping[str, Any]:
        """Send a question and wait for its reply.

        Raises TimeoutError where none comes in time, ScorerUnavailable where none will, InvalidRequest for an error in
        it.
        """
        reply: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = reply
        try:
            send()
            return await asyncio.wait_for(reply, timeout_s)
        finally:
            del self._waiting[number]

    def resolve(self, reply: Reply) -> None:
        """Hand a reply to its question; one that came too late is dropped."""
        waiting = self._waiting.get(reply.id)
        if waiting is None or waiting.done():
            return
        if reply.document is not None:
            waiting.set_result(reply.document)
        elif reply.is_busy:
            waiting.set_exception(ScorerUnavailable(reply.error or "the scorer is busy", code="scorer_busy"))
        else:
            waiting.set_exception(InvalidRequest(reply.error or "the scorer gave no answer"))

    def is_waiting(self, number: int) -> bool:
        """Return whether a question still waits for its reply."""
        waiting = self._waiting.get(number)
        return waiting is not None and not waiting.done()

    def fail(self, number: int, message: str) -> None:
        """Fail a question with ScorerUnavailable, unless it is answered."""
        if self.is_waiting(number):
            self._waiting[number].set_exception(ScorerUnavailable(message))

    def fail_all(self, message: str) -> None:
        """Fail every question with ScorerUnavailable: no reply will come. message: why."""
        for number in self._waiting:
            self.fail(number, message)


class ScorerClient(ABC):
    """The scorer as the gateway sees it. Questions raise ScorerUnavailable or InvalidRequest.

    Attributes:
        status: whether inputs are scored now.
        message: why they are not; empty where they are.
        counts: observations since the gateway's start.
    """

    def __init__(self, message: str, answer_s: float, limits: QuestionLimits | None = None) -> None:
        """answer_s: how long a question waits for its reply, in seconds. limits: of questions."""
        self.status: Literal["starting", "ready", "down"] = "starting"
        self.message = message
        self.counts = ScorerStats(BatchCounts())
        self._replies = PendingReplies()
        # A comparison of packs may take a minute, and keeps no other question waiting than those behind it.
        self._gate, self._background_gate = (QuestionGate(self.counts, limits) for _ in range(2))
        self._answer_s = answer_s

    @property
    def pid(self) -> int | None:
        """The scorer's process, where it is this gateway's own; None while there is none."""
        return None

    @abstractmethod
    async def start(self, settings: Configure | None = None) -> None:
        """Begin to hand on observations; returns at once. settings: of a scorer of this gateway's own."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop, after what has been observed is scored, or the time for it is over."""

    @abstractmethod
    async def reload(self, settings: Configure) -> None:
        """Score with another pack, or other settings. Raises PackRejected, with the old ones still in use."""

    @abstractmethod
    async def set_policy(self, task: str, policy: TaskPolicy) -> None:
        """Score a task by another policy. Raises InvalidRequest for one that the pack cannot score."""

    @abstractmethod
    def observe_input(self, task: str, messages: bytes, key: str | None = None) -> None:
        """Hand on a request's `messages` (JSON). Never waits, never raises. key: name of the API key that sent it."""

    async def find_response(self, request: str) -> Any:
        """Return another gateway's answer to a request, a ResponseRecord; None where no gateway has it."""
        return None

    @abstractmethod
    def _send_question(self, question: Question) -> None:
        """Send a question on its way, without waiting; the reply goes to `_replies`."""

    async def seed_task(
        self,
        task: str,
        texts: Sequence[str],
        outcomes: Sequence[Mapping[str, float]] = (),
        key: str | None = None,
    ) -> Mapping[str, Any]:
        """Add inputs to a task. outcomes: of models on each, by name, in [0, 1]. key: name of the API key that asks.

        A batch at a time, each behind what others have asked and observed meanwhile.
        """

        def seed_part(part: slice) -> SeedInputs:
            return SeedInputs(self._replies.next_id(), task, texts[part], outcomes[part])

        return await self._ask_in_parts(texts, seed_part, key)

    async def add_judged_labels(
        self,
        task: str,
        texts: Sequence[str],
        outcomes: Sequence[Mapping[str, float]],
        judge: JudgeVerdicts,
        key: str | None = None,
    ) -> Mapping[str, Any]:
        """Add labels that a judge model gave, a batch at a time. outcomes, key: as `seed_task` takes them."""

        def label_part(part: slice) -> AddJudgedLabels:
            return AddJudgedLabels(self._replies.next_id(), task, texts[part], outcomes[part], judge)

        return await self._ask_in_parts(texts, label_part, key)

    async def remove_judged_labels(self, task: str, model: str, key: str | None = None) -> Mapping[str, Any]:
        """Remove all labels of a judge model."""
        return await self._ask(RemoveJudgedLabels(self._replies.next_id(), task, model), key)

    async def _ask_in_parts(
        self, texts: Sequence[str], ask: Callable[[slice], Question], key: str | None
    ) -> Mapping[str, Any]:
        document: Mapping[str, Any] = {}
        for start in range(0, len(texts), BATCH_SIZE):
            part = slice(start, start + BATCH_SIZE)
            try:
                document = await self._ask(ask(part), key, size=sum(map(len, texts[part])))
            except ScorerUnavailable as error:
                if not start:
                    raise
                added = f"Of these {len(texts)} inputs, the first {start} were added."
                raise ScorerUnavailable(f"{error.message}. {added}", code=error.code) from error
        return {**document, "added": len(texts)}

    async def submit_feedback(
        self, task: str, answers: Sequence[ScoredResponse], key: str | None = None
    ) -> Mapping[str, Any]:
        """Add scores of a task's answers."""
        return await self._ask(SubmitFeedback(self._replies.next_id(), task, answers), key)

    async def dry_run(
        self,
        texts: Sequence[str],
        task: str | None = None,
        candidates: Sequence[str] | None = None,
        key: str | None = None,
    ) -> Mapping[str, Any]:
        """Decide without storing anything."""
        question = DryRun(self._replies.next_id(), texts, task, candidates)
        return await self._ask(question, key, size=sum(map(len, texts)))

    async def forget_task(self, task: str) -> bool:
        """Remove everything about a task; False if there was nothing."""
        return bool((await self._ask(ForgetTask(self._replies.next_id(), task)))["known"])

    async def merge_tasks(self, target: str, sources: Sequence[str]) -> int:
        """Move all that is stored of tasks to another one. Return the number of inputs."""
        return int((await self._ask(MergeTasks(self._replies.next_id(), target, sources)))["moved"])

    async def inspect_pack(
        self, view: InspectView, task: str = "", pack: str = "", n: int = 0, key: str | None = None
    ) -> Mapping[str, Any]:
        """Show what only arrays can tell; see gateway.scorer.messages.Inspect."""
        return await self._ask(Inspect(self._replies.next_id(), view, task, pack, n), key)

    async def explain_tasks(self, tasks: Sequence[str], key: str | None = None) -> Mapping[str, ExplainedDecision]:
        """Derive the explanations of tasks' decisions as they are now, of those that have a decision."""
        # To the shard of a single task: behind its observations, so that its decision counts them.
        question = ExplainTasks(self._replies.next_id(), tasks, tasks[0] if len(tasks) == 1 else None)
        reply = await self._ask(question, key, timeout_s=EXPLAIN_TIMEOUT_S)
        return {
            task: ExplainedDecision(msgspec.convert(one["decision"], Decision), Explanation(one["explanation"]))
            for task, one in reply["explained"].items()
        }

    async def relay_question(self, question: Question) -> Reply:
        """Ask for another process, whose own limits hold. Return the reply, under the question's own number."""
        own = msgspec.structs.replace(question, id=self._replies.next_id())
        try:
            self._check_ready()
            document = await self._replies.request_reply(own.id, partial(self._send_question, own), self._answer_s)
        except ScorerUnavailable as error:
            return Reply(question.id, error=error.message, is_busy=True)
        except InvalidRequest as error:
            return Reply(question.id, error=error.message)
        except TimeoutError:
            self.counts.questions_dropped[NOT_ANSWERED] += 1
            return Reply(question.id, error=f"the scorer did not answer within {self._answer_s:g} s", is_busy=True)
        return Reply(question.id, document)

    async def _ask_policy(self, task: str, policy: TaskPolicy) -> None:
        await self._ask(SetPolicy(self._replies.next_id(), task, policy))

    async def _ask(
        self, question: Question, key: str | None = None, size: int = 0, timeout_s: float | None = None
    ) -> Mapping[str, Any]:
        """Ask when it is this key's turn. size: bytes of the question's texts.

        Raises ScorerUnavailable, InvalidRequest for an error in the reply.
        """
        self._check_ready()
        timeout_s = timeout_s or self._answer_s
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        gate = self._background_gate if isinstance(question, BackgroundQuestion) else self._gate
        async with gate.slot(key, size, timeout_s):
            self._check_ready()
            send = partial(self._send_question, question)
            try:
                return await self._replies.request_reply(question.id, send, max(0.0, deadline - loop.time()))
            except TimeoutError as error:
                self.counts.questions_dropped[NOT_ANSWERED] += 1
                raise ScorerUnavailable(f"the scorer did not answer within {timeout_s:g} s") from error

    def _check_ready(self) -> None:
        if self.status != "ready":
            raise ScorerUnavailable(f"the scorer is {self.status}: {self.message}")


def observe_with(link: ScorerClient | None) -> Callable[[str, bytes, str | None], None]:
    """Return what receives observations: the scorer, or nothing."""
    return link.observe_input if link is not None else lambda task, messages, key: None
