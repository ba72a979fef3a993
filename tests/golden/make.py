"""`python -m tests.golden.make`: write the golden files anew.

They are there to stay: files that a release has written must open in every later one. Written anew, they prove nothing
about those before, so this is for adding what a later format brings, beside what is here.
"""

import json
import shutil
import sqlite3
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from tests.gateway.fake_upstream import running_upstream
from tests.gateway.redis_servers import running_redis
from tests.golden.open import read_state
from tests.golden.programs import FOLDER, MODELS, PACK, configuration, push_pack, running
from tests.golden.redis_keys import save_keys
from tests.golden.story import go_on, reading, tell_all
from tests.golden.words import save_words_pack


def write_state(base_url: str, state_url: str, folder: Path, keep: Any) -> dict[str, Any]:
    """Let a gateway fill a state, `keep` it once the gateway has ended, and return what it tells afterwards."""
    text = configuration(base_url, state_url, folder)
    with running(folder, text) as programs:
        secret = tell_all(programs)
    keep()
    stored = read_state(state_url)
    with running(folder, text) as programs:
        return {"secret": secret, "stored": stored, "reading": reading(programs), "afterwards": go_on(programs)}


def sqlite(base_url: str, folder: Path) -> dict[str, Any]:
    """Write state.sqlite."""

    def keep() -> None:
        with closing(sqlite3.connect(folder / "state.db")) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            (FOLDER / "state.sqlite").unlink(missing_ok=True)
            connection.execute("VACUUM INTO ?", (str(FOLDER / "state.sqlite"),))

    return write_state(base_url, f"sqlite:///{folder}/state.db", folder, keep)


def redis(base_url: str, folder: Path) -> dict[str, Any]:
    """Write redis.json.gz."""
    with running_redis(folder / "redis") as server:

        def keep() -> None:
            with server.client() as client:
                save_keys(client, FOLDER / "redis.json.gz")

        push_pack(folder, configuration(base_url, server.url, folder))
        return write_state(base_url, server.url, folder, keep)


def main() -> None:
    """Write the pack, both states, and what they hold."""
    shutil.rmtree(PACK, ignore_errors=True)
    save_words_pack(PACK, MODELS)
    with ExitStack() as stack:
        base_url = stack.enter_context(running_upstream()).base_url
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2)]
        expected = {"sqlite": sqlite(base_url, folders[0]), "redis": redis(base_url, folders[1])}
    (FOLDER / "expected.json").write_text(json.dumps(expected, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
