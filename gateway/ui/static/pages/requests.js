// The request log: requests that have ended, by filters in the URL, with a live tail and exports.

import { ApiError, call } from "../api.js";
import { modelLabel, taskLink } from "../components.js";
import { banner, h, section, table } from "../dom.js";
import { reasonLabel } from "../explain.js";
import { count, ms, plural, usd } from "../format.js";
import { hashQuery } from "../hash.js";
import { RANGES, rangePicker } from "../range.js";
import { cutName, statusTag } from "../request_parts.js";
import { downloadExport, exportLimit, filterForm, filtersOf } from "../request_filters.js";

const PAGE_SIZE = 100;
const LIVE_WAIT_S = 15;
const PAUSE_MS = 2000;
const MAX_LIVE = 500;

export async function requestsPage(root, context) {
  const head = h("div", { class: "page-head" }, h("h1", {}, "Requests"),
    h("p", { class: "lead" }, "Every request that has ended: where it went, why, and what it took."));
  root.append(head);
  let rows = [];
  let cursor = null;
  let last = "";
  let asked = 0;
  const ranges = rangePicker(context, { fallback: "24h", onChange: () => load() });
  const form = filterForm(context.query, () => times(ranges.range()), () => { context.setQuery({ ...rangeQuery(), ...form.values() }); return load(); });
  const list = table("Requests", columns, [], { empty: "No request matches. Choose a longer time range, or remove a filter.", rowClass: (row) => (row.status >= 400 || row.error ? "failed" : null) });
  list.element.classList.add("log");
  const total = h("p", { class: "muted", role: "status" });
  const more = h("button", { type: "button", on: { click: () => load(true) } }, "Load more");
  const live = h("button", { type: "button", "aria-pressed": "false", on: { click: () => setLive(live.getAttribute("aria-pressed") !== "true") } }, "Live");
  const exports = ["csv", "json"].map((format) => h("button", { type: "button", title: `Download up to ${count(exportLimit)} matching requests`, on: { click: (event) => download(event.target, format) } }, `Export ${format.toUpperCase()}`));

  // Whoever may see the bodies in bulk: an admin, or everybody on this machine where there are no keys.
  const withBodies = h("input", { type: "checkbox" });
  const mayExportBodies = context.principal.is_admin || !context.principal.needs_key;
  const bodies = mayExportBodies ? h("label", { class: "line", title: "Prompts and answers, where log.bodies has stored them" }, withBodies, "With prompts and answers") : null;

  const parameters = () => new URLSearchParams({ ...times(ranges.range()), ...filtersOf(form.values()) });

  /** Load the first page, or one more. A newer call supersedes what arrives late. */
  async function load(isMore = false) {
    const mine = ++asked;
    const path = `v1/requests?${parameters()}&limit=${PAGE_SIZE}`;
    let page;
    try {
      page = await call(isMore ? `${path}&cursor=${cursor}` : path);
    } catch (error) {
      if (mine === asked && error instanceof ApiError && error.status === 400) return form.showFault(error.message);
      throw error;
    }
    if (mine !== asked) return;
    form.showFault("");
    rows = isMore ? [...rows, ...page.data] : page.data;
    if (!isMore) last = page.last;
    cursor = page.next_cursor;
    update();
  }

  function update() {
    list.update(rows);
    total.textContent = `${cursor ? "The newest " : ""}${plural(rows.length, "request")}, ${ranges.words()}`;
    more.hidden = !cursor;
  }

  function setLive(isOn) {
    live.setAttribute("aria-pressed", String(isOn));
    if (isOn) follow();
  }

  /** Add requests as they end, until the button or the page is left. */
  async function follow() {
    await load();
    const isOn = () => live.isConnected && live.getAttribute("aria-pressed") === "true";
    while (isOn()) {
      const mine = asked;
      try {
        const page = await call(`v1/requests?${new URLSearchParams(filtersOf(form.values()))}&after=${last}&wait_s=${LIVE_WAIT_S}&limit=${PAGE_SIZE}`);
        if (!isOn() || mine !== asked) continue;
        last = page.last;
        const known = new Set(rows.map((row) => row.id));
        const added = page.data.filter((row) => !known.has(row.id)).reverse();
        if (added.length) { rows = [...added, ...rows].slice(0, Math.max(MAX_LIVE, PAGE_SIZE)); update(); }
      } catch (error) {
        if (error instanceof ApiError && error.status === 401) return context.reload();
        await new Promise((resume) => { setTimeout(resume, PAUSE_MS); });
      }
    }
  }

  async function download(button, format) {
    button.disabled = true;
    try { await downloadExport(parameters(), format, withBodies.checked); } catch (error) { context.notify("bad", error.message); } finally { button.disabled = false; }
  }

  try {
    await load();
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 503) throw error;
    root.append(banner("info", error.message));
    return { title: "Requests" };
  }
  root.append(section("Requests", null, ranges.element, form.element,
    h("div", { class: "row" }, total, h("span", { class: "spring" }), live, bodies, ...exports), list.element, h("div", { class: "row" }, more)));
  return { title: "Requests", refresh: () => (live.getAttribute("aria-pressed") === "true" || rows.length > PAGE_SIZE ? null : load()) };
}

/** The parts of the URL's query that are the time range's. */
const rangeQuery = () => Object.fromEntries([...hashQuery()].filter(([name]) => ["range", "from", "to"].includes(name)));

/** A time range as the API's `since` and `until`. */
function times(range) {
  if (!range.name) return { since: range.from.toISOString(), until: range.to.toISOString() };
  const { minutes } = RANGES.find((one) => one.name === range.name);
  return { since: new Date(Date.now() - 60000 * minutes).toISOString() };
}

/** The time of day, with the date where it is not today. */
function shortTime(iso) {
  const at = new Date(iso);
  const time = at.toLocaleTimeString("en-GB");
  return at.toDateString() === new Date().toDateString() ? time : `${at.toLocaleDateString("en-GB", { day: "numeric", month: "short" })}, ${time}`;
}

const columns = [
  { title: "Ended", class: "nowrap", cell: (row) => h("a", { href: `#/requests/${encodeURIComponent(row.id)}`, title: row.id }, h("time", { datetime: row.at }, shortTime(row.at))) },
  { title: "Task", cell: (row) => (row.task ? taskLink(row.task) : "–") },
  { title: "Model", class: "wide-only", cell: (row) => (row.model ? modelLabel(row.model) : "–") },
  { title: "Reason", class: "nowrap wide-only", cell: (row) => (row.reason ? reasonLabel(row)[0] : "–") },
  { title: "Status", cell: statusTag },
  { title: "Tokens", class: "num wide-only", cell: (row) => (row.input_tokens === null ? "–" : h("span", { title: `${count(row.input_tokens)} in, ${count(row.output_tokens)} out${row.estimated ? ", estimated" : ""}` }, `${count(row.input_tokens)} + ${count(row.output_tokens)}`)) },
  { title: "Cost", class: "num wide-only", cell: (row) => (row.cost_usd === null ? "–" : usd(row.cost_usd)) },
  { title: "Latency", class: "num", cell: (row) => ms(row.latency_ms) },
  { title: "First token", class: "num wide-only", cell: (row) => ms(row.first_token_ms) },
  { title: "Attempts", class: "num wide-only", cell: (row) => count(row.attempts.length) },
  { title: "Key", class: "wide-only", cell: (row) => (row.key ? cutName(row.key) : "–") },
];
