"""A judged run: ask the candidates what the journal lacks, then the judge, and count."""

import asyncio

from gateway.config import Config
from gateway.evals.answers import AnswerJournal
from gateway.evals.judging.plan import JudgePlan
from gateway.evals.judging.tally import JudgeReport, build_report
from gateway.evals.judging.verdicts import MAX_REMINDERS
from gateway.evals.session import AnswerRecorder, EvalSteps, Sleep, SpendingLimit, open_client, run_resumable


def run_judging(
    plan: JudgePlan, config: Config, steps: EvalSteps = lambda *_: None, sleep: Sleep = asyncio.sleep
) -> JudgeReport:
    """Run a plan. sleep: between retries.

    Raises JournalCorrupted, ConfigError, and KeyboardInterrupt, whose message states how many answers are saved.
    """
    with AnswerJournal(plan.folder) as journal:
        recorder = AnswerRecorder(journal, steps, SpendingLimit(plan.max_usd, plan.all_models))
        run_resumable(_ask(plan, config, recorder, sleep), recorder)
        return build_report(plan, journal.answers, recorder.failed)


async def _ask(plan: JudgePlan, config: Config, recorder: AnswerRecorder, sleep: Sleep) -> None:
    """Ask the candidates first, then the judge; again for verdicts that cannot be parsed."""
    async with open_client(config, plan.all_models, sleep) as client:
        rows = ((model.name, [plan.answer_request(one, model.name) for one in plan.questions]) for model in plan.models)
        await asyncio.gather(
            *(recorder.ask_missing(client, name, requests, plan.concurrency) for name, requests in rows)
        )
        for attempt in range(1 + MAX_REMINDERS):
            pending = [
                request
                for mark in plan.marks(recorder.journal.answers)
                for request in mark.pending
                if request.journal_key not in recorder.failed
            ]
            if not pending:
                return
            await recorder.ask_missing(client, "judging" if not attempt else "reminders", pending, plan.concurrency)
