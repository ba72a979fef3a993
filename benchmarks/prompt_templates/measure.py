"""Purity and completeness of the tasks found, and the time it takes."""

import random
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.prompt_templates.fillings import Template, fill_template, list_templates
from gateway.tasks.prompt_templates import PromptTemplates

FILLINGS = 50


@dataclass(frozen=True, slots=True)
class Recognition:
    """What became of the prompts.

    Attributes:
        purity: share of prompts in a task whose most frequent template is theirs.
        completeness: share of prompts in the task that most prompts of their template are in.
        n_tasks: number of tasks found.
        split: templates in several tasks, with their number.
        mixed: tasks of several templates.
        first_us: mean time of a prompt that is new, microseconds.
        again_us: of one whose form was seen.
    """

    purity: float
    completeness: float
    n_tasks: int
    split: Mapping[str, int]
    mixed: Sequence[Sequence[str]]
    first_us: float
    again_us: float


def measure_templates(templates: Sequence[Template], fillings: int = FILLINGS, seed: int = 0) -> Recognition:
    """Send every template with every filling, in random order, and compare tasks with templates."""
    calls = [(one.name, fill_template(one, number)) for one in templates for number in range(fillings)]
    random.Random(seed).shuffle(calls)
    recogniser = PromptTemplates()
    found, first_s = _find_all(recogniser, calls)
    again_s = _find_all(recogniser, calls)[1]
    by_task: dict[str | None, Counter[str]] = defaultdict(Counter)
    by_template: dict[str, Counter[str | None]] = defaultdict(Counter)
    for (name, _), task in zip(calls, found, strict=True):
        by_task[task][name] += 1
        by_template[name][task] += 1
    return Recognition(
        purity=sum(max(counts.values()) for counts in by_task.values()) / len(calls),
        completeness=sum(max(counts.values()) for counts in by_template.values()) / len(calls),
        n_tasks=len(by_task),
        split={name: len(counts) for name, counts in by_template.items() if len(counts) > 1},
        mixed=[sorted(counts) for counts in by_task.values() if len(counts) > 1],
        first_us=1e6 * first_s / len(calls),
        again_us=1e6 * again_s / len(calls),
    )


def _find_all(recogniser: PromptTemplates, calls: Sequence[tuple[str, str]]) -> tuple[list[str | None], float]:
    begun = time.process_time()
    return [recogniser.find_task("key", prompt) for _, prompt in calls], time.process_time() - begun


def main() -> None:
    """Print the measurement of both halves, and of all templates together."""
    every = list_templates()
    for title, some in (("tuned on", every[::2]), ("held out", every[1::2]), ("all", every)):
        got = measure_templates(some)
        print(
            f"{title}: {len(some)} templates x {FILLINGS} fillings: purity {got.purity:.3f}, completeness "
            f"{got.completeness:.3f}, {got.n_tasks} tasks; split {dict(got.split)}, mixed {list(got.mixed)}; "
            f"{got.first_us:.0f} us new, {got.again_us:.0f} us seen"
        )


if __name__ == "__main__":
    main()
