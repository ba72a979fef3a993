"""Names in order, for pages of long lists: adding one, removing one, and reading a page look at a few hundred names."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator

BLOCK = 500
"""Names of a block when it is made; it is cut in two at twice as many."""


class SortedNames:
    """A set of names that can be read in order from any place.

    In blocks, each with the names up to its last one: to sort 100,000 names again would hold up requests for 50 ms.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = set(names)
        self._blocks: list[list[str]] = []
        self._lasts: list[str] = []
        """The last name of each block, or one that was removed since and is greater than all of the block."""
        self._cut(sorted(self._names))

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def update(self, names: Iterable[str]) -> None:
        """Add many names: all are sorted again, where there is time for it."""
        self._names.update(names)
        self._cut(sorted(self._names))

    def add(self, name: str) -> None:
        """Add a name; one that is there already stays."""
        if name in self._names:
            return
        self._names.add(name)
        place = bisect_left(self._lasts, name)
        if place == len(self._blocks):
            if not self._blocks:
                self._blocks, self._lasts = [[name]], [name]
                return
            place -= 1
            self._lasts[place] = name
        block = self._blocks[place]
        insort(block, name)
        if len(block) >= 2 * BLOCK:
            self._blocks[place : place + 1] = [block[:BLOCK], block[BLOCK:]]
            self._lasts[place : place + 1] = [block[BLOCK - 1], self._lasts[place]]

    def discard(self, name: str) -> None:
        """Remove a name if it is there."""
        if name not in self._names:
            return
        self._names.discard(name)
        place = bisect_left(self._lasts, name)
        block = self._blocks[place]
        if len(block) == 1:
            del self._blocks[place], self._lasts[place]
        else:
            del block[bisect_left(block, name)]

    def names_after(self, name: str) -> Iterator[str]:
        """Yield the names greater than this one, in order; names may come and go while it yields."""
        while (place := bisect_right(self._lasts, name)) < len(self._blocks):
            last, block = self._lasts[place], self._blocks[place]
            for one in block[bisect_right(block, name) :]:
                if one in self._names:
                    yield one
            name = last

    def _cut(self, names: list[str]) -> None:
        self._blocks = [names[start : start + BLOCK] for start in range(0, len(names), BLOCK)]
        self._lasts = [block[-1] for block in self._blocks]
