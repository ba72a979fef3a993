"""What every system would choose for one held-out dataset."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from routing.arrays import Floats
from routing.decision import make_decision
from routing.evaluation.fold import EvaluationFold, FoldScores, LabelSample
from routing.evaluation.results import FoldChoice
from routing.evaluation.scoring import FoldScorer
from routing.scores import ScoreKind, s3


def choose_all(
    fold: EvaluationFold, sample: LabelSample, seen: FoldScores, eta: float, wanted: Sequence[str]
) -> list[FoldChoice]:
    """What the wanted systems chose, and how good it was."""
    judge = FoldScorer(fold, sample, seen.scores)
    made = _made(seen, eta)
    made["BMA"] = seen.scores.models[0], judge.average_elsewhere
    made["oracle"] = judge.best_model, judge.accuracy
    found = [judge.score_choice(name, *made[name]) for name in wanted if name in made]
    if "random" in wanted:
        found.append(judge.score_random())
    if "honest_oracle" in wanted:
        found.append(judge.score_honest_oracle())
    return found


def _made(seen: FoldScores, eta: float) -> dict[str, tuple[str, Floats]]:
    """A system's model, and the scores it chose by."""
    scores = seen.scores
    made = {score.name: (make_decision(scores, eta, score=score).model, scores.score_of(score)) for score in ScoreKind}
    made["S3_shuffled"] = made["S3"]
    made["auto"] = made["auto_permuted"] = made.pop("AUTO")
    for name, reliability in (("S3_true_p", seen.true_p), ("S3_atc", seen.atc)):
        other = replace(scores, reliability=reliability, s3=s3(scores.s2, reliability))
        made[name] = make_decision(other, eta).model, other.s3
    if seen.loglik is not None and not np.isnan(seen.loglik).all():
        made["LL"] = scores.models[int(np.nanargmax(seen.loglik))], seen.loglik
    return made
