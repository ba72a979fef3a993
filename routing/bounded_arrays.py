"""Arrays from files that others made: .npy and .npz, never pickles, and no larger than their bytes.

numpy allocates what a header declares before it reads: a header of 128 bytes can declare any shape. Here the declared
size must be the number of bytes that follow. Format: numpy.lib.format.
"""

import io
import math
import os
import struct
import tokenize
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from routing.bounded import LimitExceeded, check_archive, describe, open_zip, read_zip_member
from routing.errors import RoutingError

KINDS = "biuf"
"""Kinds of numbers: booleans, integers, floats."""

MAX_AXES = 4
MAX_HEADER_BYTES = 10_000


HEADER_ERRORS = (
    *(ValueError, TypeError, KeyError, SyntaxError, EOFError, OSError, OverflowError),
    *(struct.error, tokenize.TokenError),
)
"""What numpy raises for a header, which is Python's syntax, or for an array that is cut off."""


class InvalidArray(RoutingError, ValueError):
    """A file that is not the array of numbers that it declares."""


@contextmanager
def _translating_errors(name: str) -> Iterator[None]:
    try:
        yield
    except (LimitExceeded, InvalidArray, FileNotFoundError):
        raise
    except HEADER_ERRORS as error:
        raise InvalidArray(f"{name}: not an array of numbers, or truncated: {describe(error)}") from error
    except (MemoryError, RecursionError) as error:
        raise InvalidArray(f"{name}: larger than this machine's memory") from error


def load_npy(path: Path, *, is_mapped: bool = False) -> NDArray[Any]:
    """Return the array in a .npy file. is_mapped: map it instead of reading it.

    Raises InvalidArray, LimitExceeded, FileNotFoundError.
    """
    with _translating_errors(path.name), path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        check_archive(size, path.name)
        _check_header(file, size, path.name)
        found = np.load(
            path, allow_pickle=False, mmap_mode="r" if is_mapped else None, max_header_size=MAX_HEADER_BYTES
        )
    return np.asarray(found) if not is_mapped else found


def parse_npy(data: bytes, name: str) -> NDArray[Any]:
    """Return the array that the bytes of a .npy file are. Raises InvalidArray."""
    with _translating_errors(name):
        file = io.BytesIO(data)
        _check_header(file, len(data), name)
        file.seek(0)
        return np.asarray(npy.read_array(file, allow_pickle=False, max_header_size=MAX_HEADER_BYTES))


def load_npz(path: Path | bytes, name: str = "") -> Mapping[str, NDArray[Any]]:
    """Return the arrays in a .npz file by name. Raises InvalidArray, LimitExceeded, FileNotFoundError."""
    shown = name or (path.name if isinstance(path, Path) else "arrays")
    if isinstance(path, Path) and not path.exists():
        raise FileNotFoundError(2, "No such file or directory", str(path))
    found: dict[str, NDArray[Any]] = {}
    total = 0
    with _translating_errors(shown), open_zip(path if isinstance(path, Path) else io.BytesIO(path), shown) as archive:
        for info in archive.infolist():
            total += info.file_size
            check_archive(total, shown)
            found[info.filename.removesuffix(".npy")] = _member(archive, info, shown)
    return found


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> NDArray[Any]:
    shown = f"{name}: {info.filename}"
    return parse_npy(read_zip_member(archive, info), shown)


def _check_header(file: IO[bytes], size: int, name: str) -> None:
    """Check that an array of numbers of the declared shape and type is what the file consists of."""
    version = npy.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = npy.read_array_header_1_0(file, max_header_size=MAX_HEADER_BYTES)
    elif version == (2, 0):
        shape, _, dtype = npy.read_array_header_2_0(file, max_header_size=MAX_HEADER_BYTES)
    else:
        raise InvalidArray(f"{name}: version {version[0]}.{version[1]} of the format is not read")
    if dtype.kind not in KINDS or dtype.hasobject or dtype.fields or dtype.subdtype:
        raise InvalidArray(f"{name}: holds {dtype}, expected numbers")
    if len(shape) > MAX_AXES or any(length < 0 for length in shape):
        raise InvalidArray(f"{name}: declares the shape {shape}")
    declared, found = math.prod(shape) * dtype.itemsize, size - file.tell()
    if declared != found:
        raise InvalidArray(f"{name}: declares {declared:,} bytes, shape {shape} of {dtype}, and has {found:,}")
