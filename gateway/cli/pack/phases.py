"""Time of each phase of a build."""

import time
from collections.abc import Callable

from gateway.cli.terminal import ProgressSteps


class PhaseTimes:
    """CPU and wall-clock seconds from the start of each phase to the start of the next."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, cpu_clock: Callable[[], float] = time.process_time
    ) -> None:
        """cpu_clock: of all threads of this process."""
        self._clocks = (clock, cpu_clock)
        self._seconds: dict[str, list[float]] = {}
        self._name, self._began = "", (clock(), cpu_clock())

    def start(self, name: str) -> None:
        """Start a phase; one that was started before goes on."""
        now = (self._clocks[0](), self._clocks[1]())
        if self._name:
            spent = self._seconds.setdefault(self._name, [0.0, 0.0])
            for place, (end, begin) in enumerate(zip(now, self._began, strict=True)):
                spent[place] += end - begin
        self._name, self._began = name, now

    def follow(self, steps: ProgressSteps) -> ProgressSteps:
        """Return the steps, each of whose activities is a phase."""

        def reported(activity: str, done: int, total: int) -> None:
            if activity != self._name:
                self.start(activity)
            steps(activity, done, total)

        return reported

    def to_json(self) -> list[dict[str, str | float]]:
        """Return the phases in the order in which they began. Ends the current one."""
        self.start("")
        return [
            {"phase": name, "cpu_s": round(cpu_s, 2), "wall_s": round(wall_s, 2)}
            for name, (wall_s, cpu_s) in self._seconds.items()
        ]
