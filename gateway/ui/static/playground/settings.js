// The fields that apply to all columns: task, system prompt, tools, parameters, streaming.

import { call } from "../api.js";
import { h } from "../dom.js";

const SEARCH_PAUSE_MS = 250;
/** As in gateway/vocabulary.py. */
export const TASK_ID = /^[A-Za-z0-9._:/-]{1,128}$/;

/** A setting that the form cannot send. field: the input that the user has to change. */
export class SettingError extends Error {
  constructor(field, message) {
    super(message);
    this.field = field;
  }
}

/**
 * The fields. state: see state.js; changed in place. onChange(): after every change.
 * Returns {task, element, read()}, of which the first is the task's field by itself. read() throws SettingError.
 */
export function settingFields(state, onChange) {
  const bind = (input, name) => {
    input.addEventListener("input", () => {
      state[name] = input.type === "checkbox" ? input.checked : input.value;
      input.removeAttribute("aria-invalid");
      onChange(name);
    });
    return input;
  };
  const fields = {
    task: bind(h("input", { value: state.task, list: "pg-tasks", placeholder: "None", autocomplete: "off", spellcheck: "false", maxlength: "128" }), "task"),
    system: bind(h("textarea", { value: state.system, rows: "3" }), "system"),
    tools: bind(h("textarea", { value: state.tools, rows: "4", class: "mono", spellcheck: "false", placeholder: '[{"type": "function", "function": {"name": "…", "parameters": {…}}}]' }), "tools"),
    parameters: bind(h("textarea", { value: state.parameters, rows: "2", class: "mono", spellcheck: "false", placeholder: '{"top_p": 0.9, "seed": 1}' }), "parameters"),
    temperature: bind(h("input", { value: state.temperature, type: "number", min: "0", max: "2", step: "any", placeholder: "Default" }), "temperature"),
    maxTokens: bind(h("input", { value: state.maxTokens, type: "number", min: "1", step: "1", placeholder: "Default" }), "maxTokens"),
    stream: bind(h("input", { type: "checkbox", checked: state.stream }), "stream"),
  };
  return {
    task: h("div", { class: "pg-task" }, h("label", {}, "Task ID for auto", fields.task), suggestions(fields.task)),
    element: h("div", { class: "stack pg-tight" },
      h("label", {}, "System prompt", fields.system),
      h("div", { class: "row end" }, h("label", { class: "pg-number" }, "Temperature", fields.temperature), h("label", { class: "pg-number" }, "Max tokens", fields.maxTokens),
        h("label", { class: "line" }, fields.stream, "Stream the answer")),
      h("label", {}, "Tools (JSON array)", fields.tools),
      h("label", {}, "Other parameters (JSON object)", fields.parameters)),
    read: () => readSettings(state, fields),
  };
}

/** The settings of a request: texts as they are, JSON parsed. Throws SettingError. */
function readSettings(state, fields) {
  const task = state.task.trim();
  if (task && !TASK_ID.test(task)) throw new SettingError(fields.task, "Task ID: use 1 to 128 of the characters A-Z a-z 0-9 . _ : / -.");
  for (const [name, label] of [["temperature", "Temperature"], ["maxTokens", "Max tokens"]]) {
    if (!fields[name].checkValidity()) throw new SettingError(fields[name], `${label}: ${fields[name].validationMessage}`);
  }
  const tools = parse(fields.tools, "Tools", Array.isArray, "an array such as [{\"type\": \"function\", …}]") ?? [];
  const parameters = parse(fields.parameters, "Other parameters", isObject, "an object such as {\"top_p\": 0.9}") ?? {};
  const own = ["model", "messages", "stream", "tools"].find((name) => name in parameters);
  if (own) throw new SettingError(fields.parameters, `Other parameters: ${own} is set by its own field. Remove it here.`);
  return { task, system: state.system, stream: state.stream, temperature: state.temperature, maxTokens: state.maxTokens, tools, parameters };
}

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

function parse(field, label, isRight, wanted) {
  if (!field.value.trim()) return null;
  let value;
  try {
    value = JSON.parse(field.value);
  } catch (error) {
    throw new SettingError(field, `${label}: not valid JSON (${error.message}).`);
  }
  if (!isRight(value)) throw new SettingError(field, `${label}: expected ${wanted}.`);
  return value;
}

/** Task IDs as suggestions, searched in the gateway: there may be thousands. */
function suggestions(field) {
  const list = h("datalist", { id: "pg-tasks" });
  let pause;
  const search = async () => {
    try {
      const { data } = await call(`v1/tasks?limit=20&search=${encodeURIComponent(field.value.trim())}`);
      list.replaceChildren(...data.map((task) => h("option", { value: task.id })));
    } catch {
      list.replaceChildren(); // the field takes any ID: suggestions are only a help
    }
  };
  field.addEventListener("input", () => { clearTimeout(pause); pause = setTimeout(search, SEARCH_PAUSE_MS); });
  field.addEventListener("focus", search, { once: true });
  return list;
}
