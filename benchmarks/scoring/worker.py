"""One embedder in a process of its own: `python -m benchmarks.scoring.worker KIND SOURCE`, JSON lines in and out.

KIND torch: SOURCE is a model's name. KIND carried: SOURCE is a folder of an embedder's files.
"""

import json
import os
import sys
import time
from pathlib import Path

from routing.embedder import Embedder


def load_embedder(kind: str, source: str) -> Embedder:
    """Load the embedder, with only the imports it needs."""
    if kind == "torch":
        from routing.embedder import SentenceTransformerEmbedder

        return SentenceTransformerEmbedder(source)
    from routing.embedders.bundled import open_bundle

    folder = Path(source)
    return open_bundle({f"embedder/{path.name}": path.read_bytes() for path in folder.iterdir()})


def main() -> None:
    """Embed each batch and print wall and CPU seconds, and memory in MB."""
    embedder = load_embedder(sys.argv[1], sys.argv[2])
    print(json.dumps({"ready": True, "dim": embedder.dim}), flush=True)
    for line in sys.stdin:
        texts = json.loads(line)
        wall, cpu = time.perf_counter(), time.process_time()
        embedder.embed_texts(texts)
        took = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
        print(json.dumps({**took, "memory_mb": memory_mb(os.getpid())}), flush=True)


def memory_mb(pid: int) -> float:
    """Return a process's resident memory, MB (VmRSS)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return round(int(line.split()[1]) / 1024, 1)
    return 0.0


if __name__ == "__main__":
    main()
