import { h } from "../dom.js";
export async function keysPage(root) { root.append(h("h1", {}, "keys")); return { title: "keys" }; }
