// A task's current decision: model, reason, confidence, and the facts behind it.

import { datasetDistances } from "../active_pack.js";
import { modelLabel, reasonTag } from "../components.js";
import { banner, h } from "../dom.js";
import { confidence, describeDistance, explainDecision } from "../explain.js";
import { count, ms, percent, plural, usd, withFullStop } from "../format.js";
import { decidingScore, scoreLabel } from "./scores.js";

export function decisionSummary({ task, pack }) {
  const { decision } = task;
  const { text, share, description } = confidence(task);
  const best = pack?.on_average?.[0];
  const chosen = task.scores?.find((row) => row.model === decision.model);
  const baseline = task.scores?.find((row) => row.model === best);
  const key = decidingScore(task);
  return [
    task.warning ? banner("warn", withFullStop(task.warning)) : null,
    h("p", { class: "big" }, decision.model ? modelLabel(decision.model) : null, reasonTag(decision), share === null ? null : h("span", { class: "muted", title: description }, `Confidence ${text}`)),
    h("p", {}, explainDecision(task)),
    task.membership ? h("p", {}, task.membership.text) : null,
    whatWouldChange(decision),
    chosen && baseline && chosen !== baseline && typeof chosen[key] === "number" && typeof baseline[key] === "number"
      ? h("p", {}, `Expected accuracy: about ${percent(clampShare(chosen[key]))}, compared with ${percent(clampShare(baseline[key]))} for ${best}, the best model on average.`)
      : null,
    decision.why ? h("details", {}, h("summary", {}, "Technical explanation"), h("p", { class: "muted" }, withFullStop(decision.why))) : null,
  ];
}

/** What would change the decision, as the API explains it. */
export const whatWouldChange = (decision) => (decision.would_change ? h("p", { class: "muted" }, withFullStop(decision.would_change.text)) : null);

/** auto's expected accuracies can lie outside [0, 1]. */
const clampShare = (share) => Math.min(1, Math.max(0, share));

/** The score that decided and why it was this one, also where a pin or shadow mode overrides the decision. */
function decidedBy(task) {
  const { score: name, score_why: why } = task.scored ?? task.decision;
  if (!name) return "–";
  return h("span", {}, scoreLabel(name), why ? h("span", { class: "muted" }, ` – ${withFullStop(why)}`) : null);
}

export function decisionFacts({ task, pack, activity }) {
  const distance = describeDistance(task.u, datasetDistances(pack?.report));
  const spent = task.spent;
  const rows = [
    ["Inputs scored", count(task.n)],
    ["Distance to benchmark", task.u === null || task.u === undefined ? distance.description : h("span", {}, distance.text, h("span", { class: "muted" }, ` – ${distance.description}`))],
    ["Score", decidedBy(task)],
    ["Decision version", task.decision.version ? count(task.decision.version) : "None"],
    ["Fallback order", task.decision.ranking.length > 1 ? h("span", {}, task.decision.ranking.slice(1, 4).join(", then ")) : "–"],
    ["Latency", activity.total.requests ? `p50 ${ms(activity.total.p50_ms)}, p95 ${ms(activity.total.p95_ms)} (last hour)` : "–"],
  ];
  if (spent?.requests) {
    // Requests that named their model, and tasks without evidence, are compared with nothing.
    const saved = spent.baseline_usd ? `; savings ${usd(spent.saved_usd)} (${percent(spent.saved_usd / spent.baseline_usd)}) against the best model on average` : "";
    const unpriced = spent.unpriced_requests ? `; ${count(spent.unpriced_requests)} of them without a known price` : "";
    rows.push(["Total cost", spent.cost_usd === null ? "Unknown: no price is configured" : `${usd(spent.cost_usd)} for ${plural(spent.requests, "request")}${saved}${unpriced}`]);
  }
  return rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]);
}
