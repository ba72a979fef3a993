// Parts of the pages about requests: names that are cut, statuses, and the waterfall of timings.

import { h } from "./dom.js";
import { ms } from "./format.js";

/** A name that may be long: cut, whole in its title. */
export const cutName = (name) => h("span", { class: "cut", title: name }, name);

const CLIENT_LEFT = 499;

/** A status with its colour: a stream that broke has status 200 and an error. */
export function statusTag(row) {
  const kind = row.status >= 500 || (row.error && row.status < 400) ? "bad" : row.status >= 400 ? "warn" : "good";
  const words = row.error ?? (row.status === CLIENT_LEFT ? "The client left before its response was complete." : null);
  return h("span", { class: `tag ${kind}`, title: words }, row.error && row.status < 400 ? `${row.status}, broken` : row.status);
}

const KINDS = { read: "Read", gateway: "Gateway", pause: "Pause", fault: "Failed attempt", backend: "Backend", send: "Response" };

/** Spans on one time axis: a list for screen readers, bars for eyes. spans: `timings` of the API. total: milliseconds. */
export function waterfall(spans, total) {
  const end = Math.max(total, ...spans.map((span) => span.end_ms), 0.001);
  return h("ol", { class: "waterfall" }, spans.map((span) => {
    const took = span.end_ms - span.start_ms;
    return h("li", { class: `span-${span.kind}` },
      h("span", { class: "span-label", title: span.label }, span.label),
      h("span", { class: "span-track", "aria-hidden": "true" },
        h("i", { title: KINDS[span.kind] ?? span.kind, vars: { "--x": `${100 * span.start_ms / end}%`, "--w": `${Math.max(0.4, 100 * took / end)}%` } })),
      h("span", { class: "span-time num" }, ms(took)));
  }));
}

/** A stored text in a box that scrolls. text: {text, cut}. JSON is indented. */
export function storedText(title, said) {
  return h("details", { open: true }, h("summary", {}, said.cut ? `${title} (the rest is not stored)` : title),
    h("pre", { class: "stored", tabindex: "0", "aria-label": title }, indented(said.text)));
}

function indented(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text || "Nothing is stored."; }
}
