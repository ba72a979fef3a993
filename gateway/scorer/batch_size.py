"""Size of a batch, by the speed of the scorer: one rule for what it takes at once and for what it is sent ahead."""

from gateway.scorer.messages import BATCH_SIZE

MAX_BATCH_SIZE = 256
MAX_BATCH_S = 0.25
"""Seconds that a batch may take: questions, and the decisions on its first inputs, wait for all of it."""

MAX_IN_FLIGHT = 256
"""Observations sent and not yet acknowledged: enough to keep the scorer busy, few enough to lose, and for another key's
to wait behind. All others wait in the queue, in turn by key.
"""


class BatchSize:
    """Inputs of the next batch, where as many wait.

    What is stored of a task is read and written once for all of its inputs in a batch, and decisions are made together:
    in batches of 256, static embedders need a sixth less CPU for an input than in batches of 64.
    """

    def __init__(self) -> None:
        self.size = BATCH_SIZE

    def record_batch(self, count: int, took_s: float) -> None:
        """Learn from a batch: the next one is as large as fits into MAX_BATCH_S. count: its inputs, at least one."""
        if took_s > 0:
            self.size = min(max(BATCH_SIZE, int(MAX_BATCH_S * count / took_s)), MAX_BATCH_SIZE)

    @property
    def in_flight(self) -> int:
        """Observations to send ahead: the batch that is worked on, and the next one."""
        return max(MAX_IN_FLIGHT, 2 * self.size)
