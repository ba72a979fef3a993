// Before the first paint, so that the page never shows in the wrong colours. The choice is kept in this browser.
(function () {
  "use strict";
  var kept = null;
  try { kept = localStorage.getItem("benchroute.theme"); } catch (error) { kept = null; }
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
})();
