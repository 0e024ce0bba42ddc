// The list of alerts, anew when something changed: the page is loaded again, unless somebody is working in it. Our
// policy lets no script make markup of text. Without this script the page is reloaded by hand.
"use strict";

(() => {
  const working = () =>
    document.activeElement?.closest("form, select, #alert-live") || [...document.querySelectorAll("main input")].some((one) => one.value !== one.defaultValue);
  document.addEventListener("ilot:summary", (event) => {
    const list = document.getElementById("alert-live");
    if (!list || document.hidden || list.dataset.changes === String(event.detail.raised_changes)) return;
    if (!working()) location.reload();
  });
})();
