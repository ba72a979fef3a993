// How the score auto came about.

import { modelLabel } from "../components.js";
import { h, section } from "../dom.js";
import { count, percent, probability, score } from "../format.js";

/** The datasets that the task's inputs match, with the best model of each. */
function membershipRows({ membership }) {
  if (!membership) return [];
  const weight = (row) => (membership.kind === "mixture" ? `${percent(row.share)} of the inputs` : `probability ${probability(row.share * row.probability)}`);
  const matches = membership.datasets.map((row) => h("div", {}, `${row.dataset}: ${weight(row)}; best there: `, modelLabel(row.best), ` (${percent(row.accuracy)})`));
  const known = membership.kind === "declared" ? "The task is declared to be this dataset" : `Probability that an input is from one of the datasets: ${probability(membership.known)}`;
  return [
    ["Matching datasets", matches.length ? matches : "None"],
    ["Known or new", known],
    ...(membership.twins.length ? [["Datasets that look alike", membership.twins.map((pair) => `${pair.dataset} (${pair.best}) and ${pair.twin} (${pair.twin_best})`).join(", ")]] : []),
  ];
}

/** How the score auto came about, for tasks that are decided by it. */
export function autoDetails(task) {
  const { auto } = task;
  if (!auto) return "";
  const { leader, baseline } = task.scored ?? task.decision;
  const pair = (values, format = score) => (leader === baseline ? [format(values.leader)]
    : [format(values.leader), " for ", modelLabel(leader), ", ", format(values.baseline), " for ", modelLabel(baseline)]);
  const signed = (value) => `${value < 0 ? "−" : "+"}${score(Math.abs(value))}`;
  const total = auto.datasets.reduce((sum, row) => sum + Math.max(0, row.weight), 0) || 1;
  const rows = [
    ...membershipRows(task),
    ["Benchmark average, relative to all models", pair(auto.average, signed)],
    ["Prior from similar datasets", pair(auto.prior)],
    ["Expected accuracy", h("span", {}, pair(auto.expected), auto.deviation ? h("span", { class: "muted" }, `; standard deviation of the difference ${score(auto.deviation)}`) : null)],
    ["Weight of similarity", `${score(auto.trust)}, fitted on held-out datasets`],
    ["Labelled inputs", count(auto.labels)],
    ...(auto.judged ?? []).map((judge) => [`Inputs labelled by ${judge.source}`, `${count(judge.n)}, each counts as ${score(judge.weight)} of a labelled input`]),
    ...(auto.feedback ? [["Responses with feedback", `${count(auto.feedback.n)}, of which ${count(auto.feedback.leader.n)} from ${leader}`]] : []),
    ["Most influential datasets", auto.datasets.filter((row) => row.weight / total >= 0.005).map((row) => `${row.dataset} ${percent(row.weight / total)}`).join(", ") || "–"],
  ];
  return section("Auto score details", null, h("dl", { class: "facts" }, rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])));
}
