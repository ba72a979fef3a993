import { h } from "../dom.js";
export async function taskPage(root) { root.append(h("h1", {}, "task")); return { title: "task" }; }
