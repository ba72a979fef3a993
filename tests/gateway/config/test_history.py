"""The history by itself, and the watch on the file."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway.config import Config
from gateway.config.history import ConfigFile, ConfigHistory, ConfigSource, ConfigWatcher, config_digest, reload_and_log
from gateway.errors import ConfigError, Conflict, NotFound, ScorerUnavailable

MODEL = "models: [{name: a, backends: [{kind: openai, base_url: 'http://127.0.0.1:1/v1'}]}]\n"


class Applied:
    """Takes configurations over, or refuses as often as it is told to."""

    def __init__(self) -> None:
        self.etas: list[float] = []
        self.refusals = 0

    async def __call__(self, config: Config) -> None:
        if self.refusals:
            self.refusals -= 1
            raise ScorerUnavailable("the scorer is starting")
        self.etas.append(config.routing.eta)


def write(path: Path, eta: float) -> None:
    path.write_text(f"{MODEL}routing: {{eta: {eta}}}\n")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "config.yaml"
    write(made, 0.1)
    return made


@pytest.fixture
def applied() -> Applied:
    return Applied()


@pytest.fixture
def file(path: Path) -> ConfigFile:
    return ConfigFile(path, port=1234)


@pytest.fixture
def versions(file: ConfigFile, applied: Callable[[Config], Awaitable[None]]) -> ConfigHistory:
    text = file.read_text()
    return ConfigHistory(file.parse_config(text), ConfigSource(file, config_digest(text)), applied, lambda: 7.0)


def look(watch: ConfigWatcher, times: int = 1) -> None:
    async def looks() -> None:
        for _ in range(times):
            await watch.check_file()

    asyncio.run(looks())


def test_the_command_line_overrides_the_file(file: ConfigFile) -> None:
    config = file.parse_config(file.read_text())
    assert (config.server.host, config.server.port) == ("127.0.0.1", 1234)


def test_a_reload_adds_a_version_and_a_rollback_another(versions: ConfigHistory, path: Path, applied: Applied) -> None:
    write(path, 0.2)
    second = asyncio.run(versions.reload("signal"))
    assert (second.number, second.changed_by, second.at, second.of) == (2, "signal", 7.0, None)
    third = asyncio.run(versions.rollback(1))
    assert (third.number, third.changed_by, third.of, third.config.server.port) == (3, "rollback", 1, 1234)
    assert versions.current_version is third
    assert applied.etas == [0.2, 0.1]
    with pytest.raises(NotFound, match=r"Unknown configuration version 9\. Available: 1 to 3\."):
        asyncio.run(versions.rollback(9))


def test_reloads_at_the_same_time_come_one_after_the_other(versions: ConfigHistory, applied: Applied) -> None:
    async def several() -> None:
        await asyncio.gather(*(versions.reload("api") for _ in range(5)))

    asyncio.run(several())
    assert [version.number for version in versions.list_versions()] == [1, 2, 3, 4, 5, 6]
    assert len(applied.etas) == 5


def test_without_a_file_there_is_nothing_to_read(file: ConfigFile, applied: Applied) -> None:
    versions = ConfigHistory(file.parse_config(file.read_text()), None, applied, lambda: 7.0)
    with pytest.raises(Conflict, match="not started from a file"):
        asyncio.run(versions.reload("api"))
    assert versions.file_note() == "The gateway was not started from a file."


def test_a_change_is_taken_over_when_it_has_been_seen_twice(
    versions: ConfigHistory, file: ConfigFile, path: Path, applied: Applied
) -> None:
    watch = ConfigWatcher(versions, file)
    look(watch, 3)
    assert applied.etas == []
    write(path, 0.2)
    look(watch)
    assert applied.etas == []
    look(watch, 3)
    assert applied.etas == [0.2]
    assert versions.current_version.changed_by == "watch"


def test_a_file_that_goes_on_changing_is_not_read_half_written(
    versions: ConfigHistory, file: ConfigFile, path: Path, applied: Applied
) -> None:
    watch = ConfigWatcher(versions, file)
    for eta in (0.2, 0.3, 0.4):
        write(path, eta)
        look(watch)
    assert applied.etas == []
    look(watch)
    assert applied.etas == [0.4]


def test_a_file_that_is_written_again_with_what_it_said_is_no_change(
    versions: ConfigHistory, file: ConfigFile, path: Path, applied: Applied
) -> None:
    watch = ConfigWatcher(versions, file)
    write(path, 0.1)
    look(watch, 3)
    write(path, 0.2)
    asyncio.run(versions.reload("signal"))
    look(watch, 3)
    assert applied.etas == [0.2]


def test_a_rollback_holds_until_the_file_changes(
    versions: ConfigHistory, file: ConfigFile, path: Path, applied: Applied
) -> None:
    watch = ConfigWatcher(versions, file)
    write(path, 0.2)
    look(watch, 2)
    asyncio.run(versions.rollback(1))
    look(watch, 3)
    assert applied.etas == [0.2, 0.1]
    write(path, 0.3)
    look(watch, 2)
    assert applied.etas == [0.2, 0.1, 0.3]


@pytest.mark.parametrize("bad", ["models: []", "\x00", None])
def test_a_bad_file_is_told_once_and_changes_nothing(
    versions: ConfigHistory,
    file: ConfigFile,
    path: Path,
    applied: Applied,
    caplog: pytest.LogCaptureFixture,
    bad: str | None,
) -> None:
    watch = ConfigWatcher(versions, file)
    path.unlink() if bad is None else path.write_text(bad)
    with caplog.at_level(logging.ERROR):
        look(watch, 5)
    assert (
        len(
            [
                record
                for record in caplog.records
                if "reload failed, keeping the current configuration" in record.message
            ]
        )
        == 1
    )
    assert (applied.etas, versions.current_version.number) == ([], 1)
    write(path, 0.2)
    look(watch, 2)
    assert applied.etas == [0.2]


def test_a_change_waits_for_a_scorer_that_is_not_ready(
    versions: ConfigHistory, file: ConfigFile, path: Path, applied: Applied, caplog: pytest.LogCaptureFixture
) -> None:
    watch, applied.refusals = ConfigWatcher(versions, file), 3
    write(path, 0.2)
    look(watch, 5)
    assert (applied.etas, applied.refusals) == ([0.2], 0)
    assert len([record for record in caplog.records if "the scorer is starting" in record.message]) == 1


def test_what_nobody_foresaw_does_not_end_what_looks_after_the_file(
    file: ConfigFile, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(_: Config) -> None:
        raise ValueError("a mistake of ours")

    versions = ConfigHistory(file.parse_config(file.read_text()), ConfigSource(file, ""), fails, lambda: 7.0)
    look(ConfigWatcher(versions, file), 3)
    assert versions.current_version.number == 1
    assert "a mistake of ours" in caplog.text


def test_a_reload_that_nobody_waits_for_says_what_stood_against_it(versions: ConfigHistory, path: Path) -> None:
    path.write_text("models: 3")
    assert isinstance(asyncio.run(reload_and_log(versions, "signal")), ConfigError)
    write(path, 0.5)
    assert asyncio.run(reload_and_log(versions, "signal")) is None
