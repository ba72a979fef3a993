// Traffic, latency and cost of the last hour, and every task's current model.

import { activePack, configuredOnAverage } from "../active_pack.js";
import { call, callOrNull, callPages } from "../api.js";
import { confidenceMeter, modelLabel, reasonTag, registerModels, requestSparkline, savings, taskLink } from "../components.js";
import { h, replaceContent, section, table, tile } from "../dom.js";
import { count, ms, percent, plural, timeAgo, usd } from "../format.js";
import { historyPanel } from "../history.js";
import { requestCount, requestsHref } from "../links.js";
import { firstSteps } from "./first_steps.js";

export async function overviewPage(root, context) {
  const first = await fetchData(context.principal);
  registerModels(first.models);
  const lead = h("p", { class: "lead" });
  const tiles = { requests: tile("Requests (last hour)", requestsHref({ range: "1h" })), errors: tile("Errors (last hour)", requestsHref({ range: "1h", status: "error" })), latency: tile("Latency (p50)"), overhead: tile("Gateway overhead (p50)"), cost: tile("Cost (last hour)", "#/tasks?sort=cost"), savings: tile("Savings (all time)", "#/tasks?sort=savings") };
  const history = await historyPanel(context, { series: await seriesOf(context), models: first.models });
  const tasks = table("Current model per task", TASK_COLUMNS, [], { empty: "No tasks yet. Requests with an X-Task-Id header, or with a system prompt, create them." });
  const more = h("p", { class: "muted" });
  const changes = h("ol", { class: "timeline" });
  const steps = firstSteps();
  const rule = h("p", { class: "muted" });

  const update = (data) => {
    steps.update(data);
    replaceContent(rule, routingRule(data));
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
    steps.element,
    section("Current model per task", null, rule, tasks.element, more),
    history.element,
    section("Recent model changes", "Tasks whose current model changed.", changes));
  return { title: "Overview", refresh: async () => { update(await fetchData(context.principal)); await history.refresh(); } };
}

/** Whose history can be shown: all requests, and for admins those of each key. */
async function seriesOf({ principal }) {
  const keys = principal.is_admin ? await callPages("v1/keys") : [];
  return [{ label: "All requests", kind: "gateway" }, ...keys.map(({ name }) => ({ label: `Key ${name}`, kind: "key", name }))];
}

const TASK_COLUMNS = [
  { title: "Task", cell: (task) => taskLink(task.id) },
  { title: "Current model", cell: (task) => modelLabel(task.decision.model) },
  { title: "Reason", class: "wide-only", cell: (task) => reasonTag(task.decision) },
  { title: "Confidence", class: "wide-only", cell: confidenceMeter },
  { title: "Requests (1 h)", class: "sparkcell wide-only", cell: requestSparkline },
  { title: "Savings", class: "num", cell: (task) => savings(task.spent) },
];

async function fetchData(principal) {
  const [activity, tasks, usage, decisions, models, health, pack] = await Promise.all([
    call("v1/activity?minutes=60"), call("v1/overview"), callOrNull("v1/usage?by=task&limit=1"),
    callOrNull("v1/decisions?changes=true&latest=1000"), call("v1/models"), call("health/ready"), activePack(),
  ]);
  const known = models.data.filter((one) => one.benchroute);
  return {
    activity, tasks, health, pack, needsKey: principal.needs_key, backends: known,
    models: known.map((one) => one.id),
    chatModels: known.filter((one) => one.benchroute.kind === "chat").map((one) => one.id),
    evidence: Object.fromEntries(known.map((one) => [one.id, one.benchroute.evidence])),
    best: configuredOnAverage(pack)[0],
    hasRequests: Boolean(usage?.total.requests || activity.total.requests),
    changes: (decisions?.data ?? []).filter((one) => one.before).slice(-6).reverse(),
    usage: {
      requests: usage?.total.requests ?? 0, routedUsd: usage?.total.routed_cost_usd ?? 0, baselineUsd: usage?.total.baseline_usd ?? 0,
      unpriced: usage?.total.unpriced_requests ?? 0,
    },
  };
}

/** The page in one or two sentences. */
function summary({ usage, tasks, best, health, hasRequests, chatModels }) {
  const scorer = health.scorer === "ready" || health.scorer === "none" ? "" : ` The scorer is ${health.scorer}; tasks keep their current models.`;
  if (!hasRequests && !tasks.tasks) return ["No requests yet.", scorer];
  const shown = h("b", {}, plural(tasks.tasks, "task"));
  if (!best) return [shown, tasks.tasks === 1 ? " uses " : " use ", h("b", {}, chatModels[0] ?? "no model"), ", the first model of the configuration, unless pinned: there is no evidence to route by.", scorer];
  const others = tasks.tasks - (tasks.by_model[best] ?? 0);
  const lead = [shown, "; ", h("b", {}, count(others)), others === 1 ? " uses" : " use", " another model than ", h("b", {}, best), ", the best model on average."];
  if (!usage.baselineUsd) return [lead, scorer];
  const share = (usage.baselineUsd - usage.routedUsd) / usage.baselineUsd;
  return [lead, " Routed requests cost ", h("b", {}, usd(usage.routedUsd)), "; with the best model on average ", h("b", {}, usd(usage.baselineUsd)),
    share >= 0 ? [". Routing saved ", h("b", {}, percent(share)), "."] : [". Routing cost ", h("b", {}, percent(-share)), " more."], scorer];
}

const routingRule = ({ best }) => (best
  ? "A task uses the model that scores highest on the most similar benchmark questions if the confidence exceeds the threshold; otherwise the best model on average."
  : "Without evidence, a task uses the first model of the configuration, or the one it is pinned to.");

function updateTiles(tiles, { activity, usage, best }) {
  const { total } = activity;
  tiles.requests.set(count(total.requests), `${(total.requests / activity.minutes).toFixed(1)} per minute`);
  tiles.errors.set(count(total.errors), total.requests ? [`${percent(total.errors / total.requests, 1)}; `,
    requestCount(total.rejected, "Rejected requests (4xx)", { range: "1h", status: "rejected" }), " rejected (4xx)"] : "");
  tiles.latency.set(ms(total.p50_ms), total.p95_ms === null ? "" : `p95 ${ms(total.p95_ms)}`);
  tiles.overhead.set(ms(total.overhead_p50_ms), total.overhead_p95_ms === null ? "" : `p95 ${ms(total.overhead_p95_ms)}`);
  // A price that is not known is not 0.
  const known = !usage.requests || usage.unpriced < usage.requests;
  tiles.cost.set(usd(known ? total.cost_usd : null), usage.unpriced ? `${plural(usage.unpriced, "request")} without a known price` : "");
  const isCompared = Boolean(usage.baselineUsd);
  tiles.savings.set(usd(isCompared ? usage.baselineUsd - usage.routedUsd : null), isCompared
    ? `${percent((usage.baselineUsd - usage.routedUsd) / usage.baselineUsd)} of baseline ${usd(usage.baselineUsd)}`
    : best ? "No routed requests with known prices" : "No evidence to route by");
}

function changeItem(change) {
  return h("li", {}, h("time", { datetime: change.at }, timeAgo(change.at)),
    h("span", {}, taskLink(change.task), " changed from ", modelLabel(change.before), " to ", modelLabel(change.model), h("span", { class: "muted" }, ` after ${plural(change.n, "input")}`)));
}
