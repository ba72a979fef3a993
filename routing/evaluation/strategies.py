"""What every system would choose for one held-out dataset."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from routing.arrays import Floats
from routing.decision import decide
from routing.evaluation.fold import Fold, Sample, Seen
from routing.evaluation.results import Choice
from routing.evaluation.scoring import Judge
from routing.scores import Score, s3


def choices(fold: Fold, sample: Sample, seen: Seen, eta: float, wanted: Sequence[str]) -> list[Choice]:
    """What the wanted systems chose, and how good it was."""
    judge = Judge(fold, sample, seen.scores)
    made = _made(seen, eta)
    made["BMA"] = seen.scores.models[0], judge.average_elsewhere
    made["oracle"] = judge.best_model, judge.accuracy
    found = [judge.choice(name, *made[name]) for name in wanted if name in made]
    if "random" in wanted:
        found.append(judge.random())
    if "honest_oracle" in wanted:
        found.append(judge.honest_oracle())
    return found


def _made(seen: Seen, eta: float) -> dict[str, tuple[str, Floats]]:
    """A system's model, and the scores it chose by."""
    scores = seen.scores
    made = {score.name: (decide(scores, eta, score=score).model, scores.of(score)) for score in Score}
    made["S3_shuffled"] = made["S3"]
    made["auto"] = made["auto_permuted"] = made.pop("AUTO")
    for name, reliability in (("S3_true_p", seen.true_p), ("S3_atc", seen.atc)):
        other = replace(scores, reliability=reliability, s3=s3(scores.s2, reliability))
        made[name] = decide(other, eta).model, other.s3
    if seen.loglik is not None and not np.isnan(seen.loglik).all():
        made["LL"] = scores.models[int(np.nanargmax(seen.loglik))], seen.loglik
    return made
