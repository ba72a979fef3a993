"""The file: as short as it can be, with a comment where somebody will want to go on."""

import json
from collections.abc import Sequence

from gateway.cli.init.choose import ChosenModel

HEAD = """\
# Benchroute's configuration, written by `benchroute init`. `benchroute config check` says whether it is sound,
# `benchroute doctor` whether its backends answer. Every setting: docs/reference/settings.md.

models:
"""

TAIL = """
state:
  url: "sqlite:///benchroute.db"

server:
  host: 127.0.0.1     # without keys the gateway listens on this machine alone
  port: {port}

# Who may create clients' keys and change the configuration while the gateway runs:
# openssl rand -base64 32 | tee admin.key | benchroute keys hash
# admin:
#   keys: [{{name: ops, sha256: "…"}}]
"""


def render_config(chosen: Sequence[ChosenModel], pack: str | None, port: int) -> str:
    """The configuration as YAML."""
    return HEAD + "\n".join(_model(one) for one in chosen) + "\n" + _routing(pack) + TAIL.format(port=port)


def _model(chosen: ChosenModel) -> str:
    """A JSON string is a YAML string too, whatever it holds; but ${ is a variable's beginning here."""
    provider = chosen.provider
    members = ["kind: openai", f"base_url: {_text(provider.base_url)}"]
    if provider.variable is not None:
        members.append(f'api_key: "${{{provider.variable}}}"')
    if chosen.upstream != chosen.name:
        members.append(f"model: {_text(chosen.upstream)}")
    if provider.speaks_messages:
        members.append("speaks_messages: true")
    return f"  - name: {_text(chosen.name)}\n    backends: [{{{', '.join(members)}}}]"


def _routing(pack: str | None) -> str:
    if pack is not None:
        return f"\nrouting:\n  pack: {_text(pack)}\n"
    return (
        "\n# Until there is a pack every task gets the first model above. `benchroute bench run` and\n"
        "# `benchroute import` make a benchmark, `benchroute pack build` a pack of it.\n"
        "# routing:\n"
        "#   pack: packs/mine\n"
    )


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("${", "$${")
