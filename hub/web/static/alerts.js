// The list of alerts, anew when something changed: the page itself is fetched and its list put in place of the old
// one, unless somebody is working in it. Without this script the page is reloaded by hand.
"use strict";

(() => {
  const part = () => document.getElementById("alert-live");
  let busy = false;
  document.addEventListener("ilot:summary", async (event) => {
    const list = part();
    if (!list || busy || list.dataset.changes === String(event.detail.raised_changes)) return;
    if (list.contains(document.activeElement)) return;
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("alert-live");
      if (fresh) {
        fresh.dataset.changes = String(event.detail.raised_changes);
        list.replaceWith(fresh);
      }
    } catch {
      // the next figure tries again
    } finally {
      busy = false;
    }
  });
})();
