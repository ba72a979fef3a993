// Decisions, confidence and distance as text.

import { percent, probability } from "./format.js";

/** Label and colour of each reason. */
const REASONS = {
  score: ["Benchmark match", "good"],
  "best-on-average": ["Best on average", "plain"],
  current: ["Unchanged", "plain"],
  "cold-start": ["Learning", "plain"],
  requested: ["Requested", "plain"],
  explored: ["Explored", "plain"],
  session: ["Session", "plain"],
  pinned: ["Pinned", "warn"],
  shadow: ["Shadow mode", "warn"],
  "no-pack": ["No evidence", "warn"],
  "router-unavailable": ["Scorer offline", "bad"],
};
const WITHOUT_EVIDENCE = ["pinned", "shadow", "no-pack"];
const WITHOUT_COMPARISON = ["pinned", "shadow", "cold-start", "no-pack", "router-unavailable"];

/** A reason's label and colour: [label, kind]. */
export const reasonLabel = (decision) => REASONS[decision.reason] ?? [decision.reason, "plain"];

/** Why a task uses its model, in one to three sentences. withConfidence: false where the confidence is shown beside it. */
export function explainDecision(task, options = {}) {
  return `${whyModel(task, options)}${evidenceNote(task)}`;
}

/** Whose outcomes stand for the task's model, where they are not its own by name; empty otherwise. */
function evidenceNote({ decision, evidence }) {
  const match = evidence?.[decision.model];
  if (!match || WITHOUT_EVIDENCE.includes(decision.reason)) return "";
  if (!match.name) return ` The pack has no outcomes of ${decision.model}.`;
  if (match.match === "another version") return ` Its evidence is that of ${match.name}, another version of the model.`;
  return match.name === decision.model ? "" : ` Its evidence is that of ${match.name}.`;
}

function whyModel({ decision, scored, membership }, { withConfidence = true }) {
  const where = evidencePlace(membership);
  const { model, leader, baseline } = decision;
  const ahead = withConfidence ? aheadOfRival(decision) : "";
  const alternative = scored ? ` Routing would choose ${scored.model}.` : "";
  const isLeader = !leader || leader === model;
  switch (decision.reason) {
    case "score":
      if (!isLeader) return cheaper(decision, where);
      return `${model} scores highest ${where}.`
        + (typeof decision.p_better !== "number" || baseline === model ? ahead : aheadOfBaseline(decision));
    case "best-on-average":
      if (isLeader) return `${model} is the best model on average and also scores highest ${where}.${ahead}`;
      return isConfident(decision) ? cheaper(decision, where) : `${model} is the best model on average. ${notByEnough(decision)}`;
    case "current":
      if (isConfident(decision)) return cheaper(decision, where);
      return isLeader ? `The task stays with ${model}, which still scores highest.` : `The task stays with ${model}. ${notByEnough(decision)}`;
    case "cold-start":
      return `No input of this task has been scored yet; requests go to ${model ? `${model}, ` : ""}the best model on average.`;
    case "pinned":
      return `Pinned to ${model}; benchmark scores are ignored.${alternative}`;
    case "shadow":
      return `Shadow mode: requests go to ${model}; routing decisions are recorded, not applied.${alternative}`;
    case "no-pack":
      return `No pack has outcomes of this task's models; requests go to ${model ? `${model}, ` : ""}the first model of the configuration.`;
    case "router-unavailable":
      return `The scorer is offline; requests go to ${model}, the last choice, or the best model on average where there is none.`;
    default:
      return decision.why ?? decision.reason;
  }
}

/** What the scores are based on, as the end of a sentence. */
const evidencePlace = (membership) => (membership?.kind === "declared" ? `on dataset ${membership.datasets[0].dataset}, which the task is declared to be`
  : "on the benchmark questions most similar to this task");

const confidenceAndThreshold = ({ p_better: p, eta }) => (typeof eta === "number" ? `${probability(p)}, threshold ${percent(eta)}` : probability(p));

const isConfident = ({ p_better: p, eta }) => typeof p === "number" && typeof eta === "number" && p > eta;

const notByEnough = (decision) => `${decision.leader} scores higher for this task, but not by enough`
  + (typeof decision.p_better === "number" ? `: confidence ${confidenceAndThreshold(decision)}.` : ".");

const cheaper = ({ leader, model }, where) => `${leader} scores highest ${where}. `
  + `${model} costs less, and its expected loss is within max_regret.`;

/** The baseline is the model the task had before, so its confidence is as of the change; score: auto may start below the threshold. */
const aheadOfBaseline = (decision) => (decision.baseline === decision.rival?.model ? " Confidence that it beats " : " Confidence when it replaced ")
  + `${decision.baseline}: ${isConfident(decision) ? confidenceAndThreshold(decision) : probability(decision.p_better)}.`;

const aheadOfRival = ({ rival }) => (rival ? ` Confidence that it beats ${rival.model}: ${probability(rival.p)}.` : "");

/**
 * The probability that the task's model beats its rival (the best model on average, or the runner-up if that is the
 * model itself). Returns {text, share, description}; share is null if nothing was compared.
 */
export function confidence({ decision }) {
  const { rival, model } = decision;
  if (!rival || WITHOUT_COMPARISON.includes(decision.reason)) return { text: "–", share: null, description: "" };
  return { text: probability(rival.p), share: rival.p, description: `Probability that ${model} beats ${rival.model}` };
}

/** A task's distance from the benchmark as {text, description}. datasets: see datasetDistances. */
export function describeDistance(u, datasets) {
  if (u === null || u === undefined) return { text: "–", description: "No inputs scored yet." };
  if (!datasets) return { text: u.toFixed(2), description: "Mean cosine distance to the nearest benchmark questions." };
  if (u <= datasets.median) return { text: `${u.toFixed(2)} (similar)`, description: "Within the median distance between the benchmark's datasets." };
  if (u <= datasets.largest) return { text: `${u.toFixed(2)} (moderately similar)`, description: "Above the median distance between the benchmark's datasets, within the largest." };
  return { text: `${u.toFixed(2)} (dissimilar)`, description: "Out of distribution: above the largest distance between the benchmark's datasets. Scores are less reliable." };
}
