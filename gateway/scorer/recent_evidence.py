"""Evidence of inputs that come again: a retry, a probe, or a template without its fields need not be embedded twice."""

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from gateway.scorer.sampling import InputValues
from gateway.scorer.task_labels import text_digest
from routing.embedder import Embedder
from routing.router import Router
from routing.task import InputEvidence

MAX_REMEMBERED = 256
"""Inputs whose evidence is remembered, the latest: a few KB each."""


class EvidenceFinder:
    """Embeds inputs and finds what a pack says of them, but for those that their task has had just before."""

    def __init__(self, router: Router, embedder: Embedder, max_remembered: int = MAX_REMEMBERED) -> None:
        self._router = router
        self._embedder = embedder
        self._max_remembered = max_remembered
        self._remembered: OrderedDict[tuple[str, bytes], InputEvidence] = OrderedDict()

    def find_evidence(self, inputs: Sequence[InputValues]) -> dict[str, InputEvidence]:
        """Return the evidence of inputs by task, each task's in their order. Raises what the embedder raises."""
        keys = [(task, text_digest(text)) for task, text in inputs]
        new = {key: text for key, (_, text) in zip(keys, inputs, strict=True) if key not in self._remembered}
        found = dict[tuple[str, bytes], InputEvidence]()
        if new:
            evidence = self._router.find_evidence(self._embedder.embed_texts(list(new.values())))
            # A row of its own for each: a view would keep the whole batch in memory.
            found = {key: evidence.select_rows(np.array([row])) for row, key in enumerate(new)}
        by_task: dict[str, list[InputEvidence]] = {}
        for key in keys:
            by_task.setdefault(key[0], []).append(found[key] if key in found else self._remembered[key])
        self._remember(keys, found)
        return {task: InputEvidence.join(parts) for task, parts in by_task.items()}

    def _remember(self, keys: Sequence[tuple[str, bytes]], found: dict[tuple[str, bytes], InputEvidence]) -> None:
        self._remembered.update(found)
        for key in keys:
            self._remembered.move_to_end(key)
        while len(self._remembered) > self._max_remembered:
            self._remembered.popitem(last=False)
