// Models and their backends: prices, traffic, circuit breakers, and accuracy by dataset.

import { activePack, configuredOnAverage } from "../active_pack.js";
import { call, callOrNull, callPages } from "../api.js";
import { modelLabel, registerModels } from "../components.js";
import { command, copyable } from "../copy.js";
import { code, h, latePart, section, table } from "../dom.js";
import { count, ms, percent, score, usd } from "../format.js";
import { historyPanel } from "../history.js";
import { requestCount } from "../links.js";
import { describeMatch } from "./first_steps.js";

const BREAKER_STATES = { closed: ["Healthy", "good"], "half-open": ["Half-open", "warn"], open: ["Open", "bad"] };

export async function modelsPage(root, context) {
  const first = await fetchData();
  registerModels(first.models.map((one) => one.id));
  const models = table("Models", MODEL_COLUMNS, [], { empty: ["No models. Add one at ", code("models"), " in config.yaml."] });
  const backends = table("Backends", BACKEND_COLUMNS, [], { empty: ["No backends. Add one at ", code("models[].backends"), " in config.yaml."] });
  const history = await historyPanel(context, { series: seriesOf(first), models: first.models.map((one) => one.id) });
  const update = (data) => {
    models.update(data.models);
    backends.update(data.backends);
  };
  update(first);
  const accuracy = await latePart(() => accuracyOf(first.pack));
  root.append(
    h("div", { class: "page-head" }, h("h1", {}, "Models and backends"),
      h("p", { class: "lead" }, lead(first.pack))),
    section("Models", "Prices come from config.yaml, otherwise from the pack. Requests: last hour.", models.element),
    section("Backends", "The circuit breaker opens after repeated failures. An open backend gets no requests until the retry.", backends.element),
    history.element,
    accuracy);
  return { title: "Models", refresh: async () => { update(await fetchData()); await history.refresh(); } };
}

function lead(pack) {
  const best = configuredOnAverage(pack)[0];
  if (best) return ["Best model on average over the benchmark's datasets: ", h("b", {}, best), ". Tasks use it unless another model scores higher with enough confidence."];
  return pack ? "The pack has outcomes of none of these models; all tasks use the first of the configuration." : "No pack is loaded; all tasks use the first model of the configuration.";
}

/** Whose history can be shown: each model's, and each backend's. */
const seriesOf = ({ models, backends }) => [
  { label: "All models", kind: "gateway" },
  ...models.map((one) => ({ label: one.id, kind: "model", name: one.id })),
  ...backends.map((one) => ({ label: `Backend ${one.id}`, kind: "backend", name: one.id })),
];

async function fetchData() {
  const [list, backends, tasks, pack] = await Promise.all([call("v1/models"), callPages("v1/backends"), call("v1/overview?limit=1"), activePack()]);
  const inPack = new Map((pack?.models ?? []).map((one) => [one.name, one]));
  const models = list.data.filter((one) => one.id !== "auto").map((one) => ({
    ...one, config: one.benchroute ?? {}, benchmark: inPack.get(one.benchroute?.evidence?.name),
    tasks: tasks.by_model[one.id] ?? 0,
    requests: backends.filter((backend) => backend.model === one.id).reduce((sum, backend) => sum + (backend.last_hour?.requests ?? 0), 0),
  }));
  return { models, backends, pack };
}

const evidence = (row) => (row.config.kind === "chat" ? describeMatch(row.id, row.config.evidence) : "–");

const price = (row) => {
  const source = row.config.price ?? row.benchmark;
  const [input, output] = [source?.input_usd_per_mtok, source?.output_usd_per_mtok];
  return input === null || input === undefined ? "–" : `${usd(+input)} / ${usd(+output)}`;
};

const benchmarkAverage = ({ benchmark }) => (benchmark
  ? h("span", {}, score(benchmark.average), benchmark.partial ? h("span", { class: "muted" }, " (partially measured)") : null)
  : h("span", { class: "muted" }, "–"));

const MODEL_COLUMNS = [
  { title: "Model", cell: (row) => modelLabel(row.id) },
  { title: "Tasks", class: "num", cell: (row) => count(row.tasks) },
  { title: "Requests (1 h)", class: "num wrap-head", cell: (row) => requestCount(row.requests, `Requests of ${row.id}`, { model: row.id, range: "1h" }) },
  { title: "Evidence", class: "evidence", cell: evidence },
  { title: "Benchmark average", class: "num wrap-head", cell: benchmarkAverage },
  { title: "Parameters", class: "num", cell: (row) => { const size = row.config.params_b ?? row.benchmark?.params_b; return size ? `${size} B` : "–"; } },
  { title: "Price per 1M tokens (input / output)", class: "num wrap-head", cell: price },
  { title: "Context window", class: "num wrap-head", cell: (row) => (row.config.context_window ? row.config.context_window.toLocaleString("en") : "–") },
];

const BACKEND_COLUMNS = [
  { title: "Backend", cell: (row) => copyable(row.id, `backend ID ${row.id}`, h("span", { class: "name", title: row.id }, row.id)) },
  { title: "Model", cell: (row) => modelLabel(row.model) },
  { title: "Circuit breaker", cell: breaker },
  { title: "In flight", class: "num", cell: (row) => count(row.outstanding) },
  { title: "Requests (1 h)", class: "num wrap-head", cell: (row) => requestCount(row.last_hour?.requests ?? 0, `Requests of backend ${row.id}`, { backend: row.id, range: "1h" }) },
  { title: "Errors", class: "num", cell: (row) => { const { requests = 0, errors = 0 } = row.last_hour ?? {}; return requests ? `${count(errors)} (${percent(errors / requests, 1)})` : "–"; } },
  { title: "p50 latency", class: "num", cell: (row) => ms(row.last_hour?.p50_ms) },
  { title: "p95 latency", class: "num", cell: (row) => ms(row.last_hour?.p95_ms) },
];

function breaker(row) {
  const [label, kind] = BREAKER_STATES[row.breaker] ?? [row.breaker, "plain"];
  return h("span", {}, h("span", { class: `tag ${kind}` }, label), row.retry_in_s > 0 ? h("span", { class: "muted" }, ` retry in ${Math.ceil(row.retry_in_s)} s`) : null);
}

const ACCURACY_TITLE = "Benchmark accuracy by dataset";

/** The outcomes of the pack, or why there are none to show. */
async function accuracyOf(pack) {
  const outcomes = pack ? await callOrNull(`v1/packs/${encodeURIComponent(pack.id)}/outcomes`) : null;
  if (outcomes) return heatmap(outcomes, pack);
  return section(ACCURACY_TITLE, null, h("p", { class: "muted" }, pack ? "The scorer is not ready yet. Reload this page in a few seconds."
    : ["No pack is loaded. Run ", command("benchroute pack build"), " and set ", code("routing.pack"), " in config.yaml."]));
}

/** A table with coloured cells: the number in each cell says the same as its colour. */
function heatmap(outcomes, pack) {
  // A public pack has many models; those that are configured are of interest, unless none is.
  const configured = configuredOnAverage(pack);
  const shown = configured.length ? configured : pack.on_average;
  const order = shown.map((name) => outcomes.models.indexOf(name)).filter((column) => column >= 0);
  const rows = outcomes.data.filter((row) => order.some((column) => row.outcomes[column] !== null));
  const leftOut = outcomes.data.length - rows.length;
  const note = leftOut ? ` ${count(leftOut)} datasets without outcomes of these models are left out.` : "";
  const cell = (value) => h("td", {}, value === null ? h("span", { class: "none", title: "Not measured" }, "–")
    : h("span", { vars: { "--v": value.toFixed(3) } }, score(value)));
  return section(ACCURACY_TITLE, `Mean score per dataset and model, from 0 to 1. Models are sorted by benchmark average.${note}`,
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Table: ${ACCURACY_TITLE}` },
      h("table", { class: "heat" }, h("caption", { class: "sr" }, ACCURACY_TITLE),
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Dataset"), order.map((column) => h("th", { scope: "col", title: outcomes.models[column] }, outcomes.models[column])), h("th", { scope: "col" }, "Questions"))),
        h("tbody", {}, rows.map((row) => h("tr", {}, h("th", { scope: "row" }, row.dataset), order.map((column) => cell(row.outcomes[column])), h("td", { class: "muted" }, count(row.n))))))));
}
