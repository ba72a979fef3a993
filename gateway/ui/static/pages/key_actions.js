// Buttons of a created key: edit, rotate, revoke the former secret, revoke the key.

import { call } from "../api.js";
import { banner, h } from "../dom.js";

export const keyPath = (name) => `v1/keys/${encodeURIComponent(name)}`;

export function keyActions(key, view) {
  const former = key.secrets.length > 1 ? key.secrets[0] : null;
  return h("div", { class: "actions" },
    h("button", { type: "button", "aria-label": `Edit key ${key.name}`, on: { click: () => view.showEdit(key) } }, "Edit"),
    former
      ? confirmButton(view, "Revoke former secret", `Revoke former secret ${former.number} of ${key.name}`, `Confirm revocation of secret ${former.number} of ${key.name}`,
        `${keyPath(key.name)}/secrets/${former.number}`, `Secret ${former.number} of key ${key.name} revoked. New requests with it are rejected.`)
      : h("button", { type: "button", "aria-label": `Rotate key ${key.name}`, on: { click: () => view.showRotate(key) } }, "Rotate"),
    confirmButton(view, "Revoke key", `Revoke key ${key.name}`, `Confirm revocation of ${key.name}`,
      keyPath(key.name), `Key ${key.name} revoked. New requests with it are rejected.`));
}

/** A button with a confirmation: the first click asks, the second revokes. */
function confirmButton(view, text, label, confirmLabel, path, done) {
  const button = h("button", { type: "button", class: "danger", "aria-label": label }, text);
  button.addEventListener("click", async () => {
    if (button.dataset.confirming !== "yes") {
      button.dataset.confirming = "yes";
      button.textContent = "Confirm revocation";
      button.setAttribute("aria-label", confirmLabel);
      return;
    }
    try {
      await call(path, { method: "DELETE" });
      button.blur();
      await view.context.reload();
      view.context.notify("good", done);
    } catch (error) {
      view.result.replaceChildren(banner("bad", error.message));
    }
  });
  return button;
}
