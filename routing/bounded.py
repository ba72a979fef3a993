"""Bounded reading of files that others made: archives, JSON, and their members.

A limit is checked where a file declares a size, and again where it is read: a few bytes can declare, or expand to, any
size. Errors name the file, what was found, and the limit. Arrays: routing.bounded_arrays.
"""

import io
import json
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO, Any

from routing.errors import RoutingError

MIB = 1024**2
CHUNK_BYTES = MIB
MAX_REASON = 300
"""Characters of another library's message."""

DEFAULT_PACK_MB = 16 * 1024


RECORD_OPTION = "`import --max-record-mb`"
ARCHIVE_SETTING = "`routing.max_pack_mb`, or `pack verify --max-mb`"


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """Limits on what is read from one file, in bytes after decompression.

    Attributes:
        max_record_bytes: of what is in memory at once: a JSON value, a line, a cell, a member of a zip file.
        max_archive_bytes: of all that is unpacked from an archive.
        max_members: of an archive.
        record_option: what sets the first of them, for messages.
    """

    max_record_bytes: int = 256 * MIB
    max_archive_bytes: int = DEFAULT_PACK_MB * MIB
    max_members: int = 1_000_000
    record_option: str = RECORD_OPTION


LIMITS: ContextVar[ReadLimits] = ContextVar("LIMITS", default=ReadLimits())  # noqa: B039 - frozen
"""Limits in use. A context variable: a limit is a command's, and readers are many calls below."""


class LimitExceeded(RoutingError, ValueError):
    """A file has, or declares, more than a limit."""


class InvalidArchive(RoutingError, ValueError):
    """An archive that cannot be read, or names files outside of it."""


@contextmanager
def reading_within(limits: ReadLimits) -> Iterator[None]:
    """Apply limits to what is read inside."""
    token = LIMITS.set(limits)
    try:
        yield
    finally:
        LIMITS.reset(token)


@contextmanager
def reading_pack() -> Iterator[None]:
    """Apply one limit to a pack and to each of its files: its arrays and its embedder are in memory whole."""
    limits = LIMITS.get()
    with reading_within(replace(limits, max_record_bytes=limits.max_archive_bytes, record_option=ARCHIVE_SETTING)):
        yield


def check_record(size: int, what: str) -> None:
    """Raise LimitExceeded for something that is too large to be held in memory. what: its name, for the message."""
    limits = LIMITS.get()
    if size > limits.max_record_bytes:
        limit = f"the limit is {_mb(limits.max_record_bytes)} ({limits.record_option})"
        raise LimitExceeded(f"{what} has {_mb(size)}, {limit}")


def check_archive(size: int, what: str) -> None:
    """Raise LimitExceeded for an archive that expands to too much."""
    if size > (limit := LIMITS.get().max_archive_bytes):
        raise LimitExceeded(f"{what} expands to {_mb(size)} or more, the limit is {_mb(limit)} ({ARCHIVE_SETTING})")


def check_members(count: int, what: str) -> None:
    """Raise LimitExceeded for an archive of too many members."""
    if count > (limit := LIMITS.get().max_members):
        raise LimitExceeded(f"{what} has {count:,} members or more, the limit is {limit:,}")


def describe(error: BaseException) -> str:
    """Return an error's message in one line, and shortened: some quote what they could not read."""
    said = " ".join(str(error).split()) or type(error).__name__
    said = said.encode("unicode_escape", "backslashreplace").decode("ascii") if not said.isprintable() else said
    return said if len(said) <= MAX_REASON else f"{said[:MAX_REASON]}…"


def _mb(size: int) -> str:
    return f"{size:,} bytes" if size < MIB else f"{size / MIB:,.0f} MB"


def read_stream(stream: IO[bytes], what: str) -> bytes:
    """Read a stream to its end. Raises LimitExceeded, and what the stream raises."""
    parts: list[bytes] = []
    size = 0
    while chunk := stream.read(CHUNK_BYTES):
        size += len(chunk)
        check_record(size, what)
        parts.append(chunk)
    return b"".join(parts)


def read_file(path: Path) -> bytes:
    """Read a whole file. Raises LimitExceeded, OSError."""
    with path.open("rb") as file:
        check_record(os.fstat(file.fileno()).st_size, path.name)
        return read_stream(file, path.name)


def load_json(path: Path) -> Any:
    """Read a JSON file. Raises LimitExceeded, ValueError for what is no JSON, OSError."""
    try:
        return json.loads(read_file(path))
    except RecursionError as error:
        raise ValueError(f"{path.name}: nested too deeply") from error


@contextmanager
def open_zip(path: Path | IO[bytes], name: str) -> Iterator[zipfile.ZipFile]:
    """Open a zip file. Raises InvalidArchive, LimitExceeded."""
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise InvalidArchive(f"not a zip file, or truncated: {describe(error)}") from error
    with archive:
        check_members(len(archive.infolist()), name)
        yield archive


def read_zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Read a member. Raises InvalidArchive, LimitExceeded."""
    check_record(info.file_size, info.filename)
    try:
        with archive.open(info) as stream:
            return read_stream(stream, info.filename)
    except LimitExceeded:
        raise
    # RuntimeError: an encrypted member. The size that it declares bounds what zipfile reads of it.
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise InvalidArchive(f"{info.filename}: {describe(error)}") from error


@contextmanager
def open_tar(path: Path) -> Iterator[tarfile.TarFile]:
    """Open a .tar, compressed or not. Raises InvalidArchive for what is none, FileNotFoundError."""
    try:
        with tarfile.open(path) as tar:
            yield tar
    except FileNotFoundError:
        raise
    # A damaged header or stream raises whatever its part of the standard library does.
    except (tarfile.TarError, zlib.error, EOFError, OSError, OverflowError, ValueError) as error:
        if isinstance(error, RoutingError):
            raise
        raise InvalidArchive(f"{path} cannot be unpacked: {describe(error)}") from error


def iter_tar(tar: tarfile.TarFile, path: Path) -> Iterator[tarfile.TarInfo]:
    """Yield an archive's members, each checked. Raises InvalidArchive, LimitExceeded; within `open_tar`."""
    size = 0
    for count, member in enumerate(tar, 1):
        check_members(count, str(path))
        size += member.size
        check_archive(size, str(path))
        _check_member(member, path)
        yield member


def is_member_name(name: object) -> bool:
    """Return True for the relative name of a file within an archive or a folder."""
    if not isinstance(name, str) or not name or "\\" in name or "\0" in name:
        return False
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def _check_member(member: tarfile.TarInfo, path: Path) -> None:
    if not is_member_name(member.name):
        raise InvalidArchive(f"{path} cannot be unpacked: {member.name!r} lies outside of the archive")
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise InvalidArchive(
            f"{path} cannot be unpacked: {member.name!r} is a link or a device, expected files and folders"
        )


def extract_tar(path: Path, folder: Path) -> None:
    """Unpack an archive of files and folders. Raises InvalidArchive, LimitExceeded, FileNotFoundError.

    Only the content: modes and owners are those of any new file. `TarFile.extract` would need the data filter of PEP
    706 for that, which Python 3.11 has from 3.11.4 on; Debian 12 ships 3.11.2.
    """
    with open_tar(path) as tar:
        for member in iter_tar(tar, path):
            target = folder / member.name
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with tar.extractfile(member) or io.BytesIO() as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy)


def read_tar_member(path: Path, name: str) -> bytes:
    """Read a file of an archive. Raises KeyError without one of that name, InvalidArchive, LimitExceeded."""
    with open_tar(path) as tar:
        for member in iter_tar(tar, path):
            if member.name == name and member.isreg():
                check_record(member.size, f"{path}: {name}")
                stream = tar.extractfile(member)
                if stream is not None:
                    return read_stream(stream, f"{path}: {name}")
    raise KeyError(name)
