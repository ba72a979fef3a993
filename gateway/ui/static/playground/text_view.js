// A model's text with its fenced code blocks set apart. Everything is inserted as text, never parsed as HTML.

import { h } from "../dom.js";

/**
 * Show a text in an element. Called again with a longer text, it replaces only the blocks that have changed, so that a
 * selection in the rest of a stream survives.
 */
export function showText(element, text) {
  const blocks = blocksOf(text);
  blocks.forEach((block, index) => {
    const shown = element.children[index];
    const signature = `${block.language ?? ""}\n${block.text}`;
    if (shown?.blockSignature === signature) return;
    const made = block.language === undefined ? h("div", { class: "pg-text" }, inline(block.text)) : codeBlock(block);
    made.blockSignature = signature;
    if (shown) shown.replaceWith(made);
    else element.append(made);
  });
  while (element.children.length > blocks.length) element.lastElementChild.remove();
}

/** Paragraphs and code blocks: {text}, {text, language}. A fence without its end is a block up to the end of the text. */
export function blocksOf(text) {
  const blocks = [];
  let lines = [];
  let fence = null;
  const flush = () => {
    const joined = lines.join("\n");
    if (fence) blocks.push({ text: joined, language: fence.language });
    else if (joined.trim()) blocks.push({ text: joined.replace(/^\n+|\n+$/g, "") });
    lines = [];
  };
  for (const line of text.split("\n")) {
    const mark = line.match(/^ {0,3}(`{3,}|~{3,})\s*([^\s`]*)[^`]*$/);
    if (!fence && mark) {
      flush();
      fence = { mark: mark[1], language: mark[2] };
    } else if (fence && mark && !mark[2] && mark[1][0] === fence.mark[0] && mark[1].length >= fence.mark.length) {
      flush();
      fence = null;
    } else lines.push(line);
  }
  flush();
  return blocks;
}

/** Inline code between backticks; all other marks stay as they are. */
const inline = (text) => text.split(/(`[^`\n]+`)/).map((part, index) => (index % 2 ? h("code", {}, part.slice(1, -1)) : part));

function codeBlock({ text, language }) {
  return h("figure", { class: "pg-code" }, language ? h("figcaption", { class: "muted" }, language) : null,
    h("pre", { tabindex: "0", role: "region", "aria-label": language ? `Code, ${language}` : "Code" }, h("code", {}, text)));
}
