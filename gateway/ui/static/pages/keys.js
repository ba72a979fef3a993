// Client keys: permissions, today's usage, creation and revocation.

import { call, callPages } from "../api.js";
import { banner, code, h, section, table } from "../dom.js";
import { count, dateTime, usd } from "../format.js";

export async function keysPage(root, context) {
  const head = h("div", { class: "page-head" }, h("h1", {}, "API keys"), h("p", { class: "lead" }, "Clients authenticate with these keys. The gateway stores only their hashes; a new key is shown once, when it is created."));
  if (!context.principal.is_admin) {
    root.append(head, banner("info", context.principal.needs_key ? "Managing keys requires an admin key."
      : "No API keys are configured: the gateway accepts requests from localhost only.",
    " To manage keys here, run ", code("benchroute keys hash"), " to hash a secret and add the sha256 at ", code("admin.keys"), " in config.yaml."));
    return { title: "API keys" };
  }
  const list = await callPages("v1/keys");
  const result = h("div", { role: "status" });
  const canCreate = context.principal.may_configure;
  const keys = table("Client keys", columns(context, result), list, { empty: canCreate ? "No client keys yet. Create one below." : "No client keys yet." });
  const refresh = async () => keys.update(await callPages("v1/keys"));
  root.append(head, result, section("Client keys", null, keys.element), canCreate ? section("Create key", null, createForm(result, refresh)) : "");
  return { title: "API keys", refresh };
}

const columns = (context, result) => [
  { title: "Name", cell: (key) => key.name },
  { title: "Permissions and limits", cell: limits },
  { title: "Requests today", class: "num", cell: (key) => count(key.today.requests) },
  { title: "Cost today", class: "num", cell: (key) => h("span", {}, usd(key.today.cost_usd), key.budget_usd_per_day ? h("span", { class: "muted" }, ` of ${usd(+key.budget_usd_per_day)}`) : null) },
  { title: "Created", cell: (key) => (key.source === "config" ? "In config.yaml" : `Via API, ${dateTime(key.created_at)}`) },
  { title: h("span", { class: "sr" }, "Revoke"), class: "num", cell: (key) => (key.source === "config" || !context.principal.may_configure ? null : revokeButton(key, context, result)) },
];

function limits(key) {
  const parts = [
    key.models ? `Models: ${key.models.join(", ")}` : null, key.tasks ? `Tasks: ${key.tasks.join(", ")}` : null,
    key.requests_per_minute ? `${count(key.requests_per_minute)} requests per minute` : null, key.tokens_per_minute ? `${count(key.tokens_per_minute)} tokens per minute` : null,
    key.budget_usd_per_month ? `${usd(+key.budget_usd_per_month)} per month` : null,
  ].filter(Boolean);
  return parts.length ? parts.join("; ") : h("span", { class: "muted" }, "Unrestricted");
}

/** A button with a confirmation: the first click asks, the second revokes. */
function revokeButton(key, context, result) {
  const button = h("button", { type: "button", class: "danger", "aria-label": `Revoke key ${key.name}` }, "Revoke key");
  button.addEventListener("click", async () => {
    if (button.dataset.confirming !== "yes") {
      button.dataset.confirming = "yes";
      button.textContent = "Confirm revocation";
      button.setAttribute("aria-label", `Confirm revocation of ${key.name}`);
      return;
    }
    try {
      await call(`v1/keys/${encodeURIComponent(key.name)}`, { method: "DELETE" });
      button.blur();
      await context.reload();
      context.notify("good", `Key ${key.name} revoked. New requests with it are rejected.`);
    } catch (error) {
      result.replaceChildren(banner("bad", error.message));
    }
  });
  return button;
}

function createForm(result, refresh) {
  const field = (name, attributes) => h("input", { name, ...attributes });
  const fields = {
    name: field("name", { required: true, autocomplete: "off", placeholder: "team-a" }),
    default_task: field("default_task", { autocomplete: "off", placeholder: "default" }),
    requests_per_minute: field("requests_per_minute", { type: "number", min: "1", step: "any" }),
    budget_usd_per_day: field("budget_usd_per_day", { type: "number", min: "0", step: "any" }),
  };
  const submit = async (event) => {
    event.preventDefault();
    const settings = Object.fromEntries(Object.entries(fields).filter(([, input]) => input.value !== "")
      .map(([name, input]) => [name, input.type === "number" ? Number(input.value) : input.value.trim()]));
    try {
      const key = await call("v1/keys", { method: "POST", body: settings });
      for (const input of Object.values(fields)) input.value = "";
      result.replaceChildren(h("div", { class: "banner good" }, h("p", {}, `Key ${key.name} created. Copy this key now; it will not be shown again.`), h("p", { class: "secret mono" }, key.secret)));
      document.activeElement.blur();
      await refresh();
    } catch (error) {
      result.replaceChildren(banner("bad", error.message));
    }
  };
  return h("form", { on: { submit } },
    h("div", { class: "row end" }, h("label", {}, "Name", fields.name), h("label", {}, "Default task", fields.default_task),
      h("label", {}, "Requests per minute", fields.requests_per_minute), h("label", {}, "Budget per day (USD)", fields.budget_usd_per_day)),
    h("div", { class: "row" }, h("button", { type: "submit", class: "primary" }, "Create key")));
}
