from pathlib import Path

import yaml

from tests.gateway.cli.conftest import run_command

TOP = Path(__file__).parents[3]


def test_a_sound_configuration_is_told_in_a_line() -> None:
    result = run_command("config", "check", TOP / "config.yaml")
    assert (result.exit_code, "7 models, pack none" in result.output) == (0, True), result.output


def test_a_configuration_is_shown_with_its_defaults_and_without_its_secrets(tmp_path: Path, pack: Path) -> None:
    backend = {"kind": "openai", "base_url": "http://127.0.0.1:1/v1", "api_key": "sk-secret"}
    document = {"models": [{"name": "calc", "backends": [backend]}], "routing": {"pack": str(pack)}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(document))
    result = run_command("config", "check", tmp_path / "config.yaml", "--show")
    assert result.exit_code == 0, result.output
    assert "sk-secret" not in result.output
    assert yaml.safe_load(result.output)["upstream"]["max_attempts"] == 4


def test_every_fault_is_told_with_exit_code_two(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("models: []\nroutting: {}\n")
    result = run_command("config", "check", tmp_path / "config.yaml")
    assert result.exit_code == 2
    assert "models: " in result.output
    assert "routting: unknown key" in result.output
