// Copying: a button for any text, and IDs and commands that have one beside them.

import { h } from "./dom.js";

const SHOWN_MS = 2000;
const FAILED = "Not copied: select the text and press Ctrl+C";

/** A button that copies a text and says so. text: a function that returns it. */
export function copyButton(text, label = "Copy") {
  const button = h("button", { type: "button", "aria-live": "polite" }, label);
  button.addEventListener("click", async () => say((await copyText(text())) ? "Copied" : FAILED));
  const say = whileShown((message) => { button.textContent = message ?? label; });
  return button;
}

/**
 * An ID, address or command with a small copy button. what: names it for screen readers, such as "request ID".
 *
 * shown: the element that shows it, a `code` by default. If the browser refuses to copy, the text is selected.
 */
export function copyable(text, what, shown = h("code", {}, text)) {
  const status = h("span", { class: "copy-status", role: "status" });
  const button = h("button", { type: "button", class: "copy", "aria-label": `Copy ${what}`, title: `Copy ${what}` }, copyIcon());
  const say = whileShown((message) => { status.textContent = message ?? ""; });
  button.addEventListener("click", async (event) => {
    if (event.detail > 0) button.blur(); // clicked, not pressed: a table with the focus in it is not refreshed
    const isCopied = await copyText(text);
    if (!isCopied) getSelection().selectAllChildren(shown);
    say(isCopied ? "Copied" : "Press Ctrl+C");
  });
  return h("span", { class: "copyable" }, shown, button, status);
}

/** A command of a terminal, to copy. */
export const command = (text) => copyable(text, "command");

/** Copy a text. Returns whether the browser did. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text); // missing on plain HTTP from another host than localhost
    return true;
  } catch {
    return copySelected(text);
  }
}

/** A function that shows a message, and after a while null. A newer message has all of its time. */
function whileShown(show) {
  let timer;
  return (message) => {
    clearTimeout(timer);
    show(message);
    timer = setTimeout(() => show(null), SHOWN_MS);
  };
}

const copyIcon = () => h("svg", { viewBox: "0 0 16 16", width: 14, height: 14, "aria-hidden": "true" },
  h("path", { d: "M6 6h7.5v7.5H6z M3.5 10V2.5H10", fill: "none", stroke: "currentColor", "stroke-width": 1.4 }));

function copySelected(text) {
  const field = h("textarea", { value: text, readonly: true, class: "sr", "aria-hidden": "true", tabindex: "-1" });
  const focused = document.activeElement;
  document.body.append(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  focused?.focus?.();
  return isCopied;
}
