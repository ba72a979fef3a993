// Runs before the first paint, so that the page never flashes in the wrong theme. The choice is stored in this browser.
(function () {
  "use strict";
  var stored = null;
  try { stored = localStorage.getItem("benchroute.theme"); } catch (error) { stored = null; }
  if (stored === "light" || stored === "dark") document.documentElement.dataset.theme = stored;
})();
