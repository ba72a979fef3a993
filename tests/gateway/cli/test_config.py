import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.gateway.cli.conftest import run_command

TOP = Path(__file__).parents[3]


def test_a_sound_configuration_is_told_in_a_line() -> None:
    result = run_command("config", "check", TOP / "config.yaml")
    assert (result.exit_code, "7 models, no pack" in result.output) == (0, True), result.output


def test_a_configuration_is_shown_with_its_defaults_and_without_its_secrets(tmp_path: Path, pack: Path) -> None:
    backend = {"kind": "openai", "base_url": "http://127.0.0.1:1/v1", "api_key": "sk-secret"}
    document = {"models": [{"name": "calc", "backends": [backend]}], "routing": {"pack": str(pack)}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(document))
    result = run_command("config", "check", tmp_path / "config.yaml", "--show")
    assert result.exit_code == 0, result.output
    assert "sk-secret" not in result.output
    assert yaml.safe_load(result.output)["upstream"]["max_attempts"] == 4


def test_a_dataset_that_the_pack_lacks_is_warned_of_and_no_fault(tmp_path: Path, pack: Path) -> None:
    backend = {"kind": "openai", "base_url": "http://127.0.0.1:1/v1"}
    document = {
        "models": [{"name": "calc", "backends": [backend]}],
        "routing": {"pack": str(pack)},
        "tasks": {"a": {"dataset": "Sums"}, "b": {"dataset": "rivers"}},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(document))
    result = run_command("config", "check", tmp_path / "config.yaml")
    assert result.exit_code == 0, result.output
    assert (
        "warning: tasks.a.dataset has no effect: pack questions has no dataset 'Sums'; similar: sums" in result.stderr
    )
    assert "tasks.b" not in result.stderr


def test_every_fault_is_told_with_exit_code_two(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("models: []\nroutting: {}\n")
    result = run_command("config", "check", tmp_path / "config.yaml")
    assert result.exit_code == 2
    assert "models: " in result.output
    assert "routting: unknown setting: did you mean `routing`?" in result.output


LITELLM = "model_list: [{model_name: small, litellm_params: {model: gpt-4o-mini, api_key: k, rpm: 3}}]\n"


@pytest.mark.slow
def test_litellms_configuration_is_taken_over_and_priced(tmp_path: Path) -> None:
    """In a process of its own: litellm's list is read from its package, which takes a while to import."""
    (tmp_path / "litellm.yaml").write_text(LITELLM)
    ours = tmp_path / "config.yaml"
    made = run_command("config", "from-litellm", tmp_path / "litellm.yaml", "-o", ours)
    assert made.exit_code == 0, made.output
    assert "left out" not in made.stderr
    assert yaml.safe_load(ours.read_text())["models"][0]["backends"][0]["weight"] == 3
    assert run_command("config", "check", ours).exit_code == 0
    again = run_command("config", "from-litellm", tmp_path / "litellm.yaml", "-o", ours)
    assert (again.exit_code, "already exists" in again.stderr) == (2, True)

    command = [sys.executable, "-m", "gateway.cli", "config", "prices", str(ours)]
    looked = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "small: 0.15 / 0.6, as gpt-4o-mini" in looked.stdout
    assert "--write inserts listed prices" in looked.stderr
    assert "price" not in ours.read_text()
    subprocess.run([*command, "--write"], capture_output=True, check=True, timeout=60)
    written = yaml.safe_load(ours.read_text())["models"][0]["price"]
    assert (written["input_usd_per_mtok"], written["output_usd_per_mtok"]) == (0.15, 0.6)
    # A list's price of cached input comes along.
    assert 0 < written["cached_input_usd_per_mtok"] < 0.15
    assert run_command("config", "check", ours).exit_code == 0


def test_a_loss_that_changes_behaviour_is_exit_code_one_unless_it_is_accepted(tmp_path: Path) -> None:
    theirs = tmp_path / "litellm.yaml"
    theirs.write_text(LITELLM + "guardrails: []\nlitellm_settings: {success_callback: [langfuse]}\n")
    refused = run_command("config", "from-litellm", theirs, "-o", tmp_path / "a.yaml")
    assert (refused.exit_code, "left out, changes behaviour: guardrails" in refused.stderr) == (1, True)
    assert "left out, no effect here: litellm_settings.success_callback" in refused.stderr
    assert run_command("config", "check", tmp_path / "a.yaml").exit_code == 0
    assert run_command("config", "from-litellm", theirs, "-o", tmp_path / "b.yaml", "--allow-loss").exit_code == 0


def test_without_an_output_it_is_printed(tmp_path: Path) -> None:
    (tmp_path / "litellm.yaml").write_text(LITELLM)
    printed = run_command("config", "from-litellm", tmp_path / "litellm.yaml").stdout
    assert yaml.safe_load(printed)["models"][0]["name"] == "small"
