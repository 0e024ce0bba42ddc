// A screen on a wall: the next page after so many seconds, in place, so that a hub that is silent leaves what is shown,
// grey, and not a browser's error page. Pausing the live values (live.js) stays on a page.
"use strict";

(() => {
  const turn = Number(document.body.dataset.turn) * 1000 || 60000, goes = document.body.dataset.turn !== "0";
  const root = document.documentElement;

  const next = async () => {
    const main = document.querySelector("main");
    if (root.dataset.stream === "paused" || document.hidden) return;
    try {
      const fresh = await ilotPart(goes ? main.dataset.following : location.href);
      const part = fresh.querySelector("body.wall > main");
      if (!part) { location.reload(); return; }
      for (const name of ["header .figures"]) document.querySelector(name).replaceChildren(...fresh.querySelector(name).childNodes);
      main.replaceWith(document.adoptNode(part));
      document.dispatchEvent(new CustomEvent("ilot:part"));
    } catch (error) {
      if (error.message === "401" || error.message === "403") location.reload();  // says who may look, and how
    }
  };
  setInterval(next, turn);
  document.addEventListener("ilot:over", () => setTimeout(() => location.reload(), 60000));
})();
