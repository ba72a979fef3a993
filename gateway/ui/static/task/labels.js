// Labelled inputs of a task: add one, or copy the command that has a judge model label them.

import { call, taskPath } from "../api.js";
import { modelLabel } from "../components.js";
import { command } from "../copy.js";
import { banner, h, section } from "../dom.js";
import { plural } from "../format.js";

const OUTCOMES = [["", "Not measured"], ["1", "Correct"], ["0", "Incorrect"]];

export function labelSection({ task, models }, context) {
  const judge = h("div", {}, h("p", { class: "muted" }, "Have a judge model label recent inputs:"), command(`benchroute tasks judge ${quoted(task.id)} -n 30 --judge MODEL`));
  const description = "Outcomes of models on inputs of this task. Only the score auto learns from labels.";
  if (!context.principal.may_manage) return section("Labels", description, judge);
  const input = h("textarea", { id: "labelled-input", required: true, placeholder: "The input as a client sends it" });
  const outcomes = models.map((name) => h("select", { name, "aria-label": `Outcome of ${name}` }, OUTCOMES.map(([value, text]) => h("option", { value }, text))));
  const result = h("div", { role: "status" });
  const submit = async (event) => {
    event.preventDefault();
    const measured = Object.fromEntries(outcomes.filter((one) => one.value !== "").map((one) => [one.name, Number(one.value)]));
    if (!Object.keys(measured).length) return result.replaceChildren(banner("bad", "Select the outcome of at least one model."));
    try {
      const done = await call(`${taskPath(task.id)}/labels`, { method: "POST", body: { labels: [{ input: input.value, outcomes: measured }] } });
      result.replaceChildren(banner("good", `Label stored. The task has ${plural(done.labels, "labelled input")}.`));
      input.value = "";
      for (const one of outcomes) one.value = "";
    } catch (error) {
      result.replaceChildren(banner("bad", error.message));
    }
    return null;
  };
  return section("Labels", description,
    h("details", {}, h("summary", {}, "Add a labelled input"),
      h("form", { on: { submit } }, h("label", {}, "Labelled input", input),
        h("div", { class: "label-grid" }, models.map((name, place) => [modelLabel(name), outcomes[place]])),
        h("div", { class: "row" }, h("button", { type: "submit" }, "Store label")))),
    result, judge);
}

/** A word of a shell command. Task IDs have no character that needs quotes, but for a leading hyphen. */
const quoted = (id) => (id.startsWith("-") ? `-- ${id}` : id);
