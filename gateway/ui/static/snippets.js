// A chat completion as code to copy: curl, Python and TypeScript with OpenAI's clients.

import { copyButton } from "./copy.js";
import { h } from "./dom.js";

/** Languages of snippets, and their names. */
export const LANGUAGES = { curl: "curl", python: "Python", typescript: "TypeScript" };

const KEY = "BENCHROUTE_API_KEY";
/** Sent where the variable is not set: a gateway without keys ignores it, and OpenAI's clients require one. */
const NO_KEY = "none";

/**
 * The request as code. The key is read from the environment variable BENCHROUTE_API_KEY.
 *
 * language: a key of LANGUAGES. baseUrl: of the API, with its version (/v1). model: auto, task/ID or a
 * model. task: ID of the header X-Task-Id. prompt: text, or a list of OpenAI's content parts. tools: OpenAI's tools.
 * parameters: other members of the body, by name. Empty task, system, tools and stream are left out.
 */
export function snippet(language, { baseUrl, model = "auto", task = "", system = "", prompt = "", tools = [], stream = false, parameters = {} }) {
  const messages = [...(system ? [{ role: "system", content: system }] : []), { role: "user", content: prompt }];
  const body = { model, messages, ...parameters, ...(tools?.length ? { tools } : {}), ...(stream ? { stream: true } : {}) };
  const write = { curl: curlSnippet, python: pythonSnippet, typescript: typescriptSnippet }[language];
  return write(baseUrl.replace(/\/+$/, ""), task, body);
}

function curlSnippet(url, task, body) {
  return [
    `curl${body.stream ? " -N" : ""} ${shellText(`${url}/chat/completions`)}`,
    `  -H "Authorization: Bearer $${KEY}"`,
    "  -H 'Content-Type: application/json'",
    ...(task ? [`  -H ${shellText(`X-Task-Id: ${task}`)}`] : []),
    `  -d ${shellText(indented(body, JSON_SYNTAX))}`,
  ].join(" \\\n");
}

/** Arguments of every version of OpenAI's client. It takes other members of the body in extra_body only. */
const PYTHON_ARGUMENTS = new Set(["model", "messages", "tools", "stream", "temperature", "max_tokens", "top_p", "n", "stop"]);

function pythonSnippet(url, task, body) {
  const isNamed = ([name]) => PYTHON_ARGUMENTS.has(name);
  const fields = Object.entries(body).filter(isNamed).map(([name, value]) => `    ${name}=${indented(value, PYTHON_SYNTAX, 1)},`);
  const others = Object.fromEntries(Object.entries(body).filter((one) => !isNamed(one)));
  if (Object.keys(others).length) fields.push(`    extra_body=${indented(others, PYTHON_SYNTAX, 1)},`);
  if (task) fields.push(`    extra_headers=${indented({ "X-Task-Id": task }, PYTHON_SYNTAX, 1)},`);
  const shown = body.tools ? "print(response.choices[0].message)" : "print(response.choices[0].message.content)";
  return [
    "import os", "", "from openai import OpenAI", "",
    `client = OpenAI(base_url=${JSON.stringify(url)}, api_key=os.environ.get("${KEY}", "${NO_KEY}"))`,
    `${body.stream ? "stream" : "response"} = client.chat.completions.create(`, ...fields, ")",
    ...(body.stream ? ["for chunk in stream:", "    if chunk.choices:", '        print(chunk.choices[0].delta.content or "", end="", flush=True)'] : [shown]),
  ].join("\n");
}

function typescriptSnippet(url, task, body) {
  const shown = body.tools ? "console.log(response.choices[0].message);" : "console.log(response.choices[0].message.content);";
  return [
    'import OpenAI from "openai";', "",
    `const client = new OpenAI({ baseURL: ${JSON.stringify(url)}, apiKey: process.env.${KEY} ?? "${NO_KEY}" });`,
    `const ${body.stream ? "stream" : "response"} = await client.chat.completions.create(`,
    `  ${indented(body, SCRIPT_SYNTAX, 1)},`,
    ...(task ? [`  ${indented({ headers: { "X-Task-Id": task } }, SCRIPT_SYNTAX, 1)},`] : []), ");",
    ...(body.stream ? ["for await (const chunk of stream) {", '  process.stdout.write(chunk.choices[0]?.delta?.content ?? "");', "}"] : [shown]),
  ].join("\n");
}

/** One argument of a POSIX shell: nothing inside single quotes is special but the quote itself. */
const shellText = (text) => `'${text.replaceAll("'", "'\\''")}'`;

const JSON_SYNTAX = { literal: JSON.stringify, name: JSON.stringify, step: "  " };
/** JSON's strings and numbers are Python's too. */
const PYTHON_SYNTAX = { literal: (value) => ({ true: "True", false: "False", null: "None" })[String(JSON.stringify(value))] ?? JSON.stringify(value), name: JSON.stringify, step: "    " };
const SCRIPT_SYNTAX = { literal: JSON.stringify, name: (name) => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name)), step: "  " };
const LINE = 90;

/** A value in the syntax of a language: in one line where it is short, else one member a line. */
function indented(value, syntax, depth = 0) {
  const short = inOneLine(value, syntax);
  if (short.length + depth * syntax.step.length <= LINE || typeof value !== "object" || value === null) return short;
  const pad = syntax.step.repeat(depth + 1);
  const isList = Array.isArray(value);
  const members = isList ? value.map((one) => pad + indented(one, syntax, depth + 1))
    : Object.entries(value).map(([name, one]) => `${pad}${syntax.name(name)}: ${indented(one, syntax, depth + 1)}`);
  return `${isList ? "[" : "{"}\n${members.join(",\n")}\n${syntax.step.repeat(depth)}${isList ? "]" : "}"}`;
}

function inOneLine(value, syntax) {
  if (typeof value !== "object" || value === null) return syntax.literal(value);
  if (Array.isArray(value)) return `[${value.map((one) => inOneLine(one, syntax)).join(", ")}]`;
  return `{${Object.entries(value).map(([name, one]) => `${syntax.name(name)}: ${inOneLine(one, syntax)}`).join(", ")}}`;
}

/** A snippet with a switch of languages and a copy button. Returns {element, update(options)}; options: see snippet. */
export function snippetBox(options) {
  let language = "curl";
  let shown = options;
  const text = h("code");
  const buttons = Object.entries(LANGUAGES).map(([name, label]) => h("button", { type: "button", "aria-pressed": String(name === language), on: { click: () => choose(name) } }, label));
  const render = () => { text.textContent = snippet(language, shown); };
  const choose = (name) => {
    language = name;
    buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(Object.keys(LANGUAGES)[index] === name)));
    render();
  };
  render();
  return {
    element: h("div", { class: "snippet" },
      h("div", { class: "row" }, h("div", { class: "switch", role: "group", "aria-label": "Language" }, buttons), copyButton(() => text.textContent)),
      h("pre", { tabindex: "0", role: "region", "aria-label": "Code" }, text)),
    update(updated) { shown = updated; render(); },
  };
}
