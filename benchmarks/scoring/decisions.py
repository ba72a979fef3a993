"""CPU of one decision, alone and among others of a batch, and of its explanation.

python -m benchmarks.scoring.decisions PACK    prints JSON; in a process of its own, with the scorer's environment
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from gateway.decision import Explanation
from gateway.scorer.embedded.process import SCORER_ENVIRONMENT
from gateway.scorer.score_choice import ScoreChoice
from gateway.scorer.task_update import build_explanation
from routing.auto.labelling import UNLABELLED
from routing.pack import open_pack
from routing.router import Router
from routing.scores import ScoreKind
from routing.task import TaskState

CANDIDATES = 8
INPUTS = 40
"""Inputs of each task: of the pack's own, those of one dataset."""
TOGETHER = (1, 20, 64)
"""Decisions in a batch."""
ROUNDS, MIN_S = 7, 0.1


def measure_decisions(pack: Path) -> dict[str, dict[str, float]]:
    """Return CPU us of a decision and of an explanation, by score."""
    command = [sys.executable, "-m", "benchmarks.scoring.decisions", str(pack)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**SCORER_ENVIRONMENT, **os.environ})
    found: dict[str, dict[str, float]] = json.loads(done.stdout)
    return found


def _cpu_us(work: Callable[[], Any]) -> float:
    """Return CPU us of one call: the best of several rounds, each long enough to be timed."""
    calls, best = 1, float("inf")
    for _ in range(ROUNDS):
        begun = time.process_time()
        for _ in range(calls):
            work()
        took = time.process_time() - begun
        best = min(best, took / calls)
        calls = max(1, int(MIN_S / best))
    return 1e6 * best


def _measure(pack: Path) -> dict[str, dict[str, float]]:
    opened = open_pack(pack)
    router, size = Router(opened), max(TOGETHER)
    starts = [place * (opened.index.size - INPUTS) // size for place in range(size)]
    evidence = [router.find_evidence(opened.embeddings[start : start + INPUTS]) for start in starts]
    states = [TaskState.from_evidence(one) for one in evidence]
    return {score.value: _measure_score(router, states, score) for score in (ScoreKind.S3, ScoreKind.AUTO)}


def _measure_score(router: Router, states: Sequence[TaskState], score: ScoreKind) -> dict[str, float]:
    candidates, labelled = router.select_candidates(router.model_names[:CANDIDATES]), [UNLABELLED] * len(states)
    current = candidates[1]

    def decide(count: int) -> None:
        needs_s3 = score is ScoreKind.S3
        for one in router.score_tasks(states[:count], candidates, score, labelled[:count], needs_s3=needs_s3):
            router.make_decision(one, current, score)

    scores = router.score_task(states[0], candidates, score)
    made, choice = router.make_decision(scores, current, score), ScoreChoice(score, score.value, "measured")

    def explain() -> None:
        Explanation.from_dict(build_explanation(router, states[0], made, scores, choice))

    row = {f"decision_of_{count}_us": round(_cpu_us(partial(decide, count)) / count, 1) for count in TOGETHER}
    return {**row, "explanation_us": round(_cpu_us(explain), 1)}


if __name__ == "__main__":
    print(json.dumps(_measure(Path(sys.argv[1]))))
