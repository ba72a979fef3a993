// Pieces that several pages show.

import { perhaps } from "./api.js";
import { spark } from "./charts.js";
import { h } from "./dom.js";
import { REASONS, confidence, plural } from "./format.js";

const COLOURS = 8;
const order = [];

/** The models in the order that gives them their colours: the same on every page. */
export function learnModels(names) {
  for (const name of names) if (!order.includes(name)) order.push(name);
}

export function colourOf(name) {
  learnModels([name]);
  return `m${order.indexOf(name) % COLOURS}`;
}

export const model = (name) => h("span", { class: "model" },
  h("span", { class: "dot", vars: { "--c": `var(--${colourOf(name)})` }, "aria-hidden": "true" }), name);

export function reasonTag(task) {
  const [word, kind] = REASONS[task.decision.reason] ?? [task.decision.reason, "plain"];
  return h("span", { class: `tag ${kind}` }, word);
}

export function sure(task) {
  const { text, share, about } = confidence(task);
  return share === null ? text : h("span", { class: "sure", title: about },
    h("span", { class: "meter", vars: { "--w": `${Math.round(100 * share)}%` }, "aria-hidden": "true" }, h("i")), text);
}

export function traffic(task) {
  const sum = task.requests_by_minute.reduce((all, some) => all + some, 0);
  return sum ? spark(`${plural(sum, "request")} in the last hour`, inFives(task.requests_by_minute))
    : h("span", { class: "muted" }, "quiet");
}

/** A bar for five minutes: sixty would be too thin to see. */
function inFives(minutes) {
  const bars = [];
  for (let place = 0; place < minutes.length; place += 5) bars.push(minutes.slice(place, place + 5).reduce((all, some) => all + some, 0));
  return bars;
}

export const taskLink = (id) => h("a", { href: `#/tasks/${encodeURIComponent(id)}` }, id);

/** How far the benchmark's datasets lie from each other, as the pack's report has it. */
export function reachOf(report) {
  const all = (report?.datasets ?? []).map((row) => row.distance).filter((u) => typeof u === "number").sort((a, b) => a - b);
  return all.length ? { median: all[Math.floor((all.length - 1) / 2)], farthest: all[all.length - 1] } : null;
}

let pack = { at: -Infinity, value: null };
const PACK_MS = 30000;

/** The pack in use, with its report; null where there is none. Asked for twice a minute at most. */
export async function activePack(isFresh = false) {
  if (isFresh || performance.now() - pack.at > PACK_MS) {
    const list = await perhaps("v1/packs");
    const value = list?.active ? await perhaps(`v1/packs/${encodeURIComponent(list.active)}`) : null;
    pack = { at: performance.now(), value };
  }
  return pack.value;
}
