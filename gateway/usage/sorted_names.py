"""Names in order, for pages of long lists: nothing is sorted until a page is asked for."""

from bisect import bisect_right
from collections.abc import Iterator


class SortedNames:
    """A set of names that can be read in order from any place.

    Adding and removing take constant time, as the request path needs; the next read sorts what came since, which is
    fast, since the names before it are in order already (Timsort).
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
        # Removed names stay in the list until they are half of it. One that was removed and added again is there twice.
        if self._added or len(self._sorted) > 2 * len(self._names):
            known = self._names
            self._sorted = sorted(dict.fromkeys(one for one in (*self._sorted, *self._added) if one in known))
            self._added = []
