"""The scorer's own process with the embedder of letters."""

from gateway.distributed.scorer_main import main
from tests.gateway.letters import Letters

if __name__ == "__main__":
    main(lambda path, manifest: Letters(name=manifest.embedder.name))
