// The crisis as it goes on: figures in place, the time that is left counted down by the hub's clock, the page anew when
// the state changed, unless somebody is working in it. Without this script the page is reloaded by hand.
"use strict";

(() => {
  const french = document.documentElement.lang === "fr";
  let ahead = 0;
  document.addEventListener("ilot:clock", (event) => { ahead = event.detail; });

  // As the server says it: hub/web/showing.py, span_text; seconds too, so that one sees it run.
  const span = (seconds) => {
    const whole = Math.max(0, Math.floor(seconds)), two = (n) => String(n).padStart(2, "0");
    if (whole >= 86400) return `${Math.floor(whole / 86400)}\u202f${french ? "j" : "d"}\u00a0${Math.floor((whole % 86400) / 3600)}\u202fh`;
    if (whole >= 3600) return `${Math.floor(whole / 3600)}\u202fh\u00a0${two(Math.floor((whole % 3600) / 60))}\u202fmin`;
    return whole >= 60 ? `${Math.floor(whole / 60)}\u202fmin\u00a0${two(whole % 60)}\u202fs` : `${whole}\u202fs`;
  };

  setInterval(() => {
    const now = Date.now() / 1000 + ahead;
    for (const place of document.querySelectorAll("[data-until]")) place.textContent = span(place.dataset.until - now);
    for (const place of document.querySelectorAll("[data-elapsed]")) place.textContent = span(now - place.dataset.elapsed);
  }, 1000);

  const working = () =>
    document.activeElement?.closest("form, select") || [...document.querySelectorAll("main input")].some((one) => one.value !== one.defaultValue);

  document.addEventListener("ilot:crisis", (event) => {
    for (const place of document.querySelectorAll("[data-sampling]")) {
      if (place.dataset.sampling in event.detail.counts) place.textContent = event.detail.counts[place.dataset.sampling];
    }
    const box = document.querySelector("[data-crisis]");
    if (!box || document.hidden || box.dataset.crisis === event.detail.key) return;
    if (!working()) location.reload();
  });
})();
