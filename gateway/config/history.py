"""Configurations that were in force: read from the file again, and put back.

Whatever asks for a reload, SIGHUP, the API or the watch on the file, comes through here, one after the other. What
cannot be used changes nothing.
"""

import asyncio
import hashlib
import logging
import os
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gateway.config import Config, parse_config, read_config_text
from gateway.errors import ConfigError, Conflict, GatewayError, NotFound, ScorerUnavailable

log = logging.getLogger("benchroute")

MAX_VERSIONS = 20
"""Versions, and with them their secrets, that are kept in memory. None is written anywhere."""

CHECK_INTERVAL_S = 1.0

ChangedBy = Literal["start", "signal", "api", "watch", "rollback", "pack"]


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """Where the configuration comes from. host, port: what the command line says in its place."""

    path: Path
    host: str | None = None
    port: int | None = None

    def read_text(self) -> str:
        """As it is written. Raises ConfigError."""
        return read_config_text(self.path)

    def parse_config(self, text: str) -> Config:
        """What a text says, with the environment and the command line. Raises ConfigError."""
        config = parse_config(text, str(self.path), os.environ)
        said = {name: value for name, value in (("host", self.host), ("port", self.port)) if value is not None}
        return config.model_copy(update={"server": config.server.model_copy(update=said)})


@dataclass(frozen=True, slots=True)
class ConfigSource:
    """Where a gateway's first configuration is from. sha256: of the file's text."""

    file: ConfigFile
    sha256: str


@dataclass(frozen=True, slots=True)
class ConfigVersion:
    """A configuration that is or was in force. at: Unix time in seconds. sha256: of the file's text, None without one.

    of: the version that a rollback put in force again.
    """

    number: int
    at: float
    changed_by: ChangedBy
    sha256: str | None
    config: Config
    of: int | None = None


class ConfigHistory:
    """The history, newest last; the last one is in force."""

    def __init__(
        self,
        config: Config,
        origin: ConfigSource | None,
        apply: Callable[[Config], Awaitable[None]],
        clock: Callable[[], float],
    ) -> None:
        """apply: takes a configuration over, or raises GatewayError and changes nothing. clock: Unix time, seconds."""
        self.file = origin.file if origin else None
        self.seen = origin.sha256 if origin else None
        """The SHA-256 of the file's text when it was last read, None where it could not be."""
        self._apply = apply
        self._clock = clock
        self._changing = asyncio.Lock()
        self._kept = deque([ConfigVersion(1, clock(), "start", self.seen, config)], maxlen=MAX_VERSIONS)

    @property
    def current_version(self) -> ConfigVersion:
        """What requests are answered by."""
        return self._kept[-1]

    def list_versions(self) -> Sequence[ConfigVersion]:
        """The last ones, oldest first."""
        return tuple(self._kept)

    async def reload(self, by: ChangedBy) -> ConfigVersion:
        """Reads the file again, and the pack with it.

        Raises ConfigError with every fault, PackRejected, ScorerUnavailable, and Conflict where the gateway was not
        started from a file: then nothing has changed.
        """
        async with self._changing:
            if self.file is None:
                raise Conflict("this gateway was not started from a file: there is nothing to read again")
            self.seen = None
            text = await asyncio.to_thread(self.file.read_text)
            self.seen = config_digest(text)
            config = await asyncio.to_thread(self.file.parse_config, text)
            await self._apply(config)
            version = self._add(by, self.seen, config)
        log.info("%s and its pack are read again: configuration %d", self.file.path, version.number)
        return version

    async def change_config(self, by: ChangedBy, changed: Callable[[Config], Config]) -> ConfigVersion:
        """Puts in force what `changed` makes of the one before. The file stays as it is. Raises what reload raises."""
        async with self._changing:
            config = changed(self.current_version.config)
            await self._apply(config)
            version = self._add(by, self.current_version.sha256, config)
        log.warning("configuration %d is in force; %s", version.number, self.file_note())
        return version

    async def rollback(self, number: int) -> ConfigVersion:
        """Puts an earlier version in force again. The file stays as it is.

        Raises NotFound for one that is not kept, and what reload raises.
        """
        async with self._changing:
            earlier = next((version for version in self._kept if version.number == number), None)
            if earlier is None:
                oldest, latest = self._kept[0].number, self.current_version.number
                raise NotFound(f"Unknown configuration version {number}: available are {oldest} to {latest}")
            await self._apply(earlier.config)
            version = self._add("rollback", earlier.sha256, earlier.config, number)
        log.warning("configuration %d is in force again, as %d; %s", number, version.number, self.file_note())
        return version

    def file_note(self) -> str:
        """What a rollback and a change do not do."""
        if self.file is None:
            return "there is no file that could say otherwise"
        return f"{self.file.path} was not changed, and holds again from the next reload or start"

    def _add(self, by: ChangedBy, sha256: str | None, config: Config, of: int | None = None) -> ConfigVersion:
        version = ConfigVersion(self.current_version.number + 1, self._clock(), by, sha256, config, of)
        self._kept.append(version)
        return version


class ConfigWatcher:
    """Looks at the file, and reloads when it has changed.

    By its content: no clock of a file system is fine enough to tell every change, and the file is small.
    """

    def __init__(self, versions: ConfigHistory, file: ConfigFile) -> None:
        self._versions = versions
        self._file = file
        self._before = versions.seen
        self._is_waiting = False

    async def run(self, every_s: float = CHECK_INTERVAL_S) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(every_s)
            await self.check_file()

    async def check_file(self) -> None:
        """Reloads if the file says something new, and said it at the last look too: it may be half written.

        What cannot be used is told once, and tried again when the file changes.
        """
        now = await asyncio.to_thread(_digest_of, self._file)
        seen, before = self._versions.seen, self._before
        self._before = now
        if now == seen or now != before:
            return
        error = await reload_and_log(self._versions, "watch", is_quiet=self._is_waiting)
        self._is_waiting = isinstance(error, ScorerUnavailable)
        if self._is_waiting:  # no fault of the file's: it is tried again at the next look
            self._versions.seen = seen


async def reload_and_log(versions: ConfigHistory, by: ChangedBy, is_quiet: bool = False) -> Exception | None:
    """A reload that nobody waits for: the log says what came of it. Returns what stood against it."""
    try:
        await versions.reload(by)
    except GatewayError as error:
        if not is_quiet:
            log.error("everything stays as it was: %s", error)
        return error
    except Exception as error:  # the edge of a background job: no file may end what looks after it
        log.exception("everything stays as it was: the configuration cannot be taken over")
        return error
    return None


def config_digest(text: str) -> str:
    """By which two texts are told apart."""
    return hashlib.sha256(text.encode()).hexdigest()


def _digest_of(file: ConfigFile) -> str | None:
    try:
        return config_digest(file.read_text())
    except ConfigError:
        return None
