"""Compression of what tasks with few inputs store: most tasks of a gateway that is given a name per customer or ticket.

Lossless, and without knowledge of the bytes: the scorer alone decodes those. Both use zlib with a preset dictionary
(RFC 1950, 2.2): text that both sides know need not be stored.
"""

import math
import struct
import zlib
from functools import lru_cache

from gateway.decision import Explanation
from gateway.errors import StateError

SMALL_TASK = 16
"""Inputs up to which a task's sums are compressed: later it takes longer than it is worth, task by task."""

MAX_NUMBERS = 2048
"""Numbers of an embedding in a dictionary: 16 KiB of zlib's window of 32 KiB."""

_PHRASES = (
    b'"dataset_fault": "thrift": {"max_regret": null, "quality": 1.0, "price": 0.0, "tokens": null, "costs": [{"model":'
    b' "", "cost": 0., "share": 0.}"membership": {"kind": "new", "datasets": [{"dataset": "", "p": 0.}], "text": "'
    b'"score_why": "the pack\'s report recommends it", "score_setting": "recommended", "eta": 0.6, "score": "auto", '
    b'"score": "s3", "leader": "", "baseline": "", "p_better": null, "rival": null, "rival": {"model": "", "p": 0.}, '
    b'"would_change": {"model": "", "text": " would be selected after more inputs like these.", "inputs": 1, "has": 0.,'
    b' "margin": 0.0}, is the best model on average, and has the highest score over 1 input: , the best model on averag'
    b'e, stays selected.", over 1 input but beats has the highest S3 ( with probability , not above the threshold 0.6: '
    b'"nearest_datasets": [{"dataset": "", "cosine": 0.}, {"dataset": "", "cosine": 0.}], "decision": {"why": " '
    b'{"u": 0., "scores": [{"model": "", "s1": 0.0, "s2": 1.0, "s3": 0., "p": 0., "auto": 0., "auto_low": 0., '
    b'"auto_high": 0., "n": 1}, {"model": "", "s1": 1.0, "s2": 0.0, "s3": 0., "p": 0., "n": 1}], "n": 1, "skipped": 0}'
)
"""What explanations of earlier versions had in common, the most frequent last. It is a part of the schema: with other
bytes, none of them could be read."""

_VIEWS = (
    *(f"cosine / {width}{scaled}" for scaled in ("", " scaled") for width in ("0.05", "0.07", "0.1", "0.14", "0.2")),
    *(f"centred / {width}{scaled}" for scaled in ("", " scaled") for width in ("0.1", "0.14", "0.2", "0.3")),
    *("rank / 2", "rank / 4", "neighbours"),
)
_AUTO = (
    '"auto": {"level": 0.5, "average": {"leader": 0.0, "baseline": 0.0}, "views": ['
    + ", ".join(f'{{"view": "{view}", "strength": 0.00, "leader": 0.2, "baseline": -0.0}}' for view in _VIEWS)
    + '], "trust": 0.3, "datasets": [{"dataset": "", "weight": 0.2}, {"dataset": "", "weight": 0.02}], "membership": {"'
    'known": 0.1, "datasets": [{"dataset": "", "probability": 0.1, "share": 1.0, "leader": 0.8, "baseline": 0.6}], "res'
    't": {"leader": 0.5, "baseline": 0.5}}, "new": {"leader": 0.6, "baseline": 0.6}, "prior": {"leader": 0.6, "baseline'
    '": 0.6}, "labels": 0, "feedback": null, "expected": {"leader": 0.6, "baseline": 0.6}, "deviation": 0.2}, "membersh'
    'ip": {"kind": "new", "text": "The task is new: its inputs are not close to any dataset (probability 0.8); dataset '
    ' fits best, with probability 0.1.", "known": 0.1, "datasets": [{"dataset": "", "share": 1.0, "probability": 0.1, "'
    'best": "", "accuracy": 0.8, "chosen_accuracy": 0.8}], "twins": []}, "decision": {"why": " has the highest expected'
    ' accuracy (0.6) over 1 input and beats  (expected accuracy 0.6) with probability 0.5", "would_change": {"model": "'
    '", "text": " would be selected if its expected accuracy were above 0.6 (now 0.6); about 1 labelled input that  get'
    's right and  wrong are enough.", "score": 0.6, "has": 0.6, "margin": 0.0, "lead": -0.00, "needed": 0.0, "deviation'
    '": 0.2, "noise": 0.6, "labels": 1}, "p_better": 0.5, "rival": {"model": "", "p": 0.5}, "leader": "", "baseline": "'
    '", "eta": 0.6, "score": "auto", "score_setting": "recommended", "score_why": "the pack\'s report recommends it: a'
    'uto leads S3 by +1.0 points on known tasks"}, "n": 1, "skipped": 0}'
)
_DICTIONARY = _PHRASES + _AUTO.encode()
"""What explanations have in common. Part of the schema, as the one before it."""

_DICTIONARIES = {zlib.adler32(one): one for one in (_PHRASES, _DICTIONARY)}
"""By the checksum that names them in what was compressed (RFC 1950, 2.2: DICTID)."""


def compress_explanation(text: str) -> bytes:
    """Compress the JSON text of an explanation."""
    return _compress(text.encode("utf-8", "surrogatepass"), _DICTIONARY)


def restore_explanation(stored: bytes | str) -> str:
    """Return the text of a stored explanation; earlier schemas stored the text itself. Raises StateError."""
    if isinstance(stored, str):
        return stored
    dictionary = _DICTIONARIES.get(int.from_bytes(stored[2:6], "big"), _DICTIONARY)
    return _restore(stored, dictionary).decode("utf-8", "surrogatepass")


class CompressedExplanation(Explanation):
    """A stored explanation, restored when it is read: for most inputs the scorer needs none of it."""

    __slots__ = ("_stored",)
    _stored: bytes

    def __init__(self, stored: bytes) -> None:
        object.__setattr__(self, "_stored", stored)

    @property
    def json(self) -> str:
        """The text of a JSON object. Raises StateError."""
        return restore_explanation(self._stored)

    @property
    def is_dated(self) -> bool:
        """As of the explanation. Raises StateError."""
        return _is_dated(self._stored)


@lru_cache(maxsize=1024)
def _is_dated(stored: bytes) -> bool:
    # Remembered: it is asked with every input, and an explanation stays for 16 of them.
    return Explanation(restore_explanation(stored)).is_dated


def stored_explanation(stored: bytes | str) -> Explanation:
    """Return a stored explanation, which is restored later. Earlier schemas stored the text itself."""
    return Explanation(stored) if isinstance(stored, str) else CompressedExplanation(stored)


def compress_sums(sums: bytes, embedding: bytes) -> bytes:
    """Compress a task's sums. embedding: its first, whose numbers begin the sums, and are not stored twice."""
    return _compress(sums, _numbers_of(embedding))


def restore_sums(stored: bytes, embedding: bytes) -> bytes:
    """Return compressed sums as they were. embedding: the one they were compressed with. Raises StateError."""
    return _restore(stored, _numbers_of(embedding))


def _numbers_of(embedding: bytes) -> bytes:
    """Return the float16 numbers of an embedding as sums hold them: float64, at unit length.

    What else may follow them there (a text) makes the sums longer, and is not lost.
    """
    count = min(len(embedding) // 2, MAX_NUMBERS)
    numbers = struct.unpack_from(f"<{count}e", embedding)
    length = math.sqrt(math.fsum([number * number for number in numbers]))
    if not 0.0 < length < math.inf:
        return b""
    return struct.pack(f"<{count}d", *[number / length for number in numbers])


def _compress(data: bytes, dictionary: bytes) -> bytes:
    with_dictionary = zlib.compressobj(zdict=dictionary)
    return with_dictionary.compress(data) + with_dictionary.flush()


def _restore(stored: bytes, dictionary: bytes) -> bytes:
    with_dictionary = zlib.decompressobj(zdict=dictionary)
    try:
        data = with_dictionary.decompress(stored) + with_dictionary.flush()
    except zlib.error as error:
        raise StateError(f"compressed state cannot be read: {error}") from error
    if not with_dictionary.eof:
        raise StateError("compressed state cannot be read: it is cut off")
    return data
