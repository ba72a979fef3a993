"""The scorer's process with the letters' embedder."""

from gateway.distributed.scorer_main import main
from qa.faults.letters import Letters

if __name__ == "__main__":
    main(lambda path, manifest: Letters(manifest.embedder.name))
