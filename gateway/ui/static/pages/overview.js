// What happened in the last hour, what it cost, and which model every task uses.

import { call, perhaps } from "../api.js";
import { overTime } from "../charts.js";
import { fill, h, section, table, tile } from "../dom.js";
import { ago, count, ms, percent, plural, usd } from "../format.js";
import { activePack, learnModels, model, reasonTag, sure, taskLink, traffic } from "../parts.js";

export async function overviewPage(root) {
  const first = await ask();
  learnModels(first.models);
  const lead = h("p", { class: "lead" });
  const tiles = { requests: tile("Requests, last hour"), errors: tile("Errors"), latency: tile("Answers take"), own: tile("Of that, the gateway"), cost: tile("Cost, last hour"), saved: tile("Saved, all time") };
  const charts = chartsOf(first.activity);
  const tasks = table("Which model each task uses, and why", TASK_COLUMNS, [], { empty: "No task has had a request yet." });
  const more = h("p", { class: "muted" });
  const changes = h("ol", { class: "timeline" });

  const show = (now) => {
    fill(lead, sentence(now));
    showTiles(tiles, now);
    for (const one of charts) one.update(now.activity);
    tasks.update(now.tasks.busiest);
    fill(more, now.tasks.tasks > now.tasks.busiest.length ? [`The busiest ${now.tasks.busiest.length} of ${count(now.tasks.tasks)}. `, h("a", { href: "#/tasks" }, "All tasks")] : "");
    fill(changes, now.changes.length ? now.changes.map(changed) : h("li", {}, h("span", { class: "muted" }, "No task has changed its model since the gateway started.")));
  };
  show(first);
  root.append(
    h("div", { class: "page-head" }, h("h1", {}, "Overview"), lead),
    h("div", { class: "tiles" }, Object.values(tiles).map((one) => one.element)),
    first.tasks.tasks || first.activity.total.requests ? "" : welcome(first),
    section("Which model each task uses", "Every task goes to one model: the one that did best on the benchmark inputs most like the task's, if that is sure enough, else the best model on average.", tasks.element, more),
    h("div", { class: "two" },
      section("Requests a minute", null, charts[0].element),
      section("Cost a minute", "Against sending everything to the best model on average.", charts[1].element),
      section("Latency", "95 of 100 answers were faster than this.", charts[2].element),
      section("Latest changes", "Tasks that moved to another model.", changes)));
  return { title: "Overview", renew: async () => show(await ask()) };
}

const TASK_COLUMNS = [
  { title: "Task", cell: (task) => taskLink(task.id) },
  { title: "Goes to", cell: (task) => model(task.decision.model) },
  { title: "Why", cell: (task) => reasonTag(task) },
  { title: "How sure", cell: sure },
  { title: "Last hour", class: "sparkcell wide-only", cell: traffic },
  { title: "Saved", class: "num", cell: (task) => saved(task.spent) },
];

export function saved(spent) {
  if (!spent.requests || Math.abs(spent.saved_usd) < 1e-9) return h("span", { class: "muted" }, "–");
  return spent.best_on_average_usd ? `${usd(spent.saved_usd)} (${percent(spent.saved_usd / spent.best_on_average_usd)})` : usd(spent.saved_usd);
}

async function ask() {
  const [activity, tasks, usage, decisions, models, health, pack] = await Promise.all([
    call("v1/activity?minutes=60"), call("v1/overview"), perhaps("v1/usage?by=task"),
    perhaps("v1/decisions?changes=true"), call("v1/models"), call("health/ready"), activePack(),
  ]);
  return {
    activity, tasks, health, pack,
    models: models.data.map((one) => one.id).filter((id) => id !== "auto"),
    changes: (decisions?.data ?? []).filter((one) => one.before).slice(-6).reverse(),
    spent: (usage?.data ?? []).reduce((sum, row) => ({
      requests: sum.requests + row.requests, usd: sum.usd + row.usd, baseline: sum.baseline + row.best_on_average_usd,
    }), { requests: 0, usd: 0, baseline: 0 }),
  };
}

/** The page in one sentence. */
function sentence({ spent, tasks, pack, health, activity }) {
  const best = pack?.on_average?.[0];
  const scoring = health.scorer === "ready" ? "" : health.scorer === "none"
    ? " There is no pack, so nothing is routed by evidence yet." : ` The scorer is ${health.scorer}: tasks keep the models they have.`;
  if (!spent.requests && !activity.total.requests) return ["No request has come yet.", scoring];
  const routed = tasks.by_reason.score ?? 0;
  const lead = [h("b", {}, plural(tasks.tasks, "task")), ", of which ", h("b", {}, count(routed)), routed === 1 ? " goes" : " go",
    " to a model that the benchmarks say is better there than ", best ? [h("b", {}, best), ", the best on average"] : "the best on average", "."];
  if (!spent.baseline) return [lead, scoring];
  const share = (spent.baseline - spent.usd) / spent.baseline;
  return [lead, " So far answers cost ", h("b", {}, usd(spent.usd)), "; the best model on average would have cost ", h("b", {}, usd(spent.baseline)),
    share >= 0 ? [", so routing saved ", h("b", {}, percent(share)), "."] : [", so routing cost ", h("b", {}, percent(-share)), " more."], scoring];
}

function showTiles(tiles, { activity, spent }) {
  const { total } = activity;
  tiles.requests.set(count(total.requests), `${(total.requests / activity.minutes).toFixed(1)} a minute`);
  tiles.errors.set(count(total.errors), total.requests ? `${percent(total.errors / total.requests, 1)}; ${count(total.refused)} refused` : "");
  tiles.latency.set(ms(total.p50_ms), total.p95_ms === null ? "" : `95 % within ${ms(total.p95_ms)}`);
  tiles.own.set(ms(total.own_p50_ms), total.own_p95_ms === null ? "" : `95 % within ${ms(total.own_p95_ms)}`);
  tiles.cost.set(usd(total.usd), total.best_on_average_usd ? `instead of ${usd(total.best_on_average_usd)}` : "");
  tiles.saved.set(usd(spent.baseline - spent.usd), spent.baseline ? `${percent((spent.baseline - spent.usd) / spent.baseline)} of ${usd(spent.baseline)}` : "");
}

function chartsOf(activity) {
  const total = activity.total.requests;
  return [
    overTime(`Requests by the minute in the last hour, ${plural(total, "request")} in all.`, activity, (now) => [
      { label: "answered", value: (minute) => minute.requests - minute.errors - minute.refused, colour: now.accent },
      { label: "refused", value: (minute) => minute.refused, colour: now.warn },
      { label: "errors", value: (minute) => minute.errors, colour: now.bad },
    ], { kind: "bar", stacked: true }),
    overTime("What answers cost by the minute, and what the best model on average would have cost.", activity, (now) => [
      { label: "best on average", value: (minute) => minute.best_on_average_usd, colour: now.muted, dash: [4, 3] },
      { label: "routed", value: (minute) => minute.usd, colour: now.accent, fill: true },
    ], { format: usd }),
    overTime("Latency by the minute: whole answers, and the gateway's own part.", activity, (now) => [
      { label: "answers", value: (minute) => minute.p95_ms ?? null, colour: now.m2, points: true },
      { label: "of that, the gateway", value: (minute) => minute.own_p95_ms ?? null, colour: now.accent, points: true },
    ], { format: ms }),
  ];
}

function changed(one) {
  return h("li", {}, h("time", { datetime: one.at }, ago(one.at)),
    h("span", {}, taskLink(one.task), " moved from ", model(one.before), " to ", model(one.model), h("span", { class: "muted" }, ` after ${plural(one.n, "input")}`)));
}

function welcome({ pack }) {
  const url = new URL("../v1", document.baseURI).href;
  return section("Send a first request", "Change your client's base URL, and tag each call with a task.",
    h("ol", {},
      h("li", {}, "Base URL: ", h("code", {}, url)),
      h("li", {}, "Model: ", h("code", {}, "auto"), ", and a header ", h("code", {}, "X-Task-Id: my-task"), "."),
      h("li", {}, "Look here again: after a few inputs the task has a model of its own, and this page says why."),
      pack ? null : h("li", {}, "For that the gateway needs a pack: ", h("code", {}, "benchroute pack build my-benchmark -o packs/mine"), ", and its path at ", h("code", {}, "routing.pack"), " in config.yaml.")));
}
