"""Compression of what tasks with few inputs store: most tasks of a gateway that is given a name per customer or ticket.

Lossless, and without knowledge of the bytes: the scorer alone decodes those. Both use zlib with a preset dictionary
(RFC 1950, 2.2): text that both sides know need not be stored.
"""

import math
import struct
import zlib

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
"""What explanations have in common, the most frequent last. It is a part of the schema: with other bytes, no stored
explanation could be read."""


def compress_explanation(text: str) -> bytes:
    """Compress the JSON text of an explanation."""
    return _compress(text.encode("utf-8", "surrogatepass"), _PHRASES)


def restore_explanation(stored: bytes | str) -> str:
    """Return the text of a stored explanation; earlier schemas stored the text itself. Raises StateError."""
    if isinstance(stored, str):
        return stored
    return _restore(stored, _PHRASES).decode("utf-8", "surrogatepass")


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
