// Traffic, latency and cost of the last hour, and every task's current model.

import { activePack } from "../active_pack.js";
import { call, callOrNull } from "../api.js";
import { confidenceMeter, modelLabel, reasonTag, registerModels, requestSparkline, savings, taskLink } from "../components.js";
import { code, h, replaceContent, section, table, tile } from "../dom.js";
import { count, ms, percent, plural, timeAgo, usd } from "../format.js";
import { historyPanel } from "../history.js";

export async function overviewPage(root, context) {
  const first = await fetchData();
  registerModels(first.models);
  const lead = h("p", { class: "lead" });
  const tiles = { requests: tile("Requests (last hour)"), errors: tile("Errors"), latency: tile("Response time (p50)"), overhead: tile("Gateway overhead (p50)"), cost: tile("Cost (last hour)"), savings: tile("Savings (all time)") };
  const history = await historyPanel(context, { series: [{ label: "All requests", kind: "gateway" }], models: first.models });
  const tasks = table("Current model per task", TASK_COLUMNS, [], { empty: "No tasks yet. Send a request with an X-Task-Id header to create one." });
  const more = h("p", { class: "muted" });
  const changes = h("ol", { class: "timeline" });

  const update = (data) => {
    replaceContent(lead, summary(data));
    updateTiles(tiles, data);
    tasks.update(data.tasks.busiest);
    replaceContent(more, data.tasks.tasks > data.tasks.busiest.length ? [`Showing the ${data.tasks.busiest.length} busiest of ${count(data.tasks.tasks)} tasks. `, h("a", { href: "#/tasks" }, "Show all tasks")] : "");
    replaceContent(changes, data.changes.length ? data.changes.map(changeItem) : h("li", {}, h("span", { class: "muted" }, "No model changes since the gateway started.")));
  };
  update(first);
  root.append(
    h("div", { class: "page-head" }, h("h1", {}, "Overview"), lead),
    h("div", { class: "tiles" }, Object.values(tiles).map((one) => one.element)),
    first.tasks.tasks || first.activity.total.requests ? "" : quickStart(first),
    section("Current model per task", "A task uses the model that scores highest on the most similar benchmark questions if the confidence exceeds the threshold; otherwise the best model on average.", tasks.element, more),
    history.element,
    section("Recent model changes", "Tasks whose current model changed.", changes));
  return { title: "Overview", refresh: async () => { update(await fetchData()); await history.refresh(); } };
}

const TASK_COLUMNS = [
  { title: "Task", cell: (task) => taskLink(task.id) },
  { title: "Current model", cell: (task) => modelLabel(task.decision.model) },
  { title: "Reason", cell: (task) => reasonTag(task.decision) },
  { title: "Confidence", cell: confidenceMeter },
  { title: "Requests (1 h)", class: "sparkcell wide-only", cell: requestSparkline },
  { title: "Savings", class: "num", cell: (task) => savings(task.spent) },
];

async function fetchData() {
  const [activity, tasks, usage, decisions, models, health, pack] = await Promise.all([
    call("v1/activity?minutes=60"), call("v1/overview"), callOrNull("v1/usage?by=task&limit=1"),
    callOrNull("v1/decisions?changes=true&latest=1000"), call("v1/models"), call("health/ready"), activePack(),
  ]);
  return {
    activity, tasks, health, pack,
    models: models.data.map((one) => one.id).filter((id) => id !== "auto"),
    changes: (decisions?.data ?? []).filter((one) => one.before).slice(-6).reverse(),
    usage: {
      requests: usage?.total.requests ?? 0, costUsd: usage?.total.cost_usd ?? 0, baselineUsd: usage?.total.baseline_usd ?? 0,
      unpriced: usage?.total.unpriced_requests ?? 0,
    },
  };
}

/** The page in one or two sentences. */
function summary({ usage, tasks, pack, health, activity }) {
  const best = pack?.on_average?.[0];
  const scorer = health.scorer === "ready" ? "" : health.scorer === "none"
    ? " No pack is loaded, so tasks are not routed by benchmark scores." : ` The scorer is ${health.scorer}; tasks keep their current models.`;
  if (!usage.requests && !activity.total.requests) return ["No requests yet.", scorer];
  const routed = tasks.by_reason.score ?? 0;
  const lead = [h("b", {}, plural(tasks.tasks, "task")), "; ", h("b", {}, count(routed)), routed === 1 ? " uses" : " use",
    " a model that the benchmark ranks above ", best ? [h("b", {}, best), ", the best model on average"] : "the best model on average", "."];
  if (!usage.baselineUsd) return [lead, scorer];
  const share = (usage.baselineUsd - usage.costUsd) / usage.baselineUsd;
  return [lead, " Total cost ", h("b", {}, usd(usage.costUsd)), "; with the best model on average for every request ", h("b", {}, usd(usage.baselineUsd)),
    share >= 0 ? [". Routing saved ", h("b", {}, percent(share)), "."] : [". Routing cost ", h("b", {}, percent(-share)), " more."], scorer];
}

function updateTiles(tiles, { activity, usage }) {
  const { total } = activity;
  tiles.requests.set(count(total.requests), `${(total.requests / activity.minutes).toFixed(1)} per minute`);
  tiles.errors.set(count(total.errors), total.requests ? `${percent(total.errors / total.requests, 1)}; ${count(total.rejected)} rejected (4xx)` : "");
  tiles.latency.set(ms(total.p50_ms), total.p95_ms === null ? "" : `p95 ${ms(total.p95_ms)}`);
  tiles.overhead.set(ms(total.overhead_p50_ms), total.overhead_p95_ms === null ? "" : `p95 ${ms(total.overhead_p95_ms)}`);
  // A price that is not known is not 0.
  const known = !usage.requests || usage.unpriced < usage.requests;
  const unpriced = usage.unpriced ? `${plural(usage.unpriced, "request")} without a known price` : "";
  tiles.cost.set(usd(known ? total.cost_usd : null), unpriced || (total.baseline_usd ? `Baseline ${usd(total.baseline_usd)}` : ""));
  tiles.savings.set(usd(known ? usage.baselineUsd - usage.costUsd : null), usage.baselineUsd ? `${percent((usage.baselineUsd - usage.costUsd) / usage.baselineUsd)} of baseline ${usd(usage.baselineUsd)}` : "");
}

function changeItem(change) {
  return h("li", {}, h("time", { datetime: change.at }, timeAgo(change.at)),
    h("span", {}, taskLink(change.task), " changed from ", modelLabel(change.before), " to ", modelLabel(change.model), h("span", { class: "muted" }, ` after ${plural(change.n, "input")}`)));
}

function quickStart({ pack }) {
  const url = new URL("../v1", document.baseURI).href;
  return section("Send a first request", "Change your client's base URL and tag each request with a task ID.",
    h("ol", {},
      h("li", {}, "Base URL: ", code(url)),
      h("li", {}, "Model: ", code("auto"), "; header: ", code("X-Task-Id: my-task")),
      h("li", {}, "Return to this page: it shows the task, its current model and the reason after the first requests."),
      pack ? null : h("li", {}, "Routing needs a pack: run ", code("benchroute pack build my-benchmark -o packs/mine"), " and set ", code("routing.pack"), " in config.yaml.")));
}
