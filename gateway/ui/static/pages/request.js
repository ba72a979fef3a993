// One request: where it went and why, what it took, and what was said if that is stored.

import { ApiError, call } from "../api.js";
import { modelLabel, taskLink } from "../components.js";
import { copyable } from "../copy.js";
import { banner, code, h, section, table } from "../dom.js";
import { reasonLabel } from "../explain.js";
import { count, dateTime, ms, probability, score, usd } from "../format.js";
import { requestsLink } from "../links.js";
import { statusTag, storedText, waterfall } from "../request_parts.js";

export async function requestPage(root, context, [id]) {
  root.append(h("div", { class: "page-head" }, h("p", { class: "crumb" }, h("a", { href: "#/requests" }, "Requests")), copyable(id, "request ID", h("h1", {}, id))));
  const title = `Request ${id}`;
  let one;
  try {
    one = await call(`v1/requests/${encodeURIComponent(id)}`);
  } catch (error) {
    if (!(error instanceof ApiError) || ![404, 503].includes(error.status)) throw error;
    root.append(banner("info", error.message));
    return { title };
  }
  root.append(
    one.error ? banner(one.status >= 500 || one.status < 400 ? "bad" : "warn", one.error) : "",
    h("div", { class: "two" }, route(one), costs(one)),
    section("Timings", `From the request's first byte to the response's last: ${ms(one.latency_ms)}, of which the gateway took ${ms(one.overhead_ms)}.`, waterfall(one.timings, one.latency_ms)),
    attempts(one),
    one.barred.length ? eligibility(one) : "",
    decision(one),
    texts(one, context),
  );
  return { title };
}

const facts = (pairs) => h("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
  .map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));

function route(one) {
  return section("Route", null, facts([
    ["Ended", dateTime(one.at)],
    ["Status", statusTag(one)],
    ["Task", one.task ? taskLink(one.task) : null],
    ["Key", one.key ? requestsLink(one.key, `Requests of key ${one.key}`, { key: one.key }) : null],
    ["Endpoint", `${one.endpoint}${one.stream ? ", stream" : ""}`],
    ["Requested model", one.requested_model ? code(one.requested_model) : null],
    ["Model", one.model ? requestsLink(modelLabel(one.model), `Requests of ${one.model}`, { model: one.model }) : "None"],
    ["Backend", one.backend ? requestsLink(one.backend, `Requests of backend ${one.backend}`, { backend: one.backend }) : null],
    ["Reason", one.reason ? reasonLabel(one)[0] : null],
    ["Decision", one.decision ? decisionLink(one) : null],
    ["Shadow model", one.shadow_model],
    ["Response cache", one.cached ? "Hit" : null],
    ["Client's request ID", one.client_request_id ? copyable(one.client_request_id, "client's request ID") : null],
  ]));
}

/** The decision that the request followed is on this page; the link leads to the one in use. */
const decisionLink = (one) => h("a", { href: `#/tasks/${encodeURIComponent(one.task)}`, title: `Current decision of ${one.task}` }, `Version ${one.decision}`);

function costs(one) {
  const known = one.input_tokens !== null;
  return section("Tokens and cost", one.estimated ? "Estimated from the texts: the backend reported no usage." : null, facts([
    ["Cost", one.cost_usd === null ? "Unknown: no price is known for the model" : usd(one.cost_usd)],
    ["Input tokens", known ? count(one.input_tokens) : "Not reported"],
    ["of which cached", known ? count(one.cached_tokens) : null],
    ["Output tokens", known ? count(one.output_tokens) : null],
    ["of which reasoning", known ? count(one.reasoning_tokens) : null],
    ["Latency", ms(one.latency_ms)],
    ["First token", one.first_token_ms === null ? null : ms(one.first_token_ms)],
    ["Gateway overhead", ms(one.overhead_ms)],
  ]));
}

function attempts(one) {
  const list = table("Attempts", [
    { title: "Backend", cell: (attempt) => attempt.backend },
    { title: "Model", cell: (attempt) => modelLabel(attempt.model) },
    { title: "Result", cell: (attempt) => (attempt.fault ? h("span", { class: "tag bad" }, attempt.fault) : h("span", { class: "tag good" }, "Answered")) },
    { title: "Started at", class: "num", cell: (attempt) => ms(attempt.start_ms) },
    { title: "Took", class: "num", cell: (attempt) => ms(attempt.took_ms) },
  ], one.attempts, { empty: "No backend was asked." });
  return section("Attempts", one.attempts.length > 1 ? "Backends in the order in which they were asked." : null, list.element);
}

function eligibility(one) {
  const list = table("Models that could not answer", [
    { title: "Model", cell: (barred) => modelLabel(barred.model) },
    { title: "Why", cell: (barred) => barred.why },
  ], one.barred);
  return section("Not eligible", "Candidates of the task that were left out for this request.", list.element);
}

function decision(one) {
  const then = one.decision_then;
  const scores = then.scores ?? [];
  return section("Decision at that time", then.note, then.stored ? facts([
    ["Version", then.is_current ? `${then.version}, still in use` : then.version],
    ["Model", modelLabel(then.model)],
    ["Reason", reasonLabel(then)[0]],
    ["Inputs", count(then.n)],
    ["Made", dateTime(then.at)],
    ["Why", then.why],
    ["Confidence", then.rival ? `${probability(then.rival.p)} that it beats ${then.rival.model}` : null],
  ]) : "", scores.length ? table("Scores", [
    { title: "Model", cell: (row) => modelLabel(row.model) },
    { title: "S1", class: "num", cell: (row) => score(row.s1) },
    { title: "S2", class: "num", cell: (row) => score(row.s2) },
    { title: "S3", class: "num", cell: (row) => score(row.s3) },
  ], scores).element : "");
}

function texts(one) {
  if (!one.prompt) return section("Prompt and answer", null, h("p", { class: "muted" }, "Not stored. ", code("log.bodies: true"), " stores them from then on, redacted."));
  return section("Prompt and answer", "As stored: redacted, without images and files.", storedText("Prompt", one.prompt), storedText("Answer", one.answer));
}
