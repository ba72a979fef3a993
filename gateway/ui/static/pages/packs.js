import { h } from "../dom.js";
export async function packsPage(root) { root.append(h("h1", {}, "packs")); return { title: "packs" }; }
