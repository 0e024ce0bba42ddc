// While the hub is away the open page stays: a link or a filter that is chosen then waits, says so, and opens as soon as
// the hub answers. Where the browser trusts the certificate a service worker has a page for the rest; for it the figures
// of the menu are kept, and nothing of any room, until the sign-out or the end of the session.
"use strict";

(() => {
  const LAST = "ilot-last", PATH = "/service-worker.js", AGAIN = 3000;
  const root = document.documentElement, signed = document.body.classList.contains("signed");
  const workers = navigator.serviceWorker;  // none without a secure context

  if (!signed) {  // nobody is signed in: what the last one saw is not the next one's
    if (window.caches) caches.delete(LAST).catch(() => {});
    return;
  }
  if (workers && !root.dataset.events) {  // a site with a stream of its own has no page for the rest
    const policy = window.trustedTypes && trustedTypes.createPolicy("ilot-away", { createScriptURL: () => PATH });
    workers.register(policy ? policy.createScriptURL("") : PATH, { updateViaCache: "none" }).catch(() => {});  // the certificate is not trusted
  }

  let sum = null, state = "", heard = Date.now();
  const keep = async () => {
    if (!sum || state !== "on" || !workers || !workers.controller) return;
    const last = { at: Date.now(), lang: root.lang, sum };
    await (await caches.open(LAST)).put("/last", new Response(JSON.stringify(last))).catch(() => {});
  };
  document.addEventListener("ilot:summary", ({ detail }) => {
    const first = !sum;
    sum = Object.fromEntries(["green", "devices", "todo", "raised", "link"].map((name) => [name, detail[name]]));
    if (first) keep();
  });
  document.addEventListener("ilot:over", () => { sum = null; if (window.caches) caches.delete(LAST).catch(() => {}); });
  setInterval(keep, 30000);
  document.addEventListener("visibilitychange", () => { if (document.hidden) keep(); });

  document.addEventListener("ilot:stream", ({ detail }) => {
    if (state === "on" && detail === "off") heard = Date.now();
    state = detail;
  });

  const box = document.getElementById("away");
  const said = box.querySelector("[role=status]"), stay = box.querySelector("button");
  let wanted = "", timer = 0;

  const there = async () => {
    try {
      await fetch("/static/icon.svg", { method: "HEAD", cache: "no-store", signal: AbortSignal.timeout(AGAIN) });
      return true;
    } catch { return false; }
  };
  const leave = () => { clearTimeout(timer); wanted = ""; stay.hidden = true; said.textContent = ""; };
  const follow = async () => {
    clearTimeout(timer);
    const mine = wanted;
    if (await there()) { if (wanted === mine) { leave(); location.assign(mine); } return; }
    if (!wanted) return;
    const time = new Date(heard).toLocaleTimeString(root.lang === "fr" ? "fr-FR" : "en-GB", { hour: "2-digit", minute: "2-digit" });
    const text = box.dataset.waits.replace("{}", time);
    if (said.textContent !== text) said.textContent = text;
    stay.hidden = false;
    timer = setTimeout(follow, AGAIN);
  };
  const waits = (event, where) => {
    const url = new URL(where, location.href);
    if ((state !== "off" && navigator.onLine) || url.origin !== location.origin) return;
    event.preventDefault();
    wanted = url.href;
    follow();
  };

  addEventListener("click", (event) => {
    const link = event.target instanceof Element && event.target.closest("a[href]");
    if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    if (link.target || link.hasAttribute("download") || link.getAttribute("href").startsWith("#")) return;
    waits(event, link.href);
  });
  addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || (form.getAttribute("method") || "get").toLowerCase() !== "get") return;
    waits(event, `${(form.getAttribute("action") || location.pathname).split("?")[0]}?${new URLSearchParams(new FormData(form, event.submitter))}`);
  });
  stay.addEventListener("click", leave);
})();
