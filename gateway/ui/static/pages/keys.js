// Clients' keys: what they may do, what they spent today; making one, and revoking it.

import { call } from "../api.js";
import { banner, h, section, table } from "../dom.js";
import { count, moment, plural, usd } from "../format.js";

export async function keysPage(root, context) {
  const head = h("div", { class: "page-head" }, h("h1", {}, "Keys"), h("p", { class: "lead" }, "Keys that clients send requests with. Only their hashes are kept; a secret is shown once, when it is made."));
  if (!context.me.is_admin) {
    root.append(head, banner("info", context.me.needs_key ? "Managing keys over HTTP takes an admin key: configure one at admin.keys in config.yaml (`benchroute keys hash` makes its sha256)."
      : "No keys are configured: whoever sits at this machine may use the gateway, and nobody else reaches it. To manage keys here, configure an admin key at admin.keys in config.yaml (`benchroute keys hash` makes its sha256)."));
    return { title: "Keys" };
  }
  const list = await call("v1/keys");
  const made = h("div", { role: "status" });
  const keys = table("Clients' keys", columns(context, made), list.data, { empty: "No client has a key yet." });
  const renew = async () => keys.update((await call("v1/keys")).data);
  root.append(head, made, section("Clients' keys", null, keys.element), context.me.may_configure ? section("Make a key", null, form(context, made, renew)) : "");
  return { title: "Keys", renew };
}

const columns = (context, made) => [
  { title: "Name", cell: (key) => key.name },
  { title: "May use", cell: (key) => limits(key) },
  { title: "Today", class: "num", cell: (key) => plural(key.today.requests, "answer") },
  { title: "Spent today", class: "num", cell: (key) => h("span", {}, usd(key.today.usd), key.budget_usd_per_day ? h("span", { class: "muted" }, ` of ${usd(+key.budget_usd_per_day)}`) : null) },
  { title: "From", cell: (key) => (key.source === "config" ? "the configuration" : `here, ${moment(key.created_at)}`) },
  { title: h("span", { class: "sr" }, "Revoke"), class: "num", cell: (key) => (key.source === "config" || !context.me.may_configure ? null : revoke(key, context, made)) },
];

function limits(key) {
  const some = [
    key.models ? `models ${key.models.join(", ")}` : null, key.tasks ? `tasks ${key.tasks.join(", ")}` : null,
    key.requests_per_minute ? `${count(key.requests_per_minute)} requests a minute` : null, key.tokens_per_minute ? `${count(key.tokens_per_minute)} tokens a minute` : null,
    key.budget_usd_per_month ? `${usd(+key.budget_usd_per_month)} a month` : null,
  ].filter(Boolean);
  return some.length ? some.join("; ") : h("span", { class: "muted" }, "everything");
}

/** Two clicks: the first asks, the second does it. */
function revoke(key, context, made) {
  const button = h("button", { type: "button", class: "danger", "aria-label": `Revoke ${key.name}` }, "Revoke");
  button.addEventListener("click", async () => {
    if (button.dataset.asked !== "yes") {
      button.dataset.asked = "yes";
      button.textContent = "Really revoke?";
      button.setAttribute("aria-label", `Really revoke ${key.name}?`);
      return;
    }
    try {
      await call(`v1/keys/${encodeURIComponent(key.name)}`, { method: "DELETE" });
      button.blur();
      await context.again();
      context.say("good", `${key.name} is revoked: its next request is refused.`);
    } catch (error) {
      made.replaceChildren(banner("bad", error.message));
    }
  });
  return button;
}

function form(context, made, renew) {
  const field = (name, about) => h("input", { name, ...about });
  const fields = {
    name: field("name", { required: true, autocomplete: "off", placeholder: "team-a" }),
    default_task: field("default_task", { autocomplete: "off", placeholder: "default" }),
    requests_per_minute: field("requests_per_minute", { type: "number", min: "1", step: "any" }),
    budget_usd_per_day: field("budget_usd_per_day", { type: "number", min: "0", step: "any" }),
  };
  const submit = async (event) => {
    event.preventDefault();
    const terms = Object.fromEntries(Object.entries(fields).filter(([, input]) => input.value !== "")
      .map(([name, input]) => [name, input.type === "number" ? Number(input.value) : input.value.trim()]));
    try {
      const key = await call("v1/keys", { method: "POST", body: terms });
      for (const input of Object.values(fields)) input.value = "";
      made.replaceChildren(h("div", { class: "banner good" }, h("p", {}, `The secret of ${key.name}, this one time:`), h("p", { class: "secret mono" }, key.secret)));
      document.activeElement.blur();
      await renew();
    } catch (error) {
      made.replaceChildren(banner("bad", error.message));
    }
  };
  return h("form", { on: { submit } },
    h("div", { class: "row end" }, h("label", {}, "Name", fields.name), h("label", {}, "Task of calls without a tag", fields.default_task),
      h("label", {}, "Requests a minute", fields.requests_per_minute), h("label", {}, "US dollars a day", fields.budget_usd_per_day)),
    h("div", { class: "row" }, h("button", { type: "submit", class: "primary" }, "Make a key")));
}
