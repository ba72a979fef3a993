"""A damaged or hostile file of any kind is opened, or refused by an error of ours: no other exception, no crash."""

import json
import os
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routing.arrays import Embeddings
from routing.benchmark import Benchmark
from routing.build import build_pack
from routing.manifest import EmbedderId
from routing.neighbours.ivf import InvertedLists, IvfIndex
from routing.pack import save_pack
from routing.tidy import save_benchmark
from tests.routing.conftest import DIM
from tests.routing.importing.pickles import PLAIN_TEXT, pickled
from tests.routing.importing.test_inspect_logs import sample, write_eval, write_log, write_zstandard

PACK = (
    *("manifest.json", "embeddings.npy", "outcomes.npy", "dataset_ids.npy", "index.hnsw", "index.json"),
    *("calibration.npz", "report.json", "map.npz", "auto.npz", "texts.json", "inputs.json"),
)
KINDS = (
    *(f"pack:{name}" for name in PACK),
    *("archive:pack.tar", "archive:pack.tar.gz"),
    *("tidy:inputs.parquet", "tidy:outcomes.parquet", "tidy:models.csv"),
    *("import:inspect:eval", "import:inspect:zstd", "import:inspect:json", "import:routerbench:pkl"),
    *("import:csv:", "import:jsonl:", "import:json:", "import:parquet:"),
    *("large:index.ivf", "large:index.json", "large:embeddings.npy"),
)
COUNT = int(os.environ.get("FUZZ_COUNT", "60"))
MAX_PEAK_BYTES = 1024**3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, benchmark_: Benchmark, vectors: Embeddings) -> Path:
    root = Path(tmp_path_factory.mktemp("fuzz"))
    made = root / "made"
    made.mkdir()
    benchmark = replace(benchmark_, input_ids=tuple(f"i{row}" for row in range(benchmark_.n_inputs)))
    pack = build_pack(benchmark, vectors, EmbedderId("tests/axes", "1", DIM), with_texts=True)
    save_pack(pack, made / "pack")
    save_pack(pack, made / "pack.tar")
    lists = InvertedLists.divide(pack.embeddings)
    save_pack(replace(pack, index=IvfIndex(pack.embeddings, lists, 3)), made / "large")
    with tarfile.open(made / "pack.tar.gz", "w:gz") as tar:
        for path in sorted((made / "pack").iterdir(), key=lambda path: path.name != "manifest.json"):
            tar.add(path, arcname=path.name)
    save_benchmark(made / "tidy", benchmark)
    write_eval(made / "import-inspect-eval.eval", *(sample(place) for place in range(5)))
    write_zstandard(made / "import-inspect-zstd.eval", *(sample(place) for place in range(5)))
    write_log(made / "import-inspect-json.json", *(sample(place) for place in range(5)))
    (made / "import-routerbench-pkl.pkl").write_bytes(pickled(PLAIN_TEXT))
    rows = [{"text": f"text {n}", "model": "m", "score": n % 2, "dataset": "d"} for n in range(40)]
    (made / "import-csv.csv").write_text(
        "text,model,score,dataset\n" + "".join(f"{','.join(map(str, r.values()))}\n" for r in rows)
    )
    (made / "import-jsonl.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (made / "import-json.json").write_text(json.dumps(rows))
    pq.write_table(pa.Table.from_pylist(rows), made / "import-parquet.parquet")
    return root


@pytest.mark.parametrize("kind", KINDS)
def test_altered_files(kind: str, folder: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "tests.routing.hostile.fuzz",
        kind,
        str(KINDS.index(kind)),
        str(COUNT),
        str(folder),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert ended.returncode == 0, f"{ended.returncode}: {ended.stderr[-2000:]}"
    told = json.loads(ended.stdout.splitlines()[-1])
    assert told["failures"] == []
    assert told["opened"] + told["refused"] == COUNT
    # An invalid line is a rejected row, and the file is read on.
    assert told["refused"] > 0 or kind == "import:jsonl:"
    assert told["peak"] < MAX_PEAK_BYTES
