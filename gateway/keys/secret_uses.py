"""Last use of clients' secrets, counted from finished requests and stored now and then."""

from collections.abc import Callable, Iterable, Mapping, Sequence

RESOLUTION_S = 60.0
"""Time between two stored uses of a secret. A busy key costs the state one write a minute."""


class SecretUses:
    """Times at which this gateway saw each secret, by SHA-256. Nothing in here waits."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """clock: Unix time in seconds."""
        self._clock = clock
        self._used: dict[str, float] = {}
        self._stored: dict[str, float] = {}
        self._due: set[str] = set()
        """Secrets whose last use is to be stored: to look at all of 10,000 every second takes the event loop 3 ms."""

    def observe_requests(self, secrets: Iterable[str | None]) -> None:
        """Note that requests have ended. secrets: SHA-256 of that of each, None without a key."""
        now = self._clock()
        # Most requests of a batch have the same few secrets.
        for secret in set(secrets):
            if secret is not None:
                self._used[secret] = now
                if now - self._stored.get(secret, float("-inf")) >= RESOLUTION_S:
                    self._due.add(secret)

    def drain_unsaved(self, is_final: bool = False) -> Mapping[str, float]:
        """Return what is to be stored: uses a minute after the last stored one, all of them at the end."""
        due, self._due = self._used if is_final else self._due, set()
        used, before = self._used, self._stored
        drained = {secret: used[secret] for secret in due if used[secret] > before.get(secret, float("-inf"))}
        self._stored |= drained
        return drained

    def restore_unsaved(self, used: Mapping[str, float]) -> None:
        """Take back what could not be stored."""
        for secret in used:
            self._stored.pop(secret, None)
            if secret in self._used:  # else revoked meanwhile
                self._due.add(secret)

    def merge_stored(self, secrets: Sequence[str], stored: Mapping[str, float]) -> Mapping[str, float]:
        """Return the last use of these secrets, here or at another gateway. stored: as the store has it."""
        found = {one: max(self._used.get(one, 0.0), stored.get(one, 0.0)) for one in secrets}
        return {one: at for one, at in found.items() if at}

    def forget(self, secrets: Iterable[str]) -> None:
        """Forget secrets that no key has any more."""
        for one in secrets:
            self._used.pop(one, None)
            self._due.discard(one)
            self._stored.pop(one, None)
