// Elements that several pages show.

import { sparkline } from "./charts.js";
import { h } from "./dom.js";
import { confidence, reasonLabel } from "./explain.js";
import { percent, plural, usd } from "./format.js";

const COLOURS = 8;
const modelOrder = [];

/** Fix the order that assigns colours to models, so that a model has the same colour on every page. */
export function registerModels(names) {
  for (const name of names) if (!modelOrder.includes(name)) modelOrder.push(name);
}

/** The name of a model's colour variable. */
export function modelColour(name) {
  registerModels([name]);
  return `m${modelOrder.indexOf(name) % COLOURS}`;
}

/** A model's name with its colour. Tables cut long names, which are whole in the title. */
export const modelLabel = (name) => h("span", { class: "model" },
  h("span", { class: "dot", vars: { "--c": `var(--${modelColour(name)})` }, "aria-hidden": "true" }), h("span", { class: "name", title: name }, name));

/** A link to a task's page; its name is cut as a model's. */
export const taskLink = (id) => h("a", { class: "name", href: `#/tasks/${encodeURIComponent(id)}`, title: id }, id);

export function reasonTag(decision) {
  const [label, kind] = reasonLabel(decision);
  return h("span", { class: `tag ${kind}` }, label);
}

/** A task's confidence as a meter with its value. */
export function confidenceMeter(task) {
  const { text, share, description } = confidence(task);
  return share === null ? text : h("span", { class: "confidence", title: description },
    h("span", { class: "meter", vars: { "--w": `${Math.round(100 * share)}%` }, "aria-hidden": "true" }, h("i")), text);
}

/** A task's requests in the last hour. */
export function requestSparkline(task) {
  const total = task.requests_by_minute.reduce((sum, requests) => sum + requests, 0);
  return total ? sparkline(`${plural(total, "request")} in the last hour`, sumByFive(task.requests_by_minute))
    : h("span", { class: "muted" }, "None");
}

/** One bar per five minutes: sixty bars would be too thin to see. */
function sumByFive(minutes) {
  const bars = [];
  for (let start = 0; start < minutes.length; start += 5) bars.push(minutes.slice(start, start + 5).reduce((sum, requests) => sum + requests, 0));
  return bars;
}

/** What a task saved against its baseline, the best model on average. */
export function savings(spent) {
  if (!spent?.requests || Math.abs(spent.saved_usd) < 1e-9) return h("span", { class: "muted" }, "–");
  return spent.baseline_usd ? `${usd(spent.saved_usd)} (${percent(spent.saved_usd / spent.baseline_usd)})` : usd(spent.saved_usd);
}
