// The page that a phone shows while the hub does not answer: when it was last seen, its figures then, and again by
// itself. Figures older than a session can be (hub/web/people/sessions.py, LONGEST_S) are erased, not shown.
"use strict";

(() => {
  const LAST = "ilot-last", LONGEST = 12 * 3600000, AGAIN = 5000;
  const main = document.getElementById("content"), seen = document.getElementById("seen");
  const then = document.getElementById("then"), forget = document.getElementById("forget");
  const french = document.documentElement.lang === "fr", tongue = french ? "fr-FR" : "en-GB";

  const show = async () => {
    if (!window.caches || !await caches.has(LAST)) return;
    const found = await (await caches.open(LAST)).match("/last");
    const last = found && await found.json();
    if (!last || !(Date.now() - last.at < LONGEST)) { await caches.delete(LAST); return; }
    const at = new Date(last.at), today = at.toDateString() === new Date().toDateString();
    const time = at.toLocaleTimeString(tongue, { hour: "2-digit", minute: "2-digit" });
    seen.textContent = (today ? main.dataset.seenAt : main.dataset.seenDay.replace("{day}", at.toLocaleDateString(tongue))).replace("{}", time);
    for (const place of then.querySelectorAll("[data-sum]")) {
      const value = last.sum[place.dataset.sum];
      place.textContent = value === "up" ? main.dataset.linkUp : value === "down" ? main.dataset.linkDown : typeof value === "number" ? value.toLocaleString(tongue) : "–";
    }
    then.hidden = forget.hidden = false;
  };

  const again = async () => {
    try {
      await fetch("/static/icon.svg", { method: "HEAD", cache: "no-store", signal: AbortSignal.timeout(AGAIN) });
    } catch { return; }
    if (location.pathname.startsWith("/offline/")) location.replace("/"); else location.reload();
  };

  forget.addEventListener("click", async () => {
    await caches.delete(LAST);
    then.hidden = forget.hidden = true;
    seen.textContent = main.dataset.forgotten;
  });
  document.getElementById("again").addEventListener("click", again);
  setInterval(again, AGAIN);
  show();
})();
