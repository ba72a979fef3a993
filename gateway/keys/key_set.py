"""All client keys of a gateway, by name and in the order of lists; changing one looks at no other."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from gateway.keys.key_records import ClientKey
from gateway.usage.sorted_names import SortedNames


class KeySet:
    """The keys of the configuration, and the created ones."""

    def __init__(self, keys: Iterable[ClientKey]) -> None:
        """keys: of different names."""
        self._by_name = {one.key.name: one for one in keys}
        self._by_place = {one.place: one for one in self._by_name.values()}
        self._order = SortedNames(self._by_place)
        self._default_tasks = Counter(one.key.default_task for one in self._by_name.values())

    def find(self, name: str) -> ClientKey | None:
        """Return a key, None where there is none of that name."""
        return self._by_name.get(name)

    def put(self, key: ClientKey) -> ClientKey | None:
        """Add a key in place of the one of its name, which is returned."""
        before = self.remove(key.key.name)
        place = key.place
        self._by_name[key.key.name] = self._by_place[place] = key
        self._order.add(place)
        self._default_tasks[key.key.default_task] += 1
        return before

    def remove(self, name: str) -> ClientKey | None:
        """Remove a key and return it, None where there is none of that name."""
        gone = self._by_name.pop(name, None)
        if gone is not None:
            del self._by_place[gone.place]
            self._order.discard(gone.place)
            self._default_tasks -= Counter([gone.key.default_task])  # without zeros
        return gone

    def keys_after(self, place: str = "") -> Iterator[ClientKey]:
        """Yield the keys behind a place: the configuration's by name, then the created ones, oldest first."""
        return (self._by_place[one] for one in self._order.names_after(place))

    def secrets(self) -> set[str]:
        """Return the SHA-256 of every secret."""
        return {secret.sha256 for one in self._by_name.values() for secret in one.secrets}

    @property
    def default_tasks(self) -> Collection[str]:
        """The tasks of requests that name none, of all keys."""
        return [task for task in self._default_tasks if task is not None]
