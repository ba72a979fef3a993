"""Archives, arrays, tables and texts that declare, or expand to, more than a limit; and archives that reach outside."""

import gzip
import hashlib
import io
import json
import pickle
import tarfile
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routing.arrays import Embeddings
from routing.benchmark import Benchmark
from routing.bounded import (
    MIB,
    InvalidArchive,
    LimitExceeded,
    ReadLimits,
    extract_tar,
    is_member_name,
    load_json,
    read_tar_member,
    reading_within,
)
from routing.bounded_arrays import InvalidArray, load_npy, load_npz
from routing.bounded_tables import iter_rows, read_columns
from routing.build import build_pack
from routing.errors import PackCorrupted, PackError, RoutingError
from routing.importing.errors import UnreadableFile
from routing.importing.inspect_files import iter_samples, read_header
from routing.importing.readers import iter_csv_rows, iter_json_lines, iter_json_rows, iter_parquet_rows, read_json
from routing.manifest import EmbedderId, read_manifest
from routing.pack import open_pack, save_pack
from tests.routing.conftest import DIM

SMALL = ReadLimits(max_record_bytes=MIB, max_archive_bytes=2 * MIB, max_members=50)
MAX_PEAK_BYTES = 16 * MIB


@contextmanager
def bounded_memory() -> Iterator[None]:
    """Apply small limits, and fail where more is allocated than a few times as much."""
    tracemalloc.start()
    try:
        with reading_within(SMALL):
            yield
        assert tracemalloc.get_traced_memory()[1] < MAX_PEAK_BYTES
    finally:
        tracemalloc.stop()


def member(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.size, made.type, made.linkname = size, kind, link
    return made


def tar_of(path: Path, *members: tarfile.TarInfo, mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for info in members:
            tar.addfile(info, io.BytesIO(bytes(info.size)) if info.size else None)
    return path


@pytest.mark.parametrize(
    "bad",
    [
        member("../escaped"),
        member("/tmp/escaped"),  # noqa: S108 - a name in an archive
        member("a/../../escaped"),
        member("link", kind=tarfile.SYMTYPE, link="/etc/passwd"),
        member("link", kind=tarfile.LNKTYPE, link="../escaped"),
        member("pipe", kind=tarfile.FIFOTYPE),
        member("device", kind=tarfile.CHRTYPE),
    ],
    ids=lambda info: f"{info.type!r} {info.name}",
)
def test_members_outside_and_links_are_refused(bad: tarfile.TarInfo, tmp_path: Path) -> None:
    path = tar_of(tmp_path / "bad.tar", member("good"), bad)
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(InvalidArchive, match=r"bad\.tar cannot be unpacked"):
        extract_tar(path, target)
    assert not (tmp_path / "escaped").exists()
    with pytest.raises(PackError):
        open_pack(path)


def test_archives_of_too_many_or_too_large_members(tmp_path: Path) -> None:
    many = tar_of(tmp_path / "many.tar", *(member(f"m{place}") for place in range(60)))
    bomb = tar_of(tmp_path / "bomb.tar.gz", member("zeros", 100 * MIB), mode="w:gz")
    assert bomb.stat().st_size < MIB
    with bounded_memory():
        with pytest.raises(LimitExceeded, match=r"many\.tar has 51 members or more, the limit is 50"):
            extract_tar(many, tmp_path)
        with pytest.raises(LimitExceeded, match=r"expands to 100 MB or more, the limit is 2 MB.*max_pack_mb"):
            extract_tar(bomb, tmp_path)
        with pytest.raises(LimitExceeded):
            read_tar_member(bomb, "zeros")
        with pytest.raises(PackError, match="the limit is 2 MB"):
            read_manifest(bomb)


def test_only_the_content_is_unpacked_without_the_archives_modes(tmp_path: Path) -> None:
    source, target = tmp_path / "pack.tar", tmp_path / "target"
    program = member("folder/program", 3)
    program.mode = 0o6777
    with tarfile.open(source, "w") as tar:
        tar.addfile(member("empty", kind=tarfile.DIRTYPE))
        tar.addfile(program, io.BytesIO(b"abc"))
    extract_tar(source, target)
    assert (target / "empty").is_dir()
    assert (target / "folder/program").read_bytes() == b"abc"
    assert (target / "folder/program").stat().st_mode & 0o7111 == 0


def test_a_truncated_archive(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "whole.tar.gz", member("a", 1000), mode="w:gz")
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InvalidArchive):
        extract_tar(cut, tmp_path)
    (tmp_path / "no.tar").write_bytes(b"no archive")
    with pytest.raises(PackError, match="cannot be unpacked"):
        open_pack(tmp_path / "no.tar")


@pytest.mark.parametrize("name", ["", "/a", "..", "a/../b", "a\\b", "a\0", 7, None])
def test_names_that_are_no_members(name: object) -> None:
    assert not is_member_name(name)


def zip_of(path: Path, *members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def test_zip_members_by_declared_and_by_read_size(tmp_path: Path) -> None:
    huge = b'{"a": "' + b"x" * 50 * MIB + b'"}'
    declared = zip_of(tmp_path / "declared.eval", ("header.json", huge))
    assert declared.stat().st_size < MIB
    lying = tmp_path / "lying.eval"
    # The sizes in the directory are small, those of the stream are not.
    content = bytearray(declared.read_bytes())
    size = len(huge).to_bytes(4, "little")
    lying.write_bytes(content.replace(size, (100).to_bytes(4, "little")))
    many = zip_of(tmp_path / "many.eval", *((f"samples/{place}.json", b"{}") for place in range(60)))
    with bounded_memory():
        with pytest.raises(UnreadableFile, match=r"header\.json has 50 MB, the limit is 1 MB.*--max-record-mb"):
            read_header(declared)
        with pytest.raises(UnreadableFile, match=r"header\.json"):
            read_header(lying)
        with pytest.raises(UnreadableFile, match="has 60 members or more, the limit is 50"):
            list(iter_samples(many))


def test_a_zstandard_stream_that_expands_to_more_than_it_declares(tmp_path: Path) -> None:
    packed = pa.Codec("zstd").compress(b'{"a": "' + b"x" * 50 * MIB + b'"}', asbytes=True)
    path = zip_of(tmp_path / "log.eval", ("header.json", packed), method=zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[8:10] = content[content.find(b"PK\x01\x02") + 10 :][:2] = (93).to_bytes(2, "little")
    at = content.find(b"PK\x01\x02") + 10
    content[at : at + 2] = (93).to_bytes(2, "little")
    path.write_bytes(content)
    with reading_within(SMALL), pytest.raises(UnreadableFile, match=r"header\.json has 2 MB, the limit is 1 MB"):
        read_header(path)


def npy(path: Path, header: bytes, body: bytes = b"") -> Path:
    padded = header.ljust(118 - 1) + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded + body)
    return path


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000)}", "declares 4,000,000,000,000 bytes"),
        (b"{'descr': '<f4', 'fortran_order': False, 'shape': (4,)}", "declares 16 bytes.*has 8"),
        (b"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", "declares 4 bytes.*has 8"),
        (b"{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}", "declares the shape"),
        (b"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "holds object, expected numbers"),
        (b"{'descr': '|S8', 'fortran_order': False, 'shape': (1,)}", "expected numbers"),
        (b"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", "expected numbers"),
        (b"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,2)}", "declares the shape"),
        (b"{'descr': '<f4'", "not an array"),
        (b"__import__('os')", "not an array"),
        (b"", "not an array"),
    ],
)
def test_hostile_arrays(header: bytes, told: str, tmp_path: Path) -> None:
    path = npy(tmp_path / "a.npy", header, b"12345678")
    with pytest.raises(InvalidArray, match=told):
        load_npy(path)
    with pytest.raises(InvalidArray):
        load_npy(path, is_mapped=True)


def test_a_pickle_in_place_of_an_array(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(InvalidArray):
        load_npy(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InvalidArray, match="expected numbers"):
        load_npy(tmp_path / "b.npy")


def test_compressed_arrays(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "bomb.npz", zeros=np.zeros(10 * MIB, np.uint8))
    assert (tmp_path / "bomb.npz").stat().st_size < MIB
    with bounded_memory(), pytest.raises(LimitExceeded, match="expands to 10 MB"):
        load_npz(tmp_path / "bomb.npz")
    np.savez(tmp_path / "good.npz", a=np.arange(3), b=np.zeros((0, 2)))
    found = load_npz(tmp_path / "good.npz")
    assert (found["a"].tolist(), found["b"].shape) == ([0, 1, 2], (0, 2))


@pytest.fixture
def pack(tmp_path: Path, benchmark_: Benchmark, vectors: Embeddings) -> Path:
    save_pack(build_pack(benchmark_, vectors, EmbedderId("tests/axes", "1", DIM)), tmp_path / "pack")
    return tmp_path / "pack"


def rewrite(pack: Path, **members: Any) -> None:
    manifest = replace(read_manifest(pack), **members).with_content_hash()
    (pack / "manifest.json").write_text(manifest.to_json())


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/../../b"])
def test_a_manifest_that_names_files_outside(pack: Path, name: str) -> None:
    files = dict(read_manifest(pack).files)
    rewrite(pack, files={**files, name: hashlib.sha256(b"").hexdigest()})
    with pytest.raises(PackCorrupted, match="lies outside of the pack"):
        open_pack(pack)


def test_a_manifest_of_absurd_numbers(pack: Path) -> None:
    embedder = read_manifest(pack).embedder
    for members in (
        {"n_inputs": 10**18},
        {"n_inputs": -1},
        {"embedder": replace(embedder, dim=10**12)},
        {"n_inputs": 1.5},
        {"n_inputs": None},
    ):
        rewrite(pack, **members)
        with pytest.raises(PackError):
            open_pack(pack)


def test_a_pack_whose_files_are_not_what_they_are_named(pack: Path) -> None:
    manifest = read_manifest(pack)
    for name in manifest.files:
        data = (pack / name).read_bytes()
        for other in (b"", b"{}", b"[[[", gzip.compress(b"x")):
            (pack / name).write_bytes(other)
            rewrite(pack, files={**manifest.files, name: hashlib.sha256(other).hexdigest()})
            with suppress(RoutingError):
                open_pack(pack)
        (pack / name).write_bytes(data)


def test_a_pack_has_one_limit(pack: Path) -> None:
    with reading_within(ReadLimits(max_record_bytes=10, max_archive_bytes=20 * MIB)), pytest.raises(PackError):
        read_manifest(pack)
    manifest = read_manifest(pack)
    data = b"[" + b" " * 3 * MIB + b"]"
    (pack / "report.json").write_bytes(data)
    rewrite(pack, files={**manifest.files, "report.json": hashlib.sha256(data).hexdigest()})
    with (
        reading_within(SMALL),
        pytest.raises(PackCorrupted, match=r"report\.json has 3 MB, the limit is 2 MB.*max_pack_mb"),
    ):
        open_pack(pack)
    with reading_within(replace(SMALL, max_archive_bytes=20 * MIB)):
        assert not open_pack(pack).report


def test_json_texts_and_cells(tmp_path: Path) -> None:
    long = "x" * (3 * MIB)
    (tmp_path / "a.json").write_text(json.dumps({"a": long}))
    (tmp_path / "b.json").write_text(json.dumps([{"a": long}]))
    (tmp_path / "c.jsonl").write_text(json.dumps({"a": long}) + "\n")
    (tmp_path / "d.csv").write_text(f"a,b\n{long},1\n")
    (tmp_path / "e.csv").write_text(f"{long},b\n")
    (tmp_path / "f.json").write_text("[" * 100_000)
    with bounded_memory():
        for read in (
            lambda: read_json(tmp_path / "a.json"),
            lambda: list(iter_json_rows(tmp_path / "b.json")),
            lambda: list(iter_json_lines(tmp_path / "c.jsonl")),
            lambda: list(iter_csv_rows(tmp_path / "d.csv")),
            lambda: list(iter_csv_rows(tmp_path / "e.csv")),
        ):
            with pytest.raises(UnreadableFile, match=r"(limit is 1 MB|more than 1,048,576).*--max-record-mb"):
                read()
    with pytest.raises(UnreadableFile):
        list(iter_json_rows(tmp_path / "f.json"))
    with pytest.raises(ValueError, match="nested too deeply"):
        load_json(tmp_path / "f.json")


def test_a_table_of_one_text_many_times(tmp_path: Path) -> None:
    rows = 20_000
    column = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), ["x" * MIB])
    path = tmp_path / "bomb.parquet"
    pq.write_table(pa.table({"text": column.cast(pa.dictionary(pa.int32(), pa.string()))}), path)
    # Without the schema that Arrow stores beside, it is a column of texts.
    pq.write_table(pq.read_table(path), path, store_schema=False)
    assert path.stat().st_size < 2 * MIB
    before = pa.total_allocated_bytes()
    with reading_within(SMALL):
        with pytest.raises(LimitExceeded, match=r"bomb\.parquet expands to .* the limit is 2 MB"):
            read_columns(path, ["text"])
        assert sum(1 for _ in iter_rows(path)) == rows
    assert pa.total_allocated_bytes() - before < 64 * MIB


def test_a_table_that_declares_too_much(tmp_path: Path) -> None:
    path = tmp_path / "zeros.parquet"
    pq.write_table(pa.table({"a": pa.array(np.zeros(MIB, np.float64))}), path, use_dictionary=False, compression="zstd")
    assert path.stat().st_size < MIB
    with reading_within(SMALL), pytest.raises(UnreadableFile, match="expands to 8 MB"):
        list(iter_parquet_rows(path))
