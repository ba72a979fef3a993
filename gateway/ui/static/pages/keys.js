// Client keys: permissions, expiry, secrets and today's usage; creation, changes, rotation and revocation.

import { callPages } from "../api.js";
import { command } from "../copy.js";
import { banner, code, h, section, table } from "../dom.js";
import { count, dateTime, plural, timeAgo, usd } from "../format.js";
import { requestsLink } from "../links.js";
import { keyActions } from "./key_actions.js";
import { createForm, editForm, rotateForm } from "./key_forms.js";

const SOON_DAYS = 14;
const DAY_MS = 86400000;

export async function keysPage(root, context) {
  const head = h("div", { class: "page-head" }, h("h1", {}, "API keys"), h("p", { class: "lead" }, "Clients authenticate with these keys. The gateway stores only their hashes; a secret is shown once, when it is created."));
  if (!context.principal.is_admin) {
    root.append(head, banner("info", context.principal.needs_key ? "Managing keys requires an admin key."
      : "No API keys are configured: the gateway accepts requests from localhost only.",
    " To manage keys here, run ", command("benchroute keys hash"), " to hash a secret and add the sha256 at ", code("admin.keys"), " in config.yaml."));
    return { title: "API keys" };
  }
  let list = await callPages("v1/keys");
  const canChange = context.principal.may_configure;
  const view = { result: h("div", { role: "status" }), form: h("div", { class: "stack" }), canChange, context };
  const keys = table("Client keys", columns(view), [], {
    empty: canChange ? "No matching client keys. Create one below." : "No matching client keys.", rowClass: (key) => (key.is_expired ? "off" : null),
  });
  const search = h("input", { type: "search", value: context.query.get("q") ?? "", on: { input: () => { context.setQuery({ q: search.value.trim() }); show(); } } });
  const total = h("p", { class: "muted", role: "status" });
  const show = () => {
    const wanted = search.value.trim().toLowerCase();
    const found = list.filter((key) => key.name.toLowerCase().includes(wanted));
    keys.update(found);
    const expired = list.filter((key) => key.is_expired).length;
    total.textContent = `${wanted ? `${count(found.length)} of ` : ""}${plural(list.length, "key")}${expired ? `, ${count(expired)} expired` : ""}`;
  };
  view.refresh = async () => { list = await callPages("v1/keys"); show(); };
  view.showCreate = () => view.form.replaceChildren(canChange ? section("Create key", null, createForm(view)) : "");
  view.showEdit = (key) => openForm(view, "Edit key", editForm(view, key));
  view.showRotate = (key) => openForm(view, "Rotate key", rotateForm(view, key));
  show();
  view.showCreate();
  root.append(head, view.result,
    section("Client keys", null, h("div", { class: "row end" }, h("label", {}, "Search", search), total), keys.element), view.form);
  return { title: "API keys", refresh: view.refresh };
}

function openForm(view, title, form) {
  view.form.replaceChildren(section(title, null, form));
  view.form.scrollIntoView({ block: "nearest" });
  form.querySelector("input, select")?.focus();
}

const columns = (view) => [
  { title: "Name", cell: (key) => [h("span", { class: "cut", title: key.name }, key.name), h("small", { class: "muted block" }, key.source === "config" ? "In config.yaml" : `Created ${dateTime(key.created_at)}`)] },
  { title: "Status", cell: status },
  { title: "Permissions and limits", cell: limits },
  { title: "Today", cell: (key) => [h("span", { class: "nowrap" }, key.today.requests ? requestsLink(plural(key.today.requests, "request"), `Requests of key ${key.name}`, { key: key.name }) : plural(0, "request")), h("small", { class: "muted block" }, usd(key.today.cost_usd), key.budget_usd_per_day ? ` of ${usd(+key.budget_usd_per_day)}` : null)] },
  { title: "Last used", class: "wide-only", cell: lastUses },
  ...(view.canChange ? [{ title: h("span", { class: "sr" }, "Actions"), class: "num", cell: (key) => (key.source === "config" ? null : keyActions(key, view)) }] : []),
];

function status(key) {
  if (key.is_expired) return h("span", { class: "tag bad", title: dateTime(key.expires_at) }, "Expired");
  if (!key.expires_at) return h("span", { class: "tag good" }, "Active");
  const days = (new Date(key.expires_at).getTime() - Date.now()) / DAY_MS;
  const text = days < 1 ? "Expires today" : days < SOON_DAYS ? `Expires in ${plural(Math.floor(days), "day")}` : "Active";
  return h("span", {}, h("span", { class: `tag ${days < SOON_DAYS ? "warn" : "good"}` }, text), h("small", { class: "muted block" }, `until ${dateTime(key.expires_at)}`));
}

const ago = (at) => (at ? h("span", { title: dateTime(at) }, timeAgo(at)) : h("span", { class: "muted" }, "Never"));

/** The last use: of the key, or of each secret while it has two. */
function lastUses(key) {
  if (key.secrets.length < 2) return ago(key.last_used_at);
  return key.secrets.map((one) => h("span", { class: "block" }, one.is_current ? `Secret ${one.number}: ` : `Former secret ${one.number}: `, ago(one.last_used_at),
    one.expires_at ? h("small", { class: "muted block" }, `until ${dateTime(one.expires_at)}`) : null));
}

function limits(key) {
  const parts = [
    key.default_task ? `Default task: ${key.default_task}` : null,
    key.models ? `Models: ${key.models.join(", ")}` : null, key.tasks ? `Tasks: ${key.tasks.join(", ")}` : null,
    key.requests_per_minute ? `${count(key.requests_per_minute)} requests per minute` : null, key.tokens_per_minute ? `${count(key.tokens_per_minute)} tokens per minute` : null,
    key.max_concurrent_requests ? `${plural(key.max_concurrent_requests, "request")} in flight` : null,
    key.budget_usd_per_day ? `${usd(+key.budget_usd_per_day)} per day` : null, key.budget_usd_per_month ? `${usd(+key.budget_usd_per_month)} per month` : null,
  ].filter(Boolean);
  return parts.length ? h("span", { class: "terms", title: parts.join("; ") }, parts.join("; ")) : h("span", { class: "muted" }, "Unrestricted");
}
