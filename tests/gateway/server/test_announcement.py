"""What a gateway logs once it listens."""

from pathlib import Path

from gateway.config import parse_config
from gateway.server.announcement import describe_gateway

MODELS = 'models: [{name: a, backends: [{kind: openai, base_url: "http://127.0.0.1:9/v1"}]}]\n'


def described(text: str, folder: Path, port: int = 8100, needs_key: bool = False) -> str:
    config = parse_config(MODELS + text, "config.yaml", {})
    return "\n".join(describe_gateway(config, folder / "config.yaml", port, needs_key))


def test_urls_files_and_client_settings_are_named(tmp_path: Path) -> None:
    text = f'state: {{url: "sqlite:///{tmp_path}/state.db"}}\n'
    assert described(text, tmp_path, port=45001).splitlines() == [
        "API: http://127.0.0.1:45001/v1",
        "dashboard: http://127.0.0.1:45001/ui/",
        f"config: {tmp_path}/config.yaml; state: {tmp_path}/state.db; pack: none",
        "client: OPENAI_BASE_URL=http://127.0.0.1:45001/v1, model `auto`, any API key, since none is configured; "
        "header X-Task-Id names the task",
    ]


def test_no_secret_is_named(tmp_path: Path) -> None:
    text = 'state: {url: "redis://gateway:a-secret@10.0.0.9:6379/0"}\nserver: {host: 0.0.0.0, port: 9000}\n'
    told = described(text, tmp_path, needs_key=True)
    assert "a-secret" not in told
    assert "10.0.0.9:6379/0" in told
    assert "http://127.0.0.1:8100/v1 (listening on 0.0.0.0)" in told
    assert "a client key (`benchroute keys create`)" in told
