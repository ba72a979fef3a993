"""Names in order, for pages of long lists: nothing is sorted until a page is asked for."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

FEW = 100
"""Names that are inserted one by one; of more, sorting all again takes less time."""


class SortedNames:
    """A set of names that can be read in order from any place.

    Adding and removing take constant time, as the request path needs; the next read puts what came since in its place.
    """

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._sorted: list[str] = []
        self._added: list[str] = []

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def add(self, name: str) -> None:
        """Add a name; one that is there already stays."""
        if name not in self._names:
            self._names.add(name)
            self._added.append(name)

    def discard(self, name: str) -> None:
        """Remove a name if it is there."""
        self._names.discard(name)

    def names_after(self, name: str) -> Iterator[str]:
        """Yield the names greater than this one, in order; names may come and go while it yields."""
        self.sort_now()
        names = self._sorted  # replaced, never changed, by a later read
        for place in range(bisect_right(names, name), len(names)):
            if names[place] in self._names:
                yield names[place]

    def sort_now(self) -> None:
        """Sort what came since the last read, where there is time for it."""
        # Removed names stay in the list until they are half of it. One that was removed and added again is in it still.
        if len(self._added) > FEW or len(self._sorted) > 2 * len(self._names) + FEW:
            self._sorted = sorted(self._names)
        elif self._added:
            self._sorted = list(self._sorted)
            for name in self._added:
                place = bisect_left(self._sorted, name)
                if place == len(self._sorted) or self._sorted[place] != name:
                    self._sorted.insert(place, name)
        self._added = []
