"""Files of Inspect AI logs: `.eval`, zip files of header.json and samples/ID_epoch_N.json; or the same as one `.json`.

Newer `.eval` files are compressed with Zstandard, which Python's zipfile reads only from 3.14 on: they are decompressed
by pyarrow. Layout: UKGovernmentBEIS/inspect_ai, `EvalLog`, `EvalRecorder`.
"""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from routing.bounded import (
    InvalidArchive,
    LimitExceeded,
    check_record,
    describe,
    open_zip,
    read_stream,
    read_zip_member,
)
from routing.errors import RoutingError
from routing.importing.errors import UnreadableFile
from routing.importing.readers import iter_json_elements, read_json_head, require_object

HEADERS = ("header.json", "_journal/start.json", "start.json")
"""Members with a log's specification; the second while it is still being written, the third in the first version."""

ZSTANDARD = 93
LOCAL_HEADER_BYTES = 30


def read_header(path: Path) -> tuple[dict[str, Any], bool]:
    """Return a log without its samples (`eval`, `status`, `results`, …), and True if it has samples.

    Raises UnreadableFile.
    """
    return _zip_header(path) if _is_zip(path) else read_json_head(path, "samples")


def iter_samples(path: Path) -> Iterator[tuple[str, object]]:
    """Yield (where, sample) of a log, one by one. Raises UnreadableFile."""
    return _zip_samples(path) if _is_zip(path) else iter_json_elements(path, "samples")


def _is_zip(path: Path) -> bool:
    return path.suffix == ".eval"


def _zip_header(path: Path) -> tuple[dict[str, Any], bool]:
    with _open_zip(path) as archive:
        names = set(archive.namelist())
        has_samples = any(name.startswith("samples/") for name in names)
        for name in HEADERS:
            if name in names:
                header = _member(path, archive, archive.getinfo(name))
                # Without a header the run has not ended, whatever start.json says.
                return header if name == HEADERS[0] else header | {"status": "started"}, has_samples
    raise UnreadableFile(path, f"none of {', '.join(HEADERS)} found in it")


def _zip_samples(path: Path) -> Iterator[tuple[str, object]]:
    with _open_zip(path) as archive:
        for info in archive.infolist():
            if info.filename.startswith("samples/") and info.filename.endswith(".json"):
                yield f"{path.name}/{info.filename}", _member(path, archive, info)


@contextmanager
def _open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with open_zip(path, path.name) as archive:
            yield archive
    except (InvalidArchive, LimitExceeded) as error:
        raise UnreadableFile(path, str(error)) from error


def _member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> dict[str, Any]:
    try:
        content = _zstandard(path, info) if info.compress_type == ZSTANDARD else read_zip_member(archive, info)
        return require_object(content)
    except LimitExceeded as error:
        raise UnreadableFile(path, str(error)) from error
    except (OSError, ValueError, OverflowError, MemoryError, RoutingError) as error:
        raise UnreadableFile(path, f"{info.filename}: {describe(error)}") from error


def _zstandard(path: Path, info: zipfile.ZipInfo) -> bytes:
    """Return a member's bytes, decompressed. Raises LimitExceeded, OSError where that fails."""
    import pyarrow as pa

    with path.open("rb") as file:
        file.seek(info.header_offset)
        header = file.read(LOCAL_HEADER_BYTES)
        # The local header repeats name and extra field with lengths of its own (APPNOTE 4.3.7); zipfile does not
        # expose the data's offset.
        name_bytes, extra_bytes = int.from_bytes(header[26:28], "little"), int.from_bytes(header[28:30], "little")
        file.seek(name_bytes + extra_bytes, 1)
        check_record(info.compress_size, info.filename)
        check_record(info.file_size, info.filename)
        packed = file.read(info.compress_size)
    # In pieces: the size that the archive declares is not what a stream expands to.
    with pa.CompressedInputStream(pa.BufferReader(packed), "zstd") as stream:
        return read_stream(stream, info.filename)
