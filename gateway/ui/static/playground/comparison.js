// Tokens, cost and times of all columns in one table.

import { modelLabel } from "../components.js";
import { h, section, table } from "../dom.js";
import { count, ms, usd } from "../format.js";
import { figuresOf } from "./answer_view.js";

/** The table of the columns' last answers and whole conversations. Returns {element, update(columns)}. */
export function comparison(priceOf) {
  const { element, update } = table("Last answers and conversations by model", COLUMNS, [], { empty: "No answers yet." });
  const card = section("Comparison", "Last answer of each model, and the cost of its whole conversation here.", element);
  return {
    element: card,
    update(columns) {
      const rows = columns.filter((column) => column.turns.length).map((column) => summary(column, priceOf));
      card.hidden = !rows.length;
      update(rows);
    },
  };
}

const COLUMNS = [
  { title: "Model", cell: (row) => modelLabel(row.model) },
  { title: "Answered by", cell: (row) => row.answeredBy },
  { title: "First token", class: "num", cell: (row) => ms(row.firstTokenMs) },
  { title: "Latency", class: "num", cell: (row) => ms(row.totalMs) },
  { title: "Tokens in", class: "num", cell: (row) => orDash(row.input) },
  { title: "Tokens out", class: "num", cell: (row) => orDash(row.output) },
  { title: "Tokens/s", class: "num", cell: (row) => orDash(row.tokensPerS) },
  { title: "Cost", class: "num", cell: (row) => usd(row.cost) },
  { title: "Conversation", class: "num", cell: (row) => usd(row.total) },
];

const orDash = (value) => (value === null ? "–" : count(value));

function summary({ model, turns }, priceOf) {
  const last = turns.at(-1);
  const figures = figuresOf(last, priceOf);
  const costs = turns.map((turn) => figuresOf(turn, priceOf).cost).filter((cost) => cost !== null);
  return {
    model, ...figures, tokensPerS: speed(figures), total: costs.length ? costs.reduce((sum, cost) => sum + cost, 0) : null,
    answeredBy: last.status === "failed" ? h("span", { class: "tag bad" }, "Failed") : last.headers.model ?? "–",
  };
}

/** Output tokens per second after the first; null for answers too short to tell. */
function speed({ output, firstTokenMs, totalMs }) {
  if (output === null || firstTokenMs === null || totalMs === null || totalMs - firstTokenMs < 100) return null;
  return output / ((totalMs - firstTokenMs) / 1000);
}
