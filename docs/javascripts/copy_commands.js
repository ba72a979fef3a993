// The copy button of a console block copies its commands: no prompts, comments or output.

/** The commands of a console block, one per line; a line that ends with a backslash goes on in the next one. */
function commandsOf(text) {
  const commands = [];
  let goesOn = false;
  for (const line of text.split("\n")) {
    if (!goesOn && !line.startsWith("$ ")) continue;
    const command = (goesOn ? line : line.slice(2)).replace(/\s+#\s.*$/, "").trimEnd();
    goesOn = command.endsWith("\\");
    if (command) commands.push(command);
  }
  return commands.join("\n");
}

// Before the theme's own handler, which prefers this attribute to the block's whole text.
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-clipboard-target]");
  const code = button && document.querySelector(button.dataset.clipboardTarget);
  if (code?.closest(".language-console")) button.dataset.clipboardText = commandsOf(code.textContent);
}, { capture: true });
