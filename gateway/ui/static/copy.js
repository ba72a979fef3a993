// Copying text to the clipboard.

import { h } from "./dom.js";

const SHOWN_MS = 2000;

/** A button that copies a text and says so. text: a function that returns it. */
export function copyButton(text, label = "Copy") {
  const button = h("button", { type: "button", "aria-live": "polite", on: { click: async () => {
    button.textContent = (await copyText(text())) ? "Copied" : "Press Ctrl+C to copy";
    setTimeout(() => { button.textContent = label; }, SHOWN_MS);
  } } }, label);
  return button;
}

/** Copy a text. Returns whether the browser did. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text); // missing on plain HTTP from another host than localhost
    return true;
  } catch {
    return copySelected(text);
  }
}

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
