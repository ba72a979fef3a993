// A dry run of routing.

import { call } from "../api.js";
import { modelLabel } from "../components.js";
import { banner, h, section } from "../dom.js";
import { explainDecision } from "../explain.js";
import { plural } from "../format.js";
import { scoreNames } from "../scores.js";
import { whatWouldChange } from "./decision.js";
import { scoreTable } from "./scores.js";

/** A dry run: POST /v1/route stores nothing and calls no model. */
export function previewForm(id) {
  const text = h("textarea", { id: "prompt", required: true, placeholder: "One input per line" });
  const useTask = h("input", { type: "checkbox", checked: true });
  const result = h("div", { role: "status" });
  const submit = async (event) => {
    event.preventDefault();
    const inputs = text.value.split("\n").map((line) => line.trim()).filter(Boolean);
    result.replaceChildren(h("p", { class: "muted" }, "Scoring…"));
    try {
      const preview = await call("v1/route", { method: "POST", body: { inputs, ...(useTask.checked ? { task: id } : {}) } });
      result.replaceChildren(h("div", { class: "stack" },
        h("p", {}, `Decision for ${plural(inputs.length, "input")}: `, modelLabel(preview.decision.model), ". ", explainDecision(preview),
          h("span", { class: "muted" }, ` Distance to benchmark ${preview.u?.toFixed(2) ?? "–"}; most similar datasets: ${preview.nearest_datasets.map((row) => row.dataset).join(", ")}.`)),
        preview.membership ? h("p", {}, preview.membership.text) : null,
        whatWouldChange(preview.decision),
        scoreTable(preview, scoreNames(preview.scores))));
    } catch (error) {
      result.replaceChildren(banner("bad", error.message));
    }
  };
  return section("Test routing", "Preview the decision for sample inputs. Nothing is stored and no model is called.",
    h("form", { on: { submit } }, h("label", {}, "Inputs", text), h("label", { class: "line" }, useTask, "Use this task's candidates and score"),
      h("div", { class: "row" }, h("button", { type: "submit" }, "Preview decision"))), result);
}
