"""A call as curl, Python and TypeScript. Each runs as it stands, with the two variables of the environment set."""

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from docs.api.calls import ApiCall

KEYS = {"client": "BENCHROUTE_API_KEY", "admin": "BENCHROUTE_ADMIN_KEY"}
PYTHON = {"true": "True", "false": "False", "null": "None"}
SHORT = 90
LANGUAGES = {"curl": "bash", "Python": "python", "TypeScript": "typescript"}


def snippet(language: str, call: ApiCall) -> str:
    """Return the code of a call, of one of LANGUAGES."""
    return {"curl": _curl, "Python": _python, "TypeScript": _typescript}[language](call)


def _curl(call: ApiCall) -> str:
    method = "" if call.method == ("GET" if call.body is None and not call.form else "POST") else f" -X {call.method}"
    return " \\\n  ".join([f'curl{method} "$BENCHROUTE_URL{call.url_path}"', *_curl_options(call)]) + "\n"


def _curl_options(call: ApiCall) -> Iterator[str]:
    yield f'-H "Authorization: Bearer ${KEYS[call.key]}"'
    for name, value in call.headers.items():
        yield f"-H {shlex.quote(f'{name}: {value}')}"
    if call.body is not None:
        yield '-H "Content-Type: application/json"'
        yield f"-d {shlex.quote(json.dumps(call.body, ensure_ascii=False))}"
    for name, value in call.form.items():
        yield f"-F {name}={shlex.quote(value)}"
    if call.upload is not None:
        yield f"-F {call.upload.field}=@{call.upload.name}"


def _python(call: ApiCall) -> str:
    name = f"httpx.{call.method.lower()}(" if call.body is None or call.method != "DELETE" else "httpx.request("
    lines = ["import os", "", "import httpx", "", f"answer = {name}"]
    lines += [f'    os.environ["BENCHROUTE_URL"] + {json.dumps(call.url_path)},']
    lines += [f'    headers={{"Authorization": f"Bearer {{os.environ[\'{KEYS[call.key]}\']}}"{_more(call.headers)}}},']
    if call.body is not None:
        lines += [f"    json={_indent(_literal(call.body, PYTHON))},"]
    if call.form:
        lines += [f"    data={_literal(dict(call.form), PYTHON)},"]
    if call.upload is not None:
        lines += [f'    files={{"{call.upload.field}": open("{call.upload.name}", "rb")}},']
    return "\n".join([*lines, ")", "print(answer.status_code, answer.text)", ""])


def _typescript(call: ApiCall) -> str:
    lines = []
    if call.form or call.upload is not None:
        lines += ['import { readFile } from "node:fs/promises";', "", "const form = new FormData();"]
        lines += [f"form.append({json.dumps(name)}, {json.dumps(value)});" for name, value in call.form.items()]
        if call.upload is not None:
            file = call.upload
            lines += [f'form.append("{file.field}", new Blob([await readFile("{file.name}")]), "{file.name}");']
    lines += [f"const answer = await fetch(`${{process.env.BENCHROUTE_URL}}{call.url_path}`, {{"]
    if call.method != "GET":
        lines += [f'  method: "{call.method}",']
    headers = f"Authorization: `Bearer ${{process.env.{KEYS[call.key]}}}`{_more(call.headers)}"
    if call.body is not None:
        headers += ', "Content-Type": "application/json"'
    lines += [f"  headers: {{ {headers} }},"]
    if call.body is not None:
        lines += [f"  body: JSON.stringify({_indent(_literal(call.body, {}, 2), 2)}),"]
    if call.form or call.upload is not None:
        lines += ["  body: form,"]
    return "\n".join([*lines, "});", "console.log(answer.status, await answer.text());", ""])


def _more(headers: Mapping[str, str]) -> str:
    return "".join(f", {json.dumps(name)}: {json.dumps(value)}" for name, value in headers.items())


def _literal(value: Any, names: Mapping[str, str], width: int = 4) -> str:
    """Return a JSON value as a literal. names: of true, false and null; width: of an indentation."""
    if isinstance(value, dict):
        return _wrapped("{", [f"{json.dumps(one)}: {_literal(value[one], names, width)}" for one in value], "}", width)
    if isinstance(value, list):
        return _wrapped("[", [_literal(one, names, width) for one in value], "]", width)
    text = json.dumps(value, ensure_ascii=False)
    return names.get(text, text)


def _wrapped(opening: str, inner: list[str], closing: str, width: int) -> str:
    short = opening + ", ".join(inner) + closing
    if len(short) < SHORT and "\n" not in short:
        return short
    return "\n".join([opening, *(_indent(f"{' ' * width}{one},", width) for one in inner), closing])


def _indent(text: str, width: int = 4) -> str:
    """Indent all lines but the first."""
    return text.replace("\n", "\n" + " " * width)
