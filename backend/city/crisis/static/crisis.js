// Figures of the crisis board, brought up to date while the page is open; forms and lists stay as they are.
"use strict";
const EVERY_MS = 15000;
const told = document.querySelector("[data-crisis-seen]");
async function look() {
  if (document.hidden) return;
  try {
    const answer = await fetch("/crisis/board.json", { credentials: "same-origin" });
    if (!answer.ok) return;
    const figures = await answer.json();
    for (const one of document.querySelectorAll("[data-crisis]")) {
      const now = String(figures[one.dataset.crisis]);
      if (one.textContent !== now) one.textContent = now;
    }
    told.textContent = figures.seen;
  } catch { /* the next look says more */ }
}
if (told) setInterval(look, EVERY_MS);
