// The time range of a page: a preset up to now, or two times of one's own. It lives in the URL's query as `range`, or as
// `from` and `to` (ISO 8601), so that a link shows the same range.

import { h } from "./dom.js";
import { dateTime } from "./format.js";
import { hashQuery } from "./hash.js";

/** Presets: name as in the URL and in the API's `range`, label of the button, length in words, and in minutes. */
export const RANGES = [
  { name: "1h", label: "1 h", words: "last hour", minutes: 60 },
  { name: "6h", label: "6 h", words: "last 6 hours", minutes: 360 },
  { name: "24h", label: "24 h", words: "last 24 hours", minutes: 1440 },
  { name: "48h", label: "48 h", words: "last 48 hours", minutes: 2880 },
  { name: "7d", label: "7 d", words: "last 7 days", minutes: 10080 },
  { name: "30d", label: "30 d", words: "last 30 days", minutes: 43200 },
  { name: "90d", label: "90 d", words: "last 90 days", minutes: 129600 },
];

const isTime = (text) => text !== null && !Number.isNaN(Date.parse(text));

/** The range in a query: {name} of a preset, or {from, to} as Dates. Anything unknown is the preset `fallback`. */
export function readRange(query, fallback = "1h") {
  const [from, to] = [query.get("from"), query.get("to")];
  if (isTime(from) && isTime(to) && Date.parse(from) < Date.parse(to)) return { from: new Date(from), to: new Date(to) };
  const name = query.get("range");
  return { name: RANGES.some((one) => one.name === name) ? name : fallback };
}

/** A range in words: "last 24 hours", or its two times. */
export function describeRange(range) {
  return range.name ? RANGES.find((one) => one.name === range.name).words : `${dateTime(range.from)} to ${dateTime(range.to)}`;
}

/** A range as parameters of an endpoint with `range`, `from` and `to`. */
export function rangeParameters(range) {
  return range.name ? { range: range.name } : { from: range.from.toISOString(), to: range.to.toISOString() };
}

/**
 * Buttons for the presets and a form for other times. Keeps the other parameters of the page's query.
 * onChange(range) is called after a selection; where it returns a promise, the buttons are busy until it settles.
 * Returns {element, range(), parameters(), words()}.
 */
export function rangePicker(context, { onChange, fallback = "1h", label = "Time range" } = {}) {
  let selected = readRange(context.query, fallback);
  const buttons = RANGES.map((one) => h("button", { type: "button", title: `Show the ${one.words}`, on: { click: () => select({ name: one.name }) } }, one.label));
  const custom = h("button", { type: "button", "aria-expanded": "false", on: { click: () => toggle(form.hidden) } }, "Custom");
  const group = h("div", { class: "switch wrap", role: "group", "aria-label": label }, buttons, custom);
  const from = h("input", { type: "datetime-local", required: true });
  const to = h("input", { type: "datetime-local", required: true });
  const fault = h("p", { class: "error", role: "alert", hidden: true });
  const form = h("form", { class: "row end", hidden: true, "aria-label": "Custom time range", on: { submit } },
    h("label", {}, "From", from), h("label", {}, "To", to), h("button", { type: "submit" }, "Apply"), fault);

  function submit(event) {
    event.preventDefault();
    const range = { from: new Date(from.value), to: new Date(to.value) };
    fault.hidden = range.from < range.to;
    fault.textContent = fault.hidden ? "" : "From must be before To.";
    if (fault.hidden) select(range);
  }

  function toggle(isOpen) {
    form.hidden = !isOpen;
    custom.setAttribute("aria-expanded", String(isOpen));
    if (!isOpen) return;
    const [first, last] = timesOf(selected);
    [from.value, to.value] = [localTime(first), localTime(last)];
    from.focus();
  }

  async function select(range) {
    selected = range;
    const isDefault = range.name === fallback;
    const others = Object.fromEntries([...hashQuery()].filter(([name]) => !["range", "from", "to"].includes(name)));
    context.setQuery({ ...others, ...(isDefault ? {} : rangeParameters(range)) });
    if (range.name) toggle(false);
    mark();
    group.setAttribute("aria-busy", "true");
    try { await onChange?.(range); } finally { group.removeAttribute("aria-busy"); }
  }

  function mark() {
    RANGES.forEach((one, place) => buttons[place].setAttribute("aria-pressed", String(one.name === selected.name)));
    custom.setAttribute("aria-pressed", String(!selected.name));
  }

  mark();
  return {
    element: h("div", { class: "range" }, group, form),
    range: () => selected,
    parameters: () => rangeParameters(selected),
    words: () => describeRange(selected),
  };
}

const timesOf = (range) => (range.name
  ? [new Date(Date.now() - 60000 * RANGES.find((one) => one.name === range.name).minutes), new Date()]
  : [range.from, range.to]);

/** A time as the value of an input of type datetime-local: in the browser's time zone, to the minute. */
const localTime = (date) => new Date(date.getTime() - 60000 * date.getTimezoneOffset()).toISOString().slice(0, 16);
