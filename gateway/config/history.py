"""Versions of a running gateway's configuration: reload, change, rollback, file watcher.

Reloads by SIGHUP, the API and the file watcher run here one at a time. An invalid configuration changes nothing.
"""

import asyncio
import hashlib
import logging
import os
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gateway.config import Config, parse_config, read_config_text
from gateway.errors import ConfigError, Conflict, GatewayError, NotFound, ScorerUnavailable
from gateway.offload import offload, release

log = logging.getLogger("benchroute")

MAX_VERSIONS = 20
"""Versions held in memory, with their secrets. None is written to disk."""

CHECK_INTERVAL_S = 1.0

ChangedBy = Literal["start", "signal", "api", "watch", "rollback", "pack", "worker"]


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A configuration file, and the settings that command line options override.

    Attributes:
        path: the file.
        host, port: of the command line, in place of server.host and server.port; None without an option.
    """

    path: Path
    host: str | None = None
    port: int | None = None

    def read_text(self) -> str:
        """Return the file's text. Raises ConfigError."""
        return read_config_text(self.path)

    def parse_config(self, text: str) -> Config:
        """Parse a text with the environment and the command line's options. Raises ConfigError."""
        config = parse_config(text, str(self.path), os.environ)
        overrides = {name: value for name, value in (("host", self.host), ("port", self.port)) if value is not None}
        return config.model_copy(update={"server": config.server.model_copy(update=overrides)})


@dataclass(frozen=True, slots=True)
class ConfigSource:
    """Source of a gateway's first configuration. sha256: of the file's text."""

    file: ConfigFile
    sha256: str
    text: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ConfigVersion:
    """A configuration that is or was active.

    Attributes:
        number: 1 for the first since the start.
        at: Unix time in seconds.
        sha256: of the file's text; None without a file.
        text: the file's text, from which another process makes the same configuration.
        of: the version that a rollback restored.
    """

    number: int
    at: float
    changed_by: ChangedBy
    sha256: str | None
    config: Config
    of: int | None = None
    text: str = field(default="", repr=False)


class ConfigHistory:
    """The last versions, newest last; the newest is active."""

    def __init__(
        self,
        config: Config,
        origin: ConfigSource | None,
        apply: Callable[[Config], Awaitable[None]],
        clock: Callable[[], float],
    ) -> None:
        """apply: activates a configuration, or raises GatewayError and changes nothing. clock: Unix time, seconds."""
        self.file = origin.file if origin else None
        self.seen = origin.sha256 if origin else None
        """SHA-256 of the file's text at the last read; None if it could not be read."""
        self._apply = apply
        self._clock = clock
        self._changing = asyncio.Lock()
        first = ConfigVersion(1, clock(), "start", self.seen, config, text=origin.text if origin else "")
        self._versions = deque([first], maxlen=MAX_VERSIONS)
        self.announce: Callable[[ConfigVersion], None] = lambda version: None
        """Called with every version that this process has activated by itself."""

    @property
    def current_version(self) -> ConfigVersion:
        """The active version."""
        return self._versions[-1]

    def list_versions(self) -> Sequence[ConfigVersion]:
        """Return the last versions, oldest first."""
        return tuple(self._versions)

    async def reload(self, by: ChangedBy) -> ConfigVersion:
        """Read the file and its pack again, and activate them.

        Raises ConfigError with every error, PackRejected, ScorerUnavailable, and Conflict if the gateway was not
        started from a file. Then nothing has changed.
        """
        async with self._changing:
            if self.file is None:
                raise Conflict("The gateway was not started from a file: nothing to reload.")
            self.seen = None
            text = await asyncio.to_thread(self.file.read_text)
            self.seen = config_digest(text)
            config = await offload(self.file.parse_config, text)
            await self._apply(config)
            version = self._add(by, self.seen, config, text)
        log.info("reloaded %s and its pack: configuration version %d", self.file.path, version.number)
        return version

    async def change_config(self, by: ChangedBy, changed: Callable[[Config], Config]) -> ConfigVersion:
        """Activate what `changed` makes of the active configuration, without changing the file.

        Raises what reload raises.
        """
        async with self._changing:
            before = self.current_version
            config = changed(before.config)
            await self._apply(config)
            version = self._add(by, before.sha256, config, before.text)
        log.warning("configuration version %d is active. %s", version.number, self.file_note())
        return version

    async def rollback(self, number: int) -> ConfigVersion:
        """Restore an earlier version, without changing the file.

        Raises NotFound for one that is no longer held, and what reload raises.
        """
        async with self._changing:
            earlier = next((version for version in self._versions if version.number == number), None)
            if earlier is None:
                oldest, latest = self._versions[0].number, self.current_version.number
                raise NotFound(f"Unknown configuration version {number}. Available: {oldest} to {latest}.")
            await self._apply(earlier.config)
            version = self._add("rollback", earlier.sha256, earlier.config, earlier.text, number)
        log.warning("rolled back to configuration version %d, now %d. %s", number, version.number, self.file_note())
        return version

    async def adopt(self, text: str, pack: str | None, *, is_file: bool) -> None:
        """Activate what another worker has activated.

        text: of the file, as it was read there. pack: in place of the file's. is_file: the file has this text now.
        Raises what reload raises.
        """
        async with self._changing:
            if self.file is None:
                return
            digest = config_digest(text)
            config = await offload(self.file.parse_config, text)
            if pack != config.routing.pack:
                config = config.model_copy(update={"routing": config.routing.model_copy(update={"pack": pack})})
            await self._apply(config)
            self.seen = digest if is_file else self.seen
            version = ConfigVersion(self.current_version.number + 1, self._clock(), "worker", digest, config, text=text)
            self._append(version)
        log.info("configuration version %d, of another worker, is active", version.number)

    def file_note(self) -> str:
        """Return a sentence about the file, which a rollback or a change leaves as it is."""
        if self.file is None:
            return "The gateway was not started from a file."
        return f"{self.file.path} was not changed: it applies again after the next reload or restart."

    def _add(
        self, by: ChangedBy, sha256: str | None, config: Config, text: str, of: int | None = None
    ) -> ConfigVersion:
        version = ConfigVersion(self.current_version.number + 1, self._clock(), by, sha256, config, of, text)
        self._append(version)
        self.announce(version)
        return version

    def _append(self, version: ConfigVersion) -> None:
        """Append a version, and give up the oldest one's settings beside the event loop."""
        if len(self._versions) == MAX_VERSIONS:
            config = self._versions.popleft().config
            gone = [*config.tasks.values(), *config.models, *config.keys]
            del config
            asyncio.get_running_loop().run_in_executor(None, release, gone)
        self._versions.append(version)


class ConfigWatcher:
    """Polls the file, and reloads when its content has changed.

    It compares contents because file system timestamps are too coarse to show every change, and the file is small.
    """

    def __init__(self, versions: ConfigHistory, file: ConfigFile) -> None:
        self._versions = versions
        self._file = file
        self._before = versions.seen
        self._is_waiting = False

    async def run(self, every_s: float = CHECK_INTERVAL_S) -> None:
        """Poll until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            await self.check_file()

    async def check_file(self) -> None:
        """Reload if the content is new and the same in two polls: until then the file may be half written.

        An invalid configuration is logged once, and read again when the file changes.
        """
        now = await asyncio.to_thread(_digest_of, self._file)
        seen, before = self._versions.seen, self._before
        self._before = now
        if now == seen or now != before:
            return
        error = await reload_and_log(self._versions, "watch", is_quiet=self._is_waiting)
        self._is_waiting = isinstance(error, ScorerUnavailable)
        if self._is_waiting:  # not the file's fault: retry at the next poll
            self._versions.seen = seen


async def reload_and_log(versions: ConfigHistory, by: ChangedBy, is_quiet: bool = False) -> Exception | None:
    """Reload in the background, log the result, and return the error if it failed."""
    try:
        await versions.reload(by)
    except GatewayError as error:
        if not is_quiet:
            log.error("reload failed, keeping the current configuration: %s", error)
        return error
    except Exception as error:  # the edge of a background job: no file may end the watcher
        log.exception("reload failed, keeping the current configuration")
        return error
    return None


def config_digest(text: str) -> str:
    """Return the SHA-256 of a text, which identifies its content."""
    return hashlib.sha256(text.encode()).hexdigest()


def _digest_of(file: ConfigFile) -> str | None:
    try:
        return config_digest(file.read_text())
    except ConfigError:
        return None
