"""A session of asking models: client, journal that stores every answer at once, progress, spending limit."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal

from gateway.config import Config, ModelConfig
from gateway.evals.answers import AnswerJournal, JournalKey, ModelAnswer
from gateway.evals.ask import EvalClient, FailedRequest
from gateway.evals.estimate import estimate_request, model_price
from gateway.evals.questions import EvalRequest
from gateway.upstream.pool import ConnectionPool

GRACE_S = 30.0
"""After Ctrl-C, time to wait for answers to what was sent, in seconds."""

EvalSteps = Callable[[str, int, int], None]
"""Called with (activity, steps done, total steps)."""

Sleep = Callable[[float], Awaitable[None]]


class SpendingLimit:
    """Upper limit on what a session spends. Requests in flight count with their estimated cost."""

    def __init__(self, max_usd: Decimal | None, models: Sequence[ModelConfig]) -> None:
        """max_usd: None for no limit. models: every one of them has a price if there is a limit."""
        self._max_usd = max_usd
        self._prices = {model.name: model_price(model) for model in models}
        self._reserved: dict[JournalKey, Decimal] = {}
        self.spent_usd = Decimal(0)

    def admit_request(self, request: EvalRequest) -> bool:
        """Reserve a request's estimated cost; False if the limit does not allow it."""
        price = self._prices.get(request.model)
        if self._max_usd is None or price is None:
            return True
        cost = price.cost_usd(estimate_request(request))
        if self.spent_usd + sum(self._reserved.values()) + cost > self._max_usd:
            return False
        self._reserved[request.journal_key] = cost
        return True

    def settle(self, answer: ModelAnswer | FailedRequest) -> None:
        """Replace the estimate by the cost of the answer, if it reports its usage."""
        estimated, price = self._reserved.pop(answer.journal_key, Decimal(0)), self._prices.get(answer.model)
        if isinstance(answer, ModelAnswer):
            known = answer.usage is not None and price is not None
            self.spent_usd += price.cost_usd(answer.usage) if known else estimated  # type: ignore[union-attr, arg-type]


class AnswerRecorder:
    """Records answers and failures as they come, and reports progress. is_stopped: nothing more may be sent."""

    def __init__(self, journal: AnswerJournal, steps: EvalSteps, limit: SpendingLimit | None = None) -> None:
        self.journal = journal
        self.is_stopped = False
        self.failed: dict[JournalKey, FailedRequest] = {}
        self._limit = limit
        self._steps = steps
        self._done: dict[str, int] = {}

    def begin_row(self, activity: str, done: int, total: int) -> Callable[[ModelAnswer | FailedRequest], None]:
        """Begin a row of progress, and return the callback for its answers."""
        self._done[activity] = done
        self._steps(activity, done, total)

        def record_answer(answer: ModelAnswer | FailedRequest) -> None:
            if self._limit is not None:
                self._limit.settle(answer)
            if isinstance(answer, ModelAnswer):
                self.journal.add_answer(answer)
            else:
                self.failed[answer.journal_key] = answer
            self._done[activity] += 1
            self._steps(activity, self._done[activity], total)

        return record_answer

    async def ask_missing(
        self, client: EvalClient, activity: str, requests: Sequence[EvalRequest], concurrency: int
    ) -> None:
        """Ask one model those of its requests that the journal lacks, each once."""
        once = {request.journal_key: request for request in requests}
        missing = [request for key, request in once.items() if key not in self.journal.answers]
        record = self.begin_row(activity, len(once) - len(missing), len(once))
        await client.ask_all(missing, concurrency, record, self._admit_request)

    def _admit_request(self, request: EvalRequest) -> bool:
        return not self.is_stopped and (self._limit is None or self._limit.admit_request(request))


@asynccontextmanager
async def open_client(config: Config, models: Sequence[ModelConfig], sleep: Sleep) -> AsyncIterator[EvalClient]:
    """Open a client for some models of a configuration. sleep: between retries."""
    with contextlib.closing(ConnectionPool()) as pool:
        client = EvalClient(config.model_copy(update={"models": tuple(models)}), pool, sleep)
        try:
            yield client
        finally:
            await client.close_backends()


def run_resumable(work: Coroutine[None, None, None], recorder: AnswerRecorder, grace_s: float = GRACE_S) -> None:
    """Run a session. Raises KeyboardInterrupt, whose message states how many answers are saved.

    After Ctrl-C nothing more is sent, and answers to what was sent are awaited and saved, since they are paid for. A
    second Ctrl-C ends at once.
    """

    async def run() -> None:
        session = asyncio.create_task(work)
        try:
            await asyncio.shield(session)
        except asyncio.CancelledError:
            recorder.is_stopped = True
            await asyncio.wait([session], timeout=grace_s)
            session.cancel()
            raise

    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        journal = recorder.journal
        message = f"{len(journal.answers)} answers are saved in {journal.path}; rerun the command to resume"
        raise KeyboardInterrupt(message) from None
