// Forms of a client key: create, edit, rotate.

import { call } from "../api.js";
import { copyButton } from "../copy.js";
import { banner, h } from "../dom.js";
import { keyPath } from "./key_actions.js";

const HOUR_MS = 3600000;
const GRACE = [["", "Until it is revoked"], ["1", "1 hour"], ["24", "1 day"], ["168", "7 days"], ["720", "30 days"]];

export function createForm(view) {
  const name = h("input", { name: "name", required: true, autocomplete: "off", placeholder: "team-a" });
  const terms = termFields();
  const submit = async () => {
    const set = Object.fromEntries(Object.entries(terms.values()).filter(([, value]) => value !== null));
    const key = await call("v1/keys", { method: "POST", body: { name: name.value.trim(), ...set } });
    await showSecret(view, `Key ${key.name} created. Copy this key now; it will not be shown again.`, key.secret);
  };
  return form(view, submit, [h("label", {}, "Name", name), ...terms.labels], "Create key");
}

export function editForm(view, key) {
  const terms = termFields(key);
  const before = JSON.stringify(terms.values());
  const submit = async () => {
    const values = terms.values();
    const old = JSON.parse(before);
    // Only what was changed: another admin may have set something else meanwhile.
    const body = Object.fromEntries(Object.entries(values).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(old[name])));
    await call(keyPath(key.name), { method: "PATCH", body });
    view.result.replaceChildren(banner("good", `Key ${key.name} changed.`));
    await finish(view);
  };
  return form(view, submit, terms.labels, "Save changes", key.name);
}

export function rotateForm(view, key) {
  const grace = h("select", {}, GRACE.map(([hours, text]) => h("option", { value: hours }, text)));
  const submit = async () => {
    const until = grace.value ? new Date(Date.now() + Number(grace.value) * HOUR_MS).toISOString() : null;
    const rotated = await call(`${keyPath(key.name)}/rotate`, { method: "POST", body: { old_expires_at: until } });
    await showSecret(view, `Key ${key.name} rotated. Copy the new secret now; it will not be shown again.`, rotated.secret);
  };
  return form(view, submit, [h("label", {}, "The former secret stays valid", grace)], "Create new secret", key.name);
}

/** A form with its buttons. name: of the key that it changes, null to create one. */
function form(view, submit, labels, action, name = null) {
  const cancel = name === null ? null : h("button", { type: "button", on: { click: () => view.showCreate() } }, "Cancel");
  const onSubmit = async (event) => {
    event.preventDefault();
    try {
      await submit();
    } catch (error) {
      view.result.replaceChildren(banner("bad", error.message));
      view.result.scrollIntoView({ block: "nearest" });
    }
  };
  return h("form", { on: { submit: onSubmit } },
    name === null ? null : h("p", { class: "mono long" }, name),
    h("div", { class: "row end" }, labels),
    h("div", { class: "row" }, h("button", { type: "submit", class: "primary" }, action), cancel));
}

async function showSecret(view, message, secret) {
  view.result.replaceChildren(h("div", { class: "banner good" }, h("p", {}, message),
    h("p", { class: "secret mono" }, secret), h("div", { class: "row" }, copyButton(() => secret, "Copy key"))));
  await finish(view);
}

async function finish(view) {
  document.activeElement.blur();
  view.showCreate();
  view.result.scrollIntoView({ block: "nearest" });
  await view.refresh();
}

/** Inputs of a key's terms. values(): by name in the API, null for what is empty. */
function termFields(key = {}) {
  const text = (value, placeholder) => h("input", { autocomplete: "off", placeholder, value: value ?? "" });
  const number = (value, step = "any", min = "0") => h("input", { type: "number", min, step, value: value ?? "" });
  const inputs = {
    default_task: ["Default task", text(key.default_task, "default"), (value) => value.trim()],
    models: ["Models (comma-separated)", text(key.models?.join(", "), "all"), words],
    tasks: ["Tasks (comma-separated)", text(key.tasks?.join(", "), "all"), words],
    requests_per_minute: ["Requests per minute", number(key.requests_per_minute), Number],
    tokens_per_minute: ["Tokens per minute", number(key.tokens_per_minute), Number],
    max_concurrent_requests: ["Requests in flight", number(key.max_concurrent_requests, "1", "1"), Number],
    budget_usd_per_day: ["Budget per day (USD)", number(key.budget_usd_per_day), String],
    budget_usd_per_month: ["Budget per month (USD)", number(key.budget_usd_per_month), String],
    expires_at: ["Expires", h("input", { type: "datetime-local", value: localTime(key.expires_at) }), (value) => new Date(value).toISOString()],
  };
  return {
    labels: Object.values(inputs).map(([label, input]) => h("label", {}, label, input)),
    values: () => Object.fromEntries(Object.entries(inputs).map(([name, [, input, read]]) => [name, input.value.trim() === "" ? null : read(input.value)])),
  };
}

const words = (value) => value.split(",").map((word) => word.trim()).filter(Boolean);

/** A time of the API in the form of a datetime-local input, in the browser's time zone. */
function localTime(iso) {
  if (!iso) return "";
  const at = new Date(iso);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}
