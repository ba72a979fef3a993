"""Errors of the routing library.

RoutingError
├── ShapeError            an array whose axes do not fit the others
├── LimitExceeded         a file that has, or declares, more than a limit (routing.bounded)
├── InvalidArchive        an archive that cannot be read, or names files outside of it (routing.bounded)
├── InvalidArray          a file that is not the array of numbers that it declares (routing.bounded_arrays)
├── BenchmarkError        an invalid benchmark; lists every fault with file and row
├── EmbedderError         embedder not available, or its output unusable
├── TrainingError         not enough data to train a network
├── NeighboursError       an invalid neighbour query, or a saved index that does not match
└── PackError             a pack that cannot be opened
    ├── PackCorrupted     a file is missing, truncated or not the one the manifest names
    └── PackMismatch      sound, but made for another embedder, dimension or schema
"""


class RoutingError(Exception):
    """Base of every error this library raises on purpose."""


class ShapeError(RoutingError, ValueError):
    """An argument's shape does not fit the others; the message names the argument."""


class BenchmarkError(RoutingError, ValueError):
    """An invalid benchmark.

    Attributes:
        faults: one line for each fault found.
    """

    def __init__(self, where: str, faults: list[str]) -> None:
        self.faults = faults
        shown = faults[:20] + ([f"… and {len(faults) - 20} more"] if len(faults) > 20 else [])
        super().__init__(f"{where} cannot be used:\n" + "\n".join(f"  {fault}" for fault in shown))


class EmbedderError(RoutingError):
    """The embedder is not available, or its output is not an embedding."""


class TrainingError(RoutingError, ValueError):
    """Not enough data to train a network."""


class NeighboursError(RoutingError, ValueError):
    """A neighbour query or a saved index that is refused before native code reads it."""


class PackError(RoutingError):
    """A pack cannot be opened."""


class PackCorrupted(PackError):
    """A file of the pack is missing, truncated or altered."""


class PackMismatch(PackError):
    """The pack is sound but was made for something else; the message names both sides."""
