"""What is known of one task beside its inputs: labels, labels of judge models, and scored answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from routing.arrays import Floats
from routing.auto.feedback import Feedback
from routing.auto.posterior import AccuracyPosterior, JudgedLabels, LabelGroups


@dataclass(frozen=True, slots=True)
class TaskLabelling:
    """Labels and feedback of a task.

    Attributes:
        labels: (n_labelled, n_models) outcomes on inputs of the task itself, in the order of the pack's models, NaN
            where a model was not asked; None without any.
        feedback: columns in the same order; None without any.
        judged: labels of judge models, in the same order.
    """

    labels: Floats | None = None
    feedback: Feedback | None = None
    judged: Sequence[JudgedLabels] = ()

    def condition(self, prior: AccuracyPosterior, columns: Sequence[int]) -> AccuracyPosterior:
        """Return the posterior after these. columns: the candidates among the pack's models."""
        some = list(columns)
        return prior.condition_on(
            self._group_labels(some), None if self.feedback is None else self.feedback.restrict_to(some)
        )

    def _group_labels(self, columns: list[int]) -> LabelGroups | None:
        """Return the candidates' labels of all sources; None without any."""
        groups = [] if self.labels is None else [LabelGroups.from_matrix(self.labels[:, columns])]
        groups += [LabelGroups.from_matrix(one.outcomes[:, columns], one.source, one.noise) for one in self.judged]
        return reduce(LabelGroups.join, groups) if groups else None


UNLABELLED = TaskLabelling()
