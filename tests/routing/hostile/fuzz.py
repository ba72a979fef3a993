"""Mutate files of a kind, and open each: `python -m tests.routing.hostile.fuzz KIND SEED COUNT FOLDER`.

A process of its own, with a limit on its memory: what ends it, in native code too, ends the test and not the tests. It
prints one JSON object: how many were opened, refused by an error of ours, and the other exceptions.
"""

import hashlib
import json
import random
import resource
import shutil
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from routing.bounded import ReadLimits, reading_within
from routing.errors import RoutingError
from routing.importing.formats import reader_for
from routing.importing.record import ImportOptions
from routing.importing.signature import file_keys
from routing.manifest import parse_manifest, read_manifest
from routing.pack import open_pack
from routing.tidy import read_benchmark

MEMORY_BYTES = 4 * 1024**3
"""Address space of the process: numpy, pyarrow and hnswlib take up half of it."""

LIMITS = ReadLimits(max_record_bytes=32 * 1024**2, max_archive_bytes=128 * 1024**2, max_members=2000)
MAX_MESSAGE = 5000
INTERESTING = (0, 1, 0x7F, 0x80, 0xFF)


def mutate(data: bytes, draw: random.Random) -> bytes:
    """Change, cut out, repeat or insert a few bytes."""
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 1, 2, 4, 16))):
        if not changed:
            break
        at = draw.randrange(len(changed))
        what = draw.randrange(6)
        if what == 0:
            changed[at] = draw.randrange(256)
        elif what == 1:
            changed[at] = draw.choice(INTERESTING)
        elif what == 2:
            changed[at] ^= 1 << draw.randrange(8)
        elif what == 3:
            del changed[at : at + draw.choice((1, 2, 8, 100, len(changed)))]
        elif what == 4:
            changed[at:at] = changed[at : at + draw.choice((1, 8, 64))]
        else:
            # Eight bytes of a length field, little-endian or not.
            changed[at : at + 8] = draw.choice((b"\xff" * 8, b"\0" * 8, (2**40).to_bytes(8, "little"), b"99999999"))
    return bytes(changed)


def open_member(source: Path, name: str) -> Callable[[bytes], None]:
    """Open a pack one of whose files is altered and hashed again, as whoever makes a pack can."""
    manifest = read_manifest(source)

    def open_altered(data: bytes) -> None:
        (source / name).write_bytes(data)
        files = {**manifest.files, name: hashlib.sha256(data).hexdigest()}
        (source / "manifest.json").write_text(replace(manifest, files=files).with_content_hash().to_json())
        search(source)

    return open_altered


def open_manifest(source: Path) -> Callable[[bytes], None]:
    """Open a pack with an altered manifest, with its hash where it can be read."""

    def open_altered(data: bytes) -> None:
        try:
            raw = json.loads(data)
            text = parse_unchecked(raw)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            text = data.decode("utf-8", "replace")
        (source / "manifest.json").write_text(text)
        search(source)

    return open_altered


def parse_unchecked(raw: dict[str, Any]) -> str:
    """The manifest with a hash that matches its content."""
    content = {name: value for name, value in raw.items() if name not in ("hash", "made_by", "made_at", "software")}
    for name in ("added", "min_coverage"):
        if not content.get(name):
            content.pop(name, None)
    raw["hash"] = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    parse_manifest(json.dumps(raw), "x")
    return json.dumps(raw)


def search(path: Path) -> None:
    """Open a pack, and ask it: what native code was given is used only then."""
    pack = open_pack(path)
    pack.index.find_nearest(pack.embeddings[:8], min(5, pack.index.size))


def open_file(path: Path, use: Callable[[Path], object]) -> Callable[[bytes], None]:
    def open_altered(data: bytes) -> None:
        path.write_bytes(data)
        use(path)

    return open_altered


def import_as(format_: str) -> Callable[[Path], None]:
    def use(path: Path) -> None:
        file_keys(path)
        for source in reader_for(format_)(path, ImportOptions()):
            for _ in source.items():
                pass

    return use


def openers(kind: str, folder: Path) -> tuple[bytes, Callable[[bytes], None]]:
    """Return the valid file and what opens an altered one."""
    name = kind.partition(":")[2]
    if kind.startswith(("pack:", "large:")):
        source = folder / kind.partition(":")[0]
        data = (source / name).read_bytes()
        return data, open_manifest(source) if name == "manifest.json" else open_member(source, name)
    if kind.startswith("archive:"):
        return (folder / name).read_bytes(), open_file(folder / f"altered-{name}", search)
    if kind.startswith("tidy:"):
        source = folder / "tidy"
        return (source / name).read_bytes(), open_file(source / name, lambda path: read_benchmark(path.parent))
    format_, _, options = name.partition(":")
    file = next(path for path in folder.iterdir() if path.stem == f"import-{format_}-{options}".rstrip("-"))
    return file.read_bytes(), open_file(folder / f"altered{file.suffix}", import_as(format_))


def run(kind: str, seed: int, count: int, folder: Path) -> dict[str, Any]:
    draw = random.Random(f"{kind}{seed}")  # noqa: S311 - mutations
    data, use = openers(kind, folder)
    use(data)  # unaltered, it must open
    found: Counter[str] = Counter()
    failures: list[str] = []
    for _ in range(count):
        altered = mutate(data, draw)
        try:
            with reading_within(LIMITS):
                use(altered)
            found["opened"] += 1
        except RoutingError as error:
            found["refused"] += 1
            if len(str(error)) > MAX_MESSAGE:
                failures.append(f"a message of {len(str(error))} characters: {str(error)[:200]!r}")
        except Exception:  # what is to be found
            failures.append(traceback.format_exc()[-1500:])
    return {"opened": found["opened"], "refused": found["refused"], "failures": failures[:5], "peak": peak_bytes()}


def peak_bytes() -> int:
    """Return the most memory that this program has had resident."""
    status = Path("/proc/self/status")
    if status.exists():
        # getrusage's figure is inherited from the process that started this one, which may have been larger.
        line = next(one for one in status.read_text().splitlines() if one.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(arguments: Sequence[str]) -> None:
    kind, seed, count, folder = arguments
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    work = Path(folder) / f"work-{seed}"
    shutil.copytree(Path(folder) / "made", work)
    sys.stdout.write(json.dumps(run(kind, int(seed), int(count), work)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
