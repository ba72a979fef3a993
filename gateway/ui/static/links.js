// Links from what a page shows to the requests behind it. The request log reads its filters from the address.

import { h } from "./dom.js";
import { count } from "./format.js";

/** The address of the request log. filters: names and values as in its query. */
export const requestsHref = (filters) => `#/requests?${new URLSearchParams(filters)}`;

/** A link to the requests that match. content: text or nodes; what: its title, as in "Requests of key team-a". */
export const requestsLink = (content, what, filters) => h("a", { href: requestsHref(filters), title: what }, content);

/** A number of requests, with a link to them if there are any. */
export const requestCount = (requests, what, filters) => (requests ? requestsLink(count(requests), what, filters) : count(requests));

/** What can be opened for a task: its requests, and the playground. */
export const taskLinks = (id) => h("span", { class: "row" },
  h("a", { href: requestsHref({ task: id }) }, "Show requests"),
  h("a", { href: `#/playground?${new URLSearchParams({ models: "auto", task: id })}` }, "Open in playground"));
