"""The scorer's process with the letters' embedder."""

from benchmarks.faults.letters import Letters
from gateway.fleet.process import main

if __name__ == "__main__":
    main(lambda path, manifest: Letters(manifest.embedder.name))
