// The client key of the playground's requests, where the dashboard is signed in with an admin key.

import { h, section } from "../dom.js";
import { cleanKey, keyFault } from "../sign_in.js";
import { clientKey } from "./client_key.js";

/** True if the dashboard's own key cannot send requests to models. */
export const needsClientKey = (principal) => principal.needs_key && principal.is_admin;

/** The card with the key's field. onChange(): after a key was typed in. Returns {element, tell(message), focus(message)}. */
export function keyField(principal, onChange) {
  const field = h("input", { type: "password", autocomplete: "off", spellcheck: "false", id: "pg-key", "aria-describedby": "pg-key-note", value: clientKey.get() ?? "" });
  const error = h("p", { class: "pg-error", role: "alert" });
  field.addEventListener("change", () => {
    const key = cleanKey(field.value);
    error.textContent = (key && keyFault(key)) || "";
    clientKey.set(error.textContent ? null : key);
    if (!error.textContent) onChange();
  });
  const element = section("Client key", null,
    h("p", { id: "pg-key-note", class: "muted" }, `You are signed in with ${principal.is_admin && !principal.may_manage ? "a read-only" : "an"} admin key, which cannot send requests to models. `
      + "Enter a client key: requests count in its usage, limits and budget. It stays in memory until this tab is reloaded or you sign out. ",
    principal.may_configure ? h("a", { href: "#/keys" }, "Create a key") : "To get one, ask an admin with write access."),
    h("label", {}, "Client key for requests", field), error);
  const tell = (message) => { error.textContent = message; };
  return { element, tell, focus(message) { tell(message); field.focus(); } };
}
