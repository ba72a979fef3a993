// Numbers and reasons in words.

const NUMBER = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const count = (value) => (value >= 100000 ? COMPACT.format(value) : NUMBER.format(value));
export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;
export const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)}\u00a0%`;
export const score = (value) => (value === null || value === undefined ? "–" : value.toFixed(2));

/** A probability in percent; never "100 %" for what is only nearly sure. */
export function chance(p) {
  if (p > 0.99 && p < 1) return "over 99\u00a0%";
  if (p < 0.01 && p > 0) return "under 1\u00a0%";
  return percent(p);
}

export function usd(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  const digits = size === 0 || size >= 100 ? 0 : size >= 1 ? 2 : size >= 0.01 ? 3 : 5;
  return `${value < 0 ? "−" : ""}$${size.toFixed(digits)}`;
}

export function ms(value) {
  if (value === null || value === undefined) return "–";
  if (value >= 10000) return `${(value / 1000).toFixed(0)} s`;
  if (value >= 1000) return `${(value / 1000).toFixed(1)} s`;
  return value >= 10 ? `${value.toFixed(0)} ms` : `${value.toFixed(value >= 1 ? 1 : 2)} ms`;
}

export const bytes = (value) => (value >= 1e6 ? `${(value / 1e6).toFixed(1)} MB` : `${(value / 1e3).toFixed(0)} kB`);

export function moment(iso) {
  return iso ? new Date(iso).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" }) : "–";
}

export const clock = (iso) => new Date(iso).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });

export function ago(iso, now = Date.now()) {
  const seconds = Math.max(0, (now - new Date(iso).getTime()) / 1000);
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return seconds < 86400 ? `${Math.floor(seconds / 3600)} h ago` : `${Math.floor(seconds / 86400)} d ago`;
}

/** The short word for a reason, and what kind of news it is. */
export const REASONS = {
  score: ["By evidence", "good"],
  "best-on-average": ["Best on average", "plain"],
  kept: ["Stays", "plain"],
  "cold-start": ["Nothing known yet", "plain"],
  pinned: ["Pinned", "warn"],
  shadow: ["Shadow", "warn"],
  "router-unavailable": ["Not scored now", "bad"],
};

/** Why a task's requests go where they go, in a sentence or two. isShort: how sure it is stands elsewhere. */
export function because(task, isShort = false) {
  const beats = isShort ? "" : rivalled(task.decision);
  const made = task.decision;
  const sure = typeof made.p_better === "number" ? chance(made.p_better) : null;
  const asked = typeof made.eta === "number" ? percent(made.eta) : null;
  const scored = task.scored ? ` The evidence points to ${task.scored.model}.` : "";
  switch (made.reason) {
    case "score":
      if (made.leader && made.leader !== made.model) {
        return `${made.leader} does best on the benchmark inputs most like this task's. ${made.model} costs less, and likely loses no more than the task allows.`;
      }
      return sure === null || made.baseline === made.model
        ? `On the benchmark inputs most like this task's, ${made.model} does best.${beats}`
        : `On the benchmark inputs most like this task's, ${made.model} does best. `
          + `The chance that it beats ${made.baseline} is ${sure}; ${asked} is asked for.`;
    case "best-on-average":
      if (!made.leader || made.leader === made.model) {
        return `${made.model} is the best model on average, and does best on the benchmark inputs most like this task's too.${beats}`;
      }
      return `${made.model} is the best model on average. ${made.leader} looks better here, but the chance of that is `
        + `${sure}, and ${asked} is asked for.`;
    case "kept":
      return `The task stays with ${made.model}. ${made.leader ?? "Another"} looks better by a little, but the chance of that is `
        + `${sure}, and ${asked} is asked for.`;
    case "cold-start":
      return `No input of this task has been scored yet, so it gets ${made.model}, the best model on average.`;
    case "pinned":
      return `Pinned to ${made.model} by hand; the evidence is not asked.${scored}`;
    case "shadow":
      return `In the shadow: requests go to ${made.model}, as without evidence.${scored}`;
    case "router-unavailable":
      return `Nothing is scored at the moment, so requests go to ${made.model}, the last that was known.`;
    default:
      return made.why ?? made.reason;
  }
}

/**
 * How sure the choice is: the chance that the model beats its rival (the best on average, or the next best where it is
 * that itself), in words, and as a share of 1 where there is one.
 */
export function confidence(task) {
  const made = task.decision;
  const rival = made.rival;
  if (!rival || ["pinned", "shadow", "cold-start", "router-unavailable"].includes(made.reason)) return { text: "–", share: null, about: "" };
  return { text: chance(rival.p), share: rival.p, about: `the chance that ${made.model} beats ${rival.model}` };
}

const rivalled = ({ rival }) => (rival ? ` The chance that it beats ${rival.model} is ${chance(rival.p)}.` : "");

/** How far a task's inputs lie from the benchmarks, in words. reach: the farthest that one dataset lies from the others. */
export function distance(u, reach) {
  if (u === null || u === undefined) return { text: "–", about: "nothing measured yet" };
  if (!reach) return { text: u.toFixed(2), about: "mean cosine distance to the nearest benchmark inputs" };
  if (u <= reach.median) return { text: `${u.toFixed(2)} near`, about: "as near as the benchmark's datasets are to each other" };
  if (u <= reach.farthest) return { text: `${u.toFixed(2)} some way off`, about: "farther than most of the benchmark's datasets are from each other" };
  return { text: `${u.toFixed(2)} far`, about: "farther than any of the benchmark's datasets is from the others: trust it less" };
}
