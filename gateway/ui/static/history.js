// History of the gateway, a task, model, backend or key: a range, charts over it, and what routed requests would have cost
// with another model. The range, the series and the model to compare with live in the URL's query.

import { call } from "./api.js";
import { banner, h, table } from "./dom.js";
import { count, ms, percent, plural, usd } from "./format.js";
import { hashQuery } from "./hash.js";
import { rangePicker } from "./range.js";
import { fillSteps, seriesChart, stepLabel, stepLength } from "./series_chart.js";

const BEST = "Best on average";

/**
 * The section of a page. series: [{label, kind, name}], with more than one a selection; models: names to compare with.
 * Returns {element, refresh()}; the first load has happened when the promise is fulfilled.
 */
export async function historyPanel(context, { series, models, title = "History" }) {
  let activity = null;
  let loadedAt = 0;
  const notice = h("div", { role: "status" });
  const lead = h("p", { class: "muted" });
  const range = rangePicker(context, { onChange: () => show() });
  const shown = selection("Show", "of", series.map((one) => [one.kind === "gateway" ? "" : `${one.kind}:${one.name}`, one.label]));
  const compared = selection("Compare cost with", "compare", [["", BEST], ...models.map((name) => [name, name])]);
  const charts = createCharts();
  const rows = dataTable(() => activity);

  /** A list of which the choice is in the query. */
  function selection(label, parameter, options) {
    const chosen = context.query.get(parameter) ?? "";
    const list = h("select", { on: { change: () => {
      context.setQuery({ ...Object.fromEntries(hashQuery()), [parameter]: list.value });
      show();
    } } }, options.map(([value, text]) => h("option", { value, selected: value === chosen }, text)));
    return { element: h("label", {}, label, list), value: () => list.value };
  }

  async function load() {
    const one = series.find(({ kind, name }) => `${kind}:${name}` === shown.value()) ?? series[0];
    const parameters = { ...range.parameters(), kind: one.kind, ...(one.name ? { name: one.name } : {}), ...(compared.value() ? { compare_with: compared.value() } : {}) };
    activity = await call(`v1/activity?${new URLSearchParams(parameters)}`);
    loadedAt = Date.now();
    lead.replaceChildren(...summary(activity, range.words()));
    notice.replaceChildren(...(activity.note ? [banner("info", activity.note)] : []));
    for (const one of charts) one.update(activity);
    rows.update();
  }

  /** Load after a selection; an error leaves what was shown. */
  async function show() {
    try {
      await load();
    } catch (error) {
      notice.replaceChildren(banner("bad", error.message));
    }
  }

  await show();
  const id = "history-title";
  const element = h("section", { class: "card history", "aria-labelledby": id },
    h("div", { class: "card-head" }, h("h2", { id }, title), lead),
    h("div", { class: "row end" }, range.element, series.length > 1 ? shown.element : null, compared.element),
    notice,
    h("div", { class: "two" }, charts.map((one) => h("figure", {}, h("figcaption", {}, one.title, one.note), one.element))),
    rows.element);
  // A tenth of a step at most every minute: a long range changes slowly, and is much to read.
  const isDue = () => Date.now() - loadedAt >= Math.min(60000, 100 * (activity?.step_s ?? 0));
  return { element, refresh: () => (isDue() ? load() : null) };
}

/** What the range has in total, in a sentence or two. */
function summary({ total, step_s: stepS, compare_with: model, ...activity }, words) {
  const span = `${words[0].toUpperCase()}${words.slice(1)}, one value per ${stepLength({ step_s: stepS, ...activity })}: `;
  if (!total.requests) return [span, "no requests."];
  const errors = total.errors ? `, ${plural(total.errors, "error")} (${percent(total.errors / total.requests, 1)})` : "";
  const changes = total.model_changes ? `, ${plural(total.model_changes, "model change")}` : "";
  const cost = total.cost_usd === null ? ". Their cost is unknown: no price is configured." : `, ${usd(total.cost_usd)}.`;
  const [other, saved] = model ? [total.compared_usd, total.compared_saved_usd] : [total.baseline_usd, total.saved_usd];
  const name = model ?? "the best model on average";
  if (!total.routed_requests || !other) return [span, h("b", {}, plural(total.requests, "request")), errors, changes, cost];
  const result = saved >= 0 ? `routing saved ${usd(saved)} (${percent(saved / other)})` : `routing cost ${usd(-saved)} (${percent(-saved / other)}) more`;
  return [span, h("b", {}, plural(total.requests, "request")), errors, changes, cost,
    ` Compared with ${name} for the ${plural(total.routed_requests, "routed request")}, `, h("b", {}, result), "."];
}

const successful = (step) => step.requests - step.errors - step.rejected;
const otherCost = (step) => step.compared_usd;

/** The charts: {title, note, element, update(activity)}. */
function createCharts() {
  const empty = { data: [], from: new Date(0).toISOString(), until: new Date(0).toISOString(), step_s: 60 };
  const make = (title, describe, lines, options) => {
    const note = h("span", { class: "muted" });
    const drawn = seriesChart(title, empty, lines, options);
    return { title, note, element: drawn.element, update(activity) {
      note.textContent = describe.note?.(activity) ?? "";
      drawn.update(activity, `${title} by step of ${stepLength(activity)}. ${describe.label(activity.total)}`);
    } };
  };
  const quantiles = (prefix) => (total) => (total[`${prefix}p50_ms`] === null ? "Nothing measured."
    : `p50 ${ms(total[`${prefix}p50_ms`])}, p95 ${ms(total[`${prefix}p95_ms`])}, p99 ${ms(total[`${prefix}p99_ms`])}.`);
  const latencies = (prefix) => (colours) => [
    { label: "p50", value: (step) => step[`${prefix}p50_ms`] ?? null, colour: colours.accent },
    { label: "p95", value: (step) => step[`${prefix}p95_ms`] ?? null, colour: colours.m2 },
    { label: "p99", value: (step) => step[`${prefix}p99_ms`] ?? null, colour: colours.m1, dash: [4, 3] },
  ];
  return [
    make("Requests", { label: (total) => `${plural(total.requests, "request")}, ${count(total.errors)} errors, ${count(total.rejected)} rejected.`,
      note: ({ total }) => (total.model_changes ? " Dashed lines: model changes." : "") }, (colours) => [
      { label: "Successful", value: successful, colour: colours.accent },
      { label: "Rejected (4xx)", value: (step) => step.rejected, colour: colours.warn },
      { label: "Errors", value: (step) => step.errors, colour: colours.bad },
    ], { kind: "bar", isStacked: true, format: count }),
    make("Cost and savings", { label: (total) => `All requests ${usd(total.cost_usd)}, routed requests ${usd(total.routed_cost_usd)}, saved ${usd(total.compared_saved_usd ?? total.saved_usd)}.` }, (colours, shown) => [
      { label: `Routed requests with ${shown.compare_with ?? BEST.toLowerCase()}`, value: shown.compare_with ? otherCost : (step) => step.baseline_usd, colour: colours.m1, dash: [4, 3] },
      { label: "Routed requests", value: (step) => step.routed_cost_usd, colour: colours.accent, fill: true },
      { label: "All requests", value: (step) => step.cost_usd, colour: colours.muted },
    ], { format: usd }),
    make("Latency", { label: quantiles("") }, latencies(""), { format: ms }),
    make("First token", { label: quantiles("first_token_"), note: () => " Streams only." }, latencies("first_token_"), { format: ms }),
    make("Tokens", { label: (total) => `${count(total.input_tokens)} input, ${count(total.output_tokens)} output.` }, (colours) => [
      { label: "Input", value: (step) => step.input_tokens, colour: colours.accent },
      { label: "Output", value: (step) => step.output_tokens, colour: colours.m1 },
    ], { kind: "bar", isStacked: true, format: count }),
    make("Gateway overhead", { label: quantiles("overhead_") }, latencies("overhead_"), { format: ms }),
  ];
}

const COLUMNS = [
  { title: "From", class: "nowrap", cell: (step) => step.label },
  { title: "Requests", class: "num", cell: (step) => count(step.requests) },
  { title: "Errors", class: "num", cell: (step) => count(step.errors) },
  { title: "Rejected", class: "num", cell: (step) => count(step.rejected) },
  { title: "Latency p50", class: "num", cell: (step) => ms(step.p50_ms) },
  { title: "Latency p95", class: "num", cell: (step) => ms(step.p95_ms) },
  { title: "First token p50", class: "num", cell: (step) => ms(step.first_token_p50_ms) },
  { title: "Tokens", class: "num", cell: (step) => count(step.input_tokens + step.output_tokens) },
  { title: "Cost", class: "num", cell: (step) => usd(step.cost_usd) },
  { title: "Savings", class: "num", cell: (step) => usd(step.compared_saved_usd ?? step.saved_usd) },
  { title: "Model changes", class: "num", cell: (step) => count(step.model_changes) },
];

/** The charts' values as a table, for who cannot see them; filled while it is open. */
function dataTable(current) {
  const list = table("History", COLUMNS, [], { empty: "No requests in this range." });
  const element = h("details", { on: { toggle: () => update() } }, h("summary", {}, "Show as table"), list.element);
  const update = () => {
    const activity = current();
    if (!element.open || !activity) return;
    const steps = fillSteps(activity).filter((step) => step.requests || step.model_changes).reverse();
    list.update(steps.map((step) => ({ ...step, label: stepLabel(step.at, activity) })));
  };
  return { element, update };
}
