// Filters of the request log: the form, its values in the URL's query, and exports.

import { ApiError, apiKey } from "./api.js";
import { h, inlineCode } from "./dom.js";
import { suggest, valuesOf } from "./suggestions.js";

export const exportLimit = 10000;
const INPUT_PAUSE_MS = 300;
const STATUSES = [["", "Any"], ["2xx", "2xx"], ["error", "Errors (5xx, broken streams)"], ["broken", "Broken streams"], ["rejected", "Rejected (4xx)"]];
const CLIENT_LEFT = "499";

const FIELDS = [
  { name: "search", label: "Request ID", type: "search", placeholder: "req_…, or the client's own" },
  { name: "task", label: "Task", isSuggested: true },
  { name: "model", label: "Model", isSuggested: true },
  { name: "status", label: "Status", options: STATUSES },
  { name: "reason", label: "Reason", isSuggested: true, more: true },
  { name: "backend", label: "Backend", isSuggested: true, more: true },
  { name: "key", label: "Key", isSuggested: true, more: true },
  { name: "endpoint", label: "Endpoint", isSuggested: true, more: true },
  { name: "min_latency_ms", label: "Latency from, ms", type: "number", more: true },
  { name: "min_cost_usd", label: "Cost from, USD", type: "number", more: true },
];

/**
 * The form. query: the page's. times(): the page's range as the API's `since` and `until`. onChange() is called a moment
 * after a change. Returns {element, values(), showFault(text)}.
 */
export function filterForm(query, times, onChange) {
  let pause;
  const fault = h("p", { class: "error", role: "alert", hidden: true });
  const changed = () => { clearTimeout(pause); pause = setTimeout(onChange, INPUT_PAUSE_MS); };
  const fields = new Map(FIELDS.map((one) => [one.name, field(one, query.get(one.name) ?? "", changed)]));
  const labels = (isMore) => FIELDS.filter((one) => Boolean(one.more) === isMore).map((one) => labelled(one, fields.get(one.name), times, onChange));
  const clear = h("button", { type: "button", class: "quiet", on: { click: () => { for (const one of fields.values()) one.value = ""; onChange(); } } }, "Clear filters");
  const isOpen = FIELDS.some((one) => one.more && query.get(one.name));
  const element = h("form", { class: "filters", role: "search", "aria-label": "Filters", on: { submit: (event) => { event.preventDefault(); clearTimeout(pause); onChange(); } } },
    h("div", { class: "row end" }, labels(false), clear),
    h("details", { open: isOpen }, h("summary", {}, "More filters"), h("div", { class: "row end" }, labels(true))), fault);
  addStatuses(fields.get("status"), times);
  return {
    element,
    values: () => Object.fromEntries([...fields].map(([name, one]) => [name, one.value.trim()])),
    showFault(text) { fault.replaceChildren(...inlineCode(text)); fault.hidden = !text; },
  };
}

function labelled(one, input, times, onChoose) {
  const label = h("label", {}, one.label, input);
  return one.isSuggested ? h("div", { class: "combo" }, label, suggest(input, { field: one.name, label: one.label, times, onChoose })) : label;
}

/** Add the statuses that occur to those that can always be chosen. */
async function addStatuses(select, times) {
  const known = new Set([...select.options].map((one) => one.value));
  const found = await valuesOf("status", "", times).catch(() => []); // without them, classes can be chosen
  for (const status of found.filter((one) => !known.has(one)).sort()) {
    select.append(h("option", { value: status }, status === CLIENT_LEFT ? `${status} (client left)` : status));
  }
}

function field({ type = "text", options, placeholder }, value, changed) {
  if (options) {
    const known = options.some(([name]) => name === value) ? options : [...options, [value, value]];
    return h("select", { value, on: { change: changed } }, known.map(([name, label]) => h("option", { value: name, selected: name === value }, label)));
  }
  return h("input", { type, placeholder, value, min: type === "number" ? 0 : null, step: type === "number" ? "any" : null, autocomplete: "off", spellcheck: "false", on: { input: changed } });
}

/** The values that are set, as parameters of the API. */
export const filtersOf = (values) => Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ""));

/** Save an export as a file: the key goes in a header, which a link cannot send. Throws ApiError. */
export async function downloadExport(parameters, format, hasBodies) {
  const headers = apiKey.get() ? { authorization: `Bearer ${apiKey.get()}` } : {};
  const response = await fetch(new URL(`../v1/requests/export?${parameters}&format=${format}&limit=${exportLimit}${hasBodies ? "&bodies=true" : ""}`, document.baseURI), { headers, cache: "no-store" });
  if (!response.ok) throw new ApiError(response.status, null, (await response.json().catch(() => null))?.error?.message ?? `The gateway returned HTTP ${response.status}.`);
  const address = URL.createObjectURL(await response.blob());
  const link = h("a", { href: address, download: `requests.${format}` });
  document.body.append(link);
  link.click();
  link.remove();
  URL.revokeObjectURL(address);
}
