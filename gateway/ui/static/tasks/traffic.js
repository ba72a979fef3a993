// How much of the traffic has no tag.

import { h } from "../dom.js";
import { percent, plural } from "../format.js";

/** traffic: requests of the last hour by kind of task; null where it is not known. */
export function trafficNote(traffic) {
  const total = traffic ? traffic.tagged + traffic.automatic + traffic.default : 0;
  if (!total) return [];
  const untagged = traffic.automatic + traffic.default;
  if (!untagged) return [`All ${plural(total, "request")} of the last hour had a tag.`];
  return [`${percent(untagged / total)} of ${plural(total, "request")} in the last hour had no tag: ${percent(traffic.automatic / total)} are in automatic tasks, by their system prompts`,
    traffic.default ? `; ${percent(traffic.default / total)} in a default task, which mixes different kinds of requests. ` : ". ",
    h("a", { href: "#/tasks?kind=automatic&sort=recent" }, "Show automatic tasks"), " to name, merge or pin them."];
}
